//! What callers and foreign code can do to the HTTP layers: forged lengths, schemes and forwarding headers, huge values,
//! services that are polled without a request, and processors that panic.

#![cfg(all(feature = "http", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod grpc_support;
mod http_support;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use grpc_support::{Recorded, attribute};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_support::{answer, client, finished, server, stream};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample, Span, SpanData, SpanProcessor,
};
use telemetry_bootstrap::http::{ForwardedHeader, ServerLayer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

fn request(method: &str, uri: &str) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}

fn empty() -> Response<Body> {
    Response::new(Body::empty())
}

fn with_header(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

#[tokio::test]
async fn a_length_that_cannot_be_true_is_not_recorded() {
    let recorded = Recorded::new();
    let service = server(&recorded).record_body_sizes().layer(answer(empty));
    for length in ["5", "18446744073709551613", "18446744073709551613"] {
        let request = request("POST", "/").map(|_| stream(["x"], false));
        let request = with_header(request, "content-length", length);
        drop(service.clone().oneshot(request).await.unwrap());
    }
    let points = recorded.points("http.server.request.body.size");
    assert_eq!(points.iter().map(|point| (point.count, point.sum)).collect::<Vec<_>>(), [(1, 5.0)]);
    assert_eq!(attribute(&recorded.spans()[1], "http.request.body.size"), None);
}

/// Panics at the end of each span.
#[derive(Debug)]
struct Panics;

impl SpanProcessor for Panics {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {
        panic!("in a processor");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[tokio::test]
async fn a_processor_that_panics_fails_no_request_and_aborts_nothing() {
    let provider = SdkTracerProvider::builder().with_span_processor(Panics).build();
    let layer = ServerLayer::new().tracer_provider(provider);
    let service = layer.layer(tower::service_fn(|request: Request<Body>| async move {
        assert_eq!(request.uri().path(), "/", "a panic of the handler");
        Ok::<_, Infallible>(empty())
    }));
    service.clone().oneshot(request("GET", "/")).await.unwrap();
    // The span ends while the stack is unwound.
    let failed = tokio::spawn(service.oneshot(request("GET", "/panics")));
    assert!(failed.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn the_scheme_of_an_absolute_target_is_not_that_of_the_connection() {
    let recorded = Recorded::new();
    let router = Router::new().route("/users/{id}", get(|| async { "x" })).layer(server(&recorded));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "GET https://h/users/7 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.read_to_end(&mut Vec::new()).await.unwrap();
    let span = recorded.ended(1).await.remove(0);
    assert_eq!(attribute(&span, "url.scheme").as_deref(), Some("http"));
}

#[tokio::test]
async fn requests_that_a_layer_outside_sheds_are_not_recorded() {
    let recorded = Recorded::new();
    let hang =
        tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let limit = GlobalConcurrencyLimitLayer::new(1);
    let service = ServiceBuilder::new().load_shed().layer(server(&recorded)).layer(limit).service(hang);
    let mut busy = service.clone();
    let call = busy.ready().await.unwrap().call(request("GET", "/busy"));
    for _ in 0..3 {
        service.clone().oneshot(request("GET", "/shed")).await.unwrap_err();
    }
    assert_eq!(recorded.spans(), []);
    drop(call);
    recorded.ended(1).await;
}

/// Becomes ready after a moment, and answers at once.
#[derive(Clone)]
struct Connecting(std::time::Instant);

impl Service<Request<Body>> for Connecting {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        if self.0.elapsed() >= Duration::from_millis(200) {
            return std::task::Poll::Ready(Ok(()));
        }
        let waker = cx.waker().clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            waker.wake();
        });
        std::task::Poll::Pending
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(empty()))
    }
}

#[tokio::test]
async fn readiness_long_before_a_request_is_no_part_of_it() {
    let recorded = Recorded::new();
    let mut service = client(&recorded).layer(Connecting(std::time::Instant::now()));
    service.ready().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(service.call(request("GET", "http://h/")).await.unwrap());
    let span = recorded.ended(1).await.remove(0);
    let lasted = span.end_time.duration_since(span.start_time).unwrap();
    assert!(lasted < Duration::from_millis(100), "{lasted:?}");
}

/// Keeps the keys that a sampler sees.
#[derive(Clone, Debug)]
struct Seen(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl ShouldSample for Seen {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: opentelemetry::trace::TraceId,
        _: &str,
        _: &opentelemetry::trace::SpanKind,
        attributes: &[KeyValue],
        _: &[opentelemetry::trace::Link],
    ) -> SamplingResult {
        self.0.lock().unwrap().extend(attributes.iter().map(|attribute| attribute.key.to_string()));
        let (attributes, trace_state) = Default::default();
        SamplingResult { decision: SamplingDecision::RecordAndSample, attributes, trace_state }
    }
}

#[tokio::test]
async fn a_sampler_sees_captured_request_headers() {
    for is_server in [true, false] {
        let seen = Seen(Default::default());
        let provider = SdkTracerProvider::builder().with_sampler(seen.clone()).build();
        let request = with_header(request("GET", "http://h/"), "x-tenant", "acme");
        if is_server {
            let layer = ServerLayer::new().tracer_provider(provider).capture_request_headers(["x-tenant"]);
            drop(layer.layer(answer(empty)).oneshot(request).await.unwrap());
        } else {
            let layer = telemetry_bootstrap::http::ClientLayer::new().tracer_provider(provider);
            let layer = layer.capture_request_headers(["x-tenant"]);
            drop(layer.layer(answer(empty)).oneshot(request).await.unwrap());
        }
        let keys = seen.0.lock().unwrap().clone();
        assert!(keys.contains(&"http.request.header.x-tenant".to_owned()), "{is_server}: {keys:?}");
    }
}

#[tokio::test]
async fn only_event_streams_with_a_body_are_left_out_of_the_duration() {
    for (method, points) in [("GET", 0), ("HEAD", 1)] {
        let recorded = Recorded::new();
        let layer = server(&recorded).exclude_streams_from_duration();
        let service = layer.layer(answer(|| {
            Response::builder()
                .header("content-type", "text/event-stream")
                .body(stream(["x"], false))
                .unwrap()
        }));
        drop(service.oneshot(request(method, "/")).await.unwrap().into_body().collect().await.unwrap());
        recorded.ended(1).await;
        assert_eq!(recorded.points("http.server.request.duration").len(), points, "{method}");
    }
}

#[tokio::test]
async fn a_refused_connect_lasts_until_the_end_of_its_body() {
    let recorded = Recorded::new();
    let service = client(&recorded)
        .layer(answer(|| Response::builder().status(407).body(stream(["denied"], true)).unwrap()));
    let response = service.oneshot(request("CONNECT", "h:443")).await.unwrap();
    response.into_body().collect().await.unwrap_err();
    let span = recorded.ended(1).await.remove(0);
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("ConnectionReset"));

    let recorded = Recorded::new();
    let service = client(&recorded).layer(answer(|| Response::new(stream(["tunnel"], false))));
    let response = service.oneshot(request("CONNECT", "h:443")).await.unwrap();
    finished(&recorded, "client", Some(200), None).await;
    drop(response);
}

#[tokio::test]
async fn forwarding_headers_that_are_not_well_formed_are_not_used() {
    for value in [
        "host=a;for=6.6.6.6;for=203.0.113.5;proto=https",
        "for=\"[2001:db8::1]x\"",
        "for=10.1.2.3:99999",
        "for=\"[2001:db8::1]:x\"",
    ] {
        let recorded = Recorded::new();
        let request = with_header(request("GET", "/"), "forwarded", value);
        let layer = server(&recorded).trusted_proxies(1).forwarded_headers([ForwardedHeader::Forwarded]);
        drop(layer.layer(answer(empty)).oneshot(request).await.unwrap());
        assert_eq!(attribute(&recorded.spans()[0], "client.address"), None, "{value}");
    }
    for value in ["for=\"203.0.113.5:_hidden\"", "for=203.0.113.5:80", "for=203.0.113.5"] {
        let recorded = Recorded::new();
        let request = with_header(request("GET", "/"), "forwarded", value);
        let layer = server(&recorded).trusted_proxies(1).forwarded_headers([ForwardedHeader::Forwarded]);
        drop(layer.layer(answer(empty)).oneshot(request).await.unwrap());
        let address = attribute(&recorded.spans()[0], "client.address");
        assert_eq!(address.as_deref(), Some("203.0.113.5"), "{value}");
    }
}

#[tokio::test]
async fn long_values_of_callers_are_cut() {
    let recorded = Recorded::new();
    let mut request = request("GET", &format!("/{}?{}", "x".repeat(30_000), "y".repeat(30_000)));
    for name in ["user-agent", "host", "x-tenant"] {
        request.headers_mut().insert(name, "x".repeat(300_000).parse().unwrap());
    }
    let layer = server(&recorded).capture_request_headers(["x-tenant"]);
    drop(layer.layer(answer(empty)).oneshot(request).await.unwrap());
    let span = recorded.spans().remove(0);
    let longest = span.attributes.iter().map(|attribute| attribute.value.to_string().len()).max().unwrap();
    assert!((8 << 10..9 << 10).contains(&longest), "{longest}");
    assert_eq!(attribute(&span, "server.address"), None);
    assert_eq!(attribute(&span, "user_agent.original").unwrap().len(), 1024);
}

#[tokio::test]
async fn header_values_in_utf8_are_recorded_as_text() {
    let recorded = Recorded::new();
    let mut request = request("GET", "/");
    for name in ["user-agent", "x-tenant"] {
        request.headers_mut().insert(name, http::HeaderValue::from_bytes("café".as_bytes()).unwrap());
    }
    let layer = server(&recorded).capture_request_headers(["x-tenant"]);
    drop(layer.layer(answer(empty)).oneshot(request).await.unwrap());
    let span = recorded.spans().remove(0);
    assert_eq!(attribute(&span, "user_agent.original").as_deref(), Some("café"));
    assert!(attribute(&span, "http.request.header.x-tenant").unwrap().contains("café"));
}
