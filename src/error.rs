//! Errors of startup and shutdown, grouped by what the user must change.
//!
//! | error | returned by | the user changes |
//! |---|---|---|
//! | [`InitError`] | `build()` | code, or the configuration file |
//! | [`ConfigMistake`], in an `InitError` | `build()`, a reload | a value in the configuration file |
//! | [`ExportError`](crate::ExportError) | a flush | the collector, or nothing: the export is retried |
//! | [`ShutdownError`](crate::ShutdownError) | the shutdown | nothing; it contains the counts |
//!
//! Invalid settings in the environment are not errors: each is logged, with the value that is used instead. Those in
//! a configuration file are errors, even if the environment selects the file.

use std::error::Error;
use std::fmt;

use crate::exception::causes;

/// The error of a dependency, boxed so that its type is not part of this crate's API.
type Source = Box<dyn Error + Send + Sync + 'static>;

/// Error returned when telemetry cannot be started.
///
/// In that case nothing was changed: no global is set and no thread is running.
///
/// `Debug` output equals `Display` output, with the causes, because operators see it when `main` returns the error.
///
/// ```
/// let error = telemetry_bootstrap::init()
///     .ignore_env()
///     .endpoint("ftp://collector:4317")
///     .build()
///     .unwrap_err();
/// assert!(error.to_string().starts_with("invalid endpoint"), "{error}");
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A value set in code is invalid, or the file that it refers to cannot be used.
    #[error("invalid {setting} {value:?} (set by {origin}): {reason}")]
    #[non_exhaustive]
    InvalidSetting {
        /// The setting, as the name of its setter: `endpoint`.
        setting: &'static str,
        /// The value as it was given. Values that may contain a secret are replaced by `[redacted]`.
        value: String,
        /// The source of the value: `.endpoint()`, or the name of an environment variable.
        origin: String,
        /// The reason why the value is invalid, and what is valid instead.
        reason: String,
        /// The underlying error, if any.
        source: Option<Source>,
    },
    /// The configuration file is invalid; each error is listed with its location.
    #[cfg(feature = "config-file")]
    #[error("the configuration file {path} (set by {origin}) cannot be used: {}", lines(mistakes))]
    #[non_exhaustive]
    ConfigFile {
        /// The path of the file, as it was given.
        path: String,
        /// The source of the path: `.config_file()` or `OTEL_CONFIG_FILE`.
        origin: String,
        /// The errors, in the order of the file.
        mistakes: Vec<ConfigMistake>,
    },
    /// Several settings are invalid; each is listed.
    #[error("{} settings are invalid: {}", .0.len(), list(.0))]
    Several(Vec<InitError>),
    /// `build()` has already installed telemetry in this process.
    #[error("telemetry is already initialized in this process")]
    AlreadyInitialized,
    /// Another `tracing` subscriber is already installed globally; use `build_local()` and add the layer to it.
    #[error("another global tracing subscriber is installed: use build_local() and add the layer to it")]
    SubscriberInstalled,
    /// A thread or a runtime could not be created.
    #[error("cannot start a telemetry thread")]
    Thread(#[source] Source),
}

impl InitError {
    /// Combines the errors of one source, of which there is at least one. A single error is returned unchanged.
    pub(crate) fn from_several(mut errors: Vec<Self>) -> Self {
        match (errors.len(), errors.pop()) {
            (1, Some(error)) => error,
            (_, last) => Self::Several(errors.into_iter().chain(last).collect()),
        }
    }

    /// Combines the errors of several settings. `None` if there are none.
    pub(crate) fn from_all(mut errors: Vec<Self>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }
}

impl fmt::Debug for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        causes(self).try_for_each(|cause| write!(f, ": {cause}"))
    }
}

/// One error in a configuration file.
///
/// `Display` shows the location, the path in the document and the reason: `line 12, column 9:
/// tracer_provider.sampler: …`. Values that may contain a secret are hidden.
#[cfg(feature = "config-file")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMistake {
    /// 1-based line; 0 for a value that the program has set.
    pub(crate) line: usize,
    /// 1-based column in characters; 0 if the line is 0.
    pub(crate) column: usize,
    /// Keys joined by dots, indices in brackets; empty for the document itself.
    pub(crate) path: String,
    /// The reason, and the valid values.
    pub(crate) reason: String,
}

#[cfg(feature = "config-file")]
impl ConfigMistake {
    /// Returns the 1-based line. It is 0 for a value that `config_file_changes` has set.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the 1-based column, in characters. It is 0 if the line is 0.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns the path in the document: `tracer_provider.processors[0].batch`. Empty for the document itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the reason, and the valid values.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(feature = "config-file")]
impl fmt::Display for ConfigMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, path, reason } = self;
        match line {
            0 => f.write_str("set by `config_file_changes`: ")?,
            _ => write!(f, "line {line}, column {column}: ")?,
        }
        match path.is_empty() {
            true => f.write_str(reason),
            false => write!(f, "{path}: {reason}"),
        }
    }
}

/// Returns the errors, one per line.
#[cfg(feature = "config-file")]
fn lines(mistakes: &[ConfigMistake]) -> String {
    mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect()
}

/// Returns the errors in one line, each with its causes, because the list itself has no `source`.
fn list(errors: &[InitError]) -> String {
    errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn error_returned_by_main_reads_like_a_sentence() {
        let invalid = |setting, source: Option<Source>| InitError::InvalidSetting {
            setting,
            value: "x".to_owned(),
            origin: format!(".{setting}()"),
            reason: "cannot be read".to_owned(),
            source,
        };
        let cause = io::Error::other("no such file");
        assert_eq!(
            format!("{:?}", invalid("tls", Some(cause.into()))),
            "invalid tls \"x\" (set by .tls()): cannot be read: no such file"
        );
        let cause = io::Error::other("no such file");
        let several =
            InitError::from_all(vec![invalid("tls", Some(cause.into())), invalid("endpoint", None)]);
        assert_eq!(
            format!("{:?}", several.unwrap()),
            "2 settings are invalid: invalid tls \"x\" (set by .tls()): cannot be read: no such file; \
             invalid endpoint \"x\" (set by .endpoint()): cannot be read"
        );
    }
}
