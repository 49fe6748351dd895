//! Interceptors, limits, load shedding, and services that fail before they accept a request.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;

use std::convert::Infallible;
use std::task::Poll;
use std::time::{Duration, Instant};

use grpc_support::*;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::transport::{Channel, Server};
use tonic::{Request, Status};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

fn request(path: &str) -> http::Request<Body> {
    let request =
        http::Request::post(format!("http://greeter{path}")).header("content-type", "application/grpc");
    request.body(Body::empty()).unwrap()
}

fn methods(recorded: &Recorded) -> Vec<String> {
    let points = recorded.points("rpc.server.call.duration");
    let mut methods: Vec<_> = points.iter().map(|point| point.get("rpc.method").unwrap()).collect();
    methods.sort();
    methods.dedup();
    methods
}

#[tokio::test]
async fn methods_that_an_interceptor_rejects_are_unknown() {
    let recorded = Recorded::new();
    let reject = |request: Request<()>| match request.metadata().get("token") {
        Some(_) => Ok(request),
        None => Err(Status::permission_denied("no token")),
    };
    let inner = tonic::service::interceptor::InterceptedService::new(TestService::new(), reject);
    let service = recorded.server().layer(inner);
    for n in 0..1100 {
        drop(service.clone().oneshot(request(&format!("/made.Up/Method{n}"))).await.unwrap());
    }
    assert_eq!(methods(&recorded), ["_OTHER"]);
    let mut client = TestClient::new(service);
    let mut real = Request::new(ask(0, "5"));
    real.metadata_mut().insert("token", "1".parse().unwrap());
    client.unary_at(UNARY, real).await.unwrap_err();
    assert_eq!(
        methods(&recorded),
        ["_OTHER", "test.Test/Unary"],
        "an error of the handler makes a method known"
    );
}

#[tokio::test]
async fn methods_that_a_page_answers_are_unknown() {
    let recorded = Recorded::new();
    for (status, content_type) in [(200, "text/html"), (403, "text/html"), (404, "application/grpc")] {
        let page = tower::service_fn(move |_: http::Request<Body>| async move {
            let page = http::Response::builder().status(status).header("content-type", content_type);
            Ok::<_, Infallible>(page.body(Body::new("a page".to_owned())).unwrap())
        });
        let service = recorded.server().layer(page);
        drop(service.oneshot(request(&format!("/made.Up/Method{status}"))).await.unwrap());
    }
    assert_eq!(methods(&recorded), ["_OTHER"]);
}

#[tokio::test]
async fn a_stream_makes_its_method_known_before_it_ends() {
    let recorded = Recorded::new();
    let mut client = TestClient::new(recorded.server().layer(TestService::new()));
    let stream = client.server_stream(ask(1, "13")).await.unwrap().into_inner();
    assert_eq!(drain(stream).await.1.unwrap_err().code(), tonic::Code::Internal);
    assert_eq!(methods(&recorded), ["test.Test/ServerStream"]);
}

/// Starts a server with these layers, and a client of it, with one call under way that never ends.
macro_rules! busy_server {
    ($server:expr, $client:expr, $layers:expr) => {{
        let service = TestService::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Server::builder()
            .layer($layers)
            .add_service(service.clone())
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
        tokio::spawn(async move { serving.await.unwrap() });
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let channel = $client.client().layer(channel);
        let mut holding = TestClient::new(channel.clone());
        let holding =
            tokio::spawn(async move { drop(holding.unary_at(HOLD, Request::new(ask(0, "ok"))).await) });
        service.has_begun(1).await;
        (TestClient::new(channel), holding)
    }};
}

#[tokio::test]
async fn shed_calls_are_recorded_with_the_code_that_the_caller_reads() {
    let (server, client) = (Recorded::new(), Recorded::new());
    let layers = ServiceBuilder::new().layer(server.server()).load_shed().concurrency_limit(1).into_inner();
    let (mut caller, _holding) = busy_server!(server, client, layers);
    let status = caller.unary(ask(0, "ok")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    for recorded in [&server, &client] {
        let span = recorded.ended(1).await.remove(0);
        assert_eq!(attribute(&span, "rpc.status_code").as_deref(), Some("RESOURCE_EXHAUSTED"));
    }
    assert_eq!(server.spans()[0].status, opentelemetry::trace::Status::Unset, "no error of a server");
}

#[tokio::test]
async fn calls_that_a_client_sheds_are_recorded_with_the_code_that_the_caller_reads() {
    let client = Recorded::new();
    let limited = ServiceBuilder::new().load_shed().concurrency_limit(0).service(TestService::new());
    let mut caller = TestClient::new(client.client().layer(limited));
    assert_eq!(caller.unary(ask(0, "ok")).await.unwrap_err().code(), tonic::Code::ResourceExhausted);
    one_call(&client, "client", "RESOURCE_EXHAUSTED", true).await;
}

#[tokio::test]
async fn waiting_for_a_limit_inside_the_layer_is_part_of_the_call() {
    let (server, client) = (Recorded::new(), Recorded::new());
    let layers = ServiceBuilder::new().layer(server.server()).concurrency_limit(1).into_inner();
    let (mut caller, holding) = busy_server!(server, client, layers);
    let sent = Instant::now();
    let waiting = tokio::spawn(async move {
        caller.unary(ask(0, "ok")).await.unwrap();
        sent.elapsed()
    });
    // It is sent. What waits at a server is not seen yet, and the request needs a moment to get there.
    until(|| client.active("rpc.client.active_calls") == 2.0).await;
    let pause = Duration::from_millis(100);
    tokio::time::sleep(pause).await;
    holding.abort();
    let waited = waiting.await.unwrap();
    let spans = server.ended(2).await;
    let span = spans.iter().find(|span| span.name == "test.Test/Unary").unwrap();
    let lasted = span.end_time.duration_since(span.start_time).unwrap();
    assert!(lasted > pause / 2 && lasted <= waited, "recorded {lasted:?} of {waited:?}");
}

/// A service that fails before it accepts a request.
#[derive(Clone)]
struct Broken;

impl Service<http::Request<Body>> for Broken {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = std::future::Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Err(Status::unavailable("no backend")))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        std::future::ready(Err(Status::internal("called although it is not ready")))
    }
}

#[tokio::test]
async fn a_service_that_fails_to_become_ready_is_an_ending() {
    let (server, client) = (Recorded::new(), Recorded::new());
    let status = server.server().layer(Broken).oneshot(request("/a.B/C")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    client.client().layer(Broken).oneshot(request("/a.B/C")).await.unwrap_err();
    let span = one_call(&server, "server", "UNAVAILABLE", true).await;
    assert_eq!(span.status, opentelemetry::trace::Status::error("no backend"));
    one_call(&client, "client", "UNAVAILABLE", true).await;
    assert_eq!(methods(&server), ["_OTHER"]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_address_of_a_unix_socket_is_its_path() {
    for is_named in [true, false] {
        let path = std::env::temp_dir().join(format!("grpc-limits-{}-{is_named}.sock", std::process::id()));
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let target = format!("unix:{}", path.display());
        let (server, client) = (Recorded::new(), Recorded::new());
        let layer = if is_named { server.server().server_address(&target) } else { server.server() };
        let serving = Server::builder()
            .layer(layer)
            .add_service(TestService::new())
            .serve_with_incoming(tokio_stream::wrappers::UnixListenerStream::new(listener));
        tokio::spawn(async move { serving.await.unwrap() });
        let channel = tonic::transport::Endpoint::new(target.clone()).unwrap().connect_lazy();
        TestClient::new(client.client().target(&target).layer(channel)).unary(ask(0, "ok")).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let address = |span| attribute(&span, "server.address");
        let expected = Some(path.display().to_string());
        assert_eq!(address(client.ended(1).await.remove(0)), expected);
        // A client of a Unix socket sends a placeholder.
        assert_eq!(address(server.ended(1).await.remove(0)), expected.filter(|_| is_named));
    }
}
