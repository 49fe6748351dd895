//! The trace and span ids of an event.
//!
//! | event | ids of |
//! |---|---|
//! | without a named parent | the current OpenTelemetry context, which the bridge, the layers for calls and the API set |
//! | `parent: &span` | that span, which is started for it |
//! | `parent: None` | none |
//! | of the SDK, or on a thread that is ending | none: the context must not be touched |

use std::panic::catch_unwind;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId};
use tracing_core::{Dispatch, span};

/// Trace, span and flags of the span that was current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceIds {
    /// Never zero.
    pub(crate) trace_id: TraceId,
    /// Never zero.
    pub(crate) span_id: SpanId,
    /// *Sampled* and *random*.
    pub(crate) flags: TraceFlags,
}

impl TraceIds {
    /// Returns the ids of a `tracing` span, and starts it. `None` if it is not an OpenTelemetry span.
    pub(crate) fn from_span(id: &span::Id, dispatch: &Dispatch) -> Option<Self> {
        let context = tracing_opentelemetry::get_otel_context(id, dispatch)?;
        Self::from_span_context(context.span().span_context())
    }

    /// Returns the ids of the span of a context; `None` if it has no valid one.
    pub(crate) fn from_context(context: &Context) -> Option<Self> {
        Self::from_span_context(context.span().span_context())
    }

    /// Returns the ids of a valid span context.
    fn from_span_context(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self {
            trace_id: span.trace_id(),
            span_id: span.span_id(),
            flags: span.trace_flags(),
        })
    }
}

/// Returns `true` for targets of the OpenTelemetry crates.
pub(crate) fn is_sdk_target(target: &str) -> bool {
    target.starts_with("opentelemetry")
}

/// Returns `true` if the current context may be read for this event. It panics in two cases:
///
/// - for events of the SDK, which it emits while it has the current context borrowed;
/// - for events of thread-local values that are dropped after the thread's context is gone, which aborts the process.
pub(crate) fn may_touch_context(target: &str) -> bool {
    !is_sdk_target(target) && context_lives()
}

/// Calls `ask` with the current context, unless the thread has lost it.
#[inline]
pub(crate) fn with_current<T>(ask: impl FnOnce(&Context) -> T) -> Option<T> {
    context_lives().then(|| Context::map_current(ask))
}

/// Returns `false` on a thread that is ending and has dropped its context.
#[inline]
pub(crate) fn context_lives() -> bool {
    CONTEXT_LIVES.try_with(|lives| lives.0).unwrap_or(false)
}

/// Is gone before the thread's context is: what was made later is dropped earlier.
struct ContextLives(bool);

impl ContextLives {
    fn watch() -> Self {
        // Made while the thread is ending, it may come too late.
        Self(catch_unwind(|| Context::map_current(|_| ())).is_ok())
    }
}

impl Drop for ContextLives {
    /// A value without this is never gone.
    fn drop(&mut self) {}
}

thread_local! {
    /// Made together with the thread's context, and dropped before it.
    static CONTEXT_LIVES: ContextLives = ContextLives::watch();
}
