//! The bridge of `tracing-opentelemetry`, instead of ours, for users who select it.
//!
//! Its layer receives the spans that pass the span filter, and the events for its spans. The filter is
//! applied here, because [`Filtered`](tracing_subscriber::filter::Filtered) loses spans. Everything else is as that
//! crate does it.
//!
//! Selected by [`Traces::use_tracing_opentelemetry`](crate::Traces::use_tracing_opentelemetry), for programs that depend
//! on something our bridge does differently (see [the table](super)). Lines, records and the layers for calls work in
//! the same way; spans cost several times as much.

use std::fmt;
use std::sync::Arc;

use opentelemetry_sdk::trace::SdkTracer;
use tracing_core::{Event, Metadata, Subscriber, span};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::semconv::PANIC_TARGET;
use crate::subscriber::combined_filter::passes;
use crate::subscriber::errors;
use crate::subscriber::filter::FilterHandle;
use crate::trace_ids::TraceIds;

/// The layer of `tracing-opentelemetry`, behind the span filter.
pub(crate) struct StockBridge<S> {
    /// Shared with `compat`, which makes it visible to extension traits.
    layer: Arc<StockLayer<S>>,
    /// The span filter.
    filter: FilterHandle,
    /// All events become span events, not only errors.
    records_events: bool,
}

/// The layer with the SDK's tracer.
pub(super) type StockLayer<S> = OpenTelemetryLayer<S, SdkTracer>;

impl<S> StockBridge<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    /// Creates the bridge. Options of the stock layer that add attributes are off, as ours adds none.
    pub(crate) fn new(tracer: SdkTracer, filter: FilterHandle, records_events: bool) -> Self {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false);
        Self { layer: Arc::new(layer), filter, records_events }
    }

    /// Returns the stock layer.
    pub(super) fn layer(&self) -> &Arc<StockLayer<S>> {
        &self.layer
    }

    pub(in crate::subscriber) fn filter(&self) -> &FilterHandle {
        &self.filter
    }

    pub(in crate::subscriber) fn records_events(&self) -> bool {
        self.records_events
    }

    pub(in crate::subscriber) fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        ctx: &Context<'_, S>,
    ) {
        if passes(Some(&self.filter), attributes.metadata(), ctx) {
            self.layer.on_new_span(attributes, id, ctx.clone());
        }
    }

    pub(in crate::subscriber) fn on_record(
        &self,
        id: &span::Id,
        values: &span::Record<'_>,
        ctx: &Context<'_, S>,
    ) {
        self.layer.on_record(id, values, ctx.clone());
    }

    pub(in crate::subscriber) fn on_follows_from(
        &self,
        id: &span::Id,
        follows: &span::Id,
        ctx: &Context<'_, S>,
    ) {
        self.layer.on_follows_from(id, follows, ctx.clone());
    }

    pub(in crate::subscriber) fn on_enter(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.layer.on_enter(id, ctx.clone());
    }

    pub(in crate::subscriber) fn on_exit(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.layer.on_exit(id, ctx.clone());
    }

    pub(in crate::subscriber) fn on_close(&self, id: &span::Id, ctx: &Context<'_, S>) {
        self.layer.on_close(id.clone(), ctx.clone());
    }

    /// Adds an event to its span: an error, which sets the status as well, or any event if that was requested.
    pub(in crate::subscriber) fn on_event(
        &self,
        event: &Event<'_>,
        metadata: &Metadata<'_>,
        ctx: &Context<'_, S>,
    ) {
        // The panic hook takes no lock of a span. `record_error` changes the current span itself.
        let is_left_out = metadata.target() == PANIC_TARGET || errors::is_explicit();
        let is_recorded = errors::is_error(metadata) || self.records_events;
        if is_recorded && !is_left_out && passes(Some(&self.filter), metadata, ctx) {
            self.layer.on_event(event, ctx.clone());
        }
    }

    /// The ids of the span that is the explicit parent of an event.
    pub(in crate::subscriber) fn ids(&self, event: &Event<'_>) -> Option<TraceIds> {
        TraceIds::from_span(event.parent()?, &self.filter.dispatch()?)
    }
}

impl<S> fmt::Debug for StockBridge<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StockBridge")
            .field("filter", &self.filter)
            .field("records_events", &self.records_events)
            .finish_non_exhaustive()
    }
}
