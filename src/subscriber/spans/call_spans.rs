//! The spans of calls, which the layers for gRPC and HTTP start without `tracing`.
//!
//! They are encoded like those of the bridge: a call costs no span of the SDK and no conversion. If the program needs spans
//! of the SDK, for span processors or an id generator of its own, [`start_sdk_call`] starts those instead, with the same results:
//! the same wrapper keeps the status of both.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanKind, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context as OtelContext, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SdkTracer, ShouldSample as _};

use super::bridge_span::{BridgeSpan, SdkRecording};
use super::call_attributes::CallAttributes;
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
    kind: SpanKind,
    /// A closure of the user changes the attributes of each call.
    keeps_values: bool,
}

impl CallSpans {
    /// Creates the source of spans with this instrumentation scope. If a closure of the user gets the attributes of calls,
    /// which `keeps_values` says, they are encoded after it.
    pub(crate) fn new(
        direct: &DirectSpans,
        scope: &InstrumentationScope,
        sampler: SharedSampler,
        kind: SpanKind,
        keeps_values: bool,
    ) -> Self {
        let mut encoded = Vec::new();
        encode::scope(&mut encoded, scope, None);
        let source = DirectSource {
            queue: direct.queue.clone(),
            scope: encoded,
            limits: direct.limits,
            open: Some(Arc::clone(&direct.open)),
            counts: sampler.counts().cloned(),
        };
        Self { source: Arc::new(source), sampler, kind, keeps_values }
    }

    /// Starts a span below `parent`, and returns `local` with it, and whether it is recorded.
    ///
    /// `local` may lack a parent in another process; `around` returns it with the parent, for samplers.
    pub(crate) fn start(
        &self,
        parent: &SpanContext,
        local: &OtelContext,
        around: impl FnOnce() -> OtelContext,
        start: StartTime,
        SpanHead { name, link }: SpanHead,
        call: &mut impl StartingCall,
    ) -> (OtelContext, bool) {
        let mut values = Vec::new();
        let mut has_values = false;
        let (context, decision) =
            decide(&self.sampler, self.sampler.shortcut(), local, parent, |sampler, trace_id| {
                // Samplers of the SDK look at neither attributes nor links.
                if !sampler.is_built_in {
                    has_values = true;
                    values = values_of(call);
                }
                sampler.should_sample(Some(&around()), trace_id, &name, &self.kind, &values, link.as_slice())
            });
        if decision.decision == SamplingDecision::Drop {
            return (local.with_remote_span_context(context), false);
        }
        let limits = self.source.limits.attributes;
        let mut attributes = match () {
            () if has_values => CallAttributes::from_values(values),
            () if self.keeps_values => CallAttributes::from_values(values_of(call)),
            () => {
                let mut encoded = CallAttributes::encoded(limits);
                call.attributes(&mut encoded);
                encoded
            }
        };
        call.late_attributes(&mut |attribute| attributes.set(attribute));
        decision.attributes.into_iter().for_each(|attribute| attributes.set(attribute));
        let attributes = attributes.into_encoded(limits);
        let mut span =
            BridgeSpan::encoded(&self.source, context, parent, (name, self.kind.clone()), attributes, start);
        if let Some(link) = link {
            span.add_link(link.span_context, link.attributes);
        }
        (local.with_span(span), true)
    }
}

/// A call whose span is being started. Nothing is called for a span that is known not to be recorded.
pub(crate) trait StartingCall {
    /// Returns what every span starts with. Called first, and once.
    fn head(&mut self) -> SpanHead;

    /// Appends the attributes that a sampler may decide by. Called once at most.
    fn attributes(&mut self, attributes: &mut CallAttributes);

    /// Sets the attributes that only a recorded span needs.
    fn late_attributes(&mut self, set: &mut dyn FnMut(KeyValue));
}

/// The name of a call's span, and the link to its caller if that is not the parent.
pub(crate) struct SpanHead {
    pub(crate) name: Cow<'static, str>,
    pub(crate) link: Option<Link>,
}

/// Returns what the SDK starts the span of a call with.
pub(crate) fn span_builder(
    SpanHead { name, link }: SpanHead,
    call: &mut impl StartingCall,
    kind: SpanKind,
    start: StartTime,
) -> SpanBuilder {
    SpanBuilder {
        name,
        span_kind: Some(kind),
        start_time: Some(start.time),
        links: link.map(|link| vec![link]),
        attributes: Some(values_of(call)),
        ..SpanBuilder::default()
    }
}

/// Returns the attributes of a call as values of the API.
fn values_of(call: &mut impl StartingCall) -> Vec<KeyValue> {
    let mut attributes = CallAttributes::values();
    call.attributes(&mut attributes);
    attributes.into_values()
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
