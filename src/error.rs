//! What can go wrong at start and at the end, by what the user must change.
//!
//! | error | when | the user changes |
//! |---|---|---|
//! | [`InitError`] | `build()` | code, or the file that it names |
//! | [`ConfigMistake`], in an `InitError` | `build()`, a reload | a place in the configuration file |
//! | [`ExportError`](crate::ExportError) | a flush | the collector, or nothing: it is retried |
//! | [`ShutdownError`](crate::ShutdownError) | the end | nothing any more; the counts are in it |
//!
//! Mistakes in the environment are not errors: each is logged, with the value that is used instead. Those in a
//! configuration file are errors, also if the environment names the file.

use std::error::Error;
use std::fmt;

use crate::exception::causes;

/// The error of a dependency, boxed so that its type is no part of this crate's interface.
type Source = Box<dyn Error + Send + Sync + 'static>;

/// Why telemetry could not be started.
///
/// Nothing was changed when this is returned: no global is set, no thread is left.
///
/// `Debug` reads as `Display` does, with the causes: it is what an operator sees when `main` returns the error.
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
    /// The configuration file is wrong; each mistake is listed with its place.
    #[cfg(feature = "config-file")]
    #[error("the configuration file {path} (set by {origin}) cannot be used: {}", lines(mistakes))]
    #[non_exhaustive]
    ConfigFile {
        /// The file, as it was named.
        path: String,
        /// Where the name came from: `.config_file()` or `OTEL_CONFIG_FILE`.
        origin: String,
        /// What is wrong, in the order of the file.
        mistakes: Vec<ConfigMistake>,
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
    #[error("a thread that telemetry needs could not be started")]
    Thread(#[source] Source),
}

impl InitError {
    /// Combines the errors of one place, of which there is at least one. A single one stays as it is.
    pub(crate) fn from_several(mut errors: Vec<Self>) -> Self {
        match (errors.len(), errors.pop()) {
            (1, Some(error)) => error,
            (_, last) => Self::Several(errors.into_iter().chain(last).collect()),
        }
    }

    /// Combines the errors of several settings. `None` if there is none.
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

/// One mistake in a configuration file.
///
/// `Display` gives the place, the path in the document, and what is wrong:
/// `line 12, column 9: tracer_provider.sampler: …`. Values that may hold a secret are hidden.
#[cfg(feature = "config-file")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMistake {
    /// Counted from 1; 0 for a value that the program has set.
    pub(crate) line: usize,
    /// Counted in characters from 1; 0 where the line is.
    pub(crate) column: usize,
    /// Keys joined by dots, indices in brackets; empty for the document itself.
    pub(crate) path: String,
    /// What is wrong, and what is allowed.
    pub(crate) reason: String,
}

#[cfg(feature = "config-file")]
impl ConfigMistake {
    /// Returns the line, counted from 1. It is 0 for a value that `config_file_changes` has set.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column, counted in characters from 1. It is 0 where the line is.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns the path in the document: `tracer_provider.processors[0].batch`. Empty for the document itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is wrong, and what is allowed.
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

/// Returns the mistakes, each on a line of its own.
#[cfg(feature = "config-file")]
fn lines(mistakes: &[ConfigMistake]) -> String {
    mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect()
}

/// Returns the errors in one line, each with its causes: the list has no source of its own.
fn list(errors: &[InitError]) -> String {
    errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn error_of_main_reads_like_a_sentence() {
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
