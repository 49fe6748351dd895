//! The guard: owns the providers and everything behind them, and ends them.

mod providers;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

pub(crate) use self::providers::Providers;
use super::shutdown_error::ShutdownError;
use crate::diagnostics::{Diagnostics, Field, FieldValue};
use crate::export::ExportError;
use crate::export::{ExportStats, SignalStats};
use crate::export::{Exporter, Ledger, Workers};
use crate::lifecycle::tasks::{self, Tasks};
use crate::lines::writer::NonBlockingWriter;
use crate::settings::deadline_after;
use crate::subscriber::{FilterError, Filters, SpanBridge};

/// Owns telemetry: as long as it lives spans, metrics and logs are recorded and delivered.
///
/// Dropping it is [`shutdown`](Self::shutdown) without an answer: it collects the metrics once more, delivers what is
/// pending within [`Builder::shutdown_timeout`](crate::Builder::shutdown_timeout), writes the last log lines, and says
/// in one of them what was lost. That works from a plain thread, from inside any runtime, and after it; it never
/// panics. Inside a runtime it blocks the thread for that time: [`shutdown_async`](Self::shutdown_async) does not.
///
/// # What cannot be saved
///
/// `std::process::exit`, `abort` and a signal that kills run no destructor, so what is pending then is lost. Return
/// from `main`, or call [`shutdown`](Self::shutdown) first; for SIGTERM and Ctrl-C wait for
/// [`shutdown_signal`](crate::shutdown_signal). A panic under `panic = "abort"` is covered by the panic hook, which
/// flushes before the process ends.
#[must_use = "dropping the guard stops telemetry: bind it to a named variable that lives as long as `main`"]
pub struct TelemetryGuard {
    running: Running,
    is_shut_down: bool,
}

/// Everything that ends with the guard.
pub(crate) struct Running {
    pub(crate) providers: Providers,
    pub(crate) exporter: Exporter,
    pub(crate) ledgers: Ledgers,
    pub(crate) lines: Option<NonBlockingWriter>,
    /// Nothing that is pending will be delivered any more, or nobody will hear of it.
    pub(crate) has_ended: bool,
    /// Lines that still waited for their output when the time was over.
    pub(crate) lines_given_up: u64,
    pub(crate) filters: Filters,
    pub(crate) bridge: Option<Arc<SpanBridge>>,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) shutdown_timeout: Duration,
    /// The start of telemetry that belongs to the process.
    pub(crate) started: Option<Started>,
}

/// When telemetry was started, and the bytes of log lines at that time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    at: Instant,
    line_bytes: u64,
}

/// The ledger of each signal that is exported.
#[derive(Clone, Default)]
pub(crate) struct Ledgers {
    pub(crate) traces: Option<Arc<Ledger>>,
    pub(crate) metrics: Option<Arc<Ledger>>,
    pub(crate) logs: Option<Arc<Ledger>>,
}

impl TelemetryGuard {
    pub(crate) fn new(running: Running) -> Self {
        Self { running, is_shut_down: false }
    }

    /// Marks the start of telemetry that belongs to the process.
    pub(crate) fn mark_started(&mut self) {
        let line_bytes = self.running.line_bytes();
        self.running.started = Some(Started { at: Instant::now(), line_bytes });
    }

    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// The tracer provider, for libraries that want one handed in.
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.running.providers.tracer
    }

    /// The meter provider, for libraries that want one handed in.
    #[must_use]
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.running.providers.meter
    }

    /// The logger provider, for bridges from other logging libraries.
    #[must_use]
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        &self.running.providers.logger
    }

    /// A tracer whose instrumentation scope has this name; by custom the name of the crate or module.
    #[must_use]
    pub fn tracer(&self, scope: impl Into<Cow<'static, str>>) -> SdkTracer {
        self.running.providers.tracer.tracer(scope)
    }

    /// A meter whose instrumentation scope has this name; by custom the name of the crate or module.
    #[must_use]
    pub fn meter(&self, scope: &'static str) -> Meter {
        self.running.providers.meter.meter(scope)
    }

    /// Collects the metrics and delivers everything that was recorded before, within `timeout` for all signals
    /// together. Blocks the thread; inside a runtime use [`force_flush_async`](Self::force_flush_async).
    ///
    /// Needed only where a process is frozen rather than ended, as function services do: delivery goes on by itself.
    ///
    /// # Errors
    ///
    /// [`ExportError::Timeout`] when the time was too short, [`ExportError::Failed`] when a collector could not be
    /// reached or refused something. What can be tried again stays pending.
    pub fn force_flush(&self, timeout: Duration) -> Result<(), ExportError> {
        self.flusher().flush(timeout)
    }

    /// [`force_flush`](Self::force_flush) without blocking the runtime, whichever it is; unless the system refuses the
    /// thread that this takes.
    ///
    /// # Errors
    ///
    /// As [`force_flush`](Self::force_flush).
    pub async fn force_flush_async(&self, timeout: Duration) -> Result<(), ExportError> {
        let flusher = self.flusher();
        off_thread(move || flusher.flush(timeout)).await.unwrap_or(Err(ExportError::Timeout(timeout)))
    }

    /// Ends telemetry as dropping the guard does, and tells what became of everything.
    ///
    /// # Errors
    ///
    /// [`ShutdownError::Lost`] when something will never arrive. It holds the same [`ExportStats`].
    pub fn shutdown(mut self) -> Result<ExportStats, ShutdownError> {
        self.end()
    }

    /// [`shutdown`](Self::shutdown) without blocking the runtime, whichever it is; unless the system refuses the thread
    /// that this takes.
    ///
    /// # Errors
    ///
    /// As [`shutdown`](Self::shutdown).
    pub async fn shutdown_async(self) -> Result<ExportStats, ShutdownError> {
        let (ledgers, lines) = (self.running.ledgers.clone(), self.running.lines.clone());
        match off_thread(move || self.shutdown()).await {
            Some(outcome) => outcome,
            // What ended telemetry panicked, in a processor that the user added.
            None => {
                let dropped = lines.as_ref().map_or(0, NonBlockingWriter::dropped);
                outcome(ledgers.stats(dropped).after_the_end())
            }
        }
    }

    /// What became of everything that was recorded so far. May be called often.
    #[must_use]
    pub fn stats(&self) -> ExportStats {
        self.running.stats()
    }

    /// Replaces the filter of log lines and OTLP log records. Events in flight are not lost.
    ///
    /// # Errors
    ///
    /// [`FilterError`] when a directive cannot be understood; the filter stays as it was.
    pub fn set_log_filter(&self, directives: &str) -> Result<(), FilterError> {
        self.running.filters.set_log_filter(directives)
    }

    /// Replaces the filter that decides which `tracing` spans become OpenTelemetry spans.
    ///
    /// # Errors
    ///
    /// [`FilterError`] when a directive cannot be understood; the filter stays as it was.
    pub fn set_span_filter(&self, directives: &str) -> Result<(), FilterError> {
        self.running.filters.set_span_filter(directives)
    }

    pub(crate) fn flusher(&self) -> Flusher {
        Flusher {
            providers: self.running.providers.clone(),
            workers: self.running.exporter.workers().clone(),
            lines: self.running.lines.clone(),
        }
    }

    fn end(&mut self) -> Result<ExportStats, ShutdownError> {
        if !std::mem::replace(&mut self.is_shut_down, true) {
            self.running.end();
        }
        outcome(self.running.stats())
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        // The loss, if there is one, was said in a line of its own.
        let _ = self.end();
    }
}

impl fmt::Debug for TelemetryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryGuard")
            .field("delivery", &self.stats())
            .field("is_shut_down", &self.is_shut_down)
            .finish_non_exhaustive()
    }
}

impl Running {
    fn stats(&self) -> ExportStats {
        let dropped = self.lines.as_ref().map_or(0, NonBlockingWriter::dropped);
        let open_spans = self.ledgers.traces.as_ref().and(self.bridge.as_ref());
        let delivery = ExportStats {
            open_spans: open_spans.map_or(0, |bridge| bridge.open_spans()),
            ..self.ledgers.stats(dropped + self.lines_given_up)
        };
        if self.has_ended { delivery.after_the_end() } else { delivery }
    }

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

    fn end(&mut self) {
        self.warn_immediate_shutdown();
        let now = Instant::now();
        let deadline = deadline_after(self.shutdown_timeout);
        let reserve = now + share_of_foreign_code(self.shutdown_timeout);
        // Spans and records are flushed while the metrics are collected once more.
        let collected = Arc::new(AtomicBool::new(true));
        let mut flushing = Tasks::start(self.providers.last_flush(reserve, &collected));
        flushing.wait_until(reserve);
        let has_ended = self.exporter.shutdown(deadline);
        // Whatever waited for a delivery has its answer now. These providers end only now, because the SDK forgets
        // spans that end after theirs, and nobody would count them.
        let deadline = deadline.max(Instant::now() + ANSWER_GRACE);
        let mut stopping = Tasks::start(self.providers.stop_traces_and_logs(deadline));
        if has_ended {
            self.say_what_did_not_end(flushing.wait_until(deadline), stopping.wait_until(deadline));
        }
        self.has_ended = true;
        self.say_whether_metrics_were_collected(collected.load(Ordering::Acquire));
        self.say_what_was_lost();
        if let Some(lines) = &self.lines {
            let written = lines.shutdown(deadline.max(Instant::now() + LINES_GRACE));
            self.lines_given_up = if written { 0 } else { lines.unwritten() };
        }
    }

    /// Code of the program, which may have held something back.
    fn say_what_did_not_end(&self, flushing: &[&'static str], stopping: &[&'static str]) {
        let once_more = |signal: &&&'static str| !flushing.contains(signal);
        for signal in flushing.iter().chain(stopping.iter().filter(once_more)) {
            let what = "a processor, reader or callback did not end in time";
            self.diagnostics.warn(what, &[("signal", FieldValue::Text(signal))]);
        }
    }

    /// A callback that panics ends the SDK's reader, for good. What was collected before is in the ledger, and if that
    /// was lost it is the reason for which the reader complains.
    fn say_whether_metrics_were_collected(&self, collected: bool) {
        if !collected && self.stats().metrics.lost() == 0 {
            let check = "has a callback of an observable instrument panicked?";
            self.diagnostics
                .warn("the last metrics could not be collected", &[("check", FieldValue::Text(&check))]);
        }
    }

    fn say_what_was_lost(&self) {
        let ExportStats { traces, metrics, logs, log_lines_dropped, open_spans } = self.stats();
        let mut fields: Vec<Field<'_>> = Vec::new();
        for (signal, counts) in [("traces", &traces), ("metrics", &metrics), ("logs", &logs)] {
            if counts.lost() > 0 {
                fields.push((signal, FieldValue::Text(counts)));
            }
        }
        if log_lines_dropped > 0 {
            fields.push(("log_lines_dropped", FieldValue::Count(log_lines_dropped)));
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

impl Ledgers {
    fn stats(&self, log_lines_dropped: u64) -> ExportStats {
        let counts = |ledger: &Option<Arc<Ledger>>| -> SignalStats {
            ledger.as_ref().map(|ledger| ledger.snapshot()).unwrap_or_default()
        };
        ExportStats {
            traces: counts(&self.traces),
            metrics: counts(&self.metrics),
            logs: counts(&self.logs),
            log_lines_dropped,
            open_spans: 0,
        }
    }
}

/// Everything that a flush needs, apart from the guard: it may run on another thread.
pub(crate) struct Flusher {
    providers: Providers,
    workers: Workers,
    lines: Option<NonBlockingWriter>,
}

impl Flusher {
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), ExportError> {
        let now = Instant::now();
        let deadline = deadline_after(timeout);
        let left = || left_until(deadline);
        let mut flushing = Tasks::start(self.providers.flush_tasks());
        let collected = flushing.wait_until(now + share_of_foreign_code(left())).is_empty();
        let mut outcome = self.workers.flush(None, left());
        // What came late is delivered late, if there is time.
        let collected = collected || {
            let ended = flushing.wait_until(deadline).is_empty();
            outcome = outcome.and_then(|()| self.workers.flush(None, left()));
            ended
        };
        let written = self.lines.as_ref().is_none_or(|lines| lines.flush(left()));
        match outcome {
            Ok(()) if !collected || !written => Err(ExportError::Timeout(timeout)),
            Err(ExportError::Timeout(_)) => Err(ExportError::Timeout(timeout)),
            outcome => outcome,
        }
    }
}

fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn outcome(delivery: ExportStats) -> Result<ExportStats, ShutdownError> {
    if delivery.lost() == 0 { Ok(delivery) } else { Err(ShutdownError::Lost(Box::new(delivery))) }
}

/// Runs blocking work on a thread of its own: any executor may wait for it, also one without threads. Where the system
/// refuses a thread it is done here.
///
/// `None` when the work panicked.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let work = move || drop(sender.send(work()));
    if let Err(work) = tasks::spawn("telemetry-wait", work) {
        tasks::run_here(work);
    }
    receiver.await.ok()
}

/// How much of a time limit processors, readers and callbacks of the program may use up, so that one that hangs does
/// not cost what all others have recorded.
fn share_of_foreign_code(limit: Duration) -> Duration {
    limit / 4 * 3
}

/// A program that ends sooner has hardly done anything.
const IMMEDIATE: Duration = Duration::from_millis(2);
/// How long it may take until those who waited for a delivery have noticed its end.
const ANSWER_GRACE: Duration = Duration::from_millis(20);
/// The last lines get at least this long: among them is the one that says what was lost.
const LINES_GRACE: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests;
