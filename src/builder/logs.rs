//! Settings of exported log records.

use std::time::Duration;

use opentelemetry_sdk::logs::{LogProcessor, LoggerProviderBuilder};
use tracing_core::{Level, LevelFilter};

use crate::provider::{BuilderHooks, PanicGuard};
use crate::settings::{self, Compression, Destination, HeaderSource, Protocol, SignalConfig, TlsSettings};

/// Settings of exported log records alone; given to the closure of [`Builder::logs`](crate::Builder::logs).
///
/// What is set here replaces what the builder says for all signals. Log lines are set on the builder itself.
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
    /// Directives that decide which events are exported, in the syntax of `RUST_LOG`.
    ///
    /// Overridden by `OTEL_RUST_OTLP_LOG_FILTER`, then `RUST_LOG`. Default: as for log lines.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.filter("warn"));
    /// ```
    pub fn filter(mut self, directives: impl Into<String>) -> Self {
        self.config.values.set(&settings::RECORD_FILTER, directives.into());
        self
    }

    /// Exports no records below this level, even if the filter passes them. Default: the filter alone decides.
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

    /// Exports no records of traces that are not sampled. Records outside of any trace are exported. Default: all are.
    ///
    /// If few traces are sampled, log records can cost more than everything else; these are the records that no trace
    /// in the backend leads to. Log lines are not touched.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.sampled_traces_only());
    /// ```
    pub fn sampled_traces_only(mut self) -> Self {
        self.config.values.set(&settings::SAMPLED_TRACES_ONLY, true);
        self
    }

    /// Gives each record the fields of the `tracing` spans around it, as attributes with their types: the event's own
    /// field wins over a span's, and an inner span's over an outer span's. Default: the fields stand on the exported
    /// span alone, to which the record's ids lead.
    ///
    /// Fields come from the spans that the [`filter`](Self::filter) of records lets pass.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.include_span_fields());
    /// ```
    pub fn include_span_fields(mut self) -> Self {
        self.config.values.set(&settings::INCLUDE_SPAN_FIELDS, true);
        self
    }

    /// Attributes of one record; later ones are dropped and counted.
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

    /// Characters of one attribute's text; longer texts are cut.
    ///
    /// Overridden by `OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT`, then `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`. Default:
    /// only the limit of 4 MiB that every text has.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.max_value_length(1024));
    /// ```
    pub fn max_value_length(mut self, characters: usize) -> Self {
        self.config.values.set(&settings::RECORD_VALUE_LENGTH, Some(characters));
        self
    }

    /// Adds a log processor of the SDK beside the export. Processors are called in the order in which they are added,
    /// before the export, so that what they change is exported. One that panics costs only what it would have changed.
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
