//! A `tracing` span with two fields, sampled, from its beginning to the collector: processor time of the whole process.
//!
//! The reference is `tracing-opentelemetry` as it comes, with the SDK's batch processor and exporter.

#![expect(clippy::expect_used, reason = "a program for people")]

mod support;

use std::time::Duration;

use criterion::Criterion;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use support::{Budget, Collector, Side, Work, compare};
use telemetry_bootstrap::LogFormat;
use tokio::runtime::Runtime;
use tracing::info_span;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() {
    support::main(&[("ours", ours), ("stock", stock)], bench);
}

fn bench(criterion: &mut Criterion) {
    let collector = Collector::start();
    let (mut ours, mut stock) = (Side::start("ours", &collector), Side::start("stock", &collector));
    let reference = ("tracing-opentelemetry, SDK and opentelemetry-otlp", |spans| stock.cpu(spans));
    compare(criterion, "span", Budget::of(0.65), TURN, |spans| ours.cpu(spans), reference);
}

fn span() {
    let _span = info_span!("query", table = "orders", rows = 17).entered();
}

fn ours(endpoint: &str) -> Work {
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .service_name("bench")
        .endpoint(endpoint)
        .metrics(|metrics| metrics.export(false))
        .logs(|logs| logs.export(false))
        .log_output(|output| output.format(LogFormat::Off))
        .build()
        .expect("telemetry");
    Box::new(move |spans| {
        (0..spans).for_each(|_| span());
        telemetry.force_flush(Duration::from_secs(10)).expect("a live collector");
        assert_eq!(telemetry.stats().lost(), 0);
        0
    })
}

fn stock(endpoint: &str) -> Work {
    let runtime = Runtime::new().expect("a runtime");
    let provider = {
        let _inside = runtime.enter();
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        SdkTracerProvider::builder().with_batch_exporter(exporter.expect("an exporter")).build()
    };
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    tracing_subscriber::registry().with(LevelFilter::INFO).with(layer).init();
    Box::new(move |spans| {
        let _ = &runtime;
        (0..spans).for_each(|_| span());
        provider.force_flush().expect("a live collector");
        0
    })
}

/// As many as the SDK's queue holds.
const TURN: u64 = 2_000;
