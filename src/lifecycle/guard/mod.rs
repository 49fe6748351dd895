//! The guard, which owns the running telemetry and shuts it down.
//!
//! | file | concept |
//! |---|---|
//! | `running` | the running parts, and the order of the shutdown |
//! | `flusher` | flushes that any number of threads can request |
//! | `providers` | the SDK's providers, and their tasks at a flush and at shutdown |
//!
//! The guard can be dropped anywhere: inside a task, after the runtime has ended, while a panic unwinds, in a forked
//! child. In none of these cases may it hang or lose telemetry that could be delivered, so nothing here depends on
//! the thread that it runs on.

mod flusher;
mod handles;
mod providers;
mod running;

use std::fmt;
use std::time::{Duration, Instant};

pub(crate) use self::flusher::Flusher;
pub(crate) use self::providers::Providers;
pub(crate) use self::running::{Ledgers, Running};
use self::running::{Started, stats};
use super::shutdown_error::ShutdownError;
use crate::export::ExportError;
use crate::export::ExportStats;
use crate::export::own_threads::Fork;
#[cfg(feature = "config-file")]
use crate::lifecycle::reload::{ReloadError, ReloadSummary, Watcher};
use crate::lifecycle::tasks::off_thread;
use crate::lines::writer::NonBlockingWriter;
use crate::subscriber::FilterError;
use crate::subscriber::filter::BadDirective;

/// Owner of the running telemetry. Spans, metrics and logs are recorded and exported while it exists.
///
/// Dropping it is equivalent to calling [`shutdown`](Self::shutdown) and ignoring the result: metrics are collected
/// one last time, pending telemetry is exported within
/// [`Builder::shutdown_timeout`](crate::Builder::shutdown_timeout), and the last log lines are written, including one
/// that reports losses. This works on a plain thread, inside any runtime and after the runtime has ended; it never
/// panics. Inside a runtime it blocks the thread for that time; [`shutdown_async`](Self::shutdown_async) does not.
///
/// With a healthy collector this takes milliseconds. A collector that never responded and is unreachable (connection
/// refused, unknown host name) is given up immediately. Otherwise exports are retried until the deadline, because a
/// collector that responded within the last 30 seconds is probably restarting.
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
/// # Limitations
///
/// - `std::process::exit`, `abort` and signals that kill the process run no destructors, so pending telemetry is
///   lost. Return from `main`, or call [`shutdown`](Self::shutdown) first; for SIGTERM and Ctrl-C, wait for
///   [`shutdown_signal`](crate::shutdown_signal). If a panic aborts the process (under `panic = "abort"`, in a
///   destructor during another panic, in a function that cannot unwind), the panic hook flushes first.
/// - A guard in a `static`, or one that is leaked (`std::mem::forget`), is never dropped, and the telemetry of the
///   last seconds is lost silently. Keep the guard in `main`.
/// - Telemetry recorded after the guard was dropped is discarded; at best it is counted as dropped. In a function
///   that `atexit` calls, or in the destructor of a thread-local variable, a span can abort the process with
///   `SIGABRT`, because `tracing-subscriber` and OpenTelemetry have discarded their state of the thread.
/// - Items count as *failed* if the collector did not confirm them. If it received a request and was stopped before
///   it responded, they may have arrived anyway; [`SignalStats::unanswered`](crate::SignalStats) counts them.
///
/// # Forked processes
///
/// A child process that is forked while the guard exists has a copy of it, but none of its threads. In the child, log
/// lines are written by the thread that logs; ids of traces and spans differ from those of the parent; and flush,
/// shutdown and drop return immediately, because the parent delivers pending telemetry. Spans, metrics and log
/// records are discarded until the child calls [`init()`](crate::init) and [`build`](crate::Builder::build) itself,
/// which returns the child's own guard. None of this waits for a lock that a thread of the parent held at the fork.
/// The following applies to a child with its own guard:
///
/// - Filters, resource, destinations, metrics and the global providers are those of the child. Spans and events go
///   through the subscriber of the parent, with its formats, limits, sampler and layers, because a global subscriber
///   cannot be replaced. A signal that the parent does not export is not exported by the child either.
/// - Instruments and providers that the child obtained earlier belong to the parent, and do nothing.
/// - Spans that were open at the fork belong to the parent, which records and ends them. In the child, `tracing` and
///   [`SpanExt`](crate::SpanExt) do not change them. Do not change one there through the OpenTelemetry API
///   (`Context::current().span()`): a thread of the parent may have held its lock, which then stays locked.
///
/// Daemonize before starting telemetry.
#[must_use = "dropping the guard stops telemetry: bind it to a named variable that lives as long as `main`"]
pub struct TelemetryGuard {
    /// The running parts, which the guard shuts down.
    running: Running,
    /// Shared with the panic hook and the action of the first signal.
    flusher: Flusher,
    /// `true` once the shutdown has begun, so that it runs only once.
    is_shut_down: bool,
    fork: Fork,
    #[cfg(feature = "config-file")]
    watcher: Option<Watcher>,
}

impl TelemetryGuard {
    pub(crate) fn new(running: Running) -> Self {
        let workers = running.exporter.workers().clone();
        let flusher = Flusher::new(running.providers.clone(), workers, running.lines.clone());
        Self {
            running,
            flusher,
            is_shut_down: false,
            fork: Fork::new(),
            #[cfg(feature = "config-file")]
            watcher: None,
        }
    }

    /// Starts watching the configuration file, if the settings enable it. Called when nothing can fail any more.
    #[cfg(feature = "config-file")]
    pub(crate) fn watch_config_file(&mut self) {
        self.watcher = self.running.watch_config_file();
    }

    /// Records the start of telemetry that belongs to the process.
    pub(crate) fn mark_started(&mut self) {
        self.running.started = Some(Started::now(&self.running));
    }

    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// Collects the metrics and exports everything recorded so far, within `timeout` for all signals together. Blocks
    /// the thread; inside a runtime use [`force_flush_async`](Self::force_flush_async).
    ///
    /// Only needed if a process is frozen rather than ended, as on serverless platforms; otherwise telemetry is
    /// exported automatically. One flush runs at a time; calls that arrive while it runs share the next one.
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
    /// [`ExportError::Timeout`] if `timeout` was too short, [`ExportError::Failed`] if a collector could not be
    /// reached or rejected something. A collector that responded within the last 30 seconds is retried until
    /// `timeout` has elapsed, because it may be restarting. Items that can be retried stay pending.
    pub fn force_flush(&self, timeout: Duration) -> Result<(), ExportError> {
        self.flusher.flush(timeout)
    }

    /// Like [`force_flush`](Self::force_flush), but does not block the executor. (If its helper thread cannot be
    /// spawned, it blocks.)
    ///
    /// ```
    /// # async fn freeze(telemetry: telemetry_bootstrap::TelemetryGuard) {
    /// let flushed = telemetry.force_flush_async(std::time::Duration::from_secs(1)).await;
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`force_flush`](Self::force_flush).
    pub async fn force_flush_async(&self, timeout: Duration) -> Result<(), ExportError> {
        let (sender, answer) = tokio::sync::oneshot::channel();
        self.flusher.flush_with(timeout, move |result| drop(sender.send(result)));
        answer.await.unwrap_or(Err(ExportError::Timeout(timeout)))
    }

    /// Shuts telemetry down, as dropping the guard does, and returns the final statistics.
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
    /// [`ShutdownError::Lost`] if some telemetry was lost. It contains the same [`ExportStats`].
    pub fn shutdown(mut self) -> Result<ExportStats, ShutdownError> {
        self.end()
    }

    /// Like [`shutdown`](Self::shutdown), but does not block the executor. (If its helper thread cannot be spawned,
    /// it blocks.)
    ///
    /// Await it to completion. If the future is dropped, the shutdown continues in the background, and a program that
    /// exits before it is complete loses pending telemetry.
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
    /// See [`shutdown`](Self::shutdown).
    pub async fn shutdown_async(self) -> Result<ExportStats, ShutdownError> {
        let (ledgers, lines) = (self.running.ledgers.clone(), self.running.lines.clone());
        match off_thread(move || self.shutdown()).await {
            Some(outcome) => outcome,
            // The shutdown panicked in a user-provided processor.
            None => {
                let dropped = lines.as_ref().map_or(0, NonBlockingWriter::dropped);
                outcome(stats(&ledgers, dropped).after_the_end())
            }
        }
    }

    /// Returns the current statistics. Cheap enough to be called often.
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
    /// Span directives (`[checkout]=debug`) match spans that are created from now on. Spans that are already open
    /// never match, even if the same filter is set again.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// telemetry.set_log_filter("info,my_crate=debug").expect("valid directives");
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FilterError`] if a directive is invalid; the filter is then unchanged. A directive that is valid but has no
    /// effect, such as a level that was disabled at compile time, is logged as a warning.
    pub fn set_log_filter(&self, directives: &str) -> Result<(), FilterError> {
        let hints = self.running.filters.set_log_filter(directives)?;
        self.warn_about_filter(&hints, "set_log_filter");
        Ok(())
    }

    /// Replaces the filter that selects which `tracing` spans become OpenTelemetry spans. Span directives match spans
    /// that are created from now on.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// telemetry.set_span_filter("info,my_crate=debug").expect("valid directives");
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FilterError`] if a directive is invalid; the filter is then unchanged. A directive that is valid but has no
    /// effect, such as a level that was disabled at compile time, is logged as a warning.
    pub fn set_span_filter(&self, directives: &str) -> Result<(), FilterError> {
        let hints = self.running.filters.set_span_filter(directives)?;
        self.warn_about_filter(&hints, "set_span_filter");
        Ok(())
    }

    /// Reads the configuration file again and applies changes immediately.
    ///
    /// The file is validated completely, as at startup, including the closure of
    /// [`config_file_changes`](crate::Builder::config_file_changes). Then filters, levels and the sampler change for
    /// everything that is recorded from now on; telemetry that was already recorded is not lost. All other changes
    /// need a restart, and are listed. Both are logged as well. Set
    /// [`reload_interval`](crate::Builder::reload_interval) to reload automatically.
    ///
    /// Blocks the thread while the file is read, and while another thread reloads it.
    ///
    /// ```no_run
    /// let telemetry = telemetry_bootstrap::init().config_file("/etc/otel/config.yaml").build()?;
    /// match telemetry.reload() {
    ///     Ok(summary) => println!("{summary}"),
    ///     Err(error) => eprintln!("{error}"),
    /// }
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ReloadError`] if the file is missing or invalid, with all errors listed. Nothing is changed in that
    /// case.
    #[cfg(feature = "config-file")]
    pub fn reload(&self) -> Result<ReloadSummary, ReloadError> {
        if self.fork.is_child() {
            // A thread of the parent may have held the locks.
            return Err(ReloadError::Forked);
        }
        self.running.reloader.as_ref().ok_or(ReloadError::NoConfigFile)?.reload()
    }

    /// Logs hints about directives that may not have the effect that the caller expects.
    fn warn_about_filter(&self, hints: &[BadDirective], method: &str) {
        hints.iter().for_each(|hint| self.running.diagnostics.warn(&hint.warning(&method), &[]));
    }

    pub(crate) fn flusher(&self) -> &Flusher {
        &self.flusher
    }

    fn end(&mut self) -> Result<ExportStats, ShutdownError> {
        if self.fork.is_child() {
            self.leak();
            // Pending items are a copy here; the parent delivers them.
            return Ok(ExportStats::default());
        }
        if !std::mem::replace(&mut self.is_shut_down, true) {
            #[cfg(feature = "config-file")]
            drop(self.watcher.take());
            self.running.end(&self.flusher);
        }
        outcome(self.running.stats())
    }

    /// Leaks the parts that threads of the parent are connected to: dropping them could wait for a lock that one of
    /// them held at the fork.
    fn leak(&mut self) {
        std::mem::forget(self.flusher.clone());
        #[cfg(feature = "prometheus")]
        std::mem::forget(self.running.prometheus.take());
        #[cfg(feature = "config-file")]
        std::mem::forget((self.watcher.take(), self.running.reloader.take()));
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        // A loss was already logged.
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

fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn outcome(stats: ExportStats) -> Result<ExportStats, ShutdownError> {
    let is_complete = stats.lost() == 0 && !stats.metrics_not_collected;
    if is_complete { Ok(stats) } else { Err(ShutdownError::Lost(Box::new(stats))) }
}

/// Returns the share of a time limit that processors, readers and callbacks of the user may take, so that one that
/// hangs does not cost all other items.
fn user_code_share(limit: Duration) -> Duration {
    limit / 4 * 3
}

#[cfg(test)]
mod tests;
