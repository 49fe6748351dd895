//! The guard, which owns the providers and everything behind them, and shuts them down.
//!
//! | file | concept |
//! |---|---|
//! | `running` | what runs, and the order of its end |
//! | `flusher` | flushes that any number of threads can request |
//! | `providers` | the SDK's providers, and what they do at a flush and at the end |
//!
//! The guard can be dropped anywhere: inside a task, after the runtime has ended, while a panic unwinds, in a forked
//! child. None of these may hang or lose what could be delivered, and so nothing here depends on the thread that it
//! runs on.

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

/// The owner of telemetry: while it lives, spans, metrics and logs are recorded and exported.
///
/// Dropping it is [`shutdown`](Self::shutdown) without a result: it collects the metrics once more, exports what is
/// pending within [`Builder::shutdown_timeout`](crate::Builder::shutdown_timeout), and writes the last log lines, one
/// of which reports what was lost. That works from a plain thread, from inside any runtime, and after it; it never
/// panics. Inside a runtime it blocks the thread for that time; [`shutdown_async`](Self::shutdown_async) does not.
///
/// How long it takes depends on the collector. One that is healthy costs milliseconds. One that never answered and
/// cannot be reached (connection refused, unknown host name) is given up at once. All others are retried until the
/// deadline: one that answered in the last 30 seconds and cannot be reached now is probably restarting.
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
/// - `std::process::exit`, `abort` and a signal that kills run no destructor, so what is pending then is lost. Return
///   from `main`, or call [`shutdown`](Self::shutdown) first; for SIGTERM and Ctrl-C wait for
///   [`shutdown_signal`](crate::shutdown_signal). A panic that aborts is covered by the panic hook, which flushes
///   before the process ends: under `panic = "abort"`, in a destructor during another panic, in a function that cannot
///   unwind.
/// - A guard in a `static`, or one that is leaked or forgotten (`std::mem::forget`), is never dropped. What was
///   recorded in the last seconds is lost silently: keep the guard in `main`.
/// - What is recorded after the guard was dropped is counted as dropped at most. In a function that `atexit` calls, or
///   in the destructor of a thread-local variable, a span can end the process with `SIGABRT`: `tracing-subscriber` and
///   OpenTelemetry have discarded their state of the thread.
/// - Items count as *failed* if the collector did not confirm them. If it took a request and was stopped before it
///   answered, they may have arrived nevertheless; [`SignalStats::unanswered`](crate::SignalStats) counts them.
///
/// # After a fork
///
/// A child process that was forked while the guard lives has a copy of it, but none of the threads behind it. In the
/// child, log lines are written by the thread that logs; ids of traces and spans differ from those of the parent; and
/// flush, shutdown and drop return at once, because the parent delivers what was pending. Spans, metrics and log
/// records are discarded until the child calls [`init()`](crate::init) and [`build`](crate::Builder::build) itself,
/// which returns a guard of its own. None of this waits for a lock that a thread of the parent held at the fork.
///
/// - Filters, resource, destinations, metrics and the global providers are then those of the child. Spans and events go
///   through the subscriber of the parent, with its formats, limits, sampler and layers, because a global one cannot be
///   replaced; a signal that the parent does not export is not exported by the child either.
/// - Instruments and providers that the child got before are those of the parent, and do nothing.
/// - Spans that were open at the fork are those of the parent, which records and ends them. In the child, `tracing` and
///   [`SpanExt`](crate::SpanExt) leave them as they are. Do not change one there through the OpenTelemetry API
///   (`Context::current().span()`): a thread of the parent may have held its lock, which then stays locked.
///
/// A program that becomes a daemon should do so first, and start telemetry in the process that remains.
#[must_use = "dropping the guard stops telemetry: bind it to a named variable that lives as long as `main`"]
pub struct TelemetryGuard {
    /// Everything that ends with the guard.
    running: Running,
    /// Shared with the panic hook and the action of the first signal.
    flusher: Flusher,
    /// `true` once the end was begun: it happens once.
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

    /// Watches the configuration file from now on, if the settings say so. Nothing can fail any more.
    #[cfg(feature = "config-file")]
    pub(crate) fn watch_config_file(&mut self) {
        self.watcher = self.running.watch_config_file();
    }

    /// Marks the start of telemetry that belongs to the process.
    pub(crate) fn mark_started(&mut self) {
        self.running.started = Some(Started::now(&self.running));
    }

    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// Collects the metrics and exports everything that was recorded before, within `timeout` for all signals together.
    /// Blocks the thread; inside a runtime use [`force_flush_async`](Self::force_flush_async).
    ///
    /// Needed only where a process is frozen rather than ended, as function services do: export goes on by itself.
    /// One flush runs at a time; calls that come while it runs share the next one.
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
    /// or refused something. One that answered in the last 30 seconds is retried until `timeout` is over, since it may
    /// be restarting. What can be retried stays pending.
    pub fn force_flush(&self, timeout: Duration) -> Result<(), ExportError> {
        self.flusher.flush(timeout)
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
        let (sender, answer) = tokio::sync::oneshot::channel();
        self.flusher.flush_with(timeout, move |result| drop(sender.send(result)));
        answer.await.unwrap_or(Err(ExportError::Timeout(timeout)))
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
    /// Await it to its end: if the future is dropped, the shutdown goes on in the background, and a program that ends
    /// before it is complete loses what is pending.
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
                outcome(stats(&ledgers, dropped).after_the_end())
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
    /// Directives for spans (`[checkout]=debug`) match spans that are created from now on. Spans that are open match
    /// none, and those that matched before no longer do, even if the same filter is set again.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// telemetry.set_log_filter("info,my_crate=debug").expect("valid directives");
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FilterError`] if a directive is invalid; the filter stays as it was. One that is valid but has no effect, such as a
    /// level that the build has left out, is a warning in the log.
    pub fn set_log_filter(&self, directives: &str) -> Result<(), FilterError> {
        let hints = self.running.filters.set_log_filter(directives)?;
        self.warn_about_filter(&hints, "set_log_filter");
        Ok(())
    }

    /// Replaces the filter that decides which `tracing` spans become OpenTelemetry spans. Directives for spans match
    /// spans that are created from now on.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// telemetry.set_span_filter("info,my_crate=debug").expect("valid directives");
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FilterError`] if a directive is invalid; the filter stays as it was. One that is valid but has no effect, such as a
    /// level that the build has left out, is a warning in the log.
    pub fn set_span_filter(&self, directives: &str) -> Result<(), FilterError> {
        let hints = self.running.filters.set_span_filter(directives)?;
        self.warn_about_filter(&hints, "set_span_filter");
        Ok(())
    }

    /// Reads the configuration file again and applies what has changed, at once.
    ///
    /// The file is checked completely, as at the start, with the closure of
    /// [`config_file_changes`](crate::Builder::config_file_changes). Then filters, levels and the sampler change, for
    /// everything that is recorded from now on; nothing that was recorded is lost. All other settings take effect at
    /// the next start, and are listed. Both are logged as well. [`reload_interval`](crate::Builder::reload_interval)
    /// does this by itself.
    ///
    /// Blocks the thread while the file is read, and while another thread reloads.
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
    /// [`ReloadError`], and then nothing was changed: the file is missing or wrong, with all mistakes listed.
    #[cfg(feature = "config-file")]
    pub fn reload(&self) -> Result<ReloadSummary, ReloadError> {
        if self.fork.is_child() {
            // A thread of the parent may have held the locks.
            return Err(ReloadError::Forked);
        }
        self.running.reloader.as_ref().ok_or(ReloadError::NoConfigFile)?.reload()
    }

    /// Logs what may not have the effect that the caller expects.
    fn warn_about_filter(&self, hints: &[BadDirective], method: &str) {
        hints.iter().for_each(|hint| self.running.diagnostics.warn(&hint.warning(&method), &[]));
    }

    pub(crate) fn flusher(&self) -> &Flusher {
        &self.flusher
    }

    fn end(&mut self) -> Result<ExportStats, ShutdownError> {
        if self.fork.is_child() {
            self.leak();
            // What is pending here is a copy, which the parent delivers.
            return Ok(ExportStats::default());
        }
        if !std::mem::replace(&mut self.is_shut_down, true) {
            #[cfg(feature = "config-file")]
            drop(self.watcher.take());
            self.running.end(&self.flusher);
        }
        outcome(self.running.stats())
    }

    /// Keeps what threads of the parent are connected to: to drop it could wait for a lock that one of them held at the
    /// fork.
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

fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn outcome(stats: ExportStats) -> Result<ExportStats, ShutdownError> {
    let is_complete = stats.lost() == 0 && !stats.metrics_not_collected;
    if is_complete { Ok(stats) } else { Err(ShutdownError::Lost(Box::new(stats))) }
}

/// The share of a time limit that processors, readers and callbacks of the user may take, so that one that hangs does
/// not cost the items of all others.
fn user_code_share(limit: Duration) -> Duration {
    limit / 4 * 3
}

#[cfg(test)]
mod tests;
