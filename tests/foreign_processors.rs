//! Processors and id generators of the program that panic: the spans and records are exported nevertheless, and no caller
//! notices.

#![cfg(all(feature = "grpc", feature = "http"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod local;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Panics wherever it is called while a span or record is made, and counts these calls.
#[derive(Clone, Debug, Default)]
struct PanicsAlways(Arc<Calls>);

#[derive(Debug, Default)]
struct Calls {
    starts: AtomicUsize,
    ends: AtomicUsize,
    records: AtomicUsize,
    trace_ids: AtomicUsize,
    span_ids: AtomicUsize,
}

impl PanicsAlways {
    /// Returns the calls: starts and ends of spans, records, trace ids, span ids.
    fn calls(&self) -> [usize; 5] {
        let Calls { starts, ends, records, trace_ids, span_ids } = &*self.0;
        [starts, ends, records, trace_ids, span_ids].map(|count| count.load(Ordering::Relaxed))
    }
}

fn count_and_panic(count: &AtomicUsize) -> ! {
    count.fetch_add(1, Ordering::Relaxed);
    panic!("on purpose");
}

impl SpanProcessor for PanicsAlways {
    fn on_start(&self, _: &mut Span, _: &Context) {
        count_and_panic(&self.0.starts);
    }

    fn on_end(&self, _: SpanData) {
        count_and_panic(&self.0.ends);
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
        count_and_panic(&self.0.records);
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
        count_and_panic(&self.0.trace_ids);
    }

    fn new_span_id(&self) -> SpanId {
        count_and_panic(&self.0.span_ids);
    }
}

fn with_panics(collector: &Collector) -> (Local, PanicsAlways) {
    let panics = PanicsAlways::default();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder
            .traces(|traces| traces.span_processor(panics.clone()).id_generator(panics.clone()))
            .logs(|logs| logs.log_processor(panics.clone()))
    });
    (local, panics)
}

/// A handler that panics at some paths.
async fn handle(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    assert!(!request.uri().path().ends_with("/Panics"), "on purpose, in a handler");
    Ok(Response::new(Body::empty()))
}

fn request(path: &str) -> Request<Body> {
    let content_type = if path.contains("Shop/") { "application/grpc" } else { "text/plain" };
    Request::post(path).header("content-type", content_type).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn processors_and_ids_that_panic_do_not_reach_calls_and_spans_of_the_api() {
    let collector = Collector::start().unwrap();
    let (local, panics) = with_panics(&collector);
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
    assert_eq!(panics.calls(), [5, 5, 0, 5, 5]);
    assert!(collector.received().spans().iter().all(|span| span.trace_id() != "0".repeat(32)));
}

#[test]
fn a_log_processor_that_panics_does_not_reach_the_caller() {
    let collector = Collector::start().unwrap();
    let (local, panics) = with_panics(&collector);
    local.record(0..10);
    let (delivery, lines) = local.shutdown();
    assert_eq!(delivery.lost(), 0, "{delivery}");
    assert_eq!(lines.len(), 10, "{lines:#?}");
    assert_eq!((collector.received().span_count(), collector.received().log_count()), (10, 10));
    assert_eq!(panics.calls(), [10, 10, 10, 10, 10]);
}
