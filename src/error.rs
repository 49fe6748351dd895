//! What can go wrong at start and at the end, by what the user must change.

use std::error::Error;

type Source = Box<dyn Error + Send + Sync + 'static>;

/// Why telemetry could not be started.
///
/// Nothing was changed when this is returned: no global is set, no thread is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A value given in code (or a file it names) cannot be used.
    #[error("invalid {setting} {value:?} (set by {origin}): {reason}")]
    #[non_exhaustive]
    InvalidSetting {
        /// The setting, by the name of its setter: `endpoint`.
        setting: &'static str,
        /// The value as it was given. Values that may hold a secret are replaced by `[redacted]`.
        value: String,
        /// Where the value came from: `.endpoint()`, or the name of an environment variable.
        origin: String,
        /// What is wrong with it, and what would be right.
        reason: String,
        /// The error below, if one led to this.
        source: Option<Source>,
    },
    /// Several settings are wrong; each is listed.
    #[error("{} settings are invalid: {}", .0.len(), list(.0))]
    Several(Vec<InitError>),
    /// `build()` has already installed telemetry in this process.
    #[error("telemetry is already initialized in this process")]
    AlreadyInitialized,
    /// Another `tracing` subscriber is installed globally; use `build_local()` and add the layer to it.
    #[error("another global tracing subscriber is installed: use build_local() and add the layer to it")]
    SubscriberInstalled,
    /// The operating system refused a thread or a runtime.
    #[error("the I/O thread could not be started")]
    Thread(#[source] Source),
}

fn list(errors: &[InitError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
