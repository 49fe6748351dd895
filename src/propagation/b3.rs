//! [B3](https://github.com/openzipkin/b3-propagation), in one header or in several.
//!
//! | format | headers |
//! |---|---|
//! | single | `b3: {trace id}-{span id}-{decision}-{parent id}` |
//! | multiple | `X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled`, `X-B3-Flags` |
//!
//! Both are read, and the single header counts where both are valid; the variant decides what is written. Decisions are
//! `0`, `1` and `d` (debug); the last two parts of the single header may be missing. Trace ids of 64 bits are padded
//! with zeros. The caller's own parent is not read, and not sent on.
//!
//! | decision received | the local span | sent on |
//! |---|---|---|
//! | `d`, or `X-B3-Flags: 1` | sampled | debug, within the trace |
//! | `1`, `true` | sampled | `1` |
//! | `0`, `false` | not sampled | `0` |
//! | none | decided by the sampler as a root is: by default sampled | the decision; none if there is no local span |

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceId};

use super::remote_parent::{
    Decision, RemoteParent, decision_of, parse_span_id, parse_trace_id, single_value,
};

#[cfg(test)]
mod tests;

/// The B3 propagator, by what it writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum B3 {
    /// Writes `b3`.
    SingleHeader,
    /// Writes `X-B3-TraceId` and its siblings.
    MultipleHeaders,
}

impl TextMapPropagator for B3 {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let span = context.span();
        let span = span.span_context();
        if !span.is_valid() {
            return;
        }
        let decision = decision_of(context, span);
        match self {
            Self::SingleHeader => inject_single(span, decision, injector),
            Self::MultipleHeaders => inject_multiple(span, decision, injector),
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let single = single_value(extractor, SINGLE).and_then(parse_single);
        match single.or_else(|| extract_multiple(extractor)) {
            Some(parent) => parent.into_context(context),
            None => context.clone(),
        }
    }

    /// The headers of both variants: receivers read both, so one which a request has already must not stay beside the
    /// new ones.
    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 6]> =
            LazyLock::new(|| [SINGLE, TRACE_ID, SPAN_ID, PARENT_ID, SAMPLED, FLAGS].map(Into::into));
        FieldIter::new(&*FIELDS)
    }
}

/// Writes all parts in one header. The parent id, which is optional, is not sent.
fn inject_single(span: &SpanContext, decision: Decision, injector: &mut dyn Injector) {
    let decision = match decision {
        Decision::Debug => "-d",
        Decision::Accepted => "-1",
        Decision::Denied => "-0",
        Decision::Deferred => "",
    };
    injector.set(SINGLE, format!("{}-{}{decision}", span.trace_id(), span.span_id()));
}

/// Writes one header for each part.
fn inject_multiple(span: &SpanContext, decision: Decision, injector: &mut dyn Injector) {
    injector.set(TRACE_ID, span.trace_id().to_string());
    injector.set(SPAN_ID, span.span_id().to_string());
    match decision {
        // Debug implies the decision, which is then not sent.
        Decision::Debug => injector.set(FLAGS, "1".to_owned()),
        Decision::Accepted => injector.set(SAMPLED, "1".to_owned()),
        Decision::Denied => injector.set(SAMPLED, "0".to_owned()),
        Decision::Deferred => {}
    }
}

/// Parses `b3`. A header of one part (`b3: 0`, a decision without ids) is no parent.
fn parse_single(header: &str) -> Option<RemoteParent> {
    let mut parts = header.splitn(4, '-');
    let (trace_id, span_id) = (b3_trace_id(parts.next()?)?, b3_span_id(parts.next()?)?);
    let decision = match parts.next() {
        Some(decision) => parse_decision(decision)?,
        None => Decision::Deferred,
    };
    Some(RemoteParent { trace_id, span_id, decision })
}

/// Reads the headers `X-B3-…`. `X-B3-Flags: 1` means debug and outweighs `X-B3-Sampled`. An invalid decision makes
/// the whole invalid.
fn extract_multiple(extractor: &dyn Extractor) -> Option<RemoteParent> {
    let trace_id = b3_trace_id(single_value(extractor, TRACE_ID)?)?;
    let span_id = b3_span_id(single_value(extractor, SPAN_ID)?)?;
    let decision = match (single_value(extractor, FLAGS), extractor.get_all(SAMPLED)) {
        (Some("1"), _) => Decision::Debug,
        (_, None) => Decision::Deferred,
        (_, Some(_)) => parse_decision(single_value(extractor, SAMPLED)?)?,
    };
    Some(RemoteParent { trace_id, span_id, decision })
}

/// Parses a decision; `true` and `false` are from tracers older than the specification.
fn parse_decision(text: &str) -> Option<Decision> {
    match text {
        "d" => Some(Decision::Debug),
        "1" => Some(Decision::Accepted),
        "0" => Some(Decision::Denied),
        _ if text.eq_ignore_ascii_case("true") => Some(Decision::Accepted),
        _ if text.eq_ignore_ascii_case("false") => Some(Decision::Denied),
        _ => None,
    }
}

/// Accepts ids of 64 and 128 bits, as old and new tracers send them.
fn b3_trace_id(text: &str) -> Option<TraceId> {
    if matches!(text.len(), 16 | 32) { parse_trace_id(text) } else { None }
}

/// Accepts 16 digits only.
fn b3_span_id(text: &str) -> Option<SpanId> {
    if text.len() == 16 { parse_span_id(text) } else { None }
}

/// The header of the single format.
const SINGLE: &str = "b3";
/// Headers of the multiple format, in lower case: carriers compare names without regard to case.
const TRACE_ID: &str = "x-b3-traceid";
const SPAN_ID: &str = "x-b3-spanid";
const PARENT_ID: &str = "x-b3-parentspanid";
const SAMPLED: &str = "x-b3-sampled";
const FLAGS: &str = "x-b3-flags";
