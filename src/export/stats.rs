//! Public export statistics.
//!
//! They are snapshots of the [ledgers](super::queue), summed up by signal. Taking one locks nothing that a recording
//! thread needs.

use std::fmt;

use crate::settings::Signal;

/// Export statistics per signal and per destination.
///
/// Spans and log records are counted one by one, metrics by data point and collection. Where a signal has several
/// destinations, an item counts once for each of them: the counts of a signal are the sums over its
/// [`destinations`](Self::destinations).
///
/// ```
/// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
/// let stats = telemetry.stats();
/// for destination in &stats.destinations {
///     println!("{} to {}: {}", destination.signal, destination.name, destination.counts);
/// }
/// # Ok::<(), telemetry_bootstrap::InitError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportStats {
    /// Sampled spans that ended.
    pub traces: SignalStats,
    /// Data points of every collection.
    pub metrics: SignalStats,
    /// Log records that passed the filter.
    pub logs: SignalStats,
    /// Log lines that were not written: the writer's buffer was full, the output rejected them, or they were still
    /// pending at the shutdown deadline.
    pub log_lines_dropped: u64,
    /// Sampled spans that have not ended yet: those of `tracing`, of the API, and of calls. After the shutdown: those
    /// that were still open, and are not exported. 0 if spans are not exported.
    pub open_spans: u64,
    /// After the shutdown: `true` if the metrics could not be collected once more, because a collection failed or took
    /// too long. What was measured since the last collection is lost, and not counted.
    pub metrics_not_collected: bool,
    /// The same counts, for each destination of each signal.
    pub destinations: Vec<DestinationStats>,
}

/// The counts of one destination of one signal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationStats {
    /// The signal that is sent there.
    pub signal: Signal,
    /// The address without path and credentials, as in the line that is logged at start: `https://collector:4317`.
    pub name: String,
    /// The outcome of the signal's items there.
    pub counts: SignalStats,
}

/// The counts of one signal. `accepted` is always the sum of `delivered`, `rejected`, `failed`, `dropped` and `pending`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalStats {
    /// Items recorded for export.
    pub accepted: u64,
    /// Items whose delivery the collector confirmed.
    pub delivered: u64,
    /// Items of accepted requests that the collector refused (OTLP partial success).
    pub rejected: u64,
    /// Items whose delivery was not confirmed: the collector refused the request for good, or the shutdown reached its
    /// deadline. Some of them may have arrived, if their request was not answered: see `unanswered`.
    pub failed: u64,
    /// Items dropped because the queue was full or already shut down.
    pub dropped: u64,
    /// Items in the queue or in flight, and those of traces that the console has not printed yet.
    pub pending: u64,
    /// The part of `failed` that was sent at least once without an answer: the collector may have these items.
    pub unanswered: u64,
}

impl ExportStats {
    /// Items of all signals that will never arrive, and lines that were never written. Pending items are not among
    /// them, nor are metrics that were not collected.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.traces.lost() + self.metrics.lost() + self.logs.lost() + self.log_lines_dropped
    }

    /// Returns the counts as they are once nothing more is delivered: what was still pending has failed.
    pub(crate) fn after_the_end(self) -> Self {
        Self {
            traces: self.traces.after_the_end(),
            metrics: self.metrics.after_the_end(),
            logs: self.logs.after_the_end(),
            destinations: self.destinations.into_iter().map(DestinationStats::after_the_end).collect(),
            ..self
        }
    }
}

impl DestinationStats {
    /// See [`ExportStats::after_the_end`].
    fn after_the_end(self) -> Self {
        Self { counts: self.counts.after_the_end(), ..self }
    }
}

impl SignalStats {
    /// Items that will never arrive: rejected, failed and dropped ones.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.rejected + self.failed + self.dropped
    }

    /// The sum of two destinations.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            accepted: self.accepted + other.accepted,
            delivered: self.delivered + other.delivered,
            rejected: self.rejected + other.rejected,
            failed: self.failed + other.failed,
            dropped: self.dropped + other.dropped,
            pending: self.pending + other.pending,
            unanswered: self.unanswered + other.unanswered,
        }
    }

    /// After the end: what was still pending then has failed.
    pub(crate) fn after_the_end(self) -> Self {
        Self { failed: self.failed + self.pending, pending: 0, ..self }
    }
}

impl fmt::Display for ExportStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "traces: {}; metrics: {}; logs: {}", self.traces, self.metrics, self.logs)?;
        if self.log_lines_dropped > 0 {
            write!(f, "; lines: {} dropped", self.log_lines_dropped)?;
        }
        if self.open_spans > 0 {
            write!(f, "; open spans: {}", self.open_spans)?;
        }
        if self.metrics_not_collected {
            f.write_str("; the last metrics were not collected")?;
        }
        Ok(())
    }
}

impl fmt::Display for SignalStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} delivered", self.delivered, self.accepted)?;
        if self.rejected > 0 {
            write!(f, ", {} rejected", self.rejected)?;
        }
        match (self.failed, self.unanswered) {
            (0, _) => {}
            (failed, 0) => write!(f, ", {failed} failed")?,
            (failed, unanswered) if failed == unanswered => write!(f, ", {failed} failed (sent, no answer)")?,
            (failed, unanswered) => write!(f, ", {failed} failed ({unanswered} sent, no answer)")?,
        }
        let rest = [(self.dropped, "dropped"), (self.pending, "pending")];
        rest.iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}
