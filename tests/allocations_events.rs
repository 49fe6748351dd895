//! What an event and a span allocate once their thread is warm, through everything that `build_local()` makes.

#![expect(clippy::unwrap_used, reason = "a test, whose helpers fail it")]

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogDestination, LogFormat, TelemetryGuard, init};
use tracing::subscriber::with_default;
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

#[test]
fn an_event_as_line_and_record_allocates_nothing() {
    in_telemetry(|telemetry| {
        let _outer = info_span!("request", method = "GET", path = "/orders", attempt = 1).entered();
        let _inner = info_span!("query", table = "orders", rows = 17).entered();
        let event = |number: u64| {
            info!(number, cached = false, took = 0.25, table = "other", "placed \"{number}\"");
            info!(bytes = &[1_u8, 2, 3][..], wide = u128::MAX, shown = %number, debugged = ?Some(number));
        };
        assert_eq!(allocations_of(telemetry, event), 0);
        assert_eq!(telemetry.stats().lost(), 0);
    });
}

#[test]
fn an_event_without_a_span_allocates_nothing() {
    in_telemetry(|telemetry| assert_eq!(allocations_of(telemetry, |number| info!(number, "placed")), 0));
}

/// The span and its place in the context. The memory of its state, with its fields, is that of an earlier span.
#[test]
fn a_span_with_two_fields_allocates_no_more_than_documented() {
    in_telemetry(|telemetry| {
        let span = |_| drop(info_span!("query", table = "orders", rows = 17).entered());
        assert_eq!(allocations_of(telemetry, span), SPANS * PER_SPAN);
    });
}

#[test]
fn a_span_without_lines_allocates_twice() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let collector = Collector::start().unwrap();
    let builder = init().ignore_env().service_name("test").endpoint(collector.endpoint());
    let (layer, telemetry) = builder
        .log_output(|output| output.format(LogFormat::Off))
        .traces(|traces| traces.max_export_batch_size(10_000).scheduled_delay(Duration::from_secs(3600)))
        .build_local()
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        let span = |_| drop(info_span!("query", table = "orders", rows = 17).entered());
        for _ in 0..2 {
            (0..1000).for_each(span);
            telemetry.force_flush(Duration::from_secs(20)).unwrap();
        }
        let counted = allocation_counter::measure(|| (0..SPANS).for_each(span)).count_total;
        // The queue's batch grows a few times.
        assert!((SPANS * PER_SPAN..SPANS * PER_SPAN + 20).contains(&counted), "{counted}");
    });
}

/// Counted when nothing has to grow any more: the thread's buffers, the writer's two, and the queues' batches.
fn allocations_of(telemetry: &TelemetryGuard, work: impl Fn(u64)) -> u64 {
    let flush = || telemetry.force_flush(Duration::from_secs(20)).unwrap();
    // While the output is stuck with one of the writer's buffers, the other grows. The single event between makes them
    // change places, and leaves the grown batch to what is measured.
    for _ in 0..2 {
        let stuck = GATE.lock().unwrap();
        let before = WRITES.load(Ordering::Acquire);
        info!("stuck");
        while WRITES.load(Ordering::Acquire) == before {
            std::thread::yield_now();
        }
        (0..1000).for_each(&work);
        drop(stuck);
        flush();
        info!("change");
        flush();
    }
    allocation_counter::measure(|| (0..SPANS).for_each(&work)).count_total
}

fn in_telemetry(test: impl FnOnce(&TelemetryGuard)) {
    // The gate is global.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let collector = Collector::start().unwrap();
    let builder = init().ignore_env().service_name("test").endpoint(collector.endpoint());
    let builder = builder
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::writer(|| Gate)));
    // A batch ends with a flush and not before.
    let builder = builder
        .traces(|traces| traces.max_export_batch_size(10_000).scheduled_delay(Duration::from_secs(3600)))
        .logs(|logs| logs.max_export_batch_size(10_000).scheduled_delay(Duration::from_secs(3600)));
    let (layer, telemetry) = builder.build_local().unwrap();
    with_default(tracing_subscriber::registry().with(layer), || test(&telemetry));
}

const SPANS: u64 = 100;
/// The figure of `benches/README.md`.
const PER_SPAN: u64 = 2;

/// An output that takes everything, unless it is held shut.
struct Gate;

static ALONE: Mutex<()> = Mutex::new(());
static GATE: Mutex<()> = Mutex::new(());
/// Writes that have begun.
static WRITES: AtomicUsize = AtomicUsize::new(0);

impl io::Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITES.fetch_add(1, Ordering::Release);
        drop(GATE.lock());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
