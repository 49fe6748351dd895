//! Code of the program inside telemetry that hangs or panics: it costs no more than itself, and what it costs is logged.

#![expect(clippy::unwrap_used, reason = "test code")]

mod local;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use local::{Local, PATIENCE, own};
use opentelemetry::Context;
use opentelemetry::metrics::AsyncInstrument;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, Temporality};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{ExportError, LogDestination, opentelemetry, opentelemetry_sdk, tracing};

const LIMIT: Duration = Duration::from_millis(1_000);
const OVER_LIMIT: Duration = Duration::from_millis(100);
const NEVER: Duration = Duration::from_secs(3_600);
const HANGS: &str = "a processor, reader or callback did not finish in time";

/// Does this at each flush and at the shutdown.
struct Processor(fn());

impl std::fmt::Debug for Processor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Processor")
    }
}

impl SpanProcessor for Processor {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        self.0();
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.0();
        Ok(())
    }
}

fn hang() {
    std::thread::sleep(NEVER);
}

/// Batches that are not full wait for the flush or the shutdown.
fn with_processor(collector: &Collector, action: fn()) -> Local {
    Local::with(&collector.endpoint(), |builder| {
        builder
            .shutdown_timeout(LIMIT)
            .traces(|traces| traces.span_processor(Processor(action)).scheduled_delay(NEVER))
            .logs(|logs| logs.scheduled_delay(NEVER))
            .metrics(|metrics| metrics.interval(NEVER))
    })
}

fn all_arrived(collector: &Collector) {
    let received = collector.received();
    assert_eq!((received.span_count(), received.log_count()), (10, 10));
}

#[test]
fn hanging_processor_at_shutdown_loses_no_other_telemetry() {
    let collector = Collector::start().unwrap();
    let local = with_processor(&collector, hang);
    local.record(0..10);
    let begin = Instant::now();
    let (delivery, lines) = local.shutdown();
    assert!(begin.elapsed() < LIMIT + OVER_LIMIT, "{:?}", begin.elapsed());
    assert_eq!(delivery.lost(), 0, "{delivery}");
    all_arrived(&collector);
    assert_eq!(collector.received().value("recorded", &[]), Some(10.0));
    let [line] = own(&lines)[..] else { panic!("{lines:#?}") };
    assert_eq!(
        (&line["level"], &line["message"], &line["signal"]),
        (&"WARN".into(), &HANGS.into(), &"traces".into())
    );
}

#[test]
fn panicking_processor_at_shutdown_loses_no_other_telemetry() {
    let collector = Collector::start().unwrap();
    let local = with_processor(&collector, || panic!("on purpose"));
    local.record(0..10);
    let (delivery, _) = local.shutdown();
    assert_eq!(delivery.lost(), 0, "{delivery}");
    all_arrived(&collector);
}

#[test]
fn processor_that_hangs_delays_a_flush_that_still_delivers_the_rest() {
    let collector = Collector::start().unwrap();
    let local = with_processor(&collector, hang);
    local.record(0..10);
    let begin = Instant::now();
    assert!(matches!(local.guard.force_flush(LIMIT), Err(ExportError::Timeout(limit)) if limit == LIMIT));
    assert!(begin.elapsed() < LIMIT + OVER_LIMIT, "{:?}", begin.elapsed());
    all_arrived(&collector);
}

#[test]
fn hanging_callback_loses_only_its_metrics() {
    let collector = Collector::start().unwrap();
    let local = with_processor(&collector, || {});
    local.guard.meter("test").u64_observable_gauge("hangs").with_callback(|_| hang()).build();
    local.record(0..10);
    let begin = Instant::now();
    let (delivery, lines) = local.shutdown();
    assert!(begin.elapsed() < LIMIT + OVER_LIMIT, "{:?}", begin.elapsed());
    assert_eq!(delivery.lost(), 0, "{delivery}");
    all_arrived(&collector);
    let [line] = own(&lines)[..] else { panic!("{lines:#?}") };
    assert_eq!(line["instrument"], "hangs");
    assert!(line["message"].as_str().unwrap().contains("is slow"), "{line}");
    assert_eq!(collector.received().value("recorded", &[]), Some(10.0));
}

/// A collection for a flush, whose callback would have five seconds, when the shutdown begins.
#[test]
fn a_collection_that_waits_for_a_callback_at_shutdown_does_not_cost_the_last_metrics() {
    let flush_of_the_guard = |local: &Local| _ = local.guard.force_flush(LIMIT);
    let flush_of_the_provider = |local: &Local| {
        let provider = local.guard.meter_provider().clone();
        std::thread::spawn(move || provider.force_flush());
    };
    for flush in [flush_of_the_guard as fn(&Local), flush_of_the_provider] {
        let collector = Collector::start().unwrap();
        let local = with_processor(&collector, || {});
        let (begin, has_begun) = channel();
        let hangs = move |_: &dyn AsyncInstrument<u64>| {
            let _ = begin.send(());
            hang();
        };
        local.guard.meter("test").u64_observable_gauge("hangs").with_callback(hangs).build();
        local.record(0..5);
        flush(&local);
        has_begun.recv_timeout(PATIENCE).unwrap();
        local.record(5..10);
        let begin = Instant::now();
        let (delivery, lines) = local.shutdown();
        assert!(begin.elapsed() < LIMIT + OVER_LIMIT, "{:?}", begin.elapsed());
        assert_eq!((delivery.lost(), delivery.metrics_not_collected), (0, false), "{delivery}");
        all_arrived(&collector);
        assert_eq!(collector.received().value("recorded", &[]), Some(10.0));
        let [line] = own(&lines)[..] else { panic!("{lines:#?}") };
        assert_eq!(line["instrument"], "hangs");
        assert!(line["seconds"].as_f64().unwrap() < 3.0, "{line}");
    }
}

#[test]
fn a_metric_reader_of_the_program_that_hangs_holds_up_no_other() {
    static EXPORTS: AtomicUsize = AtomicUsize::new(0);
    let collector = Collector::start().unwrap();
    let export = || {
        EXPORTS.fetch_add(1, Ordering::Relaxed);
        hang();
    };
    let reader = PeriodicReader::builder(Exporter(export)).with_interval(NEVER).build();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder.shutdown_timeout(LIMIT).metrics(|metrics| metrics.interval(NEVER).reader(reader))
    });
    for flush in 1..=3_u8 {
        local.record(0..1);
        let begin = Instant::now();
        let flushed = local.guard.force_flush(LIMIT);
        assert!(matches!(flushed, Err(ExportError::Timeout(limit)) if limit == LIMIT), "{flushed:?}");
        assert!(begin.elapsed() < LIMIT + OVER_LIMIT, "{:?}", begin.elapsed());
        assert_eq!(collector.received().value("recorded", &[]), Some(f64::from(flush)));
    }
    let provider = local.guard.meter_provider().clone();
    local.record(0..1);
    std::thread::spawn(move || provider.force_flush());
    let begin = Instant::now();
    while collector.received().value("recorded", &[]) != Some(4.0) {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    local.record(0..1);
    let begin = Instant::now();
    let (delivery, lines) = local.shutdown();
    assert!(begin.elapsed() < LIMIT + OVER_LIMIT, "{:?}", begin.elapsed());
    assert_eq!((delivery.lost(), delivery.metrics_not_collected), (0, false), "{delivery}");
    assert_eq!(collector.received().value("recorded", &[]), Some(5.0));
    let [line] = own(&lines)[..] else { panic!("{lines:#?}") };
    assert_eq!((&line["message"], &line["signal"]), (&HANGS.into(), &"metrics".into()));
    assert_eq!(EXPORTS.load(Ordering::Relaxed), 1);
}

#[test]
fn a_metric_reader_of_the_program_that_panics_is_reported_at_shutdown() {
    for (action, message) in [
        ((|| {}) as fn(), None),
        (|| panic!("on purpose"), Some("a metric reader of the program failed at the shutdown")),
    ] {
        let collector = Collector::start().unwrap();
        let reader = PeriodicReader::builder(Exporter(action)).with_interval(NEVER).build();
        let local = Local::with(&collector.endpoint(), |builder| {
            builder.metrics(|metrics| metrics.interval(NEVER).reader(reader))
        });
        local.record(0..10);
        let (delivery, lines) = local.shutdown();
        assert_eq!((delivery.lost(), delivery.metrics_not_collected), (0, false), "{delivery}");
        assert_eq!(collector.received().value("recorded", &[]), Some(10.0));
        let messages: Vec<_> = own(&lines).iter().filter_map(|line| line["message"].as_str()).collect();
        assert_eq!(messages, message.into_iter().collect::<Vec<_>>());
    }
}

/// Does this at each export.
#[derive(Debug)]
struct Exporter(fn());

impl PushMetricExporter for Exporter {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        self.0();
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[test]
fn a_processor_that_hangs_is_not_flushed_again_meanwhile() {
    static FLUSHES: AtomicUsize = AtomicUsize::new(0);
    let collector = Collector::start().unwrap();
    let local = with_processor(&collector, || {
        FLUSHES.fetch_add(1, Ordering::Relaxed);
        hang();
    });
    for _ in 0..3 {
        assert!(local.guard.force_flush(OVER_LIMIT).is_err());
    }
    assert_eq!(FLUSHES.load(Ordering::Relaxed), 1);
}

/// The flush waits for the collection that the callback is a part of.
#[test]
fn callback_that_flushes_delays_one_collection() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| builder.metrics(|it| it.interval(NEVER)));
    let provider = local.guard.meter_provider().clone();
    let meter = local.guard.meter("test");
    let callback = move |gauge: &dyn AsyncInstrument<u64>| {
        let _ = provider.force_flush();
        gauge.observe(1, &[]);
    };
    meter.u64_observable_gauge("flushes").with_callback(callback).build();
    local.record(0..10);
    let begin = Instant::now();
    let (delivery, _) = local.shutdown();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(delivery.lost(), 0, "{delivery}");
    all_arrived(&collector);
}

#[test]
fn panicking_callback_loses_only_its_observations() {
    let collector = Collector::start().unwrap();
    let local = with_processor(&collector, || {});
    let panics = |_: &dyn AsyncInstrument<u64>| panic!("on purpose");
    local.guard.meter("test").u64_observable_gauge("panics").with_callback(panics).build();
    local.record(0..10);
    let begin = Instant::now();
    let (delivery, lines) = local.shutdown();
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    assert_eq!(delivery.lost(), 0, "{delivery}");
    all_arrived(&collector);
    let [line] = own(&lines)[..] else { panic!("{lines:#?}") };
    assert_eq!(line["instrument"], "panics");
    assert!(line["message"].as_str().unwrap().contains("panicked"), "{line}");
    assert_eq!(collector.received().value("recorded", &[]), Some(10.0));
}

#[test]
fn a_value_that_panics_in_a_span_leaves_telemetry_whole() {
    struct Hostile;
    impl std::fmt::Debug for Hostile {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("on purpose")
        }
    }
    let collector = Collector::start().unwrap();
    let local = with_processor(&collector, || {});
    let hostile = || {
        let span = tracing::info_span!("hostile", value = ?Hostile, later = tracing::field::Empty);
        span.record("later", tracing::field::debug(Hostile));
        span.in_scope(|| tracing::info!(value = ?Hostile, "recorded"));
    };
    tracing::dispatcher::with_default(&local.subscriber, || {
        // Whether the panic reaches the program is its own affair: it is the program's value.
        let _ = std::panic::catch_unwind(hostile);
    });
    local.record(0..10);
    let (delivery, _) = local.shutdown();
    assert_eq!(delivery.lost(), 0, "{delivery}");
    assert!(collector.spans().len() >= 10);
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk_loses_only_lines_which_are_counted() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder.log_output(|output| output.destination(LogDestination::file("/dev/full")))
    });
    local.record(0..10);
    let (delivery, _) = local.shutdown();
    assert_eq!((delivery.traces.delivered, delivery.logs.delivered), (10, 10), "{delivery}");
    assert_eq!(delivery.lost(), delivery.log_lines_dropped);
    // Ten lines, and possibly the one that would have reported them.
    assert!((10..=11).contains(&delivery.log_lines_dropped), "{delivery}");
}

#[test]
fn output_that_accepts_nothing_delays_by_at_most_the_limit() {
    struct Stuck(Arc<(Mutex<()>, Condvar)>);
    impl std::io::Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let (lock, forever) = &*self.0;
            drop(forever.wait_timeout(lock.lock().unwrap(), NEVER).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let collector = Collector::start().unwrap();
    let output = Arc::default();
    let local = Local::with(&collector.endpoint(), |builder| {
        let output = Arc::clone(&output);
        builder
            .shutdown_timeout(LIMIT)
            .log_output(|lines| lines.destination(LogDestination::writer(move || Stuck(Arc::clone(&output)))))
    });
    local.record(0..10);
    let begin = Instant::now();
    let (delivery, _) = local.shutdown();
    assert!(begin.elapsed() < LIMIT + OVER_LIMIT, "{:?}", begin.elapsed());
    assert_eq!((delivery.traces.delivered, delivery.logs.delivered), (10, 10), "{delivery}");
    assert_eq!((delivery.log_lines_dropped, delivery.lost()), (10, 10), "none of the lines was written");
}
