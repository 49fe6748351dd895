//! How long a program waits for telemetry to start, and to end with a live collector.
//!
//! The reference is what a program does by hand: three exporters and providers of the SDK, the layers that record to
//! them and write lines, and the providers' shutdown.

#![expect(clippy::expect_used, reason = "a program for people")]

mod support;

use std::time::{Duration, Instant};

use criterion::Criterion;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use support::Collector;
use telemetry_bootstrap::{LogFormat, Protocol, TelemetryGuard};
use tokio::runtime::Runtime;
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Registry};

fn main() {
    support::main(&[], bench);
}

fn bench(criterion: &mut Criterion) {
    let collector = Collector::start();
    let mut group = criterion.benchmark_group("lifecycle");
    let start = |times: (Duration, Duration)| times.0;
    let end = |times: (Duration, Duration)| times.1;
    group.bench_function("build, ours", |bencher| bencher.iter_custom(|n| start(ours(&collector, n))));
    for (name, protocol) in [("gRPC", Protocol::Grpc), ("HTTP", Protocol::HttpProtobuf)] {
        let name = format!("build, ours, https, {name}");
        group.bench_function(name, |bencher| bencher.iter_custom(|n| built_for_https(protocol, n)));
    }
    group.bench_function("build, stock by hand", |bencher| {
        bencher.iter_custom(|n| start(stock(&collector, n)))
    });
    group.bench_function("drop, ours", |bencher| bencher.iter_custom(|n| end(ours(&collector, n))));
    group.bench_function("drop, stock by hand", |bencher| bencher.iter_custom(|n| end(stock(&collector, n))));
    group.finish();
}

/// Time for beginning, and for ending with one span to deliver.
fn ours(collector: &Collector, times: u64) -> (Duration, Duration) {
    sum(times, || {
        let begun = Instant::now();
        let telemetry = start(collector.endpoint(), Protocol::Grpc);
        let built = begun.elapsed();
        telemetry.tracer("bench").start("query").end();
        let begun = Instant::now();
        drop(telemetry);
        (built, begun.elapsed())
    })
}

/// Time for beginning, with an endpoint whose certificate is checked against the system's roots. Nothing is sent.
fn built_for_https(protocol: Protocol, times: u64) -> Duration {
    let builds = (0..times).map(|_| {
        let begun = Instant::now();
        let telemetry = start("https://localhost:1", protocol);
        let built = begun.elapsed();
        drop(telemetry);
        built
    });
    builds.sum()
}

fn start(endpoint: &str, protocol: Protocol) -> TelemetryGuard {
    let builder = telemetry_bootstrap::init().ignore_env().service_name("bench");
    builder
        .endpoint(endpoint)
        .protocol(protocol)
        .log_output(|output| output.format(LogFormat::Json))
        .build_local::<Registry>()
        .expect("telemetry")
        .1
}

fn stock(collector: &Collector, times: u64) -> (Duration, Duration) {
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let endpoint = collector.endpoint();
    sum(times, || {
        let begun = Instant::now();
        let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let tracers = SdkTracerProvider::builder().with_batch_exporter(spans.expect("an exporter")).build();
        let records = LogExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let loggers = SdkLoggerProvider::builder().with_batch_exporter(records.expect("an exporter")).build();
        let metrics = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let meters =
            SdkMeterProvider::builder().with_periodic_exporter(metrics.expect("an exporter")).build();
        let subscriber = Registry::default()
            .with(EnvFilter::new("info"))
            .with(tracing_opentelemetry::layer().with_tracer(tracers.tracer("bench")))
            .with(OpenTelemetryTracingBridge::new(&loggers))
            .with(tracing_subscriber::fmt::layer().json());
        let subscriber = Dispatch::new(subscriber);
        let built = begun.elapsed();
        tracers.tracer("bench").start("query").end();
        let begun = Instant::now();
        tracers.shutdown().expect("a live collector");
        loggers.shutdown().expect("a live collector");
        meters.shutdown().expect("a live collector");
        drop(subscriber);
        (built, begun.elapsed())
    })
}

fn sum(times: u64, run: impl Fn() -> (Duration, Duration)) -> (Duration, Duration) {
    let runs = (0..times).map(|_| run());
    runs.fold(Default::default(), |(starts, ends), (start, end)| (starts + start, ends + end))
}
