//! Telemetry that touches no global, with its log lines and what arrived at hand.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use std::collections::HashSet;
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry::metrics::Counter;
use serde_json::Value;
use telemetry_bootstrap::Signal;
use telemetry_bootstrap::testing::CollectedTelemetry;
use telemetry_bootstrap::{
    Builder, ExportStats, LogDestination, LogFormat, TelemetryGuard, opentelemetry, tracing,
};
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt as _;

pub struct Local {
    pub guard: TelemetryGuard,
    pub subscriber: Dispatch,
    counter: Counter<u64>,
    lines: Lines,
}

impl Local {
    pub fn start(endpoint: &str) -> Self {
        Self::with(endpoint, |builder| builder)
    }

    /// Batches leave soon, so that a test need not wait for them.
    pub fn with(endpoint: &str, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let lines = Lines::default();
        let output = lines.clone();
        let builder = telemetry_bootstrap::init()
            .ignore_env()
            .service_name("local")
            .endpoint(endpoint)
            .log_output(|lines| {
                lines.format(LogFormat::Json).destination(LogDestination::writer(move || output.clone()))
            })
            .timeout(Duration::from_secs(2))
            .traces(|traces| traces.scheduled_delay(SOON))
            .logs(|logs| logs.scheduled_delay(SOON))
            .metrics(|metrics| metrics.interval(Duration::from_millis(250)));
        let (layer, guard) = adjust(builder).build_local().unwrap();
        let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
        let counter = guard.meter("local").u64_counter("recorded").build();
        Self { guard, subscriber, counter, lines }
    }

    /// A span, a log record in it, and a count, for each number.
    pub fn record(&self, numbers: Range<u64>) {
        tracing::dispatcher::with_default(&self.subscriber, || {
            for number in numbers {
                let _span = tracing::info_span!("recorded", number).entered();
                tracing::info!(number, "recorded");
                self.counter.add(1, &[]);
            }
        });
    }

    /// Records some hundred numbers a second until `trouble` returns, and returns how many. Checks all the while that the
    /// statistics cover what was recorded.
    pub fn under_load(&self, trouble: impl FnOnce()) -> u64 {
        std::thread::scope(|scope| {
            // Dropped by a panic as well, for which the scope would wait forever.
            let running = Arc::new(());
            let is_running = Arc::downgrade(&running);
            let load = scope.spawn(move || {
                let mut recorded = 0;
                while is_running.strong_count() > 0 {
                    self.record(recorded..recorded + 5);
                    recorded += 5;
                    let ExportStats { traces, logs, .. } = self.guard.stats();
                    for counts in [traces, logs] {
                        assert_eq!(counts.accepted, recorded, "{counts}");
                        let known = counts.delivered + counts.rejected + counts.failed + counts.dropped;
                        assert_eq!(counts.accepted, known + counts.pending, "{counts}");
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                recorded
            });
            trouble();
            drop(running);
            load.join().unwrap()
        })
    }

    pub fn wait_until(&self, condition: impl Fn(&ExportStats) -> bool) {
        let begin = Instant::now();
        while !condition(&self.guard.stats()) {
            assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {}", self.guard.stats());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn lines(&self) -> Vec<Value> {
        self.lines.read()
    }

    /// Ends it: what became of everything, and the log lines.
    pub fn shutdown(self) -> (ExportStats, Vec<Value>) {
        let delivery = match self.guard.shutdown() {
            Ok(delivery) => delivery,
            Err(error) => error.stats(),
        };
        (delivery, self.lines.read())
    }
}

/// The lines that telemetry itself logged.
pub fn own(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["message"] != "recorded").collect()
}

/// Lines with this message.
pub fn with_message<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

/// Which numbers arrived as spans and as log records. A request whose answer was lost is sent again: that is once.
pub fn numbers(received: &CollectedTelemetry) -> (HashSet<u64>, HashSet<u64>) {
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let spans = received.spans().iter().filter_map(|span| number(span.attribute_text("number"))).collect();
    let logs = received.logs().iter().filter_map(|log| number(log.attribute_text("number"))).collect();
    (spans, logs)
}

/// Everything arrived, and the statistics agree.
pub fn assert_nothing_lost(recorded: u64, delivery: ExportStats, received: &CollectedTelemetry) {
    let (spans, logs) = numbers(received);
    assert_eq!((spans.len() as u64, logs.len() as u64), (recorded, recorded), "{delivery}");
    for counts in [delivery.traces, delivery.logs] {
        assert_eq!((counts.accepted, counts.delivered), (recorded, recorded), "{delivery}");
    }
    let points: usize = received.requests(Signal::Metrics).map(|request| request.export.item_count()).sum();
    assert_eq!(delivery.lost(), 0, "{delivery}");
    assert!(points as u64 >= delivery.metrics.delivered, "{points} points, {delivery}");
    assert_eq!(received.value("recorded", &[]), Some(recorded as f64));
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn read(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const SOON: Duration = Duration::from_millis(50);
pub const PATIENCE: Duration = Duration::from_secs(30);
