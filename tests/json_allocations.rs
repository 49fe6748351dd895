//! A line costs no allocation once its thread, its spans and its writer are warm.

use std::error::Error;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use telemetry_bootstrap::json::JsonLayer;
use telemetry_bootstrap::{LogDestination, NonBlockingWriter, OverflowPolicy, Redaction};
use tracing::subscriber::with_default;
use tracing::{error, info, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

#[test]
fn line_inside_two_spans_does_not_allocate() {
    let writer = NonBlockingWriter::new(
        LogDestination::writer(|| Gate),
        OverflowPolicy::Block,
        NonBlockingWriter::DEFAULT_MAX_BYTES,
    )
    .unwrap();
    let layer = JsonLayer::new(writer.clone()).redact(Redaction::keys(["password"]));
    with_default(tracing_subscriber::registry().with(layer), || {
        let _ids = Context::new().with_remote_span_context(span_context()).attach();
        let _fields = telemetry_bootstrap::with_fields([KeyValue::new("request.id", "7")]).attach();
        let _outer = info_span!("request", method = "GET", path = "/orders", attempt = 1).entered();
        let _inner = info_span!("query", table = "orders", rows = 17).entered();
        let failure = io::Error::from(io::ErrorKind::NotFound);
        let line = |number: u64| {
            info!(
                number,
                cached = false,
                took = 0.25,
                password = "x",
                path = "/other",
                "placed \"{number}\""
            );
            info!(bytes = &[1_u8, 2, 3][..], wide = u128::MAX, shown = %number, debugged = ?Some(number));
            error!(error = &failure as &dyn Error, "failed");
        };
        // While the output is stuck with one of the writer's two buffers, the other grows to more than what is measured
        // needs. A single line between makes them change places.
        for _ in 0..2 {
            let stuck = GATE.lock().unwrap();
            let before = WRITES.load(Ordering::Acquire);
            info!("stuck");
            while WRITES.load(Ordering::Acquire) == before {
                std::thread::yield_now();
            }
            (0..1000).for_each(line);
            drop(stuck);
            assert!(writer.flush(Duration::from_secs(20)));
            info!("change");
            assert!(writer.flush(Duration::from_secs(20)));
        }
        let counted = allocation_counter::measure(|| (0..200).for_each(line));
        assert_eq!(counted.count_total, 0);
    });
}

#[test]
fn recording_a_field_again_does_not_allocate() {
    with_default(tracing_subscriber::registry().with(JsonLayer::new(io::sink)), || {
        let outer = info_span!("request", attempt = 1).entered();
        let _inner = info_span!("query", table = "orders").entered();
        let attempt = |number: u64| {
            outer.record("attempt", number);
            info!("tried");
        };
        (1000..1010).for_each(attempt);
        assert_eq!(allocation_counter::measure(|| (1000..1200).for_each(attempt)).count_total, 0);
    });
}

/// An output that takes everything, unless it is held shut.
struct Gate;

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

fn span_context() -> SpanContext {
    let (trace, span) = (TraceId::from(7_u128), SpanId::from(7_u64));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default())
}
