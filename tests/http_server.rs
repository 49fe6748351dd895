//! `http::ServerLayer`: what is recorded of a request, and each of its endings exactly once.

#![cfg(all(feature = "http", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail with them")]

mod grpc_support;
mod http_support;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use grpc_support::{Recorded, attribute, value};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_support::*;
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceContextExt as _, TraceId};
use telemetry_bootstrap::RemoteContext;
use telemetry_bootstrap::http::{ForwardedHeader, Route};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

async fn user() -> &'static str {
    "Ada"
}

fn router(recorded: &Recorded) -> Router {
    let nested = Router::new().route("/{item}", get(user)).fallback(|| async { StatusCode::NOT_FOUND });
    Router::new()
        .route("/users/{id}", get(user).post(user))
        .route("/fails", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .nest("/orders", nested)
        .layer(server(recorded))
}

/// Hides the layers of a service.
fn boxed<S, B>(
    service: S,
) -> BoxCloneSyncService<Request<tonic::body::Body>, Response<tonic::body::Body>, S::Error>
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: http_body::Body<Data = axum::body::Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + 'static,
{
    BoxCloneSyncService::new(service.map_response(|response| response.map(tonic::body::Body::new)))
}

fn request(method: &str, uri: &str) -> Request<Body> {
    Request::builder().method(method).uri(uri).header("host", "shop:8080").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn request_has_the_stable_names() {
    let recorded = Recorded::new();
    let mut request = request("GET", "/users/7?sig=s3cret&page=2");
    request.headers_mut().insert("user-agent", "curl/8".parse().unwrap());
    request
        .extensions_mut()
        .insert(axum::extract::ConnectInfo(std::net::SocketAddr::from(([192, 0, 2, 7], 5))));
    let response = router(&recorded).oneshot(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "Ada");
    let span = finished(&recorded, "server", Some(200), None).await;
    assert_eq!((span.name.as_ref(), &span.span_kind), ("GET /users/{id}", &SpanKind::Server));
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("url.path", "/users/7"),
        ("url.query", "sig=REDACTED&page=2"),
        ("url.scheme", "http"),
        ("http.route", "/users/{id}"),
        ("server.address", "shop"),
        ("client.address", "192.0.2.7"),
        ("network.peer.address", "192.0.2.7"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "curl/8"),
    ] {
        assert_eq!(attribute(&span, key).as_deref(), Some(expected), "{key}");
    }
    assert_eq!(value(&span.attributes, "server.port"), Some(&Value::I64(8080)));
    assert_eq!(value(&span.attributes, "http.response.status_code"), Some(&Value::I64(200)));
    let point = recorded.points("http.server.request.duration").remove(0);
    let mut keys: Vec<_> = point.attributes.iter().map(|attribute| attribute.key.to_string()).collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "http.request.method",
            "http.response.status_code",
            "http.route",
            "network.protocol.version",
            "url.scheme"
        ]
    );
    assert_eq!(recorded.bounds("http.server.request.duration").len(), 14);
}

#[tokio::test]
async fn a_path_is_never_a_name_or_a_time_series() {
    let recorded = Recorded::new();
    for path in ["/nowhere/1", "/orders/1/2/3", "/users", "/"] {
        drop(router(&recorded).oneshot(request("GET", path)).await.unwrap());
    }
    for span in recorded.ended(4).await {
        assert_eq!(span.name, "GET");
        assert_eq!(attribute(&span, "http.route"), None);
    }
    let points = recorded.points("http.server.request.duration");
    assert_eq!((points.len(), points[0].count), (1, 4), "{points:?}");
}

#[tokio::test]
async fn a_nested_route_is_the_whole_pattern() {
    let recorded = Recorded::new();
    drop(router(&recorded).oneshot(request("GET", "/orders/7")).await.unwrap().into_body().collect().await);
    assert_eq!(finished(&recorded, "server", Some(200), None).await.name, "GET /orders/{item}");
}

#[tokio::test]
async fn a_route_that_is_known_only_after_routing_is_found() {
    let (outer, inner) = (Recorded::new(), Recorded::new());
    let app = server(&outer).layer(router(&inner));
    drop(app.oneshot(request("GET", "/users/7")).await.unwrap().into_body().collect().await);
    let span = finished(&outer, "server", Some(200), None).await;
    assert_eq!(span.name, "GET /users/{id}");
    assert_eq!(attribute(&span, "http.route").as_deref(), Some("/users/{id}"));
    let point = outer.points("http.server.request.duration").remove(0);
    assert_eq!(point.get("http.route").as_deref(), Some("/users/{id}"));
    assert_eq!(inner.spans().len(), 0, "recorded once");
}

#[tokio::test]
async fn a_router_of_another_kind_reports_its_route_with_the_response() {
    let recorded = Recorded::new();
    let service = answer(|| Response::builder().extension(Route::new("/a/{b}")).body(Body::empty()).unwrap());
    drop(server(&recorded).layer(service).oneshot(request("GET", "/a/1")).await.unwrap());
    assert_eq!(finished(&recorded, "server", Some(200), None).await.name, "GET /a/{b}");
}

#[tokio::test]
async fn unknown_methods_and_schemes_share_one_series() {
    let recorded = Recorded::new();
    for n in 0..100 {
        let request = request(&format!("MADE{n}"), &format!("made-up{n}://h{n}/"));
        drop(
            server(&recorded).layer(answer(|| Response::new(Body::empty()))).oneshot(request).await.unwrap(),
        );
    }
    assert_eq!(recorded.points("http.server.request.duration").len(), 1);
    let span = recorded.ended(100).await.remove(7);
    assert_eq!(span.name, "HTTP");
    assert_eq!(attribute(&span, "http.request.method").as_deref(), Some("_OTHER"));
    assert_eq!(attribute(&span, "http.request.method_original").as_deref(), Some("MADE7"));
}

#[tokio::test]
async fn routes_that_a_closure_makes_of_paths_are_bounded() {
    let recorded = Recorded::new();
    let layer = server(&recorded).route(|head| Some(head.uri().path().to_owned()));
    let service = layer.layer(answer(|| Response::new(Body::empty())));
    for n in 0..1100 {
        drop(service.clone().oneshot(request("GET", &format!("/{n}"))).await.unwrap());
    }
    assert_eq!(recorded.points("http.server.request.duration").len(), 1001);
}

#[tokio::test]
async fn client_errors_are_not_errors_of_a_server() {
    let recorded = Recorded::new();
    drop(router(&recorded).oneshot(request("PUT", "/users/7")).await.unwrap());
    let span = finished(&recorded, "server", Some(405), None).await;
    assert_eq!(span.status, Status::Unset);
}

#[tokio::test]
async fn a_server_error_is_an_error_without_description() {
    let recorded = Recorded::new();
    drop(router(&recorded).oneshot(request("GET", "/fails")).await.unwrap());
    let span = finished(&recorded, "server", Some(503), Some("503")).await;
    assert_eq!(span.status, Status::error(""));
}

#[tokio::test]
async fn a_body_that_is_read_to_its_end_is_complete() {
    let recorded = Recorded::new();
    let service =
        server(&recorded).record_body_sizes().layer(answer(|| Response::new(stream(["a", "bc"], false))));
    let response = service.oneshot(request("GET", "/")).await.unwrap();
    assert_eq!(recorded.spans().len(), 0, "not at the head");
    assert_eq!(active(&recorded, "server"), 1.0);
    response.into_body().collect().await.unwrap();
    let span = finished(&recorded, "server", Some(200), None).await;
    assert_eq!(value(&span.attributes, "http.response.body.size"), Some(&Value::I64(3)));
    assert_eq!(recorded.points("http.server.response.body.size").remove(0).sum, 3.0);
}

#[tokio::test]
async fn a_body_that_fails_is_an_error_with_the_status_that_was_sent() {
    let recorded = Recorded::new();
    let service = server(&recorded).layer(answer(|| Response::new(stream(["a"], true))));
    service.oneshot(request("GET", "/")).await.unwrap().into_body().collect().await.unwrap_err();
    let span = finished(&recorded, "server", Some(200), Some("ConnectionReset")).await;
    assert_eq!(span.status, Status::error("connection reset"));
}

#[tokio::test]
async fn disconnect_before_the_head_is_cancelled() {
    let recorded = Recorded::new();
    let service = server(&recorded).layer(tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, Infallible>>()
    }));
    let waiting = tokio::time::timeout(Duration::from_millis(1), service.oneshot(request("GET", "/"))).await;
    assert!(waiting.is_err());
    let span = finished(&recorded, "server", None, Some("cancelled")).await;
    assert_eq!(span.status, Status::Unset);
}

#[tokio::test]
async fn disconnect_during_the_body_is_cancelled() {
    let recorded = Recorded::new();
    let service = server(&recorded).layer(answer(|| Response::new(stream(["a", "b"], false))));
    let mut body = service.oneshot(request("GET", "/")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    finished(&recorded, "server", Some(200), Some("cancelled")).await;
}

#[tokio::test]
async fn a_body_that_is_dropped_after_its_last_byte_is_complete() {
    let recorded = Recorded::new();
    let service = server(&recorded).layer(answer(|| {
        Response::builder().header("content-length", 2).body(stream(["a", "b"], false)).unwrap()
    }));
    let mut body = service.oneshot(request("GET", "/")).await.unwrap().into_body();
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    finished(&recorded, "server", Some(200), None).await;
}

#[tokio::test]
async fn a_service_that_fails_before_the_head_has_no_status() {
    let recorded = Recorded::new();
    let service = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(std::io::Error::new(std::io::ErrorKind::TimedOut, "too slow"))
    });
    server(&recorded).layer(service).oneshot(request("GET", "/")).await.unwrap_err();
    let span = finished(&recorded, "server", None, Some("TimedOut")).await;
    assert_eq!(span.status, Status::error("too slow"));
}

#[tokio::test]
async fn panic_is_recorded_and_propagates() {
    let recorded = Recorded::new();
    let service = server(&recorded).layer(tower::service_fn(|_: Request<Body>| async {
        if true {
            panic!("broken");
        }
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    tokio::spawn(service.oneshot(request("GET", "/"))).await.unwrap_err();
    finished(&recorded, "server", None, Some("panic")).await;
}

#[tokio::test]
async fn a_panic_can_become_a_response() {
    let recorded = Recorded::new();
    let layer = server(&recorded).catch_panics();
    let layer = layer.trace_id_header(http::HeaderName::from_static("x-trace-id"));
    let service = layer.layer(tower::service_fn(|_: Request<Body>| async {
        if true {
            panic!("broken");
        }
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let response = service.oneshot(request("GET", "/")).await.unwrap();
    assert_eq!(response.status(), 500);
    let trace_id = response.headers()["x-trace-id"].to_str().unwrap().to_owned();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "");
    let span = finished(&recorded, "server", Some(500), Some("panic")).await;
    assert_eq!(span.span_context.trace_id().to_string(), trace_id);
}

/// Panics when it is dropped, and notes the trace id that is current then.
struct Hostile(std::sync::Arc<std::sync::Mutex<Option<TraceId>>>);

impl Drop for Hostile {
    fn drop(&mut self) {
        let current = opentelemetry::Context::current().span().span_context().trace_id();
        *self.0.lock().unwrap() = Some(current);
        panic!("dropped");
    }
}

#[tokio::test]
async fn panic_payload_may_panic_when_it_is_dropped() {
    for in_the_call in [false, true] {
        let recorded = Recorded::new();
        let service = server(&recorded).catch_panics().layer(tower::service_fn(move |_: Request<Body>| {
            let broken = || std::panic::panic_any(Hostile(std::sync::Arc::default()));
            if in_the_call {
                broken();
            }
            async move {
                broken();
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        }));
        let response = tokio::spawn(service.oneshot(request("GET", "/"))).await.unwrap().unwrap();
        assert_eq!(response.status(), 500);
        finished(&recorded, "server", Some(500), Some("panic")).await;
    }
}

/// A future that panicked is dropped inside of its call, and may panic once more.
#[tokio::test]
async fn a_destructor_after_a_panic_runs_inside_the_call() {
    struct Broken(#[expect(dead_code, reason = "dropped")] Hostile);

    impl Future for Broken {
        type Output = Result<Response<Body>, Infallible>;

        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Self::Output> {
            panic!("broken");
        }
    }

    let recorded = Recorded::new();
    let noted = std::sync::Arc::default();
    let dropped = std::sync::Arc::clone(&noted);
    let service = server(&recorded)
        .catch_panics()
        .layer(tower::service_fn(move |_: Request<Body>| Broken(Hostile(std::sync::Arc::clone(&dropped)))));
    let response = tokio::spawn(service.oneshot(request("GET", "/"))).await.unwrap().unwrap();
    assert_eq!(response.status(), 500);
    let span = finished(&recorded, "server", Some(500), Some("panic")).await;
    assert_eq!(*noted.lock().unwrap(), Some(span.span_context.trace_id()));
}

/// A service may panic before it returns a future.
#[tokio::test]
async fn a_panic_in_the_call_itself_can_become_a_response() {
    let recorded = Recorded::new();
    let service = server(&recorded).catch_panics().layer(tower::service_fn(|request: Request<Body>| {
        assert!(request.uri().path() == "/fine", "broken");
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    }));
    let response = service.oneshot(request("GET", "/")).await.unwrap();
    assert_eq!(response.status(), 500);
    finished(&recorded, "server", Some(500), Some("panic")).await;
}

#[tokio::test]
async fn responses_without_a_body_end_with_their_head() {
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 101), ("CONNECT", 200)] {
        let recorded = Recorded::new();
        let uri = if method == "CONNECT" { "shop:443" } else { "/" };
        let service = server(&recorded).layer(answer(move || {
            Response::builder().status(status).body(stream(["never read"], false)).unwrap()
        }));
        let response = service.oneshot(request(method, uri)).await.unwrap();
        finished(&recorded, "server", Some(status), None).await;
        drop(response);
        assert_eq!(recorded.spans().len(), 1, "{method} {status}");
    }
}

#[tokio::test]
async fn trailers_end_a_response() {
    let recorded = Recorded::new();
    let service = server(&recorded).layer(answer(|| {
        let body = http_body_util::Full::new(axum::body::Bytes::from("a"));
        let trailers = std::future::ready(Some(Ok(http::HeaderMap::new())));
        Response::new(Body::new(body.with_trailers(trailers)))
    }));
    let mut body = service.oneshot(request("GET", "/")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    finished(&recorded, "server", Some(200), None).await;
}

#[tokio::test]
async fn limits_inside_and_outside_the_layer() {
    let hang =
        || tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let inside = Recorded::new();
    let service =
        ServiceBuilder::new().layer(server(&inside)).timeout(Duration::from_millis(1)).service(hang());
    service.oneshot(request("GET", "/")).await.unwrap_err();
    finished(&inside, "server", None, Some("Elapsed")).await;

    let outside = Recorded::new();
    let service =
        ServiceBuilder::new().timeout(Duration::from_millis(1)).layer(server(&outside)).service(hang());
    service.oneshot(request("GET", "/")).await.unwrap_err();
    finished(&outside, "server", None, Some("cancelled")).await;

    let shed = Recorded::new();
    let service = ServiceBuilder::new().layer(server(&shed)).load_shed().concurrency_limit(0).service(hang());
    service.oneshot(request("GET", "/")).await.unwrap_err();
    finished(&shed, "server", None, Some("Overloaded")).await;
}

#[tokio::test]
async fn event_streams_last_to_their_end_and_can_be_left_out_of_the_duration() {
    let recorded = Recorded::new();
    let layer = server(&recorded).exclude_streams_from_duration();
    let service = layer.layer(answer(|| {
        Response::builder()
            .header("content-type", "text/event-stream; charset=utf-8")
            .body(stream(["data: 1\n\n"], false))
            .unwrap()
    }));
    let response = service.oneshot(request("GET", "/events")).await.unwrap();
    assert_eq!(recorded.spans().len(), 0);
    response.into_body().collect().await.unwrap();
    recorded.ended(1).await;
    assert_eq!(recorded.points("http.server.request.duration").len(), 0);
    assert_eq!(active(&recorded, "server"), 0.0);
}

#[tokio::test]
async fn the_callers_context_is_the_parent_a_link_or_nothing() {
    grpc_support::propagate();
    let sent = |uri| {
        let mut request = request("GET", uri);
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        request.headers_mut().insert("traceparent", parent.parse().unwrap());
        request
    };
    let recorded = Recorded::new();
    let layer = server(&recorded).remote_context(|head| match head.uri().path() {
        "/parent" => RemoteContext::Parent,
        "/link" => RemoteContext::Link,
        _ => RemoteContext::Ignore,
    });
    for uri in ["/parent", "/link", "/ignore"] {
        drop(layer.layer(answer(|| Response::new(Body::empty()))).oneshot(sent(uri)).await.unwrap());
    }
    let spans = recorded.ended(3).await;
    assert_eq!(spans[0].parent_span_id, SpanId::from_hex("b7ad6b7169203331").unwrap());
    assert_eq!((spans[1].parent_span_id, spans[1].links.len()), (SpanId::INVALID, 1));
    assert_eq!((spans[2].parent_span_id, spans[2].links.len()), (SpanId::INVALID, 0));
}

#[tokio::test]
async fn only_what_trusted_proxies_report_is_used() {
    for (trusted, address, scheme, host, port) in [
        (0, "192.0.2.9", "http", "shop", Some("8080")),
        (1, "10.0.0.1", "https", "inner", Some("81")),
        (2, "203.0.113.5", "http", "shop.example", None),
    ] {
        let recorded = Recorded::new();
        let mut request = request("GET", "/");
        request.extensions_mut().insert(std::net::SocketAddr::from(([192, 0, 2, 9], 5)));
        request.headers_mut().insert("x-forwarded-for", "203.0.113.5, 10.0.0.1".parse().unwrap());
        request.headers_mut().insert("x-forwarded-proto", "http, https".parse().unwrap());
        request.headers_mut().insert("x-forwarded-host", "shop.example, inner:81".parse().unwrap());
        let layer = server(&recorded).trusted_proxies(trusted).forwarded_headers([
            ForwardedHeader::XForwardedFor,
            ForwardedHeader::XForwardedProto,
            ForwardedHeader::XForwardedHost,
        ]);
        drop(layer.layer(answer(|| Response::new(Body::empty()))).oneshot(request).await.unwrap());
        let span = recorded.ended(1).await.remove(0);
        assert_eq!(attribute(&span, "client.address").as_deref(), Some(address), "{trusted}");
        assert_eq!(attribute(&span, "url.scheme").as_deref(), Some(scheme), "{trusted}");
        assert_eq!(attribute(&span, "server.address").as_deref(), Some(host), "{trusted}");
        assert_eq!(attribute(&span, "server.port").as_deref(), port, "{trusted}");
    }
}

#[tokio::test]
async fn closures_header_capture_filters_and_response_trace_id_apply() {
    let recorded = Recorded::new();
    let layer = server(&recorded)
        .filter(|head| head.uri().path() != "/healthz")
        .span_name(|head| Some(format!("{} page", head.method())))
        .request_attributes(|_, attributes| attributes.push(opentelemetry::KeyValue::new("a", 1)))
        .response_attributes(|status, _, attributes| {
            attributes.push(opentelemetry::KeyValue::new("b", i64::from(status.as_u16())));
        })
        .capture_request_headers(["X-Tenant"])
        .capture_response_headers(["x-answer"])
        .known_methods(["PROPFIND"])
        .is_error(|status| status == StatusCode::IM_A_TEAPOT)
        .trace_id_header(http::HeaderName::from_static("x-trace-id"));
    let service = layer.layer(answer(|| {
        Response::builder().status(418).header("x-answer", "42").body(Body::empty()).unwrap()
    }));
    drop(service.clone().oneshot(request("GET", "/healthz")).await.unwrap());
    let mut propfind = request("PROPFIND", "/");
    propfind.headers_mut().insert("x-tenant", "acme".parse().unwrap());
    let response = service.oneshot(propfind).await.unwrap();
    let span = finished(&recorded, "server", Some(418), Some("418")).await;
    assert_eq!(response.headers()["x-trace-id"], span.span_context.trace_id().to_string());
    assert_eq!(span.name, "PROPFIND page");
    assert_eq!(attribute(&span, "a").as_deref(), Some("1"));
    assert_eq!(attribute(&span, "b").as_deref(), Some("418"));
    assert_eq!(attribute(&span, "http.request.header.x-tenant").as_deref(), Some(r#"["acme"]"#));
    assert_eq!(attribute(&span, "http.response.header.x-answer").as_deref(), Some(r#"["42"]"#));
    assert_eq!(attribute(&span, "http.request.method").as_deref(), Some("PROPFIND"));
}

#[tokio::test]
async fn grpc_is_recorded_as_grpc_once_whichever_layers_are_stacked() {
    let service = grpc_support::TestService::new;
    for stack in 0..4 {
        let (outer, inner) = (Recorded::new(), Recorded::new());
        let ask = grpc_support::ask(0, "ok");
        let unary = async |service| {
            grpc_support::TestClient::new(service).unary(ask).await.unwrap();
        };
        match stack {
            0 => unary(boxed(server(&outer).layer(inner.server().layer(service())))).await,
            1 => unary(boxed(outer.server().layer(server(&inner).layer(service())))).await,
            2 => unary(boxed(outer.server().layer(inner.server().layer(service())))).await,
            _ => unary(boxed(server(&outer).layer(server(&inner).layer(service())))).await,
        }
        let span = outer.ended(1).await.remove(0);
        assert_eq!(span.name, "test.Test/Unary", "{stack}");
        assert_eq!(attribute(&span, "rpc.status_code").as_deref(), Some("OK"));
        assert_eq!(outer.points("rpc.server.call.duration").len(), 1);
        assert_eq!(outer.points("http.server.request.duration").len(), 0);
        assert_eq!(inner.spans().len(), 0, "{stack}");
    }
}

#[tokio::test]
async fn a_request_without_a_response_has_no_size_of_one() {
    let recorded = Recorded::new();
    let service = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(std::io::Error::from(std::io::ErrorKind::NotConnected))
    });
    let service = server(&recorded).record_body_sizes().layer(service);
    service.oneshot(request("GET", "/")).await.map(drop).unwrap_err();
    let span = finished(&recorded, "server", None, Some("NotConnected")).await;
    assert_eq!(value(&span.attributes, "http.response.body.size"), None);
    assert!(recorded.points("http.server.response.body.size").is_empty());
}

#[tokio::test]
async fn a_status_that_http_does_not_define_is_an_error() {
    for status in [600, 999] {
        let recorded = Recorded::new();
        let service = answer(move || Response::builder().status(status).body(Body::empty()).unwrap());
        drop(server(&recorded).layer(service).oneshot(request("GET", "/")).await.unwrap());
        finished(&recorded, "server", Some(status), Some(&status.to_string())).await;
    }
}

#[tokio::test]
async fn a_service_that_fails_to_become_ready_is_an_ending() {
    #[derive(Clone)]
    struct Broken;
    impl Service<Request<Body>> for Broken {
        type Response = Response<Body>;
        type Error = std::io::Error;
        type Future = std::future::Ready<Result<Response<Body>, std::io::Error>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), std::io::Error>> {
            std::task::Poll::Ready(Err(std::io::ErrorKind::NotConnected.into()))
        }
        fn call(&mut self, _: Request<Body>) -> Self::Future {
            std::future::ready(Err(std::io::ErrorKind::Other.into()))
        }
    }
    let recorded = Recorded::new();
    server(&recorded).layer(Broken).oneshot(request("GET", "/")).await.unwrap_err();
    finished(&recorded, "server", None, Some("NotConnected")).await;
}

#[tokio::test]
async fn requests_over_the_network_are_complete_over_each_protocol() {
    let recorded = Recorded::new();
    let app = Router::new()
        .route("/small", any(user))
        .route("/large", get(|| async { vec![7_u8; 300_000] }))
        .route("/stream", get(|| async { stream(["a", "b"], false) }))
        .layer(server(&recorded));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connected = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, connected).await.unwrap() });
    let requests = [
        (Method::GET, "/small"),
        (Method::HEAD, "/small"),
        (Method::GET, "/large"),
        (Method::GET, "/stream"),
    ];
    for (method, path) in &requests {
        let answer = raw_request(address, method, path).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    for span in recorded.ended(requests.len()).await {
        assert_eq!(attribute(&span, "http.response.status_code").as_deref(), Some("200"), "{span:?}");
        assert_eq!(attribute(&span, "error.type"), None, "{span:?}");
        assert_eq!(attribute(&span, "client.address").as_deref(), Some("127.0.0.1"));
    }
    assert_eq!(active(&recorded, "server"), 0.0);
}

#[tokio::test]
async fn headers_that_the_environment_lists_are_captured() {
    let variable = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST";
    if !grpc_support::in_child("headers_that_the_environment_lists_are_captured", variable, "X-Tenant, x-.*")
    {
        return;
    }
    let recorded = Recorded::new();
    let service = server(&recorded)
        .capture_request_headers(["x-overridden"])
        .capture_response_headers(["x-answer"])
        .layer(answer(|| Response::builder().header("x-answer", "42").body(Body::empty()).unwrap()));
    let mut request = request("GET", "/");
    for name in ["x-tenant", "x-overridden"] {
        request.headers_mut().insert(name, "acme".parse().unwrap());
    }
    drop(service.oneshot(request).await.unwrap());
    let span = finished(&recorded, "server", Some(200), None).await;
    assert_eq!(attribute(&span, "http.request.header.x-tenant").as_deref(), Some(r#"["acme"]"#));
    assert_eq!(attribute(&span, "http.request.header.x-overridden"), None);
    assert_eq!(attribute(&span, "http.response.header.x-answer").as_deref(), Some(r#"["42"]"#));
}

#[tokio::test]
async fn methods_that_the_environment_lists_are_known() {
    let variable = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";
    if !grpc_support::in_child("methods_that_the_environment_lists_are_known", variable, "GET,PURGE") {
        return;
    }
    let recorded = Recorded::new();
    let layer = server(&recorded).known_methods(["POST"]);
    for method in ["GET", "PURGE", "POST"] {
        drop(
            layer.layer(answer(|| Response::new(Body::empty()))).oneshot(request(method, "/")).await.unwrap(),
        );
    }
    let spans = recorded.ended(3).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["GET", "PURGE", "HTTP"]);
}

#[tokio::test]
async fn a_traceresponse_is_the_whole_span_context() {
    let name = http::HeaderName::from_static("traceresponse");
    let recorded = Recorded::new();
    let service =
        server(&recorded).trace_id_header(name.clone()).layer(answer(|| Response::new(Body::empty())));
    let response = service.oneshot(request("GET", "/")).await.unwrap();
    let span = finished(&recorded, "server", Some(200), None).await;
    let expected = format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id());
    assert_eq!(response.headers()["traceresponse"], expected);

    let recorded = Recorded::new();
    let service = recorded.server().trace_id_header(name).layer(grpc_support::TestService::new());
    let mut client = grpc_support::TestClient::new(service);
    let response = client.unary(grpc_support::ask(0, "ok")).await.unwrap();
    let span = recorded.ended(1).await.remove(0);
    let expected = format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id());
    assert_eq!(response.metadata().get("traceresponse").unwrap(), expected.as_str());
}

/// Collects the fields of the access log's events.
#[derive(Clone, Default)]
struct AccessLog(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for AccessLog {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() != "duration_ms" {
                    self.0 += &format!("{}={value:?} ", field.name());
                }
            }
        }
        if event.metadata().target() == "http::access" {
            let mut fields = Fields(String::new());
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }
    }
}

#[tokio::test]
async fn the_access_log_has_one_event_per_request() {
    use tracing_subscriber::layer::SubscriberExt as _;
    let log = AccessLog::default();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    let recorded = Recorded::new();
    let app = Router::new().route("/users/{id}", get(user)).layer(server(&recorded).record_access_log());
    for uri in ["/users/7", "/users/8"] {
        let response = app.clone().oneshot(request("GET", uri)).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let expected = r#"message=request finished side="server" http.request.method="GET" http.route="/users/{id}" http.response.status_code=200 response_bytes=3 "#;
    assert_eq!(*log.0.lock().unwrap(), [expected, expected]);
    app.oneshot(request("BREW", "/users/7")).await.unwrap();
    let unknown = log.0.lock().unwrap().pop().unwrap();
    assert!(unknown.contains(r#"http.request.method="_OTHER""#), "{unknown}");
}

#[tokio::test]
async fn a_server_that_terminates_tls_reports_https() {
    for (uri, forwarded, scheme) in [
        ("/users/7", None, "https"),
        // HTTP/2 has the scheme in each request.
        ("http://shop/users/7", None, "http"),
        ("/users/7", Some("http"), "http"),
    ] {
        let recorded = Recorded::new();
        let layer = server(&recorded).assume_https().trusted_proxies(1);
        let mut request = request("GET", uri);
        if request.uri().scheme().is_some() {
            *request.version_mut() = http::Version::HTTP_2;
        }
        if let Some(proto) = forwarded {
            request.headers_mut().insert("x-forwarded-proto", proto.parse().unwrap());
        }
        drop(layer.layer(answer(Response::<Body>::default)).oneshot(request).await.unwrap());
        let span = finished(&recorded, "server", Some(200), None).await;
        assert_eq!(attribute(&span, "url.scheme").as_deref(), Some(scheme), "{uri}");
        let point = recorded.points("http.server.request.duration").remove(0);
        assert_eq!(point.get("url.scheme").as_deref(), Some(scheme), "{uri}");
    }
}

#[tokio::test]
async fn a_layer_of_a_nested_router_has_the_whole_path() {
    let recorded = Recorded::new();
    let items = Router::new().route("/{item}", get(user)).layer(server(&recorded));
    let shop = Router::new().nest("/orders", items);
    let router = Router::new().nest("/shop", shop);
    let response = router.oneshot(request("GET", "/shop/orders/7?full=yes")).await.unwrap();
    drop(response.into_body().collect().await);
    let span = finished(&recorded, "server", Some(200), None).await;
    assert_eq!(span.name, "GET /shop/orders/{item}");
    assert_eq!(attribute(&span, "url.path").as_deref(), Some("/shop/orders/7"));
    assert_eq!(attribute(&span, "url.query").as_deref(), Some("full=yes"));
}

#[tokio::test]
async fn the_uri_of_another_request_is_not_that_of_this_one() {
    let recorded = Recorded::new();
    let mut request = request("GET", "/users/7");
    request.extensions_mut().insert(axum::extract::OriginalUri("/elsewhere?of=another".parse().unwrap()));
    drop(server(&recorded).layer(answer(Response::<Body>::default)).oneshot(request).await.unwrap());
    let span = finished(&recorded, "server", Some(200), None).await;
    assert_eq!(attribute(&span, "url.path").as_deref(), Some("/users/7"));
    assert_eq!(attribute(&span, "url.query"), None);
}

#[tokio::test]
async fn only_a_post_is_grpc() {
    for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
        let (recorded, inner) = (Recorded::new(), Recorded::new());
        let mut request = request(method, "/users/7");
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        let service = inner.server().layer(answer(Response::<Body>::default));
        drop(server(&recorded).layer(service).oneshot(request).await.unwrap());
        let span = finished(&recorded, "server", Some(200), None).await;
        assert_eq!(span.name, method);
        assert_eq!(recorded.points("rpc.server.call.duration").len(), 0, "{method}");
        assert_eq!(inner.spans().len(), 0, "{method}");
    }
}

#[tokio::test]
async fn a_call_of_grpc_web_is_a_call_inside_of_a_request() {
    use tonic_web::{GrpcWebClientLayer, GrpcWebLayer};

    for inner_is_http in [false, true] {
        let (outer, inner) = (Recorded::new(), Recorded::new());
        let service = grpc_support::TestService::new();
        let translated = match inner_is_http {
            false => boxed(GrpcWebLayer::new().layer(boxed(inner.server().layer(service)))),
            true => {
                let layer = server(&inner).route(|_| Some("/test.Test/{method}".to_owned()));
                boxed(GrpcWebLayer::new().layer(boxed(layer.layer(service))))
            }
        };
        // Twice around it: a request is recorded once as HTTP all the same.
        let service = server(&outer).layer(server(&outer).layer(translated));
        let service = GrpcWebClientLayer::new().layer(service.map_request(
            |request: Request<tonic_web::GrpcWebCall<tonic::body::Body>>| request.map(tonic::body::Body::new),
        ));
        let refused =
            grpc_support::TestClient::new(service).unary(grpc_support::ask(0, "5")).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::NotFound);
        let request = finished(&outer, "server", Some(200), None).await;
        let call = inner.ended(1).await.remove(0);
        // The inner layer reports its route.
        let name = if inner_is_http { "POST /test.Test/{method}" } else { "POST" };
        assert_eq!((request.name.as_ref(), call.name.as_ref()), (name, "test.Test/Unary"));
        assert_eq!(attribute(&call, "rpc.status_code").as_deref(), Some("NOT_FOUND"));
        assert_eq!(call.parent_span_id, request.span_context.span_id());
        assert_eq!(inner.points("rpc.server.call.duration").len(), 1);
    }
}

#[tokio::test]
async fn a_call_through_a_router_of_axum_has_its_messages_and_its_name() {
    let recorded = Recorded::new();
    let layer = server(&recorded).grpc(|grpc| grpc.record_message_sizes());
    let service = layer.layer(grpc_support::TestService::new());
    let service = service.map_request(|request: Request<tonic::body::Body>| request.map(Body::new));
    let refused = grpc_support::TestClient::new(service).unary(grpc_support::ask(0, "5")).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    // The handler has read its request, so that the method exists.
    assert_eq!(recorded.ended(1).await[0].name, "test.Test/Unary");
    assert_eq!(recorded.points("rpc.server.request.size").len(), 1);
}
