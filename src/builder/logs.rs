//! Settings of exported log records.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry_sdk::logs::{LogProcessor, LoggerProviderBuilder};
use tracing_core::{Level, LevelFilter};

use crate::provider::{BuilderHooks, PanicGuard};
use crate::settings::{self, Compression, Destination, HeaderSource, Protocol, SignalConfig, TlsSettings};

/// Settings of exported log records only, passed to the closure of [`Builder::logs`](crate::Builder::logs).
///
/// They replace the builder's settings for all signals. Settings of log lines are on the builder itself.
///
/// ```
/// # let _ =
/// telemetry_bootstrap::init().logs(|logs| logs.filter("warn"));
/// ```
#[derive(Debug, Default)]
#[must_use = "return it from the closure"]
pub struct Logs {
    pub(super) config: SignalConfig,
    pub(super) hooks: BuilderHooks<LoggerProviderBuilder>,
}

super::exporter_setters!(Logs, LOGS_EXPORTER, OTLP_LOGS, "logs", "LOGS");
super::queue_setters!(Logs, LOG_QUEUE, "logs", "log records", "BLRP", "1 s");

impl Logs {
    /// Sets the filter directives that select the exported events, in the syntax of `RUST_LOG`.
    ///
    /// Overridden by `OTEL_RUST_OTLP_LOG_FILTER`, then `RUST_LOG`. Default: the filter of log lines.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.filter("warn"));
    /// ```
    pub fn filter(mut self, directives: impl Into<String>) -> Self {
        self.config.values.set(&settings::RECORD_FILTER, Cow::Owned(directives.into()));
        self
    }

    /// Exports no records below this level, even if the filter enables them. Default: no such limit.
    ///
    /// ```
    /// use telemetry_bootstrap::tracing::Level;
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.minimum_severity(Level::WARN));
    /// ```
    pub fn minimum_severity(mut self, level: Level) -> Self {
        self.config.values.set(&settings::MINIMUM_SEVERITY, LevelFilter::from_level(level));
        self
    }

    /// Excludes records that belong to unsampled traces. Records outside of any trace are exported. Default:
    /// all records are exported.
    ///
    /// If few traces are sampled, log records can cost more than everything else, and no exported trace
    /// refers to these records. Log lines are not affected.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.sampled_traces_only());
    /// ```
    pub fn sampled_traces_only(mut self) -> Self {
        self.config.values.set(&settings::SAMPLED_TRACES_ONLY, true);
        self
    }

    /// Adds the fields of the surrounding `tracing` spans to each record, as attributes with their types.
    /// Fields of the event win over those of spans, and fields of an inner span over those of an outer span.
    /// By default, the fields are only on the exported span, which the record references by its ids.
    ///
    /// Only spans that pass the [`filter`](Self::filter) of log records contribute fields.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.include_span_fields());
    /// ```
    pub fn include_span_fields(mut self) -> Self {
        self.config.values.set(&settings::INCLUDE_SPAN_FIELDS, true);
        self
    }

    /// Sets the maximum number of attributes per record. Further attributes are dropped and counted.
    ///
    /// Overridden by `OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT`, then `OTEL_ATTRIBUTE_COUNT_LIMIT`. Default: 128.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.max_attributes(64));
    /// ```
    pub fn max_attributes(mut self, count: u32) -> Self {
        self.config.values.set(&settings::RECORD_ATTRIBUTE_COUNT, count);
        self
    }

    /// Sets the maximum length of string attribute values, in characters. Longer strings are truncated.
    ///
    /// Overridden by `OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT`, then `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`.
    /// Default: only the limit of 4 MiB that applies to every string.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.max_value_length(1024));
    /// ```
    pub fn max_value_length(mut self, characters: usize) -> Self {
        self.config.values.set(&settings::RECORD_VALUE_LENGTH, Some(characters));
        self
    }

    /// Adds an SDK log processor, in addition to the built-in export. Processors are called in the order in
    /// which they were added, before the export, so their changes are exported. If a processor panics, the
    /// record is exported without its changes.
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry_sdk::logs::LogProcessor;
    ///
    /// # fn with(processor: impl LogProcessor + 'static) {
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.log_processor(processor));
    /// # }
    /// ```
    pub fn log_processor(mut self, processor: impl LogProcessor + 'static) -> Self {
        self.hooks.push(move |builder| builder.with_log_processor(PanicGuard(processor)));
        self
    }
}
