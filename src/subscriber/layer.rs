//! Our layer: the outputs of events, and the hooks of spans that they need.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use tracing_core::dispatcher::WeakDispatch;
use tracing_core::{Dispatch, Event, Interest, LevelFilter, Metadata, Subscriber, span};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::combined_filter::{CombinedFilter, passes};
use super::errors::Marks;
use super::event_context::EventContext;
use super::filter::FilterHandle;
use super::lines::Lines;
use super::logs::SpanAttributes;
use super::rate_limit::RateLimit;
use super::reentrancy::ReentrancyGuard;
use super::spans::BridgeTracer;
use super::{TelemetryLayer, errors, spans, unsigned};
use crate::export::own_threads::on_io_thread;
use crate::trace_ids::{TraceIds, is_sdk_target, is_suppressed};

/// What a telemetry layer is made of. What is not there costs nothing.
pub(crate) struct LayerParts<S> {
    pub(crate) lines: Option<(Lines<S>, FilterHandle)>,
    pub(crate) records: Option<(Records<S>, FilterHandle)>,
    /// For records that carry the fields of the spans around them.
    pub(crate) span_attributes: Option<SpanAttributes>,
    pub(crate) spans: Option<(BridgeTracer, FilterHandle)>,
    pub(crate) marks: Marks,
}

/// Writes an event as an OTLP record.
pub(crate) type Records<S> = Box<dyn Fn(&Event<'_>, &EventContext, &Context<'_, S>) + Send + Sync>;

impl<S> LayerParts<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    /// For a subscriber that has no other layers: what no output wants is disabled for good, at the cost of `tracing`
    /// alone.
    pub(crate) fn alone(self) -> impl Layer<S> + Send + Sync {
        self.stack(Filtering::None).0
    }

    /// For a subscriber that may have other layers: filters for itself alone.
    pub(crate) fn beside_others(self) -> TelemetryLayer<S> {
        let (stack, wants) = self.stack(Filtering::Others);
        Box::new(Filtered::new(stack, wants))
    }

    fn stack(self, company: Filtering) -> (impl Layer<S> + Send + Sync + use<S>, CombinedFilter) {
        let (lines, line_filter) = self.lines.unzip();
        let (records, record_filter) = self.records.unzip();
        let span_filter = self.spans.as_ref().map(|(_, filter)| filter.clone());
        let wants = CombinedFilter::new(line_filter, record_filter, span_filter);
        let outputs = Outputs {
            lines,
            records,
            span_attributes: self.span_attributes,
            wants: wants.clone(),
            marks: self.marks,
            company,
            dispatch: OnceLock::new(),
            sdk_lines: RateLimit::new(Instant::now()),
        };
        // The bridge comes first: spans have their ids, and contexts are attached, when ours is called.
        let bridge = self.spans.map(|(tracer, filter)| spans::bridge(tracer, filter));
        (Layer::<S>::and_then(bridge, outputs), wants)
    }
}

impl<S> fmt::Debug for LayerParts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerParts")
            .field("lines", &self.lines.as_ref().map(|(_, filter)| filter))
            .field("records", &self.records.as_ref().map(|(_, filter)| filter))
            .field("spans", &self.spans)
            .field("marks", &self.marks)
            .finish()
    }
}

/// Whether the subscriber has other layers, which must not feel our filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filtering {
    None,
    Others,
}

struct Outputs<S> {
    lines: Option<Lines<S>>,
    records: Option<Records<S>>,
    span_attributes: Option<SpanAttributes>,
    wants: CombinedFilter,
    marks: Marks,
    company: Filtering,
    dispatch: OnceLock<WeakDispatch>,
    sdk_lines: RateLimit,
}

impl<S> Layer<S> for Outputs<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
        self.wants.on_register_dispatch(dispatch);
        if let Some(lines) = &self.lines {
            lines.on_register_dispatch(dispatch);
        }
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        if let Some(lines) = &mut self.lines {
            lines.on_layer(subscriber);
        }
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if let Some(lines) = &self.lines {
            let _ = lines.register_callsite(metadata);
        }
        match self.company {
            Filtering::None => self.wants.interest(metadata),
            // The filter around us has answered.
            Filtering::Others => Interest::always(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, ctx: Context<'_, S>) -> bool {
        self.company == Filtering::Others || (!on_io_thread() && self.wants.any(metadata, &ctx))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.wants.ceiling())
    }

    fn on_new_span(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        self.wants.on_new_span(attrs, id, &ctx);
        if on_io_thread() {
            return;
        }
        let _inside = ReentrancyGuard::enter();
        if let Some(kept) = self.span_attributes
            && passes(self.wants.records.as_ref(), attrs.metadata(), &ctx)
        {
            kept.keep(attrs, id, &ctx);
        }
        if let Some(lines) = &self.lines
            && passes(self.wants.lines.as_ref(), attrs.metadata(), &ctx)
        {
            lines.on_new_span(attrs, id, ctx);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        self.wants.on_record(id, values, &ctx);
        // The bridge has recorded them by now.
        unsigned::forget();
        let Some(metadata) = ctx.metadata(id) else { return };
        let _inside = ReentrancyGuard::enter();
        if spans::has_name_field(metadata) {
            self.record_late_name(id, values, &ctx);
        }
        if let Some(kept) = self.span_attributes {
            kept.keep_later(values, id, &ctx);
        }
        // Lines know their spans: those that their filter left out have no fields to add to.
        if let Some(lines) = &self.lines {
            lines.on_record(id, values, ctx);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if on_io_thread() {
            return;
        }
        let nested = ReentrancyGuard::is_held();
        let _inside = ReentrancyGuard::enter();
        // Records of the `log` crate share one callsite for each level; the filters mean their real target.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        if is_sdk_target(metadata.target()) {
            self.write_sdk_line(event, metadata, ctx);
        } else {
            self.write(event, metadata, ctx, nested);
        }
    }

    fn on_enter(&self, id: &span::Id, ctx: Context<'_, S>) {
        self.wants.on_enter(id, &ctx);
    }

    fn on_exit(&self, id: &span::Id, ctx: Context<'_, S>) {
        self.wants.on_exit(id, &ctx);
    }

    fn on_close(&self, id: span::Id, ctx: Context<'_, S>) {
        self.wants.on_close(&id, &ctx);
        if let Some(lines) = &self.lines {
            lines.on_close(id, ctx);
        }
    }
}

impl<S> Outputs<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn write(&self, event: &Event<'_>, metadata: &Metadata<'_>, ctx: Context<'_, S>, nested: bool) {
        let line = passes(self.wants.lines.as_ref(), metadata, &ctx);
        let suppressed = is_suppressed();
        let record = !suppressed && passes(self.wants.records.as_ref(), metadata, &ctx);
        let marks = !suppressed && !nested && self.wants.spans.is_some() && errors::is_error(metadata);
        if !line && !record && !marks {
            return;
        }
        let moment = EventContext { time: SystemTime::now(), ids: self.ids(event, &ctx, nested) };
        if marks {
            errors::mark(event, &ctx, self.dispatch().as_ref(), moment.time, &self.marks);
        }
        if let (true, Some(records)) = (record, &self.records) {
            records(event, &moment, &ctx);
        }
        if let (true, Some(lines)) = (line, &self.lines) {
            lines.write_event(event, &ctx, &moment);
        }
    }

    /// What the SDK says, as a line without anything that touches the current context.
    fn write_sdk_line(&self, event: &Event<'_>, metadata: &Metadata<'_>, ctx: Context<'_, S>) {
        if let Some(lines) = &self.lines
            && passes(self.wants.lines.as_ref(), metadata, &ctx)
            && self.sdk_lines.allows(Instant::now())
        {
            lines.write_event(event, &ctx, &EventContext { time: SystemTime::now(), ids: None });
        }
    }

    fn ids(&self, event: &Event<'_>, ctx: &Context<'_, S>, nested: bool) -> Option<TraceIds> {
        if event.is_contextual() {
            return TraceIds::current();
        }
        // Asking for a span that this thread may hold locked would never return.
        let dispatch = self.dispatch().filter(|_| !nested)?;
        ctx.event_scope(event)?.find_map(|span| TraceIds::of_span(&span.id(), &dispatch))
    }

    /// The bridge forgets a name that comes after the span has started.
    fn record_late_name(&self, id: &span::Id, values: &span::Record<'_>, ctx: &Context<'_, S>) {
        // The current span and those around it have started. Asking for another would start it, and a parent that is
        // set later would be refused; until it has started, the bridge takes the name itself.
        let started = || ctx.lookup_current()?.scope().find(|span| span.id() == *id);
        if let (Some(_), Some(dispatch)) = (started(), self.dispatch()) {
            spans::record_late_name(&dispatch, id, values);
        }
    }

    fn dispatch(&self) -> Option<Dispatch> {
        self.dispatch.get()?.upgrade()
    }
}
