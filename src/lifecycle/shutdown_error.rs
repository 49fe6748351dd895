//! Why a shutdown failed.

use std::fmt;

use crate::export::ExportStats;

/// What the end of telemetry could not save.
///
/// `Debug` reads as `Display` does: it is what an operator sees when `main` returns the error.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// Some of what was recorded will never arrive; the ledger says how much of what.
    #[error("telemetry was lost: {0}")]
    Lost(Box<ExportStats>),
}

impl ShutdownError {
    /// What became of everything that was recorded.
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
