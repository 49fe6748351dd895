//! Log lines as JSON: one object, one line feed, for each event.
//!
//! [`JsonLayer`] is an ordinary `tracing_subscriber` layer. [`init()`](crate::init) uses it for its log output; alone
//! it works in any subscriber:
//!
//! ```
//! use telemetry_bootstrap::json::JsonLayer;
//! use tracing_subscriber::layer::SubscriberExt as _;
//!
//! let subscriber = tracing_subscriber::registry().with(JsonLayer::new(std::io::stderr));
//! # drop(subscriber);
//! ```
//!
//! ```json
//! {"timestamp":"2026-11-24T14:20:44.123456Z","level":"INFO","message":"order placed","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","trace_flags":"01","target":"shop","items":3,"tenant":"acme"}
//! ```
//!
//! # Content of a line, in this order
//!
//! | part | |
//! |---|---|
//! | `timestamp`, `level`, `message` | UTC with microseconds; `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`; no `message` when the event has none |
//! | `trace_id`, `span_id`, `trace_flags` | of the OpenTelemetry span the event belongs to, sampled or not; left out where there is none ([`MissingIds`]) |
//! | `target` | the event's, or that of the `log` record it was made from |
//! | constant fields | [`service_name`](JsonLayer::service_name), [`constant`](JsonLayer::constant), … |
//! | fields of the event | flat, with their types |
//! | fields of the context | see [`with_fields`](crate::with_fields); key-values of a `log` record, where [`init()`](crate::init) installed its logger |
//! | fields of the spans | from the innermost to the outermost ([`SpanFields`]) |
//!
//! Other names, for other backends: [`FieldNames`], [`JsonLayer::rename`].
//!
//! # Rules
//!
//! - **A line is valid JSON, whatever is logged**, and holds no key twice: the event's field wins over the context's,
//!   that over a span's, an inner span's over an outer span's, and the last of equal keys in one event. A field that
//!   would take one of the keys above is written with the prefix `field.`; so is a second `message` of one event, as in
//!   the log record. A field without a name is left out.
//! - A `Debug` or `Display` that panics gives the value `"[panicked]"`, and the program goes on. One that logs gives
//!   two whole lines.
//! - Integers are exact JSON numbers up to 64 bit; `i128` and `u128` are strings. `NaN` and the infinities are
//!   `"NaN"`, `"Infinity"` and `"-Infinity"`. Bytes are base64.
//! - A field that holds an error (`error = &err as &dyn Error`) is written under its own key as its message, and adds
//!   `exception.type` (as far as its `Debug` form shows it), `exception.message` and, if it has causes,
//!   `exception.stacktrace` with all of them. Of several errors that in the field `error` counts, or else the first one;
//!   errors in redacted fields do not count, and fields `exception.*` of the event itself win. The line of
//!   [`record_error`](crate::record_error) has no field `error`, because it would only repeat `exception.message` and
//!   `message`.
//! - Fields that [`JsonLayer::redact`] names have the value `"[redacted]"`.
//! - A line is passed to the writer in one `write` call. Errors of the writer are not reported, because there is no place left
//!   to report them. [`NonBlockingWriter`](crate::NonBlockingWriter) counts the lines that it could not write.
//!
//! # Cost
//!
//! Events are encoded straight to bytes in a buffer of their thread: no allocation in the steady state. The fields of
//! a span are encoded by the first event inside it, merged with those of its ancestors, and copied to each line.

pub(crate) mod encode;
mod fields;
mod format;
mod keys;
mod layer;
mod listed;
mod owned_names;
mod presets;
mod reserved;
mod scratch;
mod shape;
mod spans;
mod visit;

pub use keys::{Field, FieldNames, MissingIds, SpanFields};
pub use layer::JsonLayer;
pub(in crate::lines) use scratch::Scratch;
pub(crate) use spans::SpanCache;
