//! A burst against a collector that is gone: memory stays within a stated limit, and every drop is counted.
//!
//! One test, so that the process is its own: what it needs at most is what the kernel has seen.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "test code")]

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _};
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogFormat, init, opentelemetry, opentelemetry_sdk};

const BURST: u64 = 1_000_000;
const THREADS: u64 = 2;
/// The default limit of one signal's queue.
const QUEUE: u64 = 32 << 20;
/// For what the limit does not cover: requests on their way, and memory that the allocator keeps for later.
const BESIDE: u64 = 16 << 20;

#[test]
fn a_million_spans_without_a_collector_stay_within_the_limit_and_each_drop_is_counted() {
    let builder = init()
        .ignore_env()
        .endpoint(Collector::closed_endpoint().unwrap())
        .log_output(|output| output.format(LogFormat::Off));
    let (_, guard) = builder.build_local::<tracing_subscriber::Registry>().unwrap();
    let tracer = guard.tracer("burst");
    // Once, so that what is made only once is not measured.
    record(&tracer, 100);
    let before = peak();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| record(&tracer, BURST / THREADS));
        }
    });
    let grown = peak() - before;
    let delivery = guard.stats();
    println!("{} MiB for {delivery}", grown >> 20);
    assert_eq!(delivery.traces.accepted, BURST + 100);
    assert_eq!(delivery.traces.pending + delivery.traces.dropped, BURST + 100, "{delivery}");
    // The limit is used, not merely kept: each span is some hundred bytes.
    assert!(delivery.traces.pending > QUEUE / 400, "{delivery}");
    assert!(grown < QUEUE + BESIDE, "{} MiB", grown >> 20);
    let delivery = guard.shutdown().unwrap_err().stats();
    assert_eq!(delivery.traces.failed + delivery.traces.dropped, BURST + 100, "{delivery}");
}

fn record(tracer: &opentelemetry_sdk::trace::SdkTracer, count: u64) {
    for number in 0..count {
        let mut span = tracer.start("a span of a burst");
        span.set_attribute(KeyValue::new("number", number.cast_signed()));
        span.set_attribute(KeyValue::new("path", "/some/path/of/usual/length"));
    }
}

/// The most memory that this process has held so far, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes << 10
}
