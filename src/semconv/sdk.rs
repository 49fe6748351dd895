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
/// Up-down counter, `{span}`: recorded spans that have started and not ended.
pub(crate) const SPAN_LIVE: &str = "otel.sdk.span.live";
/// Counter, `{span}`: spans that have started, recorded or not.
pub(crate) const SPAN_STARTED: &str = "otel.sdk.span.started";
/// Histogram, `s`: an export, from its first try to the end of its last.
pub(crate) const OPERATION_DURATION: &str = "otel.sdk.exporter.operation.duration";
/// Histogram, `s`: a collection of a metric reader.
pub(crate) const COLLECTION_DURATION: &str = "otel.sdk.metric_reader.collection.duration";
/// Processed items, waiting items, and the capacity.
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
/// The decision of the sampler: `DROP`, `RECORD_ONLY` or `RECORD_AND_SAMPLE`.
pub(crate) const SAMPLING_RESULT: &str = "otel.span.sampling_result";
/// The origin of a span's parent: `none`, `local` or `remote`.
pub(crate) const PARENT_ORIGIN: &str = "otel.span.parent.origin";
/// The host that an exporter sends to.
pub(crate) const SERVER_ADDRESS: &str = "server.address";
/// The status of the last answer over HTTP.
pub(crate) const HTTP_STATUS_CODE: &str = "http.response.status_code";
/// The name of the gRPC code of the last answer.
pub(crate) const RPC_STATUS_CODE: &str = "rpc.status_code";
/// The port that an exporter sends to.
pub(crate) const SERVER_PORT: &str = "server.port";

// Values of otel.component.type
/// The queue of spans.
pub(crate) const SPAN_PROCESSOR: &str = "batching_span_processor";
/// The queue of log records.
pub(crate) const LOG_PROCESSOR: &str = "batching_log_processor";
/// A reader that collects for the export.
pub(crate) const METRIC_READER: &str = "periodic_metric_reader";
/// The reader that collects for scrapes.
#[cfg(feature = "prometheus")]
pub(crate) const PROMETHEUS_EXPORTER: &str = "prometheus_http_text_metric_exporter";

// Values of error.type
/// An item was dropped because it did not fit into the queue.
pub(crate) const QUEUE_FULL: &str = "queue_full";
/// The receiver accepted the request and refused the item.
pub(crate) const REJECTED: &str = "rejected";
/// No answer came in time.
pub(crate) const TIMEOUT: &str = "timeout";
