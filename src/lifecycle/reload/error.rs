//! The error of a reload.

use std::fmt;

use crate::error::InitError;

/// Why a version of the configuration file was not applied. Nothing was changed then.
///
/// `Debug` reads as `Display` does, with the causes.
///
/// Returned by [`TelemetryGuard::reload`](crate::TelemetryGuard::reload).
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The settings come from the environment and from code: no file was named.
    #[error("there is no configuration file: set OTEL_CONFIG_FILE, or call .config_file()")]
    NoConfigFile,
    /// The file cannot be read, or is wrong; each mistake is listed with its place.
    #[error(transparent)]
    Invalid(InitError),
    /// The guard belongs to the parent of this forked process.
    #[error("the configuration file is not reloaded in a forked process, whose parent has the telemetry")]
    Forked,
    /// The closure of [`config_file_changes`](crate::Builder::config_file_changes) called for a reload itself.
    #[error("the configuration file is being reloaded by this thread already")]
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
