//! The common parts of B3, Jaeger and X-Ray: hexadecimal ids, a sampling decision, and a debug flag that is passed on.
//!
//! | decision of the caller | what is done |
//! |---|---|
//! | accepted | the parent is sampled |
//! | denied | the parent is not sampled |
//! | debug | the parent is sampled, and requests of the same trace carry the debug flag on |
//! | none (deferred) | this service decides: its sampler is called as for a root, and a parent-based sampler calls its root sampler. If the context is sent on without a local span, no decision is sent |
//! | a decision without ids | ignored: there is no parent that it could belong to |

use opentelemetry::Context;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

/// The caller's span as one of these formats describes it. Its ids are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RemoteParent {
    /// The trace id of 128 bits; shorter ones were padded with zeros.
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    /// `true` if the caller records.
    pub(super) decision: Decision,
}

/// The sampling decision of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The caller left it to this service.
    Deferred,
    /// The caller does not record the trace.
    Denied,
    /// The caller records the trace.
    Accepted,
    /// Accepted, and every service downstream should record as well.
    Debug,
}

impl RemoteParent {
    /// Returns a copy of `context` in which this is the current span.
    pub(super) fn into_context(self, context: &Context) -> Context {
        let flags = TraceFlags::default().with_sampled(self.decision != Decision::Denied);
        let span = SpanContext::new(self.trace_id, self.span_id, flags, true, TraceState::NONE);
        let context = context.with_remote_span_context(span);
        match self.decision {
            Decision::Debug => context.with_value(DebugTrace(self.trace_id)),
            Decision::Deferred => context.with_value(DeferredTo(self.trace_id, self.span_id)),
            Decision::Accepted | Decision::Denied => context,
        }
    }
}

/// The span that was received without a sampling decision.
#[derive(Debug)]
struct DeferredTo(TraceId, SpanId);

/// Returns `true` if the span was received without a sampling decision, which is then this service's. `context` is the
/// one that the span was received into, or one made of it.
///
/// Its span context says *sampled*, since it has no third state, and samplers that are not behind ours then record.
pub(crate) fn is_deferred(context: &Context, span: &SpanContext) -> bool {
    let is_received = |DeferredTo(trace_id, span_id): &DeferredTo| {
        (*trace_id, *span_id) == (span.trace_id(), span.span_id())
    };
    span.is_remote() && context.get::<DeferredTo>().is_some_and(is_received)
}

/// The trace that was received with a debug flag.
#[derive(Debug)]
struct DebugTrace(TraceId);

/// Returns `true` if the span belongs to a trace that was received with a debug flag.
pub(super) fn is_debug(context: &Context, span: &SpanContext) -> bool {
    context.get::<DebugTrace>().is_some_and(|debug| debug.0 == span.trace_id()) && span.is_sampled()
}

/// Returns the decision to send on with a span: that of this service, or of the caller if there is no span of its own.
pub(super) fn decision_of(context: &Context, span: &SpanContext) -> Decision {
    match span.is_sampled() {
        _ if is_deferred(context, span) => Decision::Deferred,
        _ if is_debug(context, span) => Decision::Debug,
        true => Decision::Accepted,
        false => Decision::Denied,
    }
}

/// Returns the value of a header that occurs exactly once: of two parents neither can be trusted.
pub(super) fn single_value<'a>(extractor: &'a dyn Extractor, name: &str) -> Option<&'a str> {
    match extractor.get_all(name)?.as_slice() {
        [value] => Some(value.trim_matches([' ', '\t'])),
        _ => None,
    }
}

/// Parses a trace id of up to 32 digits, which may be upper case. Returns `None` for zero.
pub(super) fn parse_trace_id(text: &str) -> Option<TraceId> {
    parse_hex(text, 32).map(TraceId::from)
}

/// Parses a span id of up to 16 digits, which may be upper case. Returns `None` for zero.
pub(super) fn parse_span_id(text: &str) -> Option<SpanId> {
    let id = parse_hex(text, 16)?;
    u64::try_from(id).ok().map(SpanId::from)
}

/// Parses up to 128 bits. Shorter texts are padded with zeros on the left.
fn parse_hex(text: &str, max_digits: usize) -> Option<u128> {
    // `from_str_radix` accepts a sign.
    let is_hex = text.len() <= max_digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = if is_hex { u128::from_str_radix(text, 16).ok()? } else { return None };
    (id != 0).then_some(id)
}
