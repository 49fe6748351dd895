//! OTLP's messages, as far as JSON has to know them: names, numbers and kinds of their fields.
//!
//! The order of the fields of a message is the order in which they are written, that of the official examples. Fields
//! that OTLP gets later are missing here: they are left out of JSON, and passed over when JSON is read.
//!
//! A message is a `static` that lists its fields. Messages refer to each other, and to themselves where values nest, so
//! that the whole of OTLP is one graph without any code.
//!
//! The three response messages differ in the name of one field alone, which has number 1 in each. [`RESPONSE`] has all
//! three names.

/// The fields of a message, in the order in which they are written.
pub(super) struct Message(pub(super) &'static [Field]);

/// A field of a message: its number on the wire and its name in JSON.
pub(super) struct Field {
    /// The field number of the `.proto` file.
    pub(super) number: u32,
    /// The name in lowerCamelCase.
    pub(super) name: &'static str,
    /// How its value is written.
    pub(super) kind: Kind,
    /// `true` if it is an array in JSON. On the wire, repeated numbers may be packed.
    pub(super) is_repeated: bool,
}

/// How a field is written on the wire and in JSON.
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
const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, is_repeated: false }
}

/// A field that is an array in JSON.
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

static RESOURCE_SPANS: Message = Message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeSpans", Kind::Message(&SCOPE_SPANS)),
    one(3, "schemaUrl", String),
]);
static SCOPE_SPANS: Message = Message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "spans", Kind::Message(&SPAN)),
    one(3, "schemaUrl", String),
]);
static RESOURCE_LOGS: Message = Message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeLogs", Kind::Message(&SCOPE_LOGS)),
    one(3, "schemaUrl", String),
]);
static SCOPE_LOGS: Message = Message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "logRecords", Kind::Message(&LOG_RECORD)),
    one(3, "schemaUrl", String),
]);
static RESOURCE_METRICS: Message = Message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeMetrics", Kind::Message(&SCOPE_METRICS)),
    one(3, "schemaUrl", String),
]);
static SCOPE_METRICS: Message = Message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "metrics", Kind::Message(&METRIC)),
    one(3, "schemaUrl", String),
]);

static RESOURCE: Message =
    Message(&[many(1, "attributes", Kind::Message(&KEY_VALUE)), one(2, "droppedAttributesCount", Uint32)]);
static SCOPE: Message = Message(&[
    one(1, "name", String),
    one(2, "version", String),
    many(3, "attributes", Kind::Message(&KEY_VALUE)),
    one(4, "droppedAttributesCount", Uint32),
]);
static KEY_VALUE: Message = Message(&[one(1, "key", String), one(2, "value", Kind::Message(&ANY_VALUE))]);
static ANY_VALUE: Message = Message(&[
    one(1, "stringValue", String),
    one(2, "boolValue", Bool),
    one(3, "intValue", Int64),
    one(4, "doubleValue", Double),
    one(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
    one(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
    one(7, "bytesValue", Bytes),
]);
static ARRAY_VALUE: Message = Message(&[many(1, "values", Kind::Message(&ANY_VALUE))]);
static KEY_VALUE_LIST: Message = Message(&[many(1, "values", Kind::Message(&KEY_VALUE))]);

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
static EVENT: Message = Message(&[
    one(1, "timeUnixNano", Fixed64),
    one(2, "name", String),
    many(3, "attributes", Kind::Message(&KEY_VALUE)),
    one(4, "droppedAttributesCount", Uint32),
]);
static LINK: Message = Message(&[
    one(1, "traceId", Id),
    one(2, "spanId", Id),
    one(3, "traceState", String),
    many(4, "attributes", Kind::Message(&KEY_VALUE)),
    one(5, "droppedAttributesCount", Uint32),
    one(6, "flags", Fixed32),
]);
static SPAN_STATUS: Message = Message(&[one(2, "message", String), one(3, "code", Uint32)]);

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
static GAUGE: Message = Message(&[many(1, "dataPoints", Kind::Message(&NUMBER_POINT))]);
static SUM: Message = Message(&[
    many(1, "dataPoints", Kind::Message(&NUMBER_POINT)),
    one(2, "aggregationTemporality", Uint32),
    one(3, "isMonotonic", Bool),
]);
static HISTOGRAM: Message = Message(&[
    many(1, "dataPoints", Kind::Message(&HISTOGRAM_POINT)),
    one(2, "aggregationTemporality", Uint32),
]);
static EXPONENTIAL_HISTOGRAM: Message = Message(&[
    many(1, "dataPoints", Kind::Message(&EXPONENTIAL_POINT)),
    one(2, "aggregationTemporality", Uint32),
]);
static SUMMARY: Message = Message(&[many(1, "dataPoints", Kind::Message(&SUMMARY_POINT))]);
static NUMBER_POINT: Message = Message(&[
    many(7, "attributes", Kind::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "asDouble", Double),
    one(6, "asInt", Sfixed64),
    many(5, "exemplars", Kind::Message(&EXEMPLAR)),
    one(8, "flags", Uint32),
]);
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
static BUCKETS: Message = Message(&[one(1, "offset", Sint32), many(2, "bucketCounts", Uint64)]);
static SUMMARY_POINT: Message = Message(&[
    many(7, "attributes", Kind::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Fixed64),
    one(3, "timeUnixNano", Fixed64),
    one(4, "count", Fixed64),
    one(5, "sum", Double),
    many(6, "quantileValues", Kind::Message(&QUANTILE)),
    one(8, "flags", Uint32),
]);
static QUANTILE: Message = Message(&[one(1, "quantile", Double), one(2, "value", Double)]);
static EXEMPLAR: Message = Message(&[
    many(7, "filteredAttributes", Kind::Message(&KEY_VALUE)),
    one(2, "timeUnixNano", Fixed64),
    one(3, "asDouble", Double),
    one(6, "asInt", Sfixed64),
    one(4, "spanId", Id),
    one(5, "traceId", Id),
]);
