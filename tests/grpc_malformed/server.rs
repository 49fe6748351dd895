//! Clients that break the rules, and a server under `ServerLayer`.

use crate::attack::{Attack, OWN, WAITING};
use crate::grpc_support::*;
use crate::wire::*;

/// A complete request head on stream 5.
fn head(fields: Fields<'_>) -> Vec<u8> {
    headers(OWN, END_STREAM, fields)
}

fn with(more: Fields<'_>) -> Vec<u8> {
    head(&request(UNARY, more))
}

/// The usual head, without one field.
fn without(name: &str) -> Vec<u8> {
    let mut fields = request(UNARY, &[]);
    fields.retain(|field| field.0 != name);
    head(&fields)
}

fn raw_head(block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, OWN, block)
}

async fn run(attacks: Vec<Attack>) {
    for attack in attacks {
        attack.run().await;
    }
}

#[tokio::test]
async fn unexpected_frames() {
    let half = |stream| frame(HEADERS, 0, stream, block(&request(BIDI, &[])));
    run(vec![
        Attack::closes("data on a stream that was never opened", data(OWN, 0, b"x")),
        Attack::closes("data on stream 0", data(0, 0, b"x")),
        Attack::closes("headers on stream 0", headers(0, 0, &request(UNARY, &[]))),
        Attack::closes("headers on a server's stream", headers(6, 0, &request(UNARY, &[]))),
        Attack::closes("reset of an idle stream", reset(OWN, 8)),
        Attack::closes("reset of stream 0", reset(0, 8)),
        Attack::closes("window update of an idle stream", window_update(OWN, 1)),
        Attack::closes("continuation of nothing", frame(CONTINUATION, END_HEADERS, OWN, [])),
        Attack::closes("a ping in a header block", [half(OWN), frame(PING, 0, 0, [0; 8])].concat()),
        Attack::closes("data in a header block", [half(OWN), data(WAITING, 0, b"x")].concat()),
        Attack::closes(
            "a header block continued on another stream",
            [half(OWN), frame(CONTINUATION, END_HEADERS, 7, [])].concat(),
        ),
        Attack::closes("a promise by a client", frame(PUSH_PROMISE, END_HEADERS, WAITING, [0, 0, 0, 2])),
        Attack::nothing("a goodbye", go_away(0, 0)),
        Attack::nothing("an unknown frame", frame(0xfa, 0xff, 0, b"anything")),
        Attack::nothing("an unknown frame on a stream", frame(0xfb, 0xff, WAITING, b"anything")),
    ])
    .await;
}

#[tokio::test]
async fn malformed_frames() {
    run(vec![
        Attack::closes("settings of five bytes", frame(SETTINGS, 0, 0, [0; 5])),
        Attack::closes("settings on a stream", frame(SETTINGS, 0, WAITING, [])),
        Attack::closes("an acknowledgement with a payload", frame(SETTINGS, ACK, 0, [0; 6])),
        Attack::closes("a window of 2 GiB", setting(4, 1 << 31)),
        Attack::closes("frames of one byte", setting(5, 1)),
        Attack::closes("push neither on nor off", setting(2, 2)),
        Attack::nothing("an unknown setting", setting(0xfafa, u32::MAX)),
        Attack::closes("a ping of seven bytes", frame(PING, 0, 0, [0; 7])),
        Attack::closes("a ping on a stream", frame(PING, 0, WAITING, [0; 8])),
        Attack::closes("a reset of three bytes", frame(RST_STREAM, 0, WAITING, [0; 3])),
        Attack::closes("a frame beyond the limit", data(WAITING, 0, vec![0; 16_385])),
        Attack::closes("a goodbye of four bytes", frame(GOAWAY, 0, 0, [0; 4])),
        Attack::closes("more padding than payload", data(WAITING, PADDED, [200, 1])),
        Attack::closes("no window update", window_update(0, 0)),
        Attack::closes("a window beyond 2 GiB", window_update(0, (1 << 31) - 1)),
        Attack::resets("a stream that waits for itself", frame(PRIORITY, 0, OWN, [0, 0, 0, 5, 0])),
    ])
    .await;
}

#[tokio::test]
async fn frames_beyond_the_limits_of_a_stream() {
    // A connection may have 1 MiB of unread data.
    let much = vec![data(OWN, 0, vec![0; 16_384]); 65].concat();
    run(vec![
        Attack::closes("data beyond the window", much).holding(),
        Attack::closes("no window update of the stream", window_update(OWN, 0)).holding(),
        Attack::resets("a window of the stream beyond 2 GiB", window_update(OWN, (1 << 31) - 1)).holding(),
        Attack::resets("trailers that do not end the stream", headers(OWN, 0, &[("x", b"y")])).holding(),
        Attack::nothing("trailers with a path", headers(OWN, END_STREAM, &[(":path", b"/test.Test/Unary")]))
            .holding(),
        Attack::closes("an uppercase name in the trailers", headers(OWN, END_STREAM, &[("X", b"y")]))
            .holding(),
        Attack::resets("a head after the end", [data(OWN, END_STREAM, []), open(OWN, UNARY)].concat())
            .holding(),
    ])
    .await;
}

#[tokio::test]
async fn malformed_request_heads() {
    let long = block(&request(UNARY, &[("x", &[b'x'; 20_000])]));
    let (begin, rest) = long.split_at(10_000);
    let begin = frame(HEADERS, END_STREAM, OWN, begin);
    let large = [&begin[..], &frame(CONTINUATION, END_HEADERS, OWN, rest)].concat();
    let endless = [begin, frame(CONTINUATION, 0, OWN, []).repeat(1_000)].concat();
    run(vec![
        Attack::closes("an uppercase name", with(&[("X-Shout", b"y")])),
        Attack::resets("no path", without(":path")),
        Attack::resets("no method", without(":method")),
        Attack::resets("no scheme", without(":scheme")),
        Attack::resets("two paths", with(&[(":path", b"/test.Test/Bidi")])),
        Attack::closes("an unknown pseudo-header", with(&[(":foo", b"y")])),
        Attack::resets("a pseudo-header after the others", with(&[(":status", b"200")])),
        Attack::resets("connection", with(&[("connection", b"keep-alive")])),
        Attack::resets("transfer-encoding", with(&[("transfer-encoding", b"chunked")])),
        Attack::resets("te that is not trailers", with(&[("te", b"gzip")])),
        Attack::closes("a name with a space", with(&[("a b", b"y")])),
        Attack::closes("a value with a line break", with(&[("x", b"a\r\nb: c")])),
        Attack::resets("a content-length of no number", with(&[("content-length", b"many")])),
        Attack::answered("more headers than a server accepts", large, &[]),
        Attack::closes("a head without an end", endless).waiting("RESOURCE_EXHAUSTED"),
        Attack::closes("an index of the table's row 0", raw_head(&[0x80])),
        Attack::closes("an index far beyond the table", raw_head(&[0xff, 0xff, 0xff, 0x7f])),
        Attack::closes("an index without an end", raw_head(&[0xff; 9])),
        Attack::closes("a literal that is cut off", raw_head(&[0, 40, b'x'])),
        Attack::closes("a table larger than agreed", raw_head(&[0x3f, 0xe1, 0xff, 0x7f])),
        Attack::closes("Huffman that codes nothing", raw_head(&[0, 0x81, 0xff, 0x81, 0xff])),
    ])
    .await;
}

#[tokio::test]
async fn malformed_messages() {
    let body = |bytes: &[u8]| [open(OWN, UNARY), data(OWN, END_STREAM, bytes)].concat();
    let sized = |length: &[u8]| {
        let head = headers(OWN, 0, &request(UNARY, &[("content-length", length)]));
        [head, data(OWN, END_STREAM, message(&ask(0, "ok")))].concat()
    };
    let of_gzip = headers(OWN, 0, &request(UNARY, &[("grpc-encoding", b"gzip")]));
    run(vec![
        Attack::answered("compressed by nothing", body(&prefixed(1, 2, b"xx")), &["INTERNAL"]),
        Attack::answered("an encoding that was not offered", of_gzip, &["UNIMPLEMENTED"]),
        Attack::answered("flag 7", body(&prefixed(7, 2, b"xx")), &["INTERNAL"]),
        Attack::answered("4 GiB announced", body(&prefixed(0, u32::MAX, b"xx")), &["OUT_OF_RANGE"]),
        Attack::answered("longer than the body", body(&prefixed(0, 9, b"xx")), &["INTERNAL"]),
        Attack::answered("half a prefix", body(&[0, 0]), &["INTERNAL"]),
        Attack::answered("no message", body(b""), &["INTERNAL"]),
        Attack::answered("no protobuf", body(&prefixed(0, 3, &[0xff; 3])), &["INTERNAL"]),
        Attack::resets("a content-length too small", sized(b"3")).own(&["INTERNAL"]),
        Attack::resets("a content-length too large", sized(b"300")).own(&["INTERNAL"]),
    ])
    .await;
}
