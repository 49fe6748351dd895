//! Settings of exported log records.

use std::time::Duration;

use opentelemetry_sdk::logs::{LogProcessor, LoggerProviderBuilder};

use crate::parts::Steps;
use crate::settings::{Compression, LogsRequested, TlsSettings};

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
    pub(super) requested: LogsRequested,
    pub(super) steps: Steps<LoggerProviderBuilder>,
}

super::exporter_setters!(Logs, "logs", "LOGS");
super::queue_setters!(Logs, "log records", "BLRP", "1 s");

impl Logs {
    /// Directives that decide which events are exported, in the syntax of `RUST_LOG`.
    ///
    /// Overridden by `OTEL_RUST_OTLP_LOG_FILTER`, then `RUST_LOG`. Default: as for log lines.
    pub fn filter(mut self, directives: impl Into<String>) -> Self {
        self.requested.filter = Some(directives.into());
        self
    }

    /// Attributes of one record; later ones are dropped and counted.
    ///
    /// Overridden by `OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT`, then `OTEL_ATTRIBUTE_COUNT_LIMIT`. Default: 128.
    pub fn max_attributes(mut self, count: u32) -> Self {
        self.requested.max_attributes = Some(count);
        self
    }

    /// Characters of one attribute's text; longer texts are cut.
    ///
    /// Overridden by `OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT`, then `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`. Default:
    /// no limit.
    pub fn max_value_length(mut self, characters: usize) -> Self {
        self.requested.max_value_length = Some(characters);
        self
    }

    /// Adds a log processor of the SDK beside the export. Processors are called in the order in which they are added,
    /// before the export, so that what they change is exported.
    pub fn log_processor(mut self, processor: impl LogProcessor + 'static) -> Self {
        self.steps.push(move |builder| builder.with_log_processor(processor));
        self
    }
}
