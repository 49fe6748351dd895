//! Settings of the log output.

use std::borrow::Cow;
use std::fmt;

use crate::lifecycle::JsonOptions;
use crate::lines::json::JsonLayer;
use crate::lines::writer::{LogDestination, NonBlockingWriter, OverflowPolicy};
use crate::settings::{self, LogFormat, Values};

/// Settings of log lines, passed to the closure of [`Builder::log_output`](crate::Builder::log_output).
///
/// Use [`Builder::log_filter`](crate::Builder::log_filter) to select events, for log lines and exported log
/// records alike.
///
/// ```
/// use telemetry_bootstrap::{LogDestination, LogFormat, OverflowPolicy};
///
/// # let _ =
/// telemetry_bootstrap::init().log_output(|output| {
///     output
///         .format(LogFormat::Json)
///         .destination(LogDestination::Stdout)
///         .overflow(OverflowPolicy::Block)
/// });
/// ```
#[derive(Default)]
#[must_use = "return it from the closure"]
pub struct LogOutput {
    pub(super) values: Values,
    pub(super) destination: Option<LogDestination>,
    pub(super) overflow: OverflowPolicy,
    pub(super) json: Option<JsonOptions>,
}

impl LogOutput {
    /// Sets the format of log lines.
    ///
    /// Overridden by `OTEL_RUST_LOG_FORMAT`: `auto`, `json`, `pretty`, `off`. Default: [`LogFormat::Auto`].
    ///
    /// ```
    /// use telemetry_bootstrap::LogFormat;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().log_output(|output| output.format(LogFormat::Pretty));
    /// ```
    pub fn format(mut self, format: LogFormat) -> Self {
        self.values.set(&settings::LINE_FORMAT, format);
        self
    }

    /// Sets the destination of log lines. Default: standard error.
    ///
    /// ```
    /// use telemetry_bootstrap::LogDestination;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().log_output(|output| output.destination(LogDestination::Stdout));
    /// ```
    pub fn destination(mut self, destination: LogDestination) -> Self {
        self.destination = Some(destination);
        self
    }

    /// Sets filter directives for log lines only, in the syntax of `RUST_LOG`. Exported log records keep
    /// [`Builder::log_filter`](crate::Builder::log_filter).
    ///
    /// Overridden by `OTEL_RUST_LOG_OUTPUT_FILTER`, then `RUST_LOG`. Default: the filter of exported log
    /// records.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().log_output(|output| output.filter("warn"));
    /// ```
    pub fn filter(mut self, directives: impl Into<String>) -> Self {
        self.values.set(&settings::LINE_FILTER, Cow::Owned(directives.into()));
        self
    }

    /// Sets the policy for lines that arrive while the buffer is full. Default: they are dropped and counted.
    ///
    /// ```
    /// use telemetry_bootstrap::OverflowPolicy;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().log_output(|output| output.overflow(OverflowPolicy::Block));
    /// ```
    pub fn overflow(mut self, policy: OverflowPolicy) -> Self {
        self.overflow = policy;
        self
    }

    /// Changes the JSON format: keys, constant fields, span fields.
    ///
    /// ```
    /// use telemetry_bootstrap::json::FieldNames;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init()
    ///     .log_output(|output| output.json(|lines| lines.field_names(FieldNames::ElasticCommonSchema)));
    /// ```
    pub fn json(
        mut self,
        options: impl FnOnce(JsonLayer<NonBlockingWriter>) -> JsonLayer<NonBlockingWriter> + Send + 'static,
    ) -> Self {
        self.json = Some(Box::new(options));
        self
    }
}

impl fmt::Debug for LogOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogOutput")
            .field("values", &self.values)
            .field("destination", &self.destination)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}
