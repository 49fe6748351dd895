//! The spans of calls, which the layers for gRPC and HTTP start without `tracing`.
//!
//! They are encoded like those of the bridge: a call costs no span of the SDK and no conversion. If the program needs spans
//! of the SDK, for span processors or an id generator of its own, [`start_sdk_call`] starts those instead, with the same results:
//! the same wrapper keeps the status of both.

use std::sync::Arc;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context as OtelContext, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SdkTracer, ShouldSample as _};

use super::attributes::AttributeBuffer;
use super::bridge_span::{BridgeSpan, SdkRecording};
use super::source::{DirectSource, decide};
use super::status::SpanStatus;
use crate::export::encode;
use crate::provider::installed::DirectSpans;
use crate::provider::{SharedSampler, flagged_span_context};
use crate::subscriber::reentrancy::ReentrancyGuard;
use crate::time::start_time::StartTime;

/// Starts the spans of calls.
#[derive(Clone, Debug)]
pub(crate) struct CallSpans {
    source: Arc<DirectSource>,
    sampler: SharedSampler,
}

impl CallSpans {
    /// Creates the source of spans with this instrumentation scope.
    pub(crate) fn new(direct: &DirectSpans, scope: &InstrumentationScope, sampler: SharedSampler) -> Self {
        let mut encoded = Vec::new();
        encode::scope(&mut encoded, scope, None);
        let source = DirectSource {
            queue: direct.queue.clone(),
            scope: encoded,
            limits: direct.limits,
            open: Some(Arc::clone(&direct.open)),
            counts: sampler.counts().cloned(),
        };
        Self { source: Arc::new(source), sampler }
    }

    /// Starts a span below `parent`, and returns `local` with it, and whether it is recorded. `late` adds the attributes
    /// that a sampler does not need.
    ///
    /// `local` may lack a parent in another process; `around` returns it with the parent, for samplers.
    pub(crate) fn start(
        &self,
        parent: &SpanContext,
        local: &OtelContext,
        around: impl FnOnce() -> OtelContext,
        start: StartTime,
        span: SpanBuilder,
        late: impl FnOnce(&mut dyn FnMut(KeyValue)),
    ) -> (OtelContext, bool) {
        let SpanBuilder { name, span_kind, attributes, links, .. } = span;
        let kind = span_kind.unwrap_or(SpanKind::Internal);
        let (mut attributes, links) = (attributes.unwrap_or_default(), links.unwrap_or_default());
        let (context, decision) =
            decide(&self.sampler, self.sampler.shortcut(), local, parent, |sampler, trace_id| {
                sampler.should_sample(Some(&around()), trace_id, &name, &kind, &attributes, &links)
            });
        if decision.decision == SamplingDecision::Drop {
            return (local.with_remote_span_context(context), false);
        }
        late(&mut |attribute| attributes.push(attribute));
        attributes.extend(decision.attributes);
        let mut encoded = AttributeBuffer::new();
        encoded.fill_key_values(&attributes, self.source.limits.attributes);
        let mut span = BridgeSpan::encoded(&self.source, context, parent, (name, kind), encoded, start);
        for link in links {
            span.add_link(link.span_context, link.attributes);
        }
        (local.with_span(span), true)
    }
}

/// Starts a span of the SDK below `parent`, and returns `parent` with it, and whether it is recorded. `late` adds the
/// attributes that a sampler does not need.
pub(crate) fn start_sdk_call(
    tracer: &SdkTracer,
    parent: &OtelContext,
    has_random_ids: bool,
    start: StartTime,
    span: SpanBuilder,
    late: impl FnOnce(&mut dyn FnMut(KeyValue)),
) -> (OtelContext, bool) {
    let mut sdk = {
        // Events of a sampler or a span processor must not change the span around this one.
        let _inside = ReentrancyGuard::enter();
        tracer.build_with_context(span, parent)
    };
    let context = flagged_span_context(parent.span().span_context(), sdk.span_context(), has_random_ids);
    if !sdk.is_recording() {
        return (parent.with_remote_span_context(context), false);
    }
    late(&mut |attribute| sdk.set_attribute(attribute));
    let span = BridgeSpan::sdk(SdkRecording::new(sdk), context, SpanStatus::default(), start);
    (parent.with_span(span), true)
}
