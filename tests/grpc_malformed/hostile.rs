//! Clients that keep to the letter of HTTP/2, or do not speak it at all, and mean no good.

use opentelemetry::trace::SpanId;

use crate::attack::{Attack, OWN};
use crate::grpc_support::*;
use crate::wire::*;
use crate::{Served, codes, soon, tally};

/// A unary call that ends well, with one more header.
fn call_with(name: &str, value: &[u8]) -> Vec<u8> {
    let head = headers(OWN, 0, &request(UNARY, &[(name, value)]));
    [head, data(OWN, END_STREAM, message(&ask(0, "ok")))].concat()
}

#[tokio::test]
async fn invalid_timeout_is_ignored() {
    let garbage: [&[u8]; 10] =
        [b"", b"S", b"1", b"-1S", b"+1n", b"1x", b"1.5S", b" 1n", b"000000001n", &[0xff, 0x80, b'n']];
    for value in garbage {
        Attack::answered("a timeout", call_with("grpc-timeout", value), &["OK"]).run().await;
    }
}

/// Neither ends the call, and neither is anybody's parent.
#[tokio::test]
async fn invalid_context_is_ignored() {
    let bytes: Vec<u8> = (0x80..=0xff).collect();
    let long = vec![b'0'; 8_000];
    let garbage: [&[u8]; 9] = [
        b"",
        b"00",
        b"----",
        b"00-00000000000000000000000000000000-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"00-zzf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        &bytes,
        &long,
    ];
    for name in ["traceparent", "tracestate", "baggage"] {
        for value in garbage {
            let spans = Attack::answered(name, call_with(name, value), &["OK"]).run().await;
            assert!(spans.iter().all(|span| span.parent_span_id == SpanId::INVALID), "{name}: {value:?}");
        }
    }
}

#[tokio::test]
async fn a_context_survives_garbage_beside_it() {
    let bytes: Vec<u8> = (0x80..=0xff).collect();
    let more: [(&str, &[u8]); 4] = [
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", &bytes),
        ("tracestate", b"=,=,,a=b"),
        ("baggage", &bytes),
    ];
    let head = headers(OWN, 0, &request(UNARY, &more));
    let call = [head, data(OWN, END_STREAM, message(&ask(0, "ok")))].concat();
    let spans = Attack::answered("garbage beside a context", call, &["OK"]).run().await;
    let children = spans.iter().filter(|span| span.parent_span_id.to_string() == "b7ad6b7169203331");
    assert_eq!(children.count(), 1);
}

/// What four bytes can claim is on no histogram.
#[tokio::test]
async fn announced_but_incomplete_message_is_not_measured() {
    let call = [open(OWN, UNARY), data(OWN, END_STREAM, prefixed(0, u32::MAX, b"xx"))].concat();
    let served = Served::start().await;
    let mut peer = Connection::connect(served.address).await;
    peer.send(&[PREFACE, &frame(SETTINGS, 0, 0, []), &call].concat()).await;
    let ended = |frame: &CollectedTelemetry| frame.is(HEADERS, END_STREAM, OWN);
    assert!(soon("4 GiB", peer.read_until(ended)).await);
    served.serves("4 GiB").await;
    served.side.settled("4 GiB").await;
    let sizes = served.side.recorded.points("rpc.server.request.size");
    let (count, bytes) = sizes.iter().fold((0, 0.0), |sum, point| (sum.0 + point.count, sum.1 + point.sum));
    assert_eq!((count, bytes), (1, prost::Message::encoded_len(&ask(0, "ok")) as f64));
}

#[tokio::test]
async fn bytes_that_are_not_http2_are_not_a_call() {
    let of_http1 = b"POST /test.Test/Unary HTTP/1.1\r\ncontent-type: application/grpc\r\n\r\n";
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let almost = [&PREFACE[..23], b"x"].concat();
    let garbage: [&[u8]; 6] = [b"", of_http1, &hello, &[0xff; 100], &PREFACE[..10], &almost];
    for bytes in garbage {
        let case = format!("{bytes:?}");
        let served = Served::start().await;
        let mut peer = Connection::connect(served.address).await;
        peer.send(bytes).await;
        served.serves(&case).await;
        peer.finish().await;
        soon(&case, async { while peer.read().await.is_some() {} }).await;
        served.serves(&case).await;
        assert_eq!(codes(&served.side.settled(&case).await), ["OK", "OK"], "{case}");
    }
}

/// Streams that are opened and reset, this many at a time, this many times.
async fn storm(at_once: u32, times: u32) -> usize {
    let served = Served::start().await;
    let mut peer = Connection::connect(served.address).await;
    peer.send(&[PREFACE, &frame(SETTINGS, 0, 0, [])].concat()).await;
    for time in 0..times {
        let streams = (time * at_once..(time + 1) * at_once).map(|stream| 2 * stream + 1);
        let wave: Vec<u8> =
            streams.flat_map(|stream| [open(stream, BIDI), reset(stream, 8)].concat()).collect();
        peer.send(&wave).await;
        peer.send(&frame(PING, 0, 0, time.to_be_bytes().repeat(2))).await;
        // To the echo, or to the end of the server's patience.
        soon("a storm", peer.read_until(|frame| frame.is(PING, ACK, 0))).await;
        served.serves("a storm").await;
    }
    drop(peer);
    let spans = served.side.settled("a storm").await;
    let codes = tally(codes(&spans));
    assert_eq!(codes.get("OK").copied(), Some(times as usize), "{codes:?}");
    spans.len() - times as usize
}

#[tokio::test]
async fn a_storm_of_resets_leaves_no_call_open() {
    assert_eq!(storm(10, 30).await, 300);
    // At once they are more than the server's HTTP/2 puts up with.
    storm(400, 1).await;
}

#[tokio::test]
async fn unread_responses_are_recorded_as_cancelled() {
    const STREAMS: u32 = 150;
    let served = Served::start().await;
    let mut peer = Connection::connect(served.address).await;
    // No window for any stream.
    peer.send(&[PREFACE, &setting(4, 0)].concat()).await;
    let question = Ask { size: 50_000, ..ask(3, "ok") };
    for stream in 0..STREAMS {
        peer.send(&call(2 * stream + 1, SERVER_STREAM, &question)).await;
    }
    soon("unread", served.service.has_begun(STREAMS)).await;
    served.serves("unread").await;
    drop(peer);
    let codes = tally(codes(&served.side.settled("unread").await));
    assert_eq!(codes, [("CANCELLED".to_owned(), STREAMS as usize), ("OK".to_owned(), 1)].into());
}
