//! The error of a shutdown.

use std::fmt;

use crate::export::ExportStats;

/// Error returned by a shutdown that lost telemetry.
///
/// `Debug` output equals `Display` output, because operators see it when `main` returns the error.
///
/// Returned by [`TelemetryGuard::shutdown`](crate::TelemetryGuard::shutdown). Telemetry has been shut down anyway:
/// there is nothing to retry.
///
/// ```
/// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
/// if let Err(error) = telemetry.shutdown() {
///     let lost = error.stats();
///     eprintln!("{error}: {} spans failed", lost.traces.failed);
/// }
/// # Ok::<(), telemetry_bootstrap::InitError>(())
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// Some items were not delivered, or the last metrics were not collected; the statistics hold the numbers.
    #[error("telemetry was lost: {0}")]
    Lost(Box<ExportStats>),
}

impl ShutdownError {
    /// Returns the final statistics.
    #[must_use]
    pub fn stats(&self) -> ExportStats {
        match self {
            Self::Lost(stats) => (**stats).clone(),
        }
    }
}

impl fmt::Debug for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_equals_display_output() {
        let lost = ShutdownError::Lost(Box::default());
        assert!(format!("{lost:?}").starts_with("telemetry was lost: traces: "), "{lost:?}");
    }
}
