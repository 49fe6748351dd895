//! Names of the metrics about telemetry itself, which the conventions have in development.

pub(crate) const SPAN_EXPORTED: &str = "otel.sdk.exporter.span.exported";
pub(crate) const LOG_EXPORTED: &str = "otel.sdk.exporter.log.exported";
pub(crate) const DATA_POINT_EXPORTED: &str = "otel.sdk.exporter.metric_data_point.exported";
pub(crate) const LOG_CREATED: &str = "otel.sdk.log.created";
/// What was processed, what waits, and how much may.
pub(crate) const SPAN_QUEUE: [&str; 3] = [
    "otel.sdk.processor.span.processed",
    "otel.sdk.processor.span.queue.size",
    "otel.sdk.processor.span.queue.capacity",
];
pub(crate) const LOG_QUEUE: [&str; 3] = [
    "otel.sdk.processor.log.processed",
    "otel.sdk.processor.log.queue.size",
    "otel.sdk.processor.log.queue.capacity",
];

// Attributes
pub(crate) const COMPONENT_TYPE: &str = "otel.component.type";
pub(crate) const COMPONENT_NAME: &str = "otel.component.name";
pub(crate) const SERVER_ADDRESS: &str = "server.address";
pub(crate) const SERVER_PORT: &str = "server.port";

// Values of otel.component.type
pub(crate) const SPAN_PROCESSOR: &str = "batching_span_processor";
pub(crate) const LOG_PROCESSOR: &str = "batching_log_processor";

// Values of error.type
pub(crate) const QUEUE_FULL: &str = "queue_full";
pub(crate) const REJECTED: &str = "rejected";
pub(crate) const TIMEOUT: &str = "timeout";
