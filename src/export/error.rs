//! Why a flush failed.

use std::time::Duration;

use crate::settings::Signal;

/// Why a flush did not deliver everything.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Not everything was delivered within the time given.
    #[error("not everything was delivered within {0:?}")]
    Timeout(Duration),
    /// The collector could not be reached, or refused the request. What can be retried is still pending.
    #[error("{signal} could not be delivered: {reason}")]
    #[non_exhaustive]
    Failed {
        /// `traces`, `metrics` or `logs`.
        signal: &'static str,
        /// What happened.
        reason: String,
    },
}

impl ExportError {
    pub(crate) fn failed(signal: Signal, reason: String) -> Self {
        Self::Failed { signal: signal.name(), reason }
    }
}
