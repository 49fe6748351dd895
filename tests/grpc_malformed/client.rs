//! Servers that break the rules, and a channel under `ClientLayer`.

use crate::grpc_support::*;
use crate::reply::*;
use crate::wire::*;

async fn run(replies: Vec<Reply>) {
    for reply in replies {
        reply.run().await;
    }
}

#[tokio::test]
async fn malformed_response_heads() {
    let only = |fields: Fields<'_>| headers(STREAM, 0, fields);
    run(vec![
        Reply::new("an uppercase name", "INTERNAL", only(&[(":status", b"200"), ("X-Shout", b"y")])),
        Reply::new("no status", "INTERNAL", only(&[("content-type", b"application/grpc")])),
        Reply::new("a status of no number", "INTERNAL", only(&[(":status", b"abc")])),
        Reply::new("a status of two digits", "INTERNAL", only(&[(":status", b"99")])),
        Reply::new(
            "a path",
            "OK",
            [only(&[(":status", b"200"), (":path", b"/a.B/C")]), one(), trailers(OK)].concat(),
        ),
        Reply::new("connection", "INTERNAL", only(&[(":status", b"200"), ("connection", b"close")])),
        Reply::new("broken HPACK", "INTERNAL", frame(HEADERS, END_HEADERS, STREAM, [0x80])),
        Reply::new("data before the head", "INTERNAL", one()),
        Reply::new("a head cut in its frame", "UNKNOWN", head()[..12].to_vec()).hangs_up(),
        Reply::new("a head without its end", "UNKNOWN", frame(HEADERS, 0, STREAM, [0x88])).hangs_up(),
    ])
    .await;
}

#[tokio::test]
async fn interim_responses() {
    let interim = |status: &[u8]| headers(STREAM, 0, &[(":status", status)]);
    run(vec![
        Reply::new("100 and an answer", "OK", [interim(b"100"), answered(OK)].concat()),
        Reply::new(
            "103 twice and an answer",
            "OK",
            [interim(b"103"), interim(b"103"), answered(OK)].concat(),
        ),
        Reply::new("101", "UNKNOWN", interim(b"101")).hangs_up(),
        Reply::new("100 at the end", "INTERNAL", headers(STREAM, END_STREAM, &[(":status", b"100")])),
        Reply::new("100 and data", "INTERNAL", [interim(b"100"), one()].concat()),
    ])
    .await;
}

#[tokio::test]
async fn invalid_grpc_statuses() {
    let mut replies = Vec::new();
    for status in "|-1|+5|05|00|17|99|5 | 5|5,7|0x5|NOT_FOUND|18446744073709551621".split('|') {
        let fields: [(&str, &[u8]); 1] = [("grpc-status", status.as_bytes())];
        replies.push(Reply::new(format!("{status:?} in the trailers"), "UNKNOWN", answered(&fields)));
        let fields: [(&str, &[u8]); 2] = [(":status", b"200"), fields[0]];
        replies.push(Reply::new(format!("{status:?} in the head"), "UNKNOWN", trailers(&fields)));
    }
    replies.push(Reply::new("bytes", "UNKNOWN", answered(&[("grpc-status", &[0xff, 0x80])])));
    replies.push(Reply::new(
        "two, of which the first counts",
        "NOT_FOUND",
        answered(&[("grpc-status", b"5"), ("grpc-status", b"0")]),
    ));
    replies.push(Reply::new("two in one", "UNKNOWN", answered(&[("grpc-status", b"5, 0")])));
    run(replies).await;
}

#[tokio::test]
async fn unreadable_status_messages() {
    let answer = |message| answered(&[("grpc-status", b"5"), ("grpc-message", message)]);
    run(vec![
        Reply::new("percent at the end", "NOT_FOUND", answer(b"50%")),
        Reply::new("percent of nothing", "NOT_FOUND", answer(b"%zz%0")),
        Reply::new(
            "two messages",
            "NOT_FOUND",
            answered(&[("grpc-status", b"5"), ("grpc-message", b"a"), ("grpc-message", b"b")]),
        ),
        // tonic gives up the status along with the message.
        Reply::new("no UTF-8, encoded", "NOT_FOUND", answer(b"%ff%fe")).seen_as("UNKNOWN"),
        Reply::new("no UTF-8", "NOT_FOUND", answer(&[0x80, 0xff])).seen_as("UNKNOWN"),
    ])
    .await;
}

#[tokio::test]
async fn response_bodies_that_are_not_grpc() {
    let html = |status: &[u8], flags| {
        [
            headers(STREAM, 0, &[(":status", status), ("content-type", b"text/html")]),
            data(STREAM, flags, b"<html></html>"),
        ]
        .concat()
    };
    let body = |flags, bytes: Vec<u8>| [head(), data(STREAM, flags, bytes)].concat();
    let with =
        |name, value: &[u8]| [headers(STREAM, 0, &[(":status", b"200"), (name, value)]), one()].concat();
    run(vec![
        Reply::new("200 html", "UNKNOWN", html(b"200", END_STREAM)).seen_as("INTERNAL"),
        Reply::new("200 html, more to come", "CANCELLED", html(b"200", 0)).seen_as("INTERNAL"),
        Reply::new("503 html", "UNAVAILABLE", html(b"503", END_STREAM)).seen_as("INTERNAL"),
        Reply::new("503 html, more to come", "UNAVAILABLE", html(b"503", 0)).seen_as("INTERNAL"),
        Reply::new("403 html, more to come", "PERMISSION_DENIED", html(b"403", 0)).seen_as("INTERNAL"),
        Reply::new("flag 7", "CANCELLED", body(0, prefixed(7, 1, b"x"))).seen_as("INTERNAL"),
        Reply::new("compressed by nothing", "CANCELLED", body(0, prefixed(1, 1, b"x"))).seen_as("INTERNAL"),
        Reply::new("4 GiB announced", "CANCELLED", body(0, prefixed(0, u32::MAX, b"x")))
            .seen_as("OUT_OF_RANGE"),
        Reply::new("no protobuf", "CANCELLED", body(0, prefixed(0, 2, &[0xff; 2]))).seen_as("INTERNAL"),
        Reply::new("the end in a message", "UNKNOWN", body(END_STREAM, prefixed(0, 9, b"x")))
            .seen_as("INTERNAL"),
        Reply::new("the end in a prefix", "UNKNOWN", body(END_STREAM, vec![0, 0])).seen_as("INTERNAL"),
        Reply::new("a status in a message", "OK", [body(0, prefixed(0, 9, b"x")), trailers(OK)].concat()),
        Reply::new("an unknown encoding", "CANCELLED", with("grpc-encoding", b"zip"))
            .seen_as("UNIMPLEMENTED"),
        Reply::new("a content-length too small", "INTERNAL", with("content-length", b"3")),
    ])
    .await;
}

#[tokio::test]
async fn frames_in_the_middle_of_an_answer() {
    let promise = [&[0, 0, 0, 2][..], &block(&request(UNARY, &[]))].concat();
    let then = |name: &str, recorded, bytes| Reply::new(name, recorded, begun()).then(bytes);
    run(vec![
        then("trailers twice", "OK", [trailers(OK), trailers(&[("grpc-status", b"5")])].concat()),
        then("trailers that do not end the stream", "INTERNAL", headers(STREAM, 0, OK)),
        then("trailers with a status of HTTP", "OK", trailers(&[(":status", b"200"), ("grpc-status", b"0")])),
        then("an uppercase name in the trailers", "INTERNAL", trailers(&[("Grpc-Status", b"0")])),
        then(
            "broken HPACK in the trailers",
            "INTERNAL",
            frame(HEADERS, END_HEADERS | END_STREAM, STREAM, [0x80]),
        ),
        then("a promise", "INTERNAL", frame(PUSH_PROMISE, END_HEADERS, STREAM, promise)),
        then("data on stream 0", "INTERNAL", data(0, 0, b"x")),
        then("headers on stream 0", "INTERNAL", headers(0, 0, OK)),
        then("a stream that was not opened", "INTERNAL", data(7, 0, b"x")),
        then("a server's stream that was not announced", "INTERNAL", headers(2, 0, &[(":status", b"200")])),
        then("settings of five bytes", "INTERNAL", frame(SETTINGS, 0, 0, [0; 5])),
        then("a ping of seven bytes", "INTERNAL", frame(PING, 0, 0, [0; 7])),
        then("no window update", "INTERNAL", window_update(0, 0)),
        then("a window beyond 2 GiB", "INTERNAL", window_update(0, (1 << 31) - 1)),
        then("a frame beyond the limit", "INTERNAL", data(STREAM, 0, vec![0; 16_385])),
        then("continuation of nothing", "INTERNAL", frame(CONTINUATION, END_HEADERS, STREAM, [])),
        then(
            "an unknown frame, and the end",
            "OK",
            [frame(0xfa, 0xff, STREAM, b"any"), trailers(OK)].concat(),
        ),
        then("a frame that is cut off", "UNKNOWN", one()[..11].to_vec()).hangs_up(),
        then("the head of a frame that is cut off", "UNKNOWN", one()[..4].to_vec()).hangs_up(),
    ])
    .await;
}

#[tokio::test]
async fn go_away_frames_of_every_code() {
    let then = |name: &str, recorded, bytes| Reply::new(name, recorded, begun()).then(bytes);
    run(vec![
        then("above, and the answer", "OK", [go_away(STREAM, 0), trailers(OK)].concat()),
        then("far above, and the answer", "OK", [go_away(u32::MAX >> 1, 0), trailers(OK)].concat()),
        then("above, and nothing", "UNKNOWN", go_away(STREAM, 0)).hangs_up(),
        then("above, with an error", "UNKNOWN", go_away(STREAM, 11)).hangs_up(),
        then("below, and the answer", "UNKNOWN", [go_away(0, 0), trailers(OK)].concat()),
        then("below, with an error", "RESOURCE_EXHAUSTED", go_away(0, 11)),
        then("ever higher", "UNKNOWN", [go_away(0, 0), go_away(STREAM, 0)].concat()),
        Reply::new("above, before the head", "UNKNOWN", go_away(STREAM, 2)).hangs_up(),
        Reply::new("below, before the head", "INTERNAL", go_away(0, 0)),
        Reply::new("below, with an error, before the head", "RESOURCE_EXHAUSTED", go_away(0, 11)),
    ])
    .await;
}

/// Before the head, and once a message was read.
#[tokio::test]
async fn resets_by_every_code() {
    let mut replies = Vec::new();
    for code in (0..=14).chain([0xff, u32::MAX]) {
        let recorded = match code {
            5 | 13.. => "UNKNOWN",
            7 => "UNAVAILABLE",
            8 => "CANCELLED",
            11 => "RESOURCE_EXHAUSTED",
            12 => "PERMISSION_DENIED",
            _ => "INTERNAL",
        };
        // In the stream, hyper takes no error for the end of the body.
        let later = if code == 0 { "UNKNOWN" } else { recorded };
        let bytes = reset(STREAM, code);
        replies.push(Reply::new(format!("{code:#x} before the head"), recorded, bytes.clone()));
        replies.push(Reply::new(format!("{code:#x} in the stream"), later, begun()).then(bytes));
    }
    run(replies).await;
}
