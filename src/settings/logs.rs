//! Settings of exported log records.

use std::borrow::Cow;

use tracing_core::LevelFilter;

use super::builder_config::BuilderConfig;
use super::exporter::{self, DestinationSettings};
use super::limits::{self, AttributeLimits};
use super::log_output::{DEFAULT_LOG_FILTER, LOG_FILTER};
use super::queue::{LOG_QUEUE, QueueSettings};
use super::resolve::Resolver;
use super::setting::settings;
use super::types::Directives;
use super::value_kind::{DIRECTIVES, FLAG, LEVEL};

/// Resolved settings of log records.
#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    /// Where records are sent; none by default.
    pub(crate) destinations: Vec<DestinationSettings>,
    /// Directives that decide which events become OTLP log records.
    pub(crate) filter: Directives,
    /// The most verbose level that becomes a record, of what the filter lets pass.
    pub(crate) minimum_severity: LevelFilter,
    /// Leaves out records of traces that are not sampled.
    pub(crate) sampled_traces_only: bool,
    /// Records carry the fields of the spans around them.
    pub(crate) span_fields: bool,
    /// Of the attributes of one record.
    pub(crate) limits: AttributeLimits,
    /// Shared by the destinations, each with limits of its own.
    pub(crate) queue: QueueSettings,
}

settings! {
    /// Directives that decide which events are exported; those of the log output unless set.
    RECORD_FILTER: Cow<'static, str> =
        "logs.filter", ["OTEL_RUST_OTLP_LOG_FILTER"], DIRECTIVES, DEFAULT_LOG_FILTER;
    /// The least severe level that is exported.
    MINIMUM_SEVERITY: LevelFilter = "logs.minimum_severity", [], LEVEL, LevelFilter::TRACE;
    /// Leaves out records of traces that are not sampled.
    SAMPLED_TRACES_ONLY: bool = "logs.sampled_traces_only", [], FLAG, false;
    /// Gives each record the fields of the spans around it.
    INCLUDE_SPAN_FIELDS: bool = "logs.include_span_fields", [], FLAG, false;
}

impl Resolver<'_> {
    /// Resolves the settings of log records.
    pub(super) fn logs(&mut self, config: &BuilderConfig) -> LogSettings {
        let values = &config.logs.values;
        LogSettings {
            destinations: self.batched_destinations(
                &exporter::LOGS,
                &config.logs,
                &config.common,
                &LOG_QUEUE,
            ),
            filter: self.directives(&[(&RECORD_FILTER, values), (&LOG_FILTER, &config.common.values)]),
            minimum_severity: self.resolve(&MINIMUM_SEVERITY, values),
            sampled_traces_only: self.resolve(&SAMPLED_TRACES_ONLY, values),
            span_fields: self.resolve(&INCLUDE_SPAN_FIELDS, values),
            limits: limits::record_limits(self, values),
            queue: self.queue(&LOG_QUEUE, values),
        }
    }
}
