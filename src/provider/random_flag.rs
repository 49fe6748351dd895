//! Adds the W3C Level 2 *random* flag to SDK spans. The SDK does not set it on roots and drops it for non-recording
//! spans.
//!
//! | span | the SDK | here |
//! |---|---|---|
//! | root with a random trace id | no flag | flag |
//! | child of a span with the flag, recorded | flag of the parent | the same |
//! | child of a span with the flag, not recorded | no flag | flag |
//! | child of a span without the flag | no flag | no flag |
//!
//! Spans of the bridge set the flag themselves. This is for SDK spans of the global tracer and of calls.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, Status, TraceContextExt as _, Tracer, TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span as SdkSpan};

use crate::export::{RANDOM_TRACE_ID, with_random_flag};

/// Puts a started span into the context of its parent, with the flag if it has to have it.
///
/// `has_random_ids` is `true` if the trace id of a root is random.
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) fn with_flagged_span<S>(parent: &Context, span: S, has_random_ids: bool) -> Context
where
    S: Span + Send + Sync + 'static,
{
    match flagged(parent.span().span_context(), span.span_context(), has_random_ids) {
        Some(span_context) => parent.with_span(FlaggedSpan { inner: span, span_context }),
        None => parent.with_span(span),
    }
}

/// Returns the context of a span of the SDK below `parent`, with the flag where it belongs.
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) fn flagged_span_context(
    parent: &SpanContext,
    span: &SpanContext,
    has_random_ids: bool,
) -> SpanContext {
    flagged(parent, span, has_random_ids).unwrap_or_else(|| span.clone())
}

/// Returns the context of a span with the flag, if it lacks it. `None` if it has it, or must not have it.
fn flagged(parent: &SpanContext, span: &SpanContext, has_random_ids: bool) -> Option<SpanContext> {
    let is_random = match parent.is_valid() {
        true => parent.trace_id() == span.trace_id() && has_flag(parent),
        false => has_random_ids,
    };
    (is_random && span.is_valid() && !has_flag(span)).then(|| with_random_flag(span))
}

/// Returns `true` if the trace id is declared to be random.
fn has_flag(span: &SpanContext) -> bool {
    span.trace_flags() & RANDOM_TRACE_ID == RANDOM_TRACE_ID
}

/// The SDK's tracer provider, as it is made global.
#[derive(Debug)]
pub(crate) struct GlobalTracerProvider {
    /// The provider that makes the spans.
    pub(crate) inner: SdkTracerProvider,
    /// `true` if the trace ids of roots are random.
    pub(crate) has_random_ids: bool,
}

impl TracerProvider for GlobalTracerProvider {
    type Tracer = GlobalTracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> GlobalTracer {
        GlobalTracer { inner: self.inner.tracer_with_scope(scope), has_random_ids: self.has_random_ids }
    }
}

/// A tracer of the global provider.
#[derive(Debug)]
pub(crate) struct GlobalTracer {
    /// The tracer that makes the spans.
    inner: SdkTracer,
    /// See [`GlobalTracerProvider`].
    has_random_ids: bool,
}

impl Tracer for GlobalTracer {
    type Span = FlaggedSpan<SdkSpan>;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Self::Span {
        let inner = self.inner.build_with_context(builder, parent);
        let flagged = flagged(parent.span().span_context(), inner.span_context(), self.has_random_ids);
        let span_context = flagged.unwrap_or_else(|| inner.span_context().clone());
        FlaggedSpan { inner, span_context }
    }
}

/// A span with another span context than its own. Everything else is passed on.
#[derive(Debug)]
pub(crate) struct FlaggedSpan<S> {
    /// The span of the SDK.
    inner: S,
    /// The context that callers see: the span's own, with the flag.
    span_context: SpanContext,
}

impl<S: Span> Span for FlaggedSpan<S> {
    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        self.inner.add_event_with_timestamp(name, timestamp, attributes);
    }

    fn span_context(&self) -> &SpanContext {
        &self.span_context
    }

    fn is_recording(&self) -> bool {
        self.inner.is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.inner.set_attribute(attribute);
    }

    fn set_status(&mut self, status: Status) {
        self.inner.set_status(status);
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        self.inner.update_name(new_name);
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.inner.add_link(span_context, attributes);
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.inner.end_with_timestamp(timestamp);
    }
}
