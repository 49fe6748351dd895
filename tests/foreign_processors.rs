//! Processors and id generators of the program that panic: the spans and records are exported nevertheless, and no caller
//! notices.

#![cfg(all(feature = "grpc", feature = "http"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod local;

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use local::Local;
use opentelemetry::trace::Tracer as _;
use opentelemetry::{Context, InstrumentationScope, SpanId, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{IdGenerator, Span, SpanData, SpanProcessor};
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{grpc, http as http_layers, opentelemetry, opentelemetry_sdk};
use tower::{Layer as _, Service as _};

/// Panics wherever it is called while a span or record is made.
#[derive(Debug)]
struct PanicsAlways;

impl SpanProcessor for PanicsAlways {
    fn on_start(&self, _: &mut Span, _: &Context) {
        panic!("on purpose, at the start");
    }

    fn on_end(&self, _: SpanData) {
        panic!("on purpose, at the end");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl LogProcessor for PanicsAlways {
    fn emit(&self, _: &mut SdkLogRecord, _: &InstrumentationScope) {
        panic!("on purpose, in a record");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl IdGenerator for PanicsAlways {
    fn new_trace_id(&self) -> TraceId {
        panic!("on purpose, in a trace id");
    }

    fn new_span_id(&self) -> SpanId {
        panic!("on purpose, in a span id");
    }
}

fn with_panics(collector: &Collector) -> Local {
    Local::with(&collector.endpoint(), |builder| {
        builder
            .traces(|traces| traces.span_processor(PanicsAlways).id_generator(PanicsAlways))
            .logs(|logs| logs.log_processor(PanicsAlways))
    })
}

/// A handler that panics at some paths.
async fn handle(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    assert!(!request.uri().path().ends_with("/Panics"), "on purpose, in a handler");
    Ok(Response::new(Body::empty()))
}

fn request(path: &str) -> Request<Body> {
    let content_type = if path.contains("Shop/") { "application/grpc" } else { "text/plain" };
    Request::builder().uri(path).header("content-type", content_type).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn processors_and_ids_that_panic_do_not_reach_calls_and_spans_of_the_api() {
    let collector = Collector::start().unwrap();
    let local = with_panics(&collector);
    let provider = local.guard.tracer_provider().clone();
    let mut http =
        http_layers::ServerLayer::new().tracer_provider(provider.clone()).layer(tower::service_fn(handle));
    let mut grpc = grpc::ServerLayer::new().tracer_provider(provider).layer(tower::service_fn(handle));
    let response = http.call(request("/")).await.unwrap();
    axum::body::to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    let response = grpc.call(request("/shop.Shop/Order")).await.unwrap();
    axum::body::to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    // The spans end while the panics of the handlers go on: a second panic would end the process.
    assert!(tokio::spawn(http.call(request("/Panics"))).await.is_err());
    assert!(tokio::spawn(grpc.call(request("/shop.Shop/Panics"))).await.is_err());
    local.guard.tracer("shop").in_span("of the API", |_| {});
    let (delivery, _) = tokio::task::spawn_blocking(|| local.shutdown()).await.unwrap();
    assert_eq!(delivery.lost(), 0, "{delivery}");
    assert_eq!(collector.received().span_count(), 5);
    assert!(collector.received().spans().iter().all(|span| span.trace_id() != "0".repeat(32)));
}

#[test]
fn a_log_processor_that_panics_does_not_reach_the_caller() {
    let collector = Collector::start().unwrap();
    let local = with_panics(&collector);
    local.record(0..10);
    let (delivery, lines) = local.shutdown();
    assert_eq!(delivery.lost(), 0, "{delivery}");
    assert_eq!(lines.len(), 10, "{lines:#?}");
    assert_eq!((collector.received().span_count(), collector.received().log_count()), (10, 10));
}
