//! Spans, log records and metrics as OTLP protobuf, straight to bytes.
//!
//! Every function here appends to a `Vec<u8>` that its caller keeps, so encoding allocates nothing once that has
//! grown to its usual size. What these bytes decode to is compared, in the tests, with what `opentelemetry-proto`
//! makes of the same data.
//!
//! Three kinds of pieces meet in a request, and all signals have the same field numbers around them:
//!
//! | piece | what it is | made by |
//! |---|---|---|
//! | resource | the fields of `ResourceSpans` / `ResourceLogs` other than the scopes | [`resource()`] |
//! | scope | the fields of `ScopeSpans` / `ScopeLogs` other than the items | [`scope()`], [`scope_name()`] |
//! | item | one `Span` or `LogRecord`, without its frame | [`span()`], [`log_record()`] |
//!
//! The steps from an item to a request:
//!
//! ```text
//! on the thread that ends the span          on the I/O thread
//! scope + item ──push_item──▶ ItemBuffer ──by_scope──▶ request(resource, scopes) ──▶ destination
//! ```
//!
//! Rules that hold for every function, so receivers of any language read the result:
//!
//! - Fields with their default value (0, empty) are left out, except inside a `oneof`, where they choose the variant.
//! - A key occurs once for each item; if a key is repeated, the last value wins.
//! - Values nest at most 32 levels. Strings are cut at the configured length, between characters.
//! - Times before 1970 become 0.
//!
//! | file | what it encodes |
//! |---|---|
//! | `wire` | tags, varints, lengths; reading fields back |
//! | `value` | attributes and `AnyValue` |
//! | `span`, `recorded_span` | `Span`, from the SDK's data and from the bridge's |
//! | `log` | `LogRecord`, from the SDK's record and from an event |
//! | `metric`, `observed_counters` | a whole `ExportMetricsServiceRequest` |
//! | `request` | what is around the items: resource, scopes, request |
//! | `points` | a metrics request, cut into halves |
//! | `json` | OTLP/JSON, from the same bytes and back |
//! | `item_name` | the name of an item, for messages about it |
//! | `scratch` | the buffers of a thread |
//! | `answer` | answers of a receiver, for tests |
//!
//! Field numbers are constants at the end of each file, grouped by message, under the names of the `.proto` files.

#[cfg(feature = "testing")]
mod answer;
mod attributes;
mod item_name;
pub(crate) mod json;
mod log;
mod metric;
mod number;
mod observed_counters;
pub(super) mod points;
mod recorded_span;
mod request;
mod scratch;
mod span;
#[cfg(test)]
mod tests;
mod value;
mod wire;

#[cfg(feature = "testing")]
pub(crate) use answer::{response, rpc_status};
pub(super) use item_name::describe_item;
pub(crate) use log::{LogFields, log_record};
pub(crate) use metric::{EncodedMetrics, metrics};
pub(crate) use number::SUM_RESERVE;
pub(crate) use observed_counters::ObservedCounters;
pub(crate) use recorded_span::{RecordedSpan, SpanFields, SpanItems};
pub(super) use request::{framed_items, push_item, request};
pub(crate) use request::{resource, scope, scope_name};
pub(crate) use scratch::with_scratch;
pub(crate) use span::{is_empty_link, span};
#[cfg(feature = "testing")]
pub(crate) use value::decoded_value;
pub(crate) use value::{
    attribute_bool, attribute_bytes, attribute_f64, attribute_i64, attribute_str, attribute_value,
    decoded_attribute, encoded_attributes, encoded_keys,
};
pub(crate) use wire::WireValue;
#[cfg(feature = "grpc")]
pub(crate) use wire::all_fields;
pub(super) use wire::read_varint;
pub(super) use wire::{MAX_HEAD, fields};
