//! Running telemetry and its shutdown.
//!
//! # The order of a shutdown
//!
//! | step | until |
//! |---|---|
//! | warn if nothing was recorded: the guard was probably not bound to a name | – |
//! | collect metrics, flush processors and readers of the user, each on its own thread | the user code's share |
//! | deliver queued items, all signals at the same time; the I/O thread exits | the deadline |
//! | shut the tracer and logger providers down | the deadline, at least 20 ms |
//! | stop the Prometheus exporter, which serves scrapes until here | – |
//! | log unfinished tasks and losses | – |
//! | write the last lines | the deadline, at least 40 ms |
//!
//! Lines come last, so that they include the report of losses.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::flusher::Flusher;
use super::providers::{LastMetrics, Providers};
use super::user_code_share;
use crate::diagnostics::{Diagnostics, Field, FieldValue};
use crate::export::{DestinationStats, ExportStats, Exporter, Ledger, SignalStats};
#[cfg(feature = "prometheus")]
use crate::lifecycle::assemble::Prometheus;
#[cfg(feature = "config-file")]
use crate::lifecycle::reload::{Reloader, Watcher};
use crate::lifecycle::tasks::BackgroundTasks;
use crate::lines::writer::NonBlockingWriter;
use crate::settings::{PerSignal, deadline_after};
use crate::subscriber::{Filters, SpanBridge};

/// The parts of telemetry that end with the guard.
///
/// Built by `assemble`, owned by the guard. Threads refer to its parts through handles that do not keep them running.
pub(crate) struct Running {
    /// The SDK's providers.
    pub(crate) providers: Providers,
    /// The I/O thread.
    pub(crate) exporter: Exporter,
    /// The exporter for scrapes, with its server.
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus: Option<Prometheus>,
    /// The counters, for the statistics.
    pub(crate) ledgers: Ledgers,
    /// The line writer, which is stopped last.
    pub(crate) lines: Option<NonBlockingWriter>,
    /// `true` once pending items will not be delivered any more: the statistics count them as failed.
    pub(crate) has_ended: bool,
    /// The number of lines that were still unwritten at the deadline.
    pub(crate) lines_given_up: u64,
    /// `true` if the metrics could not be collected at shutdown.
    pub(crate) metrics_not_collected: bool,
    /// The filters, which the guard can replace.
    pub(crate) filters: Filters,
    /// Our bridge, which knows the number of open spans.
    pub(crate) bridge: Option<Arc<SpanBridge>>,
    /// Receives the reports of the shutdown.
    pub(crate) diagnostics: Diagnostics,
    /// Applies later versions of the configuration file, if there is one.
    #[cfg(feature = "config-file")]
    pub(crate) reloader: Option<Arc<Reloader>>,
    /// Interval at which the file is read. `None` if only [`TelemetryGuard::reload`](crate::TelemetryGuard::reload)
    /// reads it.
    #[cfg(feature = "config-file")]
    pub(crate) reload_interval: Option<Duration>,
    /// The time limit of the whole shutdown.
    pub(crate) shutdown_timeout: Duration,
    /// The start of telemetry that belongs to the process. `None` for local telemetry, which may be shut down
    /// immediately.
    pub(crate) started: Option<Started>,
}

/// Start time and the number of log bytes written by then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    /// The time at which everything was global.
    at: Instant,
    /// The bytes of lines until then, including the start line.
    line_bytes: u64,
}

/// The ledger of each destination of each signal, with its name.
pub(crate) type Ledgers = PerSignal<Vec<(String, Arc<Ledger>)>>;

impl Started {
    /// Returns the current time and number of bytes.
    pub(super) fn now(running: &Running) -> Self {
        Self { at: Instant::now(), line_bytes: running.line_bytes() }
    }
}

impl Running {
    /// Starts to watch the configuration file, if there is one and watching is enabled.
    #[cfg(feature = "config-file")]
    pub(super) fn watch_config_file(&self) -> Option<Watcher> {
        self.reloader
            .as_ref()
            .zip(self.reload_interval)
            .and_then(|(reloader, interval)| Watcher::start(reloader, interval))
    }

    /// Returns the current statistics. After the shutdown, items that are still pending count as failed.
    pub(super) fn stats(&self) -> ExportStats {
        let dropped = self.lines.as_ref().map_or(0, NonBlockingWriter::dropped);
        let delivery = ExportStats {
            open_spans: self.open_spans(),
            metrics_not_collected: self.metrics_not_collected,
            ..stats(&self.ledgers, dropped + self.lines_given_up)
        };
        if self.has_ended { delivery.after_the_end() } else { delivery }
    }

    /// Returns the number of spans that will be exported when they end: 0 if none are exported.
    fn open_spans(&self) -> u64 {
        if self.ledgers.traces.is_empty() {
            return 0;
        }
        let of_tracing = self.bridge.as_ref().map_or(0, |bridge| bridge.open_spans());
        of_tracing + self.providers.open_spans.load(Ordering::Relaxed)
    }

    /// Returns the number of bytes of lines that were written or are waiting, which shows whether the program has
    /// logged.
    fn line_bytes(&self) -> u64 {
        self.lines.as_ref().map_or(0, NonBlockingWriter::accepted_bytes)
    }

    /// Warns if the guard was dropped by the statement that created it, before anything was recorded.
    fn warn_immediate_shutdown(&self) {
        let Some(Started { at, line_bytes }) = self.started else { return };
        let stats = self.stats();
        let accepted = [&stats.traces, &stats.metrics, &stats.logs].iter().any(|signal| signal.accepted > 0);
        if at.elapsed() < IMMEDIATE && !accepted && self.line_bytes() == line_bytes {
            self.diagnostics.warn(
                "telemetry was shut down right after its start: bind the guard to a variable that lives as long as \
                 `main`, such as `_telemetry`",
                &[],
            );
        }
    }

    /// Shuts everything down within the configured deadline.
    ///
    /// Blocks the calling thread. See the order above.
    pub(super) fn end(&mut self, flusher: &Flusher) {
        self.warn_immediate_shutdown();
        let now = Instant::now();
        let deadline = deadline_after(self.shutdown_timeout);
        let reserve = now + user_code_share(self.shutdown_timeout);
        // Spans and records are flushed while the metrics are collected once more.
        let (tasks, last_metrics) = self.providers.last_flush(reserve, flusher);
        let mut flushing = BackgroundTasks::start(tasks);
        flushing.wait_until(reserve);
        let has_ended = self.exporter.shutdown(deadline);
        // Calls that waited for a delivery have returned by now. These providers are shut down only now, because the
        // SDK silently discards spans that end after its shutdown.
        let deadline = deadline.max(Instant::now() + ANSWER_GRACE);
        let mut stopping = BackgroundTasks::start(self.providers.stop_traces_and_logs(deadline));
        if has_ended {
            self.warn_unfinished(flushing.wait_until(deadline), stopping.wait_until(deadline));
        }
        #[cfg(feature = "prometheus")]
        drop(self.prometheus.take());
        self.has_ended = true;
        self.metrics_not_collected = last_metrics.export_error().is_some();
        self.warn_uncollected_metrics(&last_metrics);
        self.warn_lost();
        if let Some(lines) = &self.lines {
            let written = lines.shutdown(deadline.max(Instant::now() + LINES_GRACE));
            self.lines_given_up = if written { 0 } else { lines.unwritten() };
        }
    }

    /// Warns about user code that did not return in time.
    fn warn_unfinished(&self, flushing: &[&'static str], stopping: &[&'static str]) {
        let once_more = |signal: &&&'static str| !flushing.contains(signal);
        for signal in flushing.iter().chain(stopping.iter().filter(once_more)) {
            let what = "a processor, reader or callback did not finish in time";
            self.diagnostics.warn(what, &[("signal", FieldValue::Text(signal))]);
        }
    }

    /// Warns if a last collection failed. A reader of the user whose exporter panics does not run again.
    fn warn_uncollected_metrics(&self, last: &LastMetrics) {
        if let Some(error) = last.export_error() {
            self.diagnostics
                .warn("the last metrics could not be collected", &[("error", FieldValue::Text(&error))]);
        }
        if let Some(error) = last.custom_error() {
            let check = "has it or its exporter panicked?";
            let fields = [("error", FieldValue::Text(&error)), ("check", FieldValue::Text(&check))];
            self.diagnostics.warn("a metric reader of the program failed at the shutdown", &fields);
        }
    }

    /// Warns about items that were dropped, rejected or not delivered, and about spans that are still open.
    fn warn_lost(&self) {
        let ExportStats { traces, metrics, logs, log_lines_dropped, open_spans, destinations, .. } =
            self.stats();
        let lost_at = lost_at(&destinations);
        let mut fields: Vec<Field<'_>> = Vec::new();
        for (signal, counts) in [("traces", &traces), ("metrics", &metrics), ("logs", &logs)] {
            if counts.lost() > 0 {
                fields.push((signal, FieldValue::Text(counts)));
            }
        }
        if log_lines_dropped > 0 {
            fields.push(("log_lines_dropped", FieldValue::Count(log_lines_dropped)));
        }
        if !lost_at.is_empty() {
            fields.push(("destinations", FieldValue::Text(&lost_at)));
        }
        if !fields.is_empty() {
            self.diagnostics.warn("telemetry was lost", &fields);
        }
        if open_spans > 0 {
            let fields = [("spans", FieldValue::Count(open_spans))];
            self.diagnostics.warn("spans were still open at the shutdown and are not exported", &fields);
        }
    }
}

/// Returns the counts of each destination, and the sums of each signal.
pub(super) fn stats(ledgers: &Ledgers, log_lines_dropped: u64) -> ExportStats {
    let mut destinations = Vec::new();
    let PerSignal { traces, metrics, logs } = ledgers.as_ref().map(|signal, ledgers| {
        ledgers.iter().fold(SignalStats::default(), |total, (name, ledger)| {
            let counts = ledger.snapshot();
            destinations.push(DestinationStats { signal, name: name.clone(), counts });
            total.plus(counts)
        })
    });
    ExportStats { traces, metrics, logs, log_lines_dropped, destinations, ..ExportStats::default() }
}

/// Returns the destinations that did not receive everything, with their counts, if the signal has several. Empty
/// otherwise.
fn lost_at(destinations: &[DestinationStats]) -> String {
    let is_one_of_several = |destination: &&DestinationStats| {
        destinations.iter().filter(|other| other.signal == destination.signal).count() > 1
    };
    let lost =
        destinations.iter().filter(|destination| destination.counts.lost() > 0).filter(is_one_of_several);
    let words =
        lost.map(|DestinationStats { signal, name, counts, .. }| format!("{signal} to {name}: {counts}"));
    words.collect::<Vec<_>>().join("; ")
}

/// The age below which dropping a guard is considered an accident if nothing was recorded: a program that exits
/// sooner has hardly done anything.
const IMMEDIATE: Duration = Duration::from_millis(2);
/// The time in which calls that waited for a delivery return, after the I/O thread has exited.
const ANSWER_GRACE: Duration = Duration::from_millis(20);
/// The minimum time for the last lines, including the one that reports losses. On a busy machine, where the writer
/// thread waits for a processor, they get half a second more.
const LINES_GRACE: Duration = Duration::from_millis(40);
