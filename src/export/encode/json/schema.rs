//! OTLP's messages, as far as JSON has to know them: names, numbers and kinds of their fields.
//!
//! The order of the fields of a message is the order in which they are written, that of the official examples. Fields
//! that OTLP gets later are missing here: they are left out of JSON, and passed over when JSON is read.
//!
//! A message is a `static` that lists its fields. Messages refer to each other, and to themselves where values nest,
//! so the whole of OTLP is one graph without any code.
//!
//! The three response messages differ in the name of one field alone, which has number 1 in each. [`RESPONSE`] has all
//! three names.
//!
//! # Source
//!
//! `opentelemetry/proto/{trace,metrics,logs}/v1` and `opentelemetry/proto/collector/*/v1` of opentelemetry-proto 1.x.
//! The name in JSON is the lowerCamelCase form of the name in the `.proto` file. The OTLP specification, section "JSON
//! Protobuf Encoding", changes two rules of the general mapping: ids are hexadecimal, and enumerations are numbers
//! only.
//!
//! | `.proto` type | kind | wire type | bytes on the wire |
//! |---|---|---|---|
//! | message | `Message` | 2 | length, then the fields |
//! | `string` | `String` | 2 | length, then UTF-8 |
//! | `bytes trace_id`, `span_id`, `parent_span_id` | `Id` | 2 | length, then 16 or 8 bytes |
//! | other `bytes` | `Bytes` | 2 | length, then the bytes |
//! | `bool`, `uint32`, enumerations | `Bool`, `Uint32` | 0 | varint |
//! | `sint32` | `Sint32` | 0 | zigzag varint |
//! | `int64`, `uint64` | `Int64`, `Uint64` | 0 | varint, a negative number takes ten bytes |
//! | `fixed32` | `Fixed32` | 5 | four, little endian |
//! | `fixed64`, `sfixed64`, `double` | `Fixed64`, `Sfixed64`, `Double` | 1 | eight, little endian |
//!
//! # Adding a field
//!
//! Add one line to the message, at the place where the official examples have it; `write` and `read` need no change. A
//! kind whose wire type is not that of the field writes `null`, which the round trips in the tests show.

/// The fields of a message, in the order in which they are written.
/// The element count is small (at most 16), so both directions search the slice instead of a map.
pub(super) struct Message(pub(super) &'static [Field]);

/// A field of a message: its number on the wire and its name in JSON.
pub(super) struct Field {
    /// The field number of the `.proto` file.
    pub(super) number: u32,
    /// The name in lowerCamelCase.
    pub(super) name: &'static str,
    /// The encoding of its value.
    pub(super) kind: Kind,
    /// `true` if it is an array in JSON. On the wire, repeated numbers may be packed.
    pub(super) is_repeated: bool,
}

/// Encoding of a field in protobuf and in JSON.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A message inside: an object.
    Message(&'static Message),
    /// Text in UTF-8.
    String,
    /// Bytes in hexadecimal: trace and span ids.
    Id,
    /// Bytes in base64.
    Bytes,
    /// A varint of 0 or 1: `true` or `false`.
    Bool,
    /// A varint that JSON has as a number: 32-bit integers and enumerations.
    Uint32,
    /// A zigzag varint that JSON has as a number.
    Sint32,
    /// A varint that JSON has as a text, with its sign.
    Int64,
    /// A varint that JSON has as a text, without a sign.
    Uint64,
    /// Four bytes that JSON has as a number.
    Fixed32,
    /// Eight bytes that JSON has as a text, without a sign.
    Fixed64,
    /// Eight bytes that JSON has as a text, with its sign.
    Sfixed64,
    /// Eight bytes that JSON has as a number, or as a text if it is not finite.
    Double,
}

/// A field that occurs once.
/// It may still occur twice on the wire; `write` then uses the last one, as protobuf prescribes.
const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, is_repeated: false }
}

/// A field that is an array in JSON. An empty array and an absent field are the same on the wire, so an empty array
/// is not written.
const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, is_repeated: true }
}

use Kind::{Bool, Bytes, Double, Fixed32, Fixed64, Id, Int64, Sfixed64, Sint32, String, Uint32, Uint64};

/// `ExportTraceServiceRequest`.
pub(super) static TRACES: Message = Message(&[many(1, "resourceSpans", Kind::Message(&RESOURCE_SPANS))]);
/// `ExportMetricsServiceRequest`.
pub(super) static METRICS: Message = Message(&[many(1, "resourceMetrics", Kind::Message(&RESOURCE_METRICS))]);
/// `ExportLogsServiceRequest`.
pub(super) static LOGS: Message = Message(&[many(1, "resourceLogs", Kind::Message(&RESOURCE_LOGS))]);

/// The answers of the three services, which differ in one name.
pub(super) static RESPONSE: Message = Message(&[one(1, "partialSuccess", Kind::Message(&PARTIAL_SUCCESS))]);
/// `ExportTracePartialSuccess` and its two siblings.
static PARTIAL_SUCCESS: Message = Message(&[
    one(1, "rejectedSpans", Int64),
    one(1, "rejectedDataPoints", Int64),
    one(1, "rejectedLogRecords", Int64),
    one(2, "errorMessage", String),
]);
/// `google.rpc.Status`, without its details.
pub(super) static STATUS: Message = Message(&[one(1, "code", Uint32), one(2, "message", String)]);

/// `trace.v1.ResourceSpans`: the spans of one resource. A request of this crate has exactly one.
static RESOURCE_SPANS: Message = Message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeSpans", Kind::Message(&SCOPE_SPANS)),
    one(3, "schemaUrl", String),
]);
/// `trace.v1.ScopeSpans`: the spans of one instrumentation scope.
static SCOPE_SPANS: Message = Message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "spans", Kind::Message(&SPAN)),
    one(3, "schemaUrl", String),
]);
/// `logs.v1.ResourceLogs`: the log records of one resource.
static RESOURCE_LOGS: Message = Message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeLogs", Kind::Message(&SCOPE_LOGS)),
    one(3, "schemaUrl", String),
]);
/// `logs.v1.ScopeLogs`: the log records of one instrumentation scope, which is the target of a `tracing` event.
static SCOPE_LOGS: Message = Message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "logRecords", Kind::Message(&LOG_RECORD)),
    one(3, "schemaUrl", String),
]);
/// `metrics.v1.ResourceMetrics`: the metrics of one resource.
static RESOURCE_METRICS: Message = Message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeMetrics", Kind::Message(&SCOPE_METRICS)),
    one(3, "schemaUrl", String),
]);
/// `metrics.v1.ScopeMetrics`: the metrics of one meter.
static SCOPE_METRICS: Message = Message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "metrics", Kind::Message(&METRIC)),
    one(3, "schemaUrl", String),
]);

/// `resource.v1.Resource`. Its entity references (field 3) are in development and left out.
static RESOURCE: Message =
    Message(&[many(1, "attributes", Kind::Message(&KEY_VALUE)), one(2, "droppedAttributesCount", Uint32)]);
/// `common.v1.InstrumentationScope`.
static SCOPE: Message = Message(&[
    one(1, "name", String),
    one(2, "version", String),
    many(3, "attributes", Kind::Message(&KEY_VALUE)),
    one(4, "droppedAttributesCount", Uint32),
]);
/// `common.v1.KeyValue`: an attribute, or an entry of a map.
static KEY_VALUE: Message = Message(&[one(1, "key", String), one(2, "value", Kind::Message(&ANY_VALUE))]);
/// `common.v1.AnyValue`: a `oneof`, so at most one of the fields is present. None of them means an empty value.
///
/// It refers to itself through [`ARRAY_VALUE`] and [`KEY_VALUE_LIST`]. That is the only recursion in OTLP, and the
/// reason for the limits of depth of readers and encoders.
static ANY_VALUE: Message = Message(&[
    one(1, "stringValue", String),
    one(2, "boolValue", Bool),
    one(3, "intValue", Int64),
    one(4, "doubleValue", Double),
    one(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
    one(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
    one(7, "bytesValue", Bytes),
]);
/// `common.v1.ArrayValue`. Its own message, because protobuf allows no repeated field in a `oneof`.
static ARRAY_VALUE: Message = Message(&[many(1, "values", Kind::Message(&ANY_VALUE))]);
/// `common.v1.KeyValueList`: a map, as a list of attributes.
static KEY_VALUE_LIST: Message = Message(&[many(1, "values", Kind::Message(&KEY_VALUE))]);

/// `trace.v1.Span`. `flags` has number 16 but stands near the ids, which it belongs to.
static SPAN: Message = Message(&[
    one(1, "traceId", Id),
    one(2, "spanId", Id),
    one(3, "traceState", String),
    one(4, "parentSpanId", Id),
    one(16, "flags", Fixed32),
    one(5, "name", String),
    one(6, "kind", Uint32),
    one(7, "startTimeUnixNano", Fixed64),
    one(8, "endTimeUnixNano", Fixed64),
    many(9, "attributes", Kind::Message(&KEY_VALUE)),
    one(10, "droppedAttributesCount", Uint32),
    many(11, "events", Kind::Message(&EVENT)),
    one(12, "droppedEventsCount", Uint32),
    many(13, "links", Kind::Message(&LINK)),
    one(14, "droppedLinksCount", Uint32),
    one(15, "status", Kind::Message(&SPAN_STATUS)),
]);
/// `trace.v1.Span.Event`.
static EVENT: Message = Message(&[
    one(1, "timeUnixNano", Fixed64),
    one(2, "name", String),
    many(3, "attributes", Kind::Message(&KEY_VALUE)),
    one(4, "droppedAttributesCount", Uint32),
]);
/// `trace.v1.Span.Link`.
static LINK: Message = Message(&[
    one(1, "traceId", Id),
    one(2, "spanId", Id),
    one(3, "traceState", String),
    many(4, "attributes", Kind::Message(&KEY_VALUE)),
    one(5, "droppedAttributesCount", Uint32),
    one(6, "flags", Fixed32),
]);
/// `trace.v1.Status`: 0 is unset, 1 is `Ok`, 2 is `Error`. Field 1 is reserved, a deprecated code of earlier versions.
static SPAN_STATUS: Message = Message(&[one(2, "message", String), one(3, "code", Uint32)]);

/// `logs.v1.LogRecord`. Field 4 is reserved.
static LOG_RECORD: Message = Message(&[
    one(1, "timeUnixNano", Fixed64),
    one(11, "observedTimeUnixNano", Fixed64),
    one(2, "severityNumber", Uint32),
    one(3, "severityText", String),
    one(5, "body", Kind::Message(&ANY_VALUE)),
    many(6, "attributes", Kind::Message(&KEY_VALUE)),
    one(7, "droppedAttributesCount", Uint32),
    one(8, "flags", Fixed32),
    one(9, "traceId", Id),
    one(10, "spanId", Id),
    one(12, "eventName", String),
]);

/// `metrics.v1.Metric`. The fields from `gauge` to `summary` are a `oneof`: a metric has one kind of data. Fields 4, 6
/// and 8 are reserved, the kinds of data of earlier versions.
static METRIC: Message = Message(&[
    one(1, "name", String),
    one(2, "description", String),
    one(3, "unit", String),
    one(5, "gauge", Kind::Message(&GAUGE)),
    one(7, "sum", Kind::Message(&SUM)),
    one(9, "histogram", Kind::Message(&HISTOGRAM)),
    one(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL_HISTOGRAM)),
    one(11, "summary", Kind::Message(&SUMMARY)),
    many(12, "metadata", Kind::Message(&KEY_VALUE)),
]);
/// `metrics.v1.Gauge`: the last value of each series, without temporality.
static GAUGE: Message = Message(&[many(1, "dataPoints", Kind::Message(&NUMBER_POINT))]);
/// `metrics.v1.Sum`. Temporality 1 is delta, 2 is cumulative.
static SUM: Message = Message(&[
    many(1, "dataPoints", Kind::Message(&NUMBER_POINT)),
    one(2, "aggregationTemporality", Uint32),
    one(3, "isMonotonic", Bool),
]);
/// `metrics.v1.Histogram`, with explicit boundaries.
static HISTOGRAM: Message = Message(&[
    many(1, "dataPoints", Kind::Message(&HISTOGRAM_POINT)),
    one(2, "aggregationTemporality", Uint32),
]);
/// `metrics.v1.ExponentialHistogram`, whose boundaries follow from a scale.
static EXPONENTIAL_HISTOGRAM: Message = Message(&[
    many(1, "dataPoints", Kind::Message(&EXPONENTIAL_POINT)),
    one(2, "aggregationTemporality", Uint32),
]);
/// `metrics.v1.Summary`. The SDK produces none; the collector of tests receives them from other programs.
static SUMMARY: Message = Message(&[many(1, "dataPoints", Kind::Message(&SUMMARY_POINT))]);
/// `metrics.v1.NumberDataPoint`. `asDouble` and `asInt` are a `oneof`, so 0 is written as well. Bit 0 of `flags`
/// means that no value was recorded.
static NUMBER_POINT: Message = Message(&[
    many(7, "attributes", Kind::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "asDouble", Double),
    one(6, "asInt", Sfixed64),
    many(5, "exemplars", Kind::Message(&EXEMPLAR)),
    one(8, "flags", Uint32),
]);
/// `metrics.v1.HistogramDataPoint`. `bucketCounts` has one element more than `explicitBounds`: the last bucket has no
/// upper boundary.
static HISTOGRAM_POINT: Message = Message(&[
    many(9, "attributes", Kind::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "count", Fixed64),
    one(5, "sum", Double),
    many(6, "bucketCounts", Fixed64),
    many(7, "explicitBounds", Double),
    many(8, "exemplars", Kind::Message(&EXEMPLAR)),
    one(10, "flags", Uint32),
    one(11, "min", Double),
    one(12, "max", Double),
]);
/// `metrics.v1.ExponentialHistogramDataPoint`. Bucket `i` holds the values in (base^i, base^(i + 1)], where base is
/// 2^(2^-scale).
static EXPONENTIAL_POINT: Message = Message(&[
    many(1, "attributes", Kind::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "count", Fixed64),
    one(5, "sum", Double),
    one(6, "scale", Sint32),
    one(7, "zeroCount", Fixed64),
    one(8, "positive", Kind::Message(&BUCKETS)),
    one(9, "negative", Kind::Message(&BUCKETS)),
    one(10, "flags", Uint32),
    many(11, "exemplars", Kind::Message(&EXEMPLAR)),
    one(12, "min", Double),
    one(13, "max", Double),
    one(14, "zeroThreshold", Double),
]);
/// `metrics.v1.ExponentialHistogramDataPoint.Buckets`: counts from the index `offset` on, without gaps.
static BUCKETS: Message = Message(&[one(1, "offset", Sint32), many(2, "bucketCounts", Uint64)]);
/// `metrics.v1.SummaryDataPoint`.
static SUMMARY_POINT: Message = Message(&[
    many(7, "attributes", Kind::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "count", Fixed64),
    one(5, "sum", Double),
    many(6, "quantileValues", Kind::Message(&QUANTILE)),
    one(8, "flags", Uint32),
]);
/// `metrics.v1.SummaryDataPoint.ValueAtQuantile`. Quantile 0 is the minimum and 1 the maximum.
static QUANTILE: Message = Message(&[one(1, "quantile", Double), one(2, "value", Double)]);
/// `metrics.v1.Exemplar`: one measurement with the span in which it was made. Its attributes are those that the view
/// has removed from the series.
static EXEMPLAR: Message = Message(&[
    many(7, "filteredAttributes", Kind::Message(&KEY_VALUE)),
    one(2, "timeUnixNano", Fixed64),
    one(3, "asDouble", Double),
    one(6, "asInt", Sfixed64),
    one(4, "spanId", Id),
    one(5, "traceId", Id),
]);
