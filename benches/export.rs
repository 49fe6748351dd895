//! What it costs to export spans that come at a steady rate, and how many are lost when they come fast.
//!
//! The spans are made with the SDK's tracer, so that what is compared is what happens to a span that has ended: ours
//! goes through our queue and I/O thread, the reference through the SDK's batch processor and exporter. What the spans
//! cost by themselves, and the pauses between them, is measured in a third process and taken off both.

#![expect(clippy::expect_used, reason = "a program for people")]

mod support;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter as Exporter, SpanProcessor,
};
use support::{Budget, Collector, Side, Work, compare};
use telemetry_bootstrap::{LogFormat, Protocol};
use tokio::runtime::Runtime;

fn main() {
    support::main(
        &[
            ("ours", |endpoint| ours(endpoint, Protocol::Grpc, STEADY)),
            ("ours over HTTP", |endpoint| ours(endpoint, Protocol::HttpProtobuf, STEADY)),
            ("stock", |endpoint| stock(endpoint, STEADY)),
            ("none", |_| none(STEADY)),
            ("ours, fast", |endpoint| ours(endpoint, Protocol::Grpc, FAST)),
            ("ours over HTTP, fast", |endpoint| ours(endpoint, Protocol::HttpProtobuf, FAST)),
            ("stock, fast", |endpoint| stock(endpoint, FAST)),
        ],
        bench,
    );
}

fn bench(criterion: &mut Criterion) {
    cost(criterion);
    losses();
}

fn cost(criterion: &mut Criterion) {
    let collector = Collector::start();
    let [ours, over_http, stock, none] =
        ["ours", "ours over HTTP", "stock", "none"].map(|role| RefCell::new(Side::start(role, &collector)));
    let beyond = |side: &RefCell<Side>, spans| {
        let (with, without) = (side.borrow_mut().cpu(spans), none.borrow_mut().cpu(spans));
        // A single span is too little to measure.
        with.saturating_sub(without).max(Duration::from_nanos(1))
    };
    compare(
        criterion,
        "export at 100 000 spans/s",
        Budget::of(0.45),
        STEADY.turn(),
        |spans| beyond(&ours, spans),
        ("SDK and opentelemetry-otlp", |spans| beyond(&stock, spans)),
    );
    compare(
        criterion,
        "export over HTTP at 100 000 spans/s",
        Budget::of(1.0),
        STEADY.turn(),
        |spans| beyond(&over_http, spans),
        ("gRPC", |spans| beyond(&ours, spans)),
    );
}

#[expect(clippy::print_stderr, reason = "a program for people")]
fn losses() {
    let spans = if support::is_test() { 1 } else { 2 * FAST.per_second };
    for role in ["ours, fast", "ours over HTTP, fast", "stock, fast"] {
        let collector = Collector::start();
        let (_, lost) = Side::start(role, &collector).work(spans);
        eprintln!("{role}: {lost} lost of {spans} at {} spans/s", FAST.per_second);
    }
}

#[derive(Clone, Copy)]
struct Rate {
    per_second: u64,
    threads: u64,
}

impl Rate {
    /// A twentieth of a second.
    const fn turn(self) -> u64 {
        self.per_second / 20
    }

    /// Makes so many spans, a few each millisecond.
    fn spans(self, tracer: &SdkTracer, count: u64) {
        thread::scope(|scope| {
            for thread in 0..self.threads {
                let own = count / self.threads + u64::from(thread < count % self.threads);
                scope.spawn(move || paced(tracer, own, self.per_second / self.threads));
            }
        });
    }
}

fn paced(tracer: &SdkTracer, count: u64, per_second: u64) {
    let begun = Instant::now();
    let mut made = 0;
    while made < count {
        let due = (begun.elapsed().as_micros() as u64 + 1_000) * per_second / 1_000_000;
        for _ in made..due.min(count) {
            span(tracer);
        }
        made = made.max(due.min(count));
        thread::sleep(Duration::from_millis(1));
    }
}

fn span(tracer: &SdkTracer) {
    let attributes = [KeyValue::new("table", "orders"), KeyValue::new("rows", 17)];
    tracer.span_builder("query").with_attributes(attributes).start(tracer).end();
}

fn ours(endpoint: &str, protocol: Protocol, rate: Rate) -> Work {
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .service_name("bench")
        .endpoint(endpoint)
        .protocol(protocol)
        .metrics(|metrics| metrics.export(false))
        .logs(|logs| logs.export(false))
        .log_output(|output| output.format(LogFormat::Off))
        .build()
        .expect("telemetry");
    let tracer = telemetry.tracer("bench");
    Box::new(move |spans| {
        rate.spans(&tracer, spans);
        telemetry.force_flush(Duration::from_secs(10)).expect("a live collector");
        telemetry.stats().traces.lost()
    })
}

fn stock(endpoint: &str, rate: Rate) -> Work {
    let runtime = Runtime::new().expect("a runtime");
    let exported = Arc::new(AtomicU64::new(0));
    let provider = {
        let _inside = runtime.enter();
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let inner = exporter.expect("an exporter");
        let counted = Counted { inner, exported: Arc::clone(&exported) };
        SdkTracerProvider::builder().with_batch_exporter(counted).build()
    };
    let tracer = provider.tracer("bench");
    let mut made = 0;
    Box::new(move |spans| {
        let _ = &runtime;
        rate.spans(&tracer, spans);
        provider.force_flush().expect("a live collector");
        made += spans;
        made - exported.load(Ordering::Relaxed)
    })
}

/// Spans that are recorded, and go nowhere.
fn none(rate: Rate) -> Work {
    let provider = SdkTracerProvider::builder().with_span_processor(Nothing).build();
    let tracer = provider.tracer("bench");
    Box::new(move |spans| {
        rate.spans(&tracer, spans);
        0
    })
}

#[derive(Debug)]
struct Nothing;

impl SpanProcessor for Nothing {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Counts what its exporter has delivered: the SDK does not tell what it lost.
#[derive(Debug)]
struct Counted {
    inner: SpanExporter,
    exported: Arc<AtomicU64>,
}

impl Exporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let result = self.inner.export(batch).await;
        if result.is_ok() {
            self.exported.fetch_add(count, Ordering::Relaxed);
        }
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

const STEADY: Rate = Rate { per_second: 100_000, threads: 1 };
const FAST: Rate = Rate { per_second: 300_000, threads: 2 };
