//! Endings that only a peer can cause who breaks off, or breaks the rules of HTTP/2.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;

use std::future::Future;
use std::net::SocketAddr;

use grpc_support::*;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use telemetry_bootstrap::grpc::ClientService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tonic::Code;
use tonic::codegen::{Bytes, http};
use tonic::transport::Channel;
use tower::Layer;

/// A peer that answers each call as it likes.
async fn peer<F, R>(answer: F) -> SocketAddr
where
    F: Fn(http::Request<RecvStream>, SendResponse<Bytes>) -> R + Clone + Send + 'static,
    R: Future<Output = Next> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    match answer(request, respond).await {
                        Next::Stay => {}
                        Next::GoAway => connection.abrupt_shutdown(Reason::NO_ERROR),
                        Next::HangUp => return,
                    }
                }
            });
        }
    });
    address
}

enum Next {
    Stay,
    GoAway,
    HangUp,
}

fn client(recorded: &Recorded, address: SocketAddr) -> TestClient<ClientService<Channel>> {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    TestClient::new(recorded.client().layer(channel))
}

/// Returns the code that the client returned to its caller, and checks that it recorded the same.
async fn client_outcome<F, R>(answer: F) -> String
where
    F: Fn(http::Request<RecvStream>, SendResponse<Bytes>) -> R + Clone + Send + 'static,
    R: Future<Output = Next> + Send,
{
    let recorded = Recorded::new();
    let mut client = client(&recorded, peer(answer).await);
    let status = match client.server_stream(ask(1, "ok")).await {
        Ok(response) => drain(response.into_inner()).await.1.unwrap_err(),
        Err(status) => status,
    };
    let code = recorded.ended(1).await[0].clone();
    let code = attribute(&code, "rpc.status_code").unwrap();
    one_call(&recorded, "client", &code, true).await;
    let name = format!("{:?}", status.code()).to_uppercase();
    assert_eq!(name, code.replace('_', ""), "{status}");
    code
}

fn head() -> http::Response<()> {
    http::Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

fn one_message() -> Bytes {
    Bytes::from_static(&[0, 0, 0, 0, 2, 10, 0])
}

/// HTTP/2's codes, and what the protocol makes of them.
const RESETS: [(Reason, &str); 12] = [
    (Reason::PROTOCOL_ERROR, "INTERNAL"),
    (Reason::INTERNAL_ERROR, "INTERNAL"),
    (Reason::FLOW_CONTROL_ERROR, "INTERNAL"),
    (Reason::SETTINGS_TIMEOUT, "INTERNAL"),
    (Reason::FRAME_SIZE_ERROR, "INTERNAL"),
    (Reason::COMPRESSION_ERROR, "INTERNAL"),
    (Reason::CONNECT_ERROR, "INTERNAL"),
    (Reason::REFUSED_STREAM, "UNAVAILABLE"),
    (Reason::CANCEL, "CANCELLED"),
    (Reason::ENHANCE_YOUR_CALM, "RESOURCE_EXHAUSTED"),
    (Reason::INADEQUATE_SECURITY, "PERMISSION_DENIED"),
    (Reason::HTTP_1_1_REQUIRED, "UNKNOWN"),
];

#[tokio::test]
async fn reset_before_the_head() {
    for (reason, code) in RESETS {
        let answer = move |_, mut respond: SendResponse<Bytes>| async move {
            respond.send_reset(reason);
            Next::Stay
        };
        assert_eq!(client_outcome(answer).await, code, "{reason:?}");
    }
}

#[tokio::test]
async fn reset_in_the_stream() {
    for (reason, code) in RESETS {
        let answer = move |_, mut respond: SendResponse<Bytes>| async move {
            let mut stream = respond.send_response(head(), false).unwrap();
            stream.send_data(one_message(), false).unwrap();
            stream.send_reset(reason);
            Next::Stay
        };
        assert_eq!(client_outcome(answer).await, code, "{reason:?}");
    }
}

#[tokio::test]
async fn a_body_that_ends_without_trailers() {
    let answer = |_, mut respond: SendResponse<Bytes>| async move {
        let mut stream = respond.send_response(head(), false).unwrap();
        stream.send_data(one_message(), true).unwrap();
        Next::Stay
    };
    assert_eq!(client_outcome(answer).await, "UNKNOWN");
}

#[tokio::test]
async fn trailers_without_a_status() {
    let answer = |_, mut respond: SendResponse<Bytes>| async move {
        let mut stream = respond.send_response(head(), false).unwrap();
        stream.send_data(one_message(), false).unwrap();
        stream.send_trailers(http::HeaderMap::new()).unwrap();
        Next::Stay
    };
    assert_eq!(client_outcome(answer).await, "UNKNOWN");
}

#[tokio::test]
async fn status_that_is_not_a_number() {
    let answer = |_, mut respond: SendResponse<Bytes>| async move {
        let mut stream = respond.send_response(head(), false).unwrap();
        let trailers =
            [(http::HeaderName::from_static("grpc-status"), http::HeaderValue::from_static("soon"))];
        stream.send_trailers(trailers.into_iter().collect()).unwrap();
        Next::Stay
    };
    assert_eq!(client_outcome(answer).await, "UNKNOWN");
}

#[tokio::test]
async fn http_errors_without_a_status() {
    for (http, code) in [
        (400, "INTERNAL"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "UNIMPLEMENTED"),
        (429, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (500, "UNKNOWN"),
    ] {
        let answer = move |_, mut respond: SendResponse<Bytes>| async move {
            let head = http::Response::builder().status(http).body(()).unwrap();
            respond.send_response(head, true).unwrap();
            Next::Stay
        };
        assert_eq!(client_outcome(answer).await, code, "HTTP {http}");
    }
}

#[tokio::test]
async fn go_away_before_the_head() {
    let answer = |_, respond: SendResponse<Bytes>| async move {
        std::mem::forget(respond);
        Next::GoAway
    };
    assert_eq!(client_outcome(answer).await, "UNKNOWN");
}

#[tokio::test]
async fn connection_lost_before_the_head() {
    let answer = |_, respond: SendResponse<Bytes>| async move {
        std::mem::forget(respond);
        Next::HangUp
    };
    assert_eq!(client_outcome(answer).await, "UNKNOWN");
}

#[tokio::test]
async fn connection_lost_in_the_stream() {
    assert_eq!(client_outcome_in_stream(Then::HangUp).await, "UNKNOWN");
}

#[tokio::test]
async fn go_away_in_the_stream() {
    // Its reason is not passed on by the client's transport, which only sees that the connection is gone.
    for reason in [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM, Reason::INTERNAL_ERROR] {
        assert_eq!(client_outcome_in_stream(Then::GoAway(reason)).await, "UNKNOWN", "{reason:?}");
    }
}

/// A peer that is being replaced lets its calls end.
#[tokio::test]
async fn a_graceful_go_away_in_the_stream_changes_nothing() {
    assert_eq!(client_outcome_in_stream(Then::GoAwayGracefully).await, "OK");
}

/// What happens once the client has read the head and one message.
enum Then {
    HangUp,
    GoAway(Reason),
    GoAwayGracefully,
}

/// Returns the code that the client returned to its caller, and checks that it recorded the same.
async fn client_outcome_in_stream(then: Then) -> String {
    let recorded = Recorded::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = client(&recorded, listener.local_addr().unwrap());
    let (read, was_read) = oneshot::channel();
    tokio::spawn(begin_and_then(listener, was_read, then));
    let mut stream = client.server_stream(ask(1, "ok")).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    assert_eq!(recorded.spans().len(), 0);
    read.send(()).unwrap();
    let seen = match drain(stream).await.1 {
        Ok(()) => Code::Ok,
        Err(status) => status.code(),
    };
    let span = recorded.ended(1).await.remove(0);
    let code = attribute(&span, "rpc.status_code").unwrap();
    assert_eq!(format!("{seen:?}").to_uppercase(), code.replace('_', ""), "{span:?}");
    one_call(&recorded, "client", &code, code != "OK").await;
    code
}

async fn begin_and_then(listener: TcpListener, was_read: oneshot::Receiver<()>, then: Then) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
    let mut stream = respond.send_response(head(), false).unwrap();
    stream.send_data(one_message(), false).unwrap();
    // Asking for further calls is what moves the connection.
    tokio::select! { _ = connection.accept() => {}, _ = was_read => {} }
    match then {
        Then::HangUp => return,
        Then::GoAway(reason) => connection.abrupt_shutdown(reason),
        Then::GoAwayGracefully => {
            connection.graceful_shutdown();
            let status = (http::HeaderName::from_static("grpc-status"), http::HeaderValue::from_static("0"));
            stream.send_trailers([status].into_iter().collect()).unwrap();
        }
    }
    while connection.accept().await.is_some() {}
}

/// A raw client of our server: headers of a call, nothing else sent.
async fn raw_call(
    world: &World,
) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>, tokio::task::JoinHandle<()>) {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    let request = http::Request::post(format!("http://{}{BIDI}", world.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, stream) = send.send_request(request, false).unwrap();
    (response, stream, connection)
}

#[tokio::test]
async fn client_resets_the_stream() {
    let world = World::start().await;
    let (_response, mut stream, _connection) = raw_call(&world).await;
    world.service.has_begun(1).await;
    stream.send_reset(Reason::CANCEL);
    world.server_ended("CANCELLED").await;
}

#[tokio::test]
async fn client_closes_the_connection() {
    use prost::Message as _;
    let world = World::start().await;
    let (response, mut stream, connection) = raw_call(&world).await;
    let message = ask(1, "hang").encode_to_vec();
    let prefix = [&[0, 0, 0, 0, message.len() as u8], message.as_slice()].concat();
    stream.send_data(prefix.into(), false).unwrap();
    drop(response.await.unwrap());
    connection.abort();
    world.server_ended("CANCELLED").await;
}

#[tokio::test]
async fn handler_status_is_recorded_although_the_client_disconnected() {
    let world = World::start().await;
    let (_response, _stream, connection) = raw_call(&world).await;
    world.service.has_begun(1).await;
    // The handler waits for a message, gets an error instead, and returns it.
    connection.abort();
    world.server_ended("UNKNOWN").await;
}

#[tokio::test]
async fn client_sends_half_a_message() {
    let world = World::start().await;
    let (response, mut stream, _connection) = raw_call(&world).await;
    stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 9, 1]), true).unwrap();
    let code = response.await.unwrap().headers()["grpc-status"].clone();
    assert_eq!(code, "13");
    world.server_ended("INTERNAL").await;
}
