//! Creation of OpenTelemetry spans from pending `tracing` spans.
//!
//! # Steps
//!
//! 1. A span whose parent is a context with suppressed telemetry stands for that parent. If the parent alone decides
//!    against the span (`SamplingShortcut`): below a local unsampled span it stands for that span, with the same ids;
//!    elsewhere it gets ids, and nothing else.
//! 2. Ids are chosen: a root gets a random trace id, with the *random* flag.
//! 3. The sampler is called. Attributes are made for it only if it is the user's.
//! 4. Attributes are encoded, then those that the sampler adds, then links and events that were set before.
//!
//! The second way has the SDK do 2 to 4, and corrects its result: the SDK drops the *random* flag, and its span is
//! wrapped to keep the status.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanKind, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context as OtelContext, KeyValue};
use opentelemetry_sdk::trace::{
    IdGenerator as _, SamplingDecision, SamplingResult, SdkTracer, ShouldSample as _,
};

use super::attributes::AttributeBuffer;
use super::bridge_span::{BridgeSpan, SdkRecording};
use super::fields::{attributes, key_value};
use super::state::{Additions, PendingSpan, SpanState, Started};
use super::status::SpanStatus;
use crate::export::{Queue, RANDOM_TRACE_ID, encode};
use crate::propagation::is_deferred;
use crate::provider::{CurrentSampler, RandomIds, SamplingShortcut, SharedSampler, SpanCounts};
use crate::semconv::ERROR_TYPE;
use crate::settings::SpanLimitSettings;

/// Starts spans. Both ways have the same results.
#[derive(Clone, Debug)]
pub(crate) struct SpanSource {
    /// Backend that creates spans.
    backend: Backend,
    /// The sampler, which a configuration file that is read again can replace.
    sampler: SharedSampler,
}

/// Backend that creates spans.
#[derive(Clone, Debug)]
enum Backend {
    /// This crate: spans are encoded as they are recorded.
    Direct(Arc<DirectSource>),
    /// The SDK, for the user's span processors. `root_flags` has the *random* flag if ids are random.
    Sdk { tracer: SdkTracer, root_flags: TraceFlags },
}

/// Spans that are encoded when they are recorded and go straight into the queue.
#[derive(Debug)]
pub(crate) struct DirectSource {
    /// `None`: spans have ids and are sampled, but not exported.
    pub(crate) queue: Option<Arc<Queue>>,
    /// The encoded instrumentation scope.
    pub(crate) scope: Vec<u8>,
    /// The limits of attributes, events and links.
    pub(crate) limits: SpanLimitSettings,
    /// Counts the sampled spans that have not ended. `None` for spans of `tracing`, which the subscriber counts.
    pub(crate) open: Option<Arc<AtomicU64>>,
    /// Counts the ends of recorded spans, if the metrics of the SDK are chosen.
    pub(crate) counts: Option<Arc<SpanCounts>>,
}

impl SpanSource {
    /// The direct way.
    pub(crate) fn direct(source: DirectSource, sampler: SharedSampler) -> Self {
        Self { backend: Backend::Direct(Arc::new(source)), sampler }
    }

    /// Through the SDK's tracer, for span processors and an id generator of the user, whose ids may not be random.
    /// `sampler` is that of its provider.
    pub(crate) fn sdk(tracer: SdkTracer, sampler: SharedSampler, has_random_ids: bool) -> Self {
        let root_flags = if has_random_ids { RANDOM_TRACE_ID } else { TraceFlags::default() };
        Self { backend: Backend::Sdk { tracer, root_flags }, sampler }
    }

    /// Returns `true` if spans are those of the SDK's tracer.
    pub(super) fn is_sdk(&self) -> bool {
        matches!(self.backend, Backend::Sdk { .. })
    }

    /// Returns `true` if starting a span may run code of the user.
    #[inline]
    pub(super) fn runs_user_code(&self) -> bool {
        match &self.backend {
            Backend::Direct(_) => self.sampler.may_run_user_code(),
            Backend::Sdk { .. } => true,
        }
    }

    /// Returns `true` if a child of this span is known not to be sampled, and stands for it.
    #[inline]
    pub(super) fn drops_child_of(&self, parent: &SpanContext) -> bool {
        is_local_unsampled(parent) && self.sampler.shortcut().drops_child_of(parent)
    }

    /// Returns `true` unless the parent alone decides that the span is not sampled.
    pub(super) fn may_sample(&self, pending: &PendingSpan) -> bool {
        let parent = pending.parent.span();
        !pending.parent.is_telemetry_suppressed()
            && !self.sampler.shortcut().drops_child_of(parent.span_context())
    }

    /// Counts a span that ends without a start: it stands for its parent, a span of this process that is not sampled.
    #[inline]
    pub(super) fn count_follower(&self) {
        if let Some(counts) = self.sampler.counts() {
            counts.start_follower();
        }
    }

    /// Starts a span. Its fields are locked only while they are encoded.
    #[inline]
    pub(super) fn start(&self, pending: &mut PendingSpan, state: &SpanState) -> Started {
        if pending.parent.is_telemetry_suppressed() {
            return Started::transparent(std::mem::take(&mut pending.parent));
        }
        let parent = pending.parent.span();
        let parent = parent.span_context();
        let known = self.sampler.shortcut();
        if known.drops_child_of(parent) && is_local_unsampled(parent) {
            self.sampler.count(parent, &SamplingDecision::Drop);
            return Started::transparent(std::mem::take(&mut pending.parent));
        }
        if let Some(child) = known.unsampled_child_of(parent) {
            self.sampler.count(parent, &SamplingDecision::Drop);
            return unsampled(&pending.parent, child);
        }
        match &self.backend {
            Backend::Direct(source) => start_direct(source, &self.sampler, known, pending, state),
            Backend::Sdk { tracer, root_flags } => {
                let flags = if parent.is_valid() { parent.trace_flags() } else { *root_flags };
                start_sdk(tracer, pending, state, flags)
            }
        }
    }
}

/// Returns `true` for a span of this process that has ids and records nothing.
#[inline]
fn is_local_unsampled(span: &SpanContext) -> bool {
    span.is_valid() && !span.is_sampled() && !span.is_remote()
}

/// Returns a span that has ids and records nothing.
#[inline]
fn unsampled(parent: &OtelContext, span: SpanContext) -> Started {
    Started { context: parent.with_remote_span_context(span), own: None, is_recording: false }
}

/// Starts a span that is encoded as it is recorded.
#[inline]
fn start_direct(
    source: &Arc<DirectSource>,
    sampler: &SharedSampler,
    known: SamplingShortcut,
    pending: &mut PendingSpan,
    state: &SpanState,
) -> Started {
    let start = pending.start();
    let PendingSpan { parent: around, additions, .. } = pending;
    let parent = around.span();
    let parent = parent.span_context();
    let mut additions = additions.take();
    let (name, kind) = name_and_kind(additions.as_deref_mut(), state);
    let (context, decision) = decide(sampler, known, around, parent, |sampler, trace_id| {
        // Samplers of the SDK look at neither attributes nor links.
        let attributes = match sampler.is_built_in {
            true => Vec::new(),
            false => key_values(additions.as_deref(), state),
        };
        let links = additions.as_deref().map_or(&[][..], |additions| &additions.links);
        sampler.should_sample(Some(around), trace_id, &name, &kind, &attributes, links)
    });
    if decision.decision == SamplingDecision::Drop {
        return unsampled(around, context);
    }
    let mut attributes = AttributeBuffer::new();
    attributes.fill(&state.kept.fields(), source.limits.attributes);
    let mut span = BridgeSpan::encoded(source, context, parent, (name, kind), attributes, start);
    span.status = status(additions.as_deref_mut());
    if additions.is_some() || !decision.attributes.is_empty() {
        add(&mut span, additions, decision.attributes);
    }
    Started { context: around.with_span(span), own: Some(start), is_recording: true }
}

/// Takes the name and the kind that a span starts with.
#[inline]
fn name_and_kind(additions: Option<&mut Additions>, state: &SpanState) -> (Cow<'static, str>, SpanKind) {
    match additions {
        Some(additions) => additions.meaning.take_name_and_kind(state.metadata),
        None => (Cow::Borrowed(state.metadata.name()), SpanKind::Internal),
    }
}

/// Takes the status that was set before the start.
#[inline]
fn status(additions: Option<&mut Additions>) -> SpanStatus {
    additions.map(|additions| std::mem::take(&mut additions.meaning.status)).unwrap_or_default()
}

/// Chooses the ids of a new span, and decides whether it is recorded. `ask` calls the sampler unless the parent decides.
/// `around` is the context into which the parent was extracted.
pub(super) fn decide(
    sampler: &SharedSampler,
    known: SamplingShortcut,
    around: &OtelContext,
    parent: &SpanContext,
    ask: impl FnOnce(&CurrentSampler, TraceId) -> SamplingResult,
) -> (SpanContext, SamplingResult) {
    let ids = RandomIds;
    let (trace_id, flags) = match parent.is_valid() {
        true => (parent.trace_id(), parent.trace_flags()),
        false => (ids.new_trace_id(), RANDOM_TRACE_ID),
    };
    let mut decision = match known.keeps_child_of(parent) && !is_deferred(around, parent) {
        true => keep(parent),
        false => ask(&sampler.current(), trace_id),
    };
    sampler.count(parent, &decision.decision);
    let flags = flags.with_sampled(decision.decision == SamplingDecision::RecordAndSample);
    let trace_state = std::mem::take(&mut decision.trace_state);
    (SpanContext::new(trace_id, ids.new_span_id(), flags, false, trace_state), decision)
}

/// The decision for a child of this span that is known to be sampled.
#[inline]
fn keep(parent: &SpanContext) -> SamplingResult {
    let trace_state = if parent.is_valid() { parent.trace_state().clone() } else { TraceState::default() };
    SamplingResult { decision: SamplingDecision::RecordAndSample, attributes: Vec::new(), trace_state }
}

/// Adds what was set before the span started, and what the sampler has set.
#[inline(never)]
fn add(span: &mut BridgeSpan, additions: Option<Box<Additions>>, sampled: Vec<KeyValue>) {
    let Additions { attributes, recorded, links, events, .. } =
        additions.map(|additions| *additions).unwrap_or_default();
    attributes.into_iter().chain(recorded).chain(sampled).for_each(|attribute| span.set_attribute(attribute));
    links.into_iter().for_each(|link| span.add_link(link.span_context, link.attributes));
    for event in events {
        span.add_event_with_timestamp(event.name, event.timestamp, event.attributes);
    }
}

/// Starts a span of the SDK, which calls its sampler, id generator and processors.
///
/// `flags` are those that the SDK does not keep: the parent's, or those of a root.
fn start_sdk(tracer: &SdkTracer, pending: &mut PendingSpan, state: &SpanState, flags: TraceFlags) -> Started {
    let start = pending.start();
    let PendingSpan { parent: around, additions, .. } = pending;
    let mut additions = additions.take();
    let (name, kind) = name_and_kind(additions.as_deref_mut(), state);
    let mut builder = SpanBuilder::from_name(name).with_kind(kind).with_start_time(start.time);
    let attributes = key_values(additions.as_deref(), state);
    let has_own_type = attributes.iter().any(|attribute| attribute.key.as_str() == ERROR_TYPE);
    builder.attributes = Some(attributes);
    let mut status = status(additions.as_deref_mut());
    if has_own_type {
        status.set_own_type();
    }
    let Additions { links, events, .. } = additions.map(|additions| *additions).unwrap_or_default();
    let links: Vec<Link> = links.into_iter().filter(|link| !encode::is_empty_link(link)).collect();
    builder.links = (!links.is_empty()).then_some(links);
    let sdk = tracer.build_with_context(builder, around);
    let made = sdk.span_context();
    if !made.is_valid() {
        // The provider has been shut down.
        return Started::transparent(around.clone());
    }
    let context = SpanContext::new(
        made.trace_id(),
        made.span_id(),
        flags.with_sampled(made.is_sampled()),
        false,
        made.trace_state().clone(),
    );
    if !sdk.is_recording() {
        return unsampled(around, context);
    }
    let mut span = BridgeSpan::sdk(Box::new(SdkRecording::new(sdk)), context, status, start);
    for event in events {
        span.add_event_with_timestamp(event.name, event.timestamp, event.attributes);
    }
    Started { context: around.with_span(span), own: Some(start), is_recording: true }
}

/// Returns all attributes of a pending span: the fields, then what extension traits have set.
fn key_values(additions: Option<&Additions>, state: &SpanState) -> Vec<KeyValue> {
    let fields = state.kept.fields();
    let recorded = attributes(&fields).map(|(key, value)| key_value(key, value));
    let added =
        additions.into_iter().flat_map(|additions| additions.attributes.iter().chain(&additions.recorded));
    recorded.chain(added.cloned()).collect()
}
