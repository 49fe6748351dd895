//! An event as an OTLP log record, from `info!` to the collector: processor time of the whole process.
//!
//! The reference is `opentelemetry-appender-tracing`, with the SDK's batch processor and exporter.

#![expect(clippy::expect_used, reason = "a program for people")]

mod support;

use std::time::Duration;

use criterion::Criterion;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, WithExportConfig as _};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use support::{Budget, Collector, Side, Work, compare};
use telemetry_bootstrap::LogFormat;
use tokio::runtime::Runtime;
use tracing::info;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() {
    support::main(&[("ours", ours), ("stock", stock)], bench);
}

fn bench(criterion: &mut Criterion) {
    let collector = Collector::start();
    let (mut ours, mut stock) = (Side::start("ours", &collector), Side::start("stock", &collector));
    let reference =
        ("opentelemetry-appender-tracing, SDK and opentelemetry-otlp", |events| stock.cpu(events));
    compare(criterion, "record", Budget::of(0.70), TURN, |events| ours.cpu(events), reference);
}

/// Inside a span, as events usually are.
fn events(count: u64) {
    let (trace, span) = (TraceId::from(7_u128 << 100), SpanId::from(7_u64 << 50));
    let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default());
    let _ids = Context::new().with_remote_span_context(context).attach();
    (0..count).for_each(|number| info!(number, cached = false, table = "orders", "order placed"));
}

fn ours(endpoint: &str) -> Work {
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .service_name("bench")
        .endpoint(endpoint)
        .metrics(|metrics| metrics.export(false))
        .traces(|traces| traces.export(false))
        .log_output(|output| output.format(LogFormat::Off))
        .build()
        .expect("telemetry");
    Box::new(move |count| {
        events(count);
        telemetry.force_flush(Duration::from_secs(10)).expect("a live collector");
        assert_eq!(telemetry.stats().lost(), 0);
        0
    })
}

fn stock(endpoint: &str) -> Work {
    let runtime = Runtime::new().expect("a runtime");
    let provider = {
        let _inside = runtime.enter();
        let exporter = LogExporter::builder().with_tonic().with_endpoint(endpoint).build();
        SdkLoggerProvider::builder().with_batch_exporter(exporter.expect("an exporter")).build()
    };
    let layer = OpenTelemetryTracingBridge::new(&provider);
    tracing_subscriber::registry().with(LevelFilter::INFO).with(layer).init();
    Box::new(move |count| {
        let _ = &runtime;
        events(count);
        provider.force_flush().expect("a live collector");
        0
    })
}

/// As many as the SDK's queue holds.
const TURN: u64 = 2_000;
