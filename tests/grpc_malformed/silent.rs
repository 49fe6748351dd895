//! Servers that fall silent or will not listen, and one whose answer makes the caller panic.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::poll;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::{Code, Request};

use crate::grpc_support::*;
use crate::reply::*;
use crate::wire::*;
use crate::{Side, channel, codes, soon};

fn until_the_deadline() -> (Duration, Request<Ask>) {
    let time = Duration::from_millis(200);
    let mut request = Request::new(ask(1, "ok"));
    request.set_timeout(time);
    (time, request)
}

#[tokio::test]
async fn silence_before_the_head_ends_at_the_deadline() {
    let side = Side::new("client");
    let (mut client, read) = Reply::new("silence", "DEADLINE_EXCEEDED", Vec::new()).start(&side).await;
    let (_, request) = until_the_deadline();
    let seen = soon("silence", outcome(&side, &mut client, request, read)).await;
    assert_eq!(seen, Code::Cancelled, "what tonic calls it");
    assert_eq!(codes(&side.settled("silence").await), ["DEADLINE_EXCEEDED"]);
}

#[tokio::test]
async fn silence_in_the_stream_ends_at_the_deadline_of_a_caller_who_gives_up() {
    let side = Side::new("client");
    let (mut client, read) = Reply::new("silence", "DEADLINE_EXCEEDED", begun()).start(&side).await;
    let (time, request) = until_the_deadline();
    let call = outcome(&side, &mut client, request, read);
    tokio::time::timeout(time + time / 4, call).await.unwrap_err();
    assert_eq!(codes(&side.settled("silence").await), ["DEADLINE_EXCEEDED"]);
}

/// No stream may be opened: the call waits in the client until the server hangs up.
#[tokio::test]
async fn server_that_allows_no_streams_and_closes_the_connection() {
    let side = Side::new("client");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = channel(&side, listener.local_addr().unwrap());
    let mut call = pin!(outcome(&side, &mut client, Request::new(ask(1, "ok")), oneshot::channel().0));
    assert!(poll!(&mut call).is_pending());
    let mut peer = Connection::new(listener.accept().await.unwrap().0);
    peer.send(&setting(3, 0)).await;
    let hangs_up = async {
        peer.preface().await.unwrap();
        assert!(peer.read_until(|frame| frame.is(SETTINGS, ACK, 0)).await);
        peer.finish().await;
        while peer.read().await.is_some() {}
    };
    let (seen, ()) = soon("no streams", async { tokio::join!(call, hangs_up) }).await;
    assert_eq!(codes(&side.settled("no streams").await), [code_name(seen)]);
}

/// tonic takes it for granted that details are base64. The call has ended by then.
#[tokio::test]
async fn details_that_panic_the_caller_leave_no_call_open() {
    let details: [(&str, &[u8]); 3] =
        [(":status", b"200"), ("grpc-status", b"5"), ("grpc-status-details-bin", b"%%%")];
    for answer in [trailers(&details), answered(&details[1..])] {
        let side = Side::new("client");
        let (mut client, read) = Reply::new("details", "NOT_FOUND", answer).start(&side).await;
        let call = outcome(&side, &mut client, Request::new(ask(1, "ok")), read);
        // Whether it panics is tonic's business.
        drop(
            soon("details", futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(call))).await,
        );
        assert_eq!(codes(&side.settled("details").await), ["NOT_FOUND"]);
    }
}

/// What came is a call that ended well, and not what a unary call needs.
#[tokio::test]
async fn unary_response_without_message_is_recorded_by_its_status() {
    let of_head: [(&str, &[u8]); 2] = [(":status", b"200"), ("grpc-status", b"0")];
    for answer in [[head(), trailers(OK)].concat(), trailers(&of_head)] {
        let side = Side::new("client");
        let (mut client, _read) = Reply::new("nothing", "OK", answer).start(&side).await;
        side.calls.fetch_add(1, Ordering::SeqCst);
        let seen = soon("nothing", client.unary(ask(0, "ok"))).await.unwrap_err();
        assert_eq!(seen.code(), Code::Internal, "what tonic calls it");
        assert_eq!(codes(&side.settled("nothing").await), ["OK"]);
    }
}
