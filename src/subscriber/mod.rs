//! Converts `tracing` spans and events to log lines, OTLP log records and OpenTelemetry spans.
//!
//! One layer of ours serves three outputs, because each layer with its own filter costs every event 25 to 90 ns. It
//! evaluates each output's filter once per callsite where possible, computes time and ids of an event once, and hands
//! both to line and record, so they agree.
//!
//! | what happens where | lines | OTLP records | OpenTelemetry spans |
//! |---|---|---|---|
//! | anywhere | by their filter | by their filter | by their filter |
//! | on the I/O thread | nothing | nothing | nothing |
//! | in a suppressed context | by their filter | nothing | nothing |
//! | targets `opentelemetry*`, which may hold the current context borrowed | by their filter, a few a minute (`rate_limit`), without ids | nothing | |

mod combined_filter;
pub(crate) mod errors;
pub(crate) mod filter;
mod filters;
mod layer;
mod lines;
pub(crate) mod log_crate;
mod logs;
mod rate_limit;
mod record_error;
pub(crate) mod reentrancy;
mod spans;
mod thread_state;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use errors::{Marks, PanicReport, note_again};
pub use filter::FilterError;
pub(crate) use filters::Filters;
pub(crate) use layer::{LayerParts, Records, Spans};
pub(crate) use lines::{Lines, shared};
pub(crate) use logs::{LogOptions, OtlpLogs, write_span_fields};
pub use record_error::record_error;
pub use spans::SpanExt;
#[cfg_attr(
    not(any(test, feature = "grpc", feature = "http")),
    expect(unused_imports, reason = "only the layers for calls need it")
)]
pub(crate) use spans::handler_span;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use spans::{CallAttributes, CallSpans, SpanHead, StartingCall, span_builder, start_sdk_call};
pub(crate) use spans::{DirectSource, SpanBridge, SpanSource, StockBridge};
use tracing_subscriber::Layer;

/// The `tracing` layer of this crate, for use in your own subscriber.
///
/// Its filters apply to itself alone: what they exclude still reaches the layers beside it.
pub type TelemetryLayer<S> = Box<dyn Layer<S> + Send + Sync>;
