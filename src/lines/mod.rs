//! Log lines: their formats and the writer.
//!
//! | file | what it has |
//! |---|---|
//! | `json` | the layer that writes JSON, public |
//! | `pretty` | the layer that writes text for a terminal |
//! | `writer` | where lines go, without blocking the thread that logs |
//! | `context_fields` | fields of the OpenTelemetry context, for lines and records |
//! | `event_field` | what the fields of events and spans mean, the same for all outputs |
//! | `redaction` | which values must not be written, public |
//! | `field_visit` | one visit of fields for all outputs |
//! | `thread_buffers` | memory of a thread, which each event uses again |
//! | `static_cache` | what callsites and names have in common in each of their events |
//! | `kept_fields`, `span`, `span_table` | the fields of open spans, kept once for all outputs |
//!
//! A format is chosen once, when telemetry is started, and is used without a virtual call for each value: an event is
//! visited by the visitor of its format, which writes straight into the line.

pub(crate) mod context_fields;
pub(crate) mod event_context;
pub(crate) mod event_field;
pub(crate) mod field_visit;
pub mod json;
pub(crate) mod kept_fields;
pub(crate) mod pretty;
pub(crate) mod redaction;
pub(crate) mod span;
pub(crate) mod span_table;
pub(crate) mod static_cache;
mod thread_buffers;
pub(crate) mod writer;
