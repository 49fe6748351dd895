//! The error of a reload.

use std::fmt;

use crate::error::InitError;

/// Error returned when a configuration file cannot be reloaded. Nothing was changed.
///
/// `Debug` output equals `Display` output, with the causes.
///
/// Returned by [`TelemetryGuard::reload`](crate::TelemetryGuard::reload).
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The settings come from the environment and from code: there is no configuration file.
    #[error("there is no configuration file: set OTEL_CONFIG_FILE, or call .config_file()")]
    NoConfigFile,
    /// The file cannot be read or is invalid; each error is listed with its location.
    #[error(transparent)]
    Invalid(InitError),
    /// The guard belongs to the parent of this forked process.
    #[error("cannot reload the configuration file in a forked process: telemetry belongs to the parent")]
    Forked,
    /// The closure of [`config_file_changes`](crate::Builder::config_file_changes) tried to reload the file itself.
    #[error("this thread is already reloading the configuration file")]
    InProgress,
}

impl fmt::Debug for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => fmt::Debug::fmt(error, f),
            other => write!(f, "{other}"),
        }
    }
}
