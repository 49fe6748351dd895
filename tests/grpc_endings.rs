//! Every way in which a call can end, on both sides: the table in the documentation of `grpc`.
//!
//! Each of its cells has a test, here or in `grpc_transport` (t), `grpc_fits` (f) and `grpc_malformed` (m):
//!
//! | ending | server | client |
//! |---|---|---|
//! | trailers with a status | `status_in_the_trailers_after_messages` | the same |
//! | a head with the status | `every_status_of_a_handler` | the same |
//! | no status | f `an_answer_without_a_status_ends_by_its_http_status` | t `http_errors_without_a_status`, `a_body_that_ends_without_trailers`, `trailers_without_a_status`, m `response_bodies_that_are_not_grpc` |
//! | a status that is no code | f `answer_with_an_invalid_status_code_is_unknown` | t `status_that_is_not_a_number`, m `invalid_grpc_statuses` |
//! | the service returns an error | f `a_boxed_error_keeps_its_code`, `an_error_of_any_type_is_internal_at_a_server_and_unknown_at_a_client` | the latter |
//! | connection refused | | `connection_refused` |
//! | stream reset by the peer | t `client_resets_the_stream` | t `reset_before_the_head`, `reset_in_the_stream`, m `resets_by_every_code` |
//! | the peer breaks HTTP/2 | m `unexpected_frames` and the others of `server` | m `frames_in_the_middle_of_an_answer` and the others of `client` |
//! | connection lost, the peer went away | t `client_closes_the_connection`, `handler_status_is_recorded_although_the_client_disconnected` | t `connection_lost_before_the_head`, `connection_lost_in_the_stream`, `go_away_before_the_head`, `go_away_in_the_stream`, `a_graceful_go_away_in_the_stream_changes_nothing`, m `go_away_frames_of_every_code` |
//! | dropped | `client_drops_the_call_before_the_head`, `client_drops_the_response_unread`, `client_drops_the_stream_half_read`, `client_drops_a_request_stream_that_never_ends` | the same |
//! | deadline | `deadline_before_the_head`, `deadline_in_the_stream`, `cancelled_long_before_the_deadline_is_cancelled` | the same |
//! | tonic's timeout | `a_servers_own_timeout_drops_the_call` | `a_channels_timeout_is_a_deadline` |
//! | panic | `handler_panics_before_the_head`, `handler_panics_in_the_stream`, f `panic_propagates_through_the_layer` | f the last |
//! | unknown method | `unknown_method` | the same |
//! | too large | `request_too_large_for_the_server`, `response_too_large_for_the_server`, `response_too_large_for_the_client_is_a_response_dropped` | the same |
//! | cannot be decoded | m `malformed_messages` | m `response_bodies_that_are_not_grpc` |

#![cfg(feature = "grpc")]

mod grpc_support;

use std::time::Duration;

use grpc_support::*;
use tokio_stream::StreamExt;
use tonic::{Code, Request};

#[tokio::test]
async fn unary_ok() {
    let world = World::start().await;
    world.grpc().unary(ask(0, "ok")).await.unwrap();
    world.both_ended("OK", "OK").await;
}

#[tokio::test]
async fn client_streaming_ok() {
    let world = World::start().await;
    world.grpc().client_stream(tokio_stream::iter(vec![ask(0, "ok"); 3])).await.unwrap();
    world.both_ended("OK", "OK").await;
}

#[tokio::test]
async fn server_streaming_ok_ends_with_the_last_message_not_the_first() {
    let world = World::start().await;
    let stream = world.grpc().server_stream(ask(3, "ok")).await.unwrap().into_inner();
    assert_eq!(world.client.spans().len(), 0, "ended with the head");
    let (messages, end) = drain(stream).await;
    assert_eq!((messages, end.is_ok()), (3, true));
    world.both_ended("OK", "OK").await;
}

#[tokio::test]
async fn server_streaming_without_messages_ok() {
    let world = World::start().await;
    let stream = world.grpc().server_stream(ask(0, "ok")).await.unwrap().into_inner();
    assert!(drain(stream).await.1.is_ok());
    world.both_ended("OK", "OK").await;
}

#[tokio::test]
async fn bidirectional_streaming_ok() {
    let world = World::start().await;
    let stream = world.grpc().bidi(tokio_stream::iter(vec![ask(2, "ok"); 2])).await.unwrap().into_inner();
    assert_eq!(drain(stream).await.0, 2);
    world.both_ended("OK", "OK").await;
}

#[tokio::test]
async fn every_status_of_a_handler() {
    let names = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    for (code, name) in names.into_iter().enumerate().skip(1) {
        let world = World::start().await;
        let status = world.grpc().unary(ask(0, &code.to_string())).await.unwrap_err();
        assert_eq!(status.code() as usize, code);
        world.both_ended(name, name).await;
    }
}

#[tokio::test]
async fn a_description_is_the_decoded_message_alone() {
    let world = World::start().await;
    let question = Ask { message: "100 % \u{fc}ber\nlimit".into(), ..ask(0, "13") };
    world.grpc().unary(question).await.unwrap_err();
    for span in [world.server_ended("INTERNAL").await, world.client_ended("INTERNAL").await] {
        assert_eq!(span.status, opentelemetry::trace::Status::error("100 % \u{fc}ber\nlimit"));
    }
}

#[tokio::test]
async fn status_in_the_trailers_after_messages() {
    let world = World::start().await;
    let stream = world.grpc().server_stream(ask(3, "14")).await.unwrap().into_inner();
    let (messages, end) = drain(stream).await;
    assert_eq!((messages, end.unwrap_err().code()), (3, Code::Unavailable));
    world.both_ended("UNAVAILABLE", "UNAVAILABLE").await;
}

#[tokio::test]
async fn client_streaming_status() {
    let world = World::start().await;
    world.grpc().client_stream(tokio_stream::iter([ask(0, "5")])).await.unwrap_err();
    world.both_ended("NOT_FOUND", "NOT_FOUND").await;
}

#[tokio::test]
async fn bidirectional_streaming_status() {
    let world = World::start().await;
    let stream = world.grpc().bidi(tokio_stream::iter([ask(1, "10")])).await.unwrap().into_inner();
    drain(stream).await.1.unwrap_err();
    world.both_ended("ABORTED", "ABORTED").await;
}

#[tokio::test]
async fn unknown_method() {
    let world = World::start().await;
    world.grpc().unary_at(UNKNOWN, Request::new(ask(0, "ok"))).await.unwrap_err();
    world.both_ended("UNIMPLEMENTED", "UNIMPLEMENTED").await;
    assert_eq!(world.server.spans()[0].name, "grpc");
    assert_eq!(
        attribute(&world.server.spans()[0], "rpc.method_original").as_deref(),
        Some("test.Test/Nothing")
    );
    assert_eq!(world.client.spans()[0].name, "test.Test/Nothing");
    assert_eq!(
        world.server.points("rpc.server.call.duration")[0].get("rpc.method").as_deref(),
        Some("_OTHER")
    );
}

#[tokio::test]
async fn handler_panics_before_the_head() {
    let world = World::start().await;
    world.grpc().unary(ask(0, "panic")).await.unwrap_err();
    world.server_ended("INTERNAL").await;
    world.client.ended(1).await;
    assert_eq!(world.client.active("rpc.client.active_calls"), 0.0);
}

#[tokio::test]
async fn handler_panics_in_the_stream() {
    let world = World::start().await;
    let stream = world.grpc().server_stream(ask(2, "panic")).await.unwrap().into_inner();
    drain(stream).await.1.unwrap_err();
    world.server_ended("INTERNAL").await;
    world.client.ended(1).await;
    assert_eq!(world.client.active("rpc.client.active_calls"), 0.0);
}

#[tokio::test]
async fn client_drops_the_call_before_the_head() {
    let world = World::start().await;
    let mut client = world.grpc();
    let call = tokio::spawn(async move { client.unary(ask(0, "hang")).await });
    world.service.has_begun(1).await;
    call.abort();
    world.both_ended("CANCELLED", "CANCELLED").await;
}

#[tokio::test]
async fn client_drops_the_response_unread() {
    let world = World::start().await;
    drop(world.grpc().server_stream(ask(2, "hang")).await.unwrap());
    world.both_ended("CANCELLED", "CANCELLED").await;
}

#[tokio::test]
async fn client_drops_the_stream_half_read() {
    let world = World::start().await;
    let mut stream = world.grpc().server_stream(ask(2, "hang")).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    drop(stream);
    world.both_ended("CANCELLED", "CANCELLED").await;
}

#[tokio::test]
async fn client_drops_a_request_stream_that_never_ends() {
    let world = World::start().await;
    let mut client = world.grpc();
    let endless = tokio_stream::once(ask(0, "ok")).chain(tokio_stream::pending());
    let call = tokio::spawn(async move { client.client_stream(endless).await });
    world.service.has_begun(1).await;
    call.abort();
    world.both_ended("CANCELLED", "CANCELLED").await;
}

#[tokio::test]
async fn deadline_before_the_head() {
    let world = World::start().await;
    let mut request = Request::new(ask(0, "hang"));
    // Its last tenth must be longer than a request travels on a busy machine.
    request.set_timeout(Duration::from_millis(500));
    world.grpc().unary_at(UNARY, request).await.unwrap_err();
    world.both_ended("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED").await;
}

#[tokio::test]
async fn deadline_in_the_stream() {
    let world = World::start().await;
    let mut request = Request::new(ask(1, "hang"));
    // Its last tenth must be longer than a request travels on a busy machine.
    request.set_timeout(Duration::from_millis(500));
    let stream = world.grpc().server_stream_with(request).await.unwrap().into_inner();
    tokio::time::timeout(Duration::from_millis(600), drain(stream)).await.unwrap_err();
    world.both_ended("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED").await;
}

#[tokio::test]
async fn cancelled_long_before_the_deadline_is_cancelled() {
    let world = World::start().await;
    let mut client = world.grpc();
    let mut request = Request::new(ask(0, "hang"));
    request.set_timeout(Duration::from_secs(60));
    let call = tokio::spawn(async move { client.unary_at(UNARY, request).await });
    world.service.has_begun(1).await;
    call.abort();
    world.both_ended("CANCELLED", "CANCELLED").await;
}

#[tokio::test]
async fn a_servers_own_timeout_drops_the_call() {
    let (server, client) = (Recorded::new(), Recorded::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tonic::transport::Server::builder()
        .timeout(Duration::from_millis(50))
        .layer(server.server())
        .add_service(TestService::new())
        .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
    tokio::spawn(serving);
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let mut caller = TestClient::new(tower::Layer::layer(&client.client(), channel));
    let status = caller.unary(ask(0, "hang")).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled);
    one_call(&server, "server", "CANCELLED", false).await;
    one_call(&client, "client", "CANCELLED", true).await;
}

#[tokio::test]
async fn a_channels_timeout_is_a_deadline() {
    let world = World::start().await;
    let endpoint = tonic::transport::Channel::from_shared(format!("http://{}", world.address)).unwrap();
    let channel = endpoint.timeout(Duration::from_millis(50)).connect_lazy();
    let mut caller = TestClient::new(tower::Layer::layer(&world.client_layer, channel));
    let status = caller.unary(ask(0, "hang")).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled, "what tonic calls it");
    world.client_ended("DEADLINE_EXCEEDED").await;
    // The channel sends no deadline along: to the server it is a call that was dropped.
    world.server_ended("CANCELLED").await;
}

#[tokio::test]
async fn connection_refused() {
    let world = World::start().await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let channel = tonic::transport::Channel::from_shared(format!("http://{free}")).unwrap().connect_lazy();
    let mut client = TestClient::new(tower::Layer::layer(&world.client_layer, channel));
    let status = client.unary(ask(0, "ok")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let span = world.client_ended("UNAVAILABLE").await;
    let opentelemetry::trace::Status::Error { description } = span.status else { panic!() };
    assert!(description.contains("refused"), "{description}");
}

#[tokio::test]
async fn request_too_large_for_the_server() {
    let service = TestService { max_request: Some(8), ..TestService::new() };
    let world = World::with(service, |server| server, |client| client).await;
    let status = world.grpc().unary(Ask { message: "x".repeat(100), ..ask(0, "ok") }).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    world.both_ended("OUT_OF_RANGE", "OUT_OF_RANGE").await;
}

#[tokio::test]
async fn response_too_large_for_the_server() {
    let service = TestService { max_response: Some(8), ..TestService::new() };
    let world = World::with(service, |server| server, |client| client).await;
    let status = world.grpc().unary(Ask { size: 100, ..ask(0, "ok") }).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    world.both_ended("OUT_OF_RANGE", "OUT_OF_RANGE").await;
}

#[tokio::test]
async fn response_too_large_for_the_client_is_a_response_dropped() {
    let world = World::start().await;
    let mut client = world.grpc();
    client.0 = client.0.max_decoding_message_size(8);
    let mut stream = client.server_stream(Ask { size: 100, ..ask(1, "hang") }).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::OutOfRange);
    drop(stream);
    world.both_ended("CANCELLED", "CANCELLED").await;
}
