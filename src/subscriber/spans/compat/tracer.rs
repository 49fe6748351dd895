//! The tracer of the stock layer: it starts our spans.
//!
//! ```text
//! OpenTelemetrySpanExt ─▶ stock layer ─ parent, attributes, links ─▶ build_with_context ─▶ SpanBridge::start_with
//!                                                └ first: the id of our span, which is the field of the twin
//! ```
//!
//! A twin collects what an extension trait sets before the start, and starts our span with it. Afterwards it passes
//! calls on to the span that our bridge has started.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{Span, SpanBuilder, SpanContext, Status, TraceContextExt as _, Tracer};
use opentelemetry::{Context as OtelContext, KeyValue, Value};
use tracing_core::span::Id;

use super::super::SpanBridge;
use super::super::state::Started;
use super::registry::SPAN_ID;

#[derive(Debug)]
pub(in crate::subscriber::spans) struct TwinTracer(Arc<SpanBridge>);

impl TwinTracer {
    pub(super) fn new(bridge: Arc<SpanBridge>) -> Self {
        Self(bridge)
    }
}

impl Tracer for TwinTracer {
    type Span = TwinSpan;

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &OtelContext) -> TwinSpan {
        let mut attributes = builder.attributes.take().unwrap_or_default();
        let id = match attributes.first() {
            Some(KeyValue { key, value: Value::I64(id), .. }) if key.as_str() == SPAN_ID => {
                id.cast_unsigned()
            }
            _ => 0,
        };
        let state = std::num::NonZeroU64::new(id).and_then(|id| self.0.spans.get(&Id::from_non_zero_u64(id)));
        let Some(state) = state else { return TwinSpan::silent(&OtelContext::new()) };
        attributes.remove(0);
        let mut earlier = None;
        let started = self.0.start_with(&state, |pending| {
            let additions = pending.additions();
            additions.attributes.extend(attributes);
            additions.links.extend(builder.links.take().unwrap_or_default());
            additions.events.extend(builder.events.take().unwrap_or_default());
            // The span's own, unless another one was set on the twin.
            earlier = Some(std::mem::replace(&mut pending.parent, parent.clone()));
        });
        // Its values are the user's, and are dropped without the lock of the stage.
        drop(earlier);
        match started {
            Ok(started) if started.is_recording && !state.is_inherited() => TwinSpan::new(&started.context),
            Ok(Started { context, .. }) => TwinSpan::silent(&context),
            Err(around) => TwinSpan::silent(&around),
        }
    }
}

/// Passes everything to our span, if that is recorded.
#[derive(Debug)]
pub(in crate::subscriber::spans) struct TwinSpan {
    /// Empty for a span that is not recorded, which can stand for one that is.
    context: OtelContext,
    /// A copy: the API returns a reference, which no lock may guard.
    span_context: SpanContext,
}

impl TwinSpan {
    /// Represents the span of a context.
    fn new(context: &OtelContext) -> Self {
        Self { context: context.clone(), ..Self::silent(context) }
    }

    /// Returns a no-op span with the ids of the span in `context`.
    fn silent(context: &OtelContext) -> Self {
        Self { span_context: context.span().span_context().clone(), context: OtelContext::new() }
    }
}

impl Span for TwinSpan {
    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        self.context.span().add_event_with_timestamp(name, timestamp, attributes);
    }

    fn span_context(&self) -> &SpanContext {
        &self.span_context
    }

    fn is_recording(&self) -> bool {
        self.context.span().is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.context.span().set_attribute(attribute);
    }

    fn set_status(&mut self, status: Status) {
        self.context.span().set_status(status);
    }

    fn update_name<T>(&mut self, name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        self.context.span().update_name(name);
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.context.span().add_link(span_context, attributes);
    }

    /// The span ends with the `tracing` span, unless the user ends it through its context.
    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.context.span().end_with_timestamp(timestamp);
    }
}
