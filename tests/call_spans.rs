//! The layers encode spans as they are recorded, or start spans of the SDK. Both ways give the same spans.

#![cfg(all(feature = "http", feature = "axum", feature = "grpc", feature = "testing"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod grpc_support;

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, Request, StatusCode};
use axum::routing::get;
use http_body_util::BodyExt as _;
use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use telemetry_bootstrap::http::ServerLayer;
use telemetry_bootstrap::testing::{CollectedSpan, Collector};
use telemetry_bootstrap::{RemoteContext, SpanExt as _};
use tower::ServiceExt as _;

/// Ways in which a request can end, and what can be set on its span meanwhile.
const PATHS: [&str; 9] = [
    "/users/7?page=2",
    "/fails",
    "/panics",
    "/stream",
    "/logs",
    "/recovers",
    "/own-type",
    "/nowhere",
    "/link?sig=s3cret",
];

fn layer() -> ServerLayer {
    ServerLayer::new()
        .remote_context(|head| match head.uri().path() {
            "/link" => RemoteContext::Link,
            _ => RemoteContext::Parent,
        })
        .request_attributes(|_, attributes| {
            // Of two the last one counts; without a key there is none.
            attributes.extend(
                [("twice", "1"), ("twice", "2"), ("", "3")].map(|(key, value)| KeyValue::new(key, value)),
            );
            attributes.push(KeyValue::new("url.path", "/changed"));
        })
        .response_attributes(|_, _, attributes| attributes.push(KeyValue::new("late", 7)))
        .capture_request_headers(["x-tenant"])
        .trace_id_header(HeaderName::from_static("traceresponse"))
}

fn router(layer: ServerLayer) -> Router {
    let stream = || async {
        let first = tokio_stream::once(Ok::<_, Infallible>("a"));
        Body::from_stream(tokio_stream::StreamExt::chain(first, tokio_stream::pending()))
    };
    let logs = || async {
        // The first counts, not the lexicographically greatest.
        record_error("disk full");
        record_error("no stock");
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let recovers = || async {
        record_error("disk full");
        tracing::Span::current().set_status(Status::Ok);
    };
    let own_type = || async {
        tracing::Span::current().record("error.type", "own");
        record_error("disk full");
    };
    let panics = || async {
        if true {
            panic!("on purpose")
        }
    };
    Router::new()
        .route("/users/{id}", get(|| async { "Ada" }))
        .route("/fails", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/panics", get(panics))
        .route("/stream", get(stream))
        .route("/logs", get(logs))
        .route("/recovers", get(recovers))
        .route("/own-type", get(own_type))
        .route("/link", get(|| async {}))
        .layer(layer.catch_panics())
}

fn record_error(text: &str) {
    telemetry_bootstrap::record_error(&std::io::Error::other(text));
}

async fn requests(router: &Router) {
    for path in PATHS {
        let request = Request::get(path)
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03")
            .header("tracestate", "a=1")
            .header("host", "shop:8080")
            .header("user-agent", "curl/8")
            .header("x-tenant", "acme")
            .extension(std::net::SocketAddr::from(([127, 0, 0, 1], 8080)));
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let sent = response.headers()["traceresponse"].to_str().unwrap().to_owned();
        // A provider that is set may have ids of any kind: its roots are not known to be random.
        assert!(sent.ends_with("-03") || path.starts_with("/link"), "{path}: {sent}");
        let mut body = response.into_body();
        match path {
            "/stream" => _ = body.frame().await,
            _ => _ = body.collect().await,
        }
    }
}

/// What can be compared: ids, times and stack traces differ, and so may the order of attributes.
fn comparable(span: &CollectedSpan) -> impl PartialEq + std::fmt::Debug {
    let mut span = span.clone();
    span.span.span_id.clear();
    if !span.span.links.is_empty() {
        span.span.trace_id.clear();
    }
    (span.span.start_time_unix_nano, span.span.end_time_unix_nano) = (0, 0);
    span.span.attributes.sort_by(|left, right| left.key.cmp(&right.key));
    for event in &mut span.span.events {
        event.time_unix_nano = 0;
        event.attributes.retain(|attribute| attribute.key != "exception.stacktrace");
    }
    (span.scope, span.span)
}

#[tokio::test]
async fn spans_of_both_ways_are_equal() {
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init().ignore_env().endpoint(collector.endpoint()).build().unwrap();
    // The layers find the installed telemetry by themselves; a provider that is set has spans of the SDK.
    requests(&router(layer())).await;
    requests(&router(layer().tracer_provider(telemetry.tracer_provider().clone()))).await;
    telemetry.shutdown().unwrap();
    let spans: Vec<_> = collector.spans().into_iter().filter(|span| span.name().starts_with("GET")).collect();
    assert_eq!(spans.len(), 2 * PATHS.len(), "{spans:?}");
    let (encoded, sdk) = spans.split_at(PATHS.len());
    for ((encoded, sdk), path) in encoded.iter().zip(sdk).zip(PATHS) {
        assert_eq!(comparable(encoded), comparable(sdk), "{path}");
        assert_eq!(encoded.attribute_text("twice").as_deref(), Some("2"), "{path}");
        assert_eq!(encoded.span.dropped_attributes_count, 1, "{path}: the one without a key");
        assert!(encoded.span.end_time_unix_nano >= encoded.span.start_time_unix_nano, "{path}");
    }
}

#[tokio::test]
async fn spans_that_are_open_at_the_shutdown_are_counted() {
    let name = "spans_that_are_open_at_the_shutdown_are_counted";
    if !grpc_support::in_child(name, "OPEN_SPANS", "1") {
        return;
    }
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init().ignore_env().endpoint(collector.endpoint()).build().unwrap();
    let router = router(layer());
    requests(&router).await;
    let request = Request::get("/stream").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(telemetry.stats().open_spans, 1);
    drop(response);
    assert_eq!(telemetry.stats().open_spans, 0);
    telemetry.shutdown().unwrap();
    assert_eq!(collector.spans().len(), PATHS.len() + 1);
}
