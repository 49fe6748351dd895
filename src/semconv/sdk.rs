//! Names of the metrics about telemetry itself, which the conventions have in development.

/// Counter, `{span}`: spans for which an export has ended, failed ones with `error.type`.
pub(crate) const SPAN_EXPORTED: &str = "otel.sdk.exporter.span.exported";
/// Counter, `{log_record}`: the same for log records.
pub(crate) const LOG_EXPORTED: &str = "otel.sdk.exporter.log.exported";
/// Counter, `{data_point}`: the same for points of metrics.
pub(crate) const DATA_POINT_EXPORTED: &str = "otel.sdk.exporter.metric_data_point.exported";
/// Up-down counter, `{span}`: spans whose export has begun and not ended.
pub(crate) const SPAN_IN_FLIGHT: &str = "otel.sdk.exporter.span.inflight";
/// Up-down counter, `{log_record}`: the same for log records.
pub(crate) const LOG_IN_FLIGHT: &str = "otel.sdk.exporter.log.inflight";
/// Up-down counter, `{data_point}`: the same for points of metrics.
pub(crate) const DATA_POINT_IN_FLIGHT: &str = "otel.sdk.exporter.metric_data_point.inflight";
/// Counter, `{log_record}`: records that were emitted, exported or not.
pub(crate) const LOG_CREATED: &str = "otel.sdk.log.created";
/// What was processed, what waits, and how much may.
pub(crate) const SPAN_QUEUE: [&str; 3] = [
    "otel.sdk.processor.span.processed",
    "otel.sdk.processor.span.queue.size",
    "otel.sdk.processor.span.queue.capacity",
];
/// The same for log records.
pub(crate) const LOG_QUEUE: [&str; 3] = [
    "otel.sdk.processor.log.processed",
    "otel.sdk.processor.log.queue.size",
    "otel.sdk.processor.log.queue.capacity",
];

// Attributes
/// The kind of a processor or exporter.
pub(crate) const COMPONENT_TYPE: &str = "otel.component.type";
/// One of its kind: the type, a slash and a number.
pub(crate) const COMPONENT_NAME: &str = "otel.component.name";
/// The host that an exporter sends to.
pub(crate) const SERVER_ADDRESS: &str = "server.address";
/// The port that an exporter sends to.
pub(crate) const SERVER_PORT: &str = "server.port";

// Values of otel.component.type
/// The queue of spans.
pub(crate) const SPAN_PROCESSOR: &str = "batching_span_processor";
/// The queue of log records.
pub(crate) const LOG_PROCESSOR: &str = "batching_log_processor";

// Values of error.type
/// An item was dropped because it did not fit into the queue.
pub(crate) const QUEUE_FULL: &str = "queue_full";
/// The receiver accepted the request and refused the item.
pub(crate) const REJECTED: &str = "rejected";
/// No answer came in time.
pub(crate) const TIMEOUT: &str = "timeout";
