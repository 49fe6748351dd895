//! The guard, which owns the providers and everything behind them, and shuts them down.

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
use crate::lifecycle::tasks::{self, BackgroundTasks};
use crate::lines::writer::NonBlockingWriter;
use crate::settings::deadline_after;
use crate::subscriber::{FilterError, Filters, SpanBridge};

/// The owner of telemetry: while it lives, spans, metrics and logs are recorded and exported.
///
/// Dropping it is [`shutdown`](Self::shutdown) without a result: it collects the metrics once more, exports what is
/// pending within [`Builder::shutdown_timeout`](crate::Builder::shutdown_timeout), and writes the last log lines, one of
/// which reports what was lost. That works from a plain thread, from inside any runtime, and after it; it never panics.
/// Inside a runtime it blocks the thread for that time; [`shutdown_async`](Self::shutdown_async) does not.
///
/// ```
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let telemetry = telemetry_bootstrap::init().service_name("greeter").build()?;
///     telemetry_bootstrap::tracing::info!("working");
///     println!("{}", telemetry.stats());
///     Ok(())
/// } // everything is flushed here
/// ```
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

/// The parts of telemetry that end with the guard.
pub(crate) struct Running {
    pub(crate) providers: Providers,
    pub(crate) exporter: Exporter,
    pub(crate) ledgers: Ledgers,
    pub(crate) lines: Option<NonBlockingWriter>,
    /// Pending items will not be delivered any more.
    pub(crate) has_ended: bool,
    /// Lines that were still unwritten at the deadline.
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

/// The ledger of each exported signal.
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

    /// Returns the tracer provider, for libraries that take one.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// let provider = telemetry.tracer_provider().clone();
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.running.providers.tracer
    }

    /// Returns the meter provider, for libraries that take one.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// let provider = telemetry.meter_provider().clone();
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.running.providers.meter
    }

    /// Returns the logger provider, for bridges from other logging libraries.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// let provider = telemetry.logger_provider().clone();
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        &self.running.providers.logger
    }

    /// Returns a tracer whose instrumentation scope has this name, by convention that of the crate or module.
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry::trace::Tracer as _;
    ///
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// telemetry.tracer("shop").in_span("checkout", |_context| { /* work */ });
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn tracer(&self, scope: impl Into<Cow<'static, str>>) -> SdkTracer {
        self.running.providers.tracer.tracer(scope)
    }

    /// Returns a meter whose instrumentation scope has this name, by convention that of the crate or module.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// let orders = telemetry.meter("shop").u64_counter("shop.orders").with_unit("{order}").build();
    /// orders.add(1, &[]);
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn meter(&self, scope: &'static str) -> Meter {
        self.running.providers.meter.meter(scope)
    }

    /// Collects the metrics and exports everything that was recorded before, within `timeout` for all signals together.
    /// Blocks the thread; inside a runtime use [`force_flush_async`](Self::force_flush_async).
    ///
    /// Needed only where a process is frozen rather than ended, as function services do: export goes on by itself.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// if let Err(error) = telemetry.force_flush(Duration::from_secs(1)) {
    ///     eprintln!("{error}");
    /// }
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ExportError::Timeout`] if the time was too short, [`ExportError::Failed`] if a collector could not be reached
    /// or refused something. What can be retried stays pending.
    pub fn force_flush(&self, timeout: Duration) -> Result<(), ExportError> {
        self.flusher().flush(timeout)
    }

    /// Does what [`force_flush`](Self::force_flush) does, without blocking the runtime, whichever it is. (Only if the
    /// system refuses the thread that this needs, it blocks.)
    ///
    /// ```
    /// # async fn freeze(telemetry: telemetry_bootstrap::TelemetryGuard) {
    /// let flushed = telemetry.force_flush_async(std::time::Duration::from_secs(1)).await;
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`force_flush`](Self::force_flush).
    pub async fn force_flush_async(&self, timeout: Duration) -> Result<(), ExportError> {
        let flusher = self.flusher();
        off_thread(move || flusher.flush(timeout)).await.unwrap_or(Err(ExportError::Timeout(timeout)))
    }

    /// Shuts telemetry down as dropping the guard does, and returns the statistics of everything that was recorded.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// match telemetry.shutdown() {
    ///     Ok(stats) => println!("everything arrived: {stats}"),
    ///     Err(error) => eprintln!("{error}"),
    /// }
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShutdownError::Lost`] if something will never arrive. It holds the same [`ExportStats`].
    pub fn shutdown(mut self) -> Result<ExportStats, ShutdownError> {
        self.end()
    }

    /// Does what [`shutdown`](Self::shutdown) does, without blocking the runtime, whichever it is. (Only if the system
    /// refuses the thread that this needs, it blocks.)
    ///
    /// ```
    /// # async fn end(telemetry: telemetry_bootstrap::TelemetryGuard) {
    /// if let Err(error) = telemetry.shutdown_async().await {
    ///     eprintln!("{error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`shutdown`](Self::shutdown).
    pub async fn shutdown_async(self) -> Result<ExportStats, ShutdownError> {
        let (ledgers, lines) = (self.running.ledgers.clone(), self.running.lines.clone());
        match off_thread(move || self.shutdown()).await {
            Some(outcome) => outcome,
            // The shutdown panicked, in a processor that the user added.
            None => {
                let dropped = lines.as_ref().map_or(0, NonBlockingWriter::dropped);
                outcome(ledgers.stats(dropped).after_the_end())
            }
        }
    }

    /// Returns the statistics of everything that was recorded so far. May be called often.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// let stats = telemetry.stats();
    /// assert_eq!(stats.lost(), 0);
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> ExportStats {
        self.running.stats()
    }

    /// Replaces the filter of log lines and OTLP log records, in the syntax of `RUST_LOG`.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// telemetry.set_log_filter("info,my_crate=debug").expect("valid directives");
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FilterError`] if a directive is invalid; the filter stays as it was.
    pub fn set_log_filter(&self, directives: &str) -> Result<(), FilterError> {
        self.running.filters.set_log_filter(directives)
    }

    /// Replaces the filter that decides which `tracing` spans become OpenTelemetry spans.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// telemetry.set_span_filter("info,my_crate=debug").expect("valid directives");
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FilterError`] if a directive is invalid; the filter stays as it was.
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
        // A loss was reported in a log line.
        let _ = self.end();
    }
}

impl fmt::Debug for TelemetryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryGuard")
            .field("stats", &self.stats())
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
        let reserve = now + user_code_share(self.shutdown_timeout);
        // Spans and records are flushed while the metrics are collected once more.
        let collected = Arc::new(AtomicBool::new(true));
        let mut flushing = BackgroundTasks::start(self.providers.last_flush(reserve, &collected));
        flushing.wait_until(reserve);
        let has_ended = self.exporter.shutdown(deadline);
        // Calls that waited for a delivery have returned now. These providers are shut down only now, because the SDK
        // discards spans that end after its shutdown, uncounted.
        let deadline = deadline.max(Instant::now() + ANSWER_GRACE);
        let mut stopping = BackgroundTasks::start(self.providers.stop_traces_and_logs(deadline));
        if has_ended {
            self.warn_unfinished(flushing.wait_until(deadline), stopping.wait_until(deadline));
        }
        self.has_ended = true;
        self.warn_uncollected_metrics(collected.load(Ordering::Acquire));
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
            let what = "a processor, reader or callback did not end in time";
            self.diagnostics.warn(what, &[("signal", FieldValue::Text(signal))]);
        }
    }

    /// Warns if the last collection failed: a callback that panics ends the SDK's reader for good. If metrics were lost,
    /// that is the reason for the reader's error, and it is reported already.
    fn warn_uncollected_metrics(&self, collected: bool) {
        if !collected && self.stats().metrics.lost() == 0 {
            let check = "has a callback of an observable instrument panicked?";
            self.diagnostics
                .warn("the last metrics could not be collected", &[("check", FieldValue::Text(&check))]);
        }
    }

    fn warn_lost(&self) {
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

/// The parts that a flush needs; it may run on another thread than the guard's.
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
        let mut flushing = BackgroundTasks::start(self.providers.flush_tasks());
        let collected = flushing.wait_until(now + user_code_share(left())).is_empty();
        let mut outcome = self.workers.flush(None, left());
        // Items that were flushed late are exported if there is time.
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

fn outcome(stats: ExportStats) -> Result<ExportStats, ShutdownError> {
    if stats.lost() == 0 { Ok(stats) } else { Err(ShutdownError::Lost(Box::new(stats))) }
}

/// Runs blocking work on a thread of its own, so that any executor can wait for it. If the system refuses a thread, the
/// work runs here.
///
/// Returns `None` if the work panicked.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let work = move || drop(sender.send(work()));
    if let Err(work) = tasks::spawn("otel-flush", work) {
        tasks::run_inline(work);
    }
    receiver.await.ok()
}

/// The share of a time limit that processors, readers and callbacks of the user may take, so that one that hangs does
/// not cost the items of all others.
fn user_code_share(limit: Duration) -> Duration {
    limit / 4 * 3
}

/// A program that ends sooner has hardly done anything.
const IMMEDIATE: Duration = Duration::from_millis(2);
/// The time until calls that waited for a delivery have returned.
const ANSWER_GRACE: Duration = Duration::from_millis(20);
/// The least time for the last lines, among them the one that reports what was lost.
const LINES_GRACE: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests;
