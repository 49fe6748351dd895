//! The error of a flush.

use std::time::Duration;

use crate::settings::Signal;

/// Error returned by a flush that did not deliver everything.
///
/// Returned by [`TelemetryGuard::force_flush`](crate::TelemetryGuard::force_flush) and its relatives. A failed flush
/// does not lose data: retryable items stay in the queue and are retried.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Not everything was delivered within the time given. It contains the limit of the flush.
    #[error("not everything was delivered within {0:?}")]
    Timeout(Duration),
    /// The collector could not be reached, or refused the request. What can be retried is still pending.
    #[error("{signal} could not be delivered: {reason}")]
    #[non_exhaustive]
    Failed {
        /// `traces`, `metrics` or `logs`.
        signal: &'static str,
        /// The failure.
        reason: String,
    },
}

impl ExportError {
    /// Creates the error of one signal. `reason` is a line of text without credentials.
    pub(crate) fn failed(signal: Signal, reason: String) -> Self {
        Self::Failed { signal: signal.name(), reason }
    }
}
