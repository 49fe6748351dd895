//! Our layer: the outputs of events, and the hooks of spans that they need.
//!
//! # An event
//!
//! ```text
//! macro ─ callsite interest ─ enabled(any output) ─▶ on_event
//!    own thread? ─▶ nothing        target opentelemetry*? ─▶ line only, without the current context
//!    ─▶ filters of line, record, span mark, span event ─▶ time and ids, once
//!    ─▶ one visit of the fields: line ← leads, record, mark and span event follow
//!    ─▶ line to the writer, record to the queue, span event added, span marked
//! ```
//!
//! # A span
//!
//! `on_new_span` visits the fields once and keeps them in a [`SpanState`], if any output includes the span; the bridge
//! adds what makes it a span of OpenTelemetry. The other hooks find the state by the id of `tracing`, in a table of
//! this subscriber.
//!
//! # Two ways to filter
//!
//! A layer that is alone disables callsites for the whole subscriber: an event that no output takes costs one load.
//! Beside layers of the user it must not: then a per-layer filter decides about callsites, and everything else is
//! decided in the hooks, since the per-layer state of `tracing-subscriber` belongs to the thread and not to the event.

mod callsites;
mod parts;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tracing_core::{Dispatch, Event, Interest, LevelFilter, Metadata, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use self::callsites::{Filtering, is_sdk_chatter};
pub(crate) use self::parts::{LayerParts, Records, Spans};
use super::combined_filter::{CombinedFilter, passes};
use super::errors;
use super::errors::{Mark, Marks};
use super::lines::Lines;
use super::rate_limit::RateLimit;
use super::reentrancy::ReentrancyGuard;
use super::spans::{OpenSpans, SpanBridge, SpanState, StockBridge};
use crate::exception::once_per_event;
use crate::export::own_threads::{on_background_thread, on_io_thread, on_line_writer};
use crate::lines::event_context::{Current, EventContext, log_record_metadata};
use crate::lines::event_field::FieldOutput;
use crate::lines::field_visit::SharedVisit;
use crate::lines::kept_fields::KeptFields;
use crate::lines::span::SpanChain;
use crate::semconv::PANIC_TARGET;
use crate::trace_ids::{TraceIds, is_sdk_target};

/// Returns `true` for the SDK's error about an observable instrument that a view drops, as the view is meant to. Its errors
/// about instruments that cannot be created have a reason.
///
/// A view that drops instruments on purpose must not cost a line for each of them.
fn is_about_dropping_view(metadata: &Metadata<'_>) -> bool {
    metadata.name() == "InstrumentCreationFailed" && metadata.fields().field("reason").is_none()
}

/// The layer that writes lines and records, and drives the bridge.
struct Outputs<S> {
    /// Writes events as lines.
    lines: Option<Lines>,
    /// Writes events as log records.
    records: Option<Records>,
    /// The spans of this subscriber that have not been closed, by their ids.
    spans: Arc<OpenSpans>,
    has_span_fields_in_records: bool,
    /// Those of all outputs, queried before any work is done.
    filters: CombinedFilter,
    /// The effect of error events on spans.
    marks: Marks,
    /// `true` if this layer may disable callsites for the whole subscriber.
    filtering: Filtering,
    /// Our bridge, if spans are made by it.
    bridge: Option<Arc<SpanBridge>>,
    /// The bridge of `tracing-opentelemetry`, if the user chose it. At most one of the two is there.
    stock: Option<StockBridge<S>>,
    /// Keeps messages of the SDK, which can come from a hot path, from filling the log.
    sdk_lines: RateLimit,
}

impl<S> Layer<S> for Outputs<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.filters.on_register_dispatch(dispatch);
        if let Some(bridge) = &self.bridge {
            bridge.on_register_dispatch(dispatch);
        }
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.filtering {
            Filtering::Global => self.filters.interest(metadata),
            // The filter around this layer has decided.
            Filtering::PerLayer => Interest::always(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, ctx: Context<'_, S>) -> bool {
        match self.filtering {
            Filtering::Global => !on_io_thread() && self.filters.any(metadata, &ctx),
            // What the user's output does on the thread of a line writer is for the other layers.
            Filtering::PerLayer => {
                (!on_io_thread() || on_line_writer()) && !(on_background_thread() && is_sdk_chatter(metadata))
            }
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filters.ceiling())
    }

    fn on_new_span(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        self.filters.on_new_span(attrs, id, &ctx);
        if on_io_thread() {
            return;
        }
        if let Some(stock) = &self.stock {
            stock.on_new_span(attrs, id, &ctx);
        }
        if self.keeps_spans() {
            self.keep(attrs, id, &ctx);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        self.filters.on_record(id, values, &ctx);
        if let Some(stock) = &self.stock {
            stock.on_record(id, values, &ctx);
        }
        let Some(state) = self.spans.get(id) else { return };
        let bridge = self.bridge.as_ref().filter(|bridge| bridge.takes_fields(&state));
        let is_kept = state.kept.is_in_lines || state.kept.is_in_records;
        if bridge.is_none() && !is_kept {
            return;
        }
        KeptFields::with_buffer(|fields| {
            {
                // Values of the user are formatted here, which must not need this span.
                let _inside = ReentrancyGuard::enter();
                values.record(&mut fields.visitor());
            }
            match bridge {
                Some(bridge) => bridge.on_record(&state, fields),
                None => state.kept.record(fields),
            }
        });
    }

    /// Writes the event once to each output that takes it.
    ///
    /// An event that is emitted while our code runs on this thread, such as one from a `Debug` of the user, is written
    /// too, but leaves spans alone: the code that it interrupts may hold them.
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if on_io_thread() {
            return;
        }
        let inside = ReentrancyGuard::enter();
        let nested = inside.is_nested();
        // Records of the `log` crate share one callsite for each level; the filters mean their real target.
        let normalized = log_record_metadata(event);
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let is_log_record = normalized.is_some();
        if is_sdk_target(metadata.target()) {
            self.write_sdk_line(event, metadata, is_log_record, ctx);
        } else {
            once_per_event(|| self.write(event, metadata, is_log_record, ctx, nested));
        }
    }

    fn on_enter(&self, id: &span::Id, ctx: Context<'_, S>) {
        self.filters.on_enter(id, &ctx);
        if let Some(state) = self.spans.get(id) {
            match &self.bridge {
                Some(bridge) => bridge.on_enter(state),
                None => self.spans.enter(state, None),
            }
        }
        if let Some(stock) = &self.stock {
            stock.on_enter(id, &ctx);
        }
    }

    fn on_exit(&self, id: &span::Id, ctx: Context<'_, S>) {
        self.filters.on_exit(id, &ctx);
        if let Some(state) = self.spans.exit(id)
            && let Some(bridge) = &self.bridge
        {
            bridge.on_exit(&state);
        }
        if let Some(stock) = &self.stock {
            stock.on_exit(id, &ctx);
        }
    }

    fn on_follows_from(&self, id: &span::Id, follows: &span::Id, ctx: Context<'_, S>) {
        if let Some(bridge) = &self.bridge {
            bridge.on_follows_from(id, follows);
        }
        if let Some(stock) = &self.stock {
            stock.on_follows_from(id, follows, &ctx);
        }
    }

    /// Ends the span and forgets its state.
    ///
    /// The state is in the table while the span ends if that runs code of the user, which may look for it.
    fn on_close(&self, id: span::Id, ctx: Context<'_, S>) {
        self.filters.on_close(&id, &ctx);
        if let Some(stock) = &self.stock {
            stock.on_close(&id, &ctx);
        }
        let Some(state) = self.spans.remove(&id) else { return };
        if let Some(bridge) = &self.bridge {
            if bridge.ends_alone(&state) {
                bridge.on_close(&state);
            } else {
                self.spans.insert(&id, Arc::clone(&state));
                bridge.on_close(&state);
                self.spans.remove(&id);
                bridge.after_close(&state);
            }
        }
        state.recycle();
    }
}

impl<S> Outputs<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    /// Returns `true` if some output needs the fields of spans.
    fn keeps_spans(&self) -> bool {
        self.bridge.is_some() || self.lines.is_some() || self.has_span_fields_in_records
    }

    /// Visits the fields of a new span, once for all outputs, and keeps it.
    fn keep(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: &Context<'_, S>) {
        let metadata = attrs.metadata();
        if let Some(bridge) = &self.bridge {
            bridge.remove_ended_twins();
        }
        let is_included = self.bridge.as_ref().is_some_and(|bridge| bridge.includes(metadata, ctx));
        let state = SpanState::create(id, metadata, |state| {
            state.parent = self.spans.parent_of(attrs);
            state.kept.name = metadata.name().into();
            state.kept.is_in_lines = passes(self.filters.lines.as_ref(), metadata, ctx);
            state.kept.is_in_records =
                self.has_span_fields_in_records && passes(self.filters.records.as_ref(), metadata, ctx);
            if is_included || state.kept.is_in_lines || state.kept.is_in_records {
                // Values of the user are formatted here.
                let _inside = ReentrancyGuard::enter();
                attrs.record(&mut state.kept.new_fields().visitor());
            }
            if let Some(bridge) = &self.bridge {
                bridge.on_new_span(attrs, state, is_included);
            }
        });
        self.spans.insert(id, state);
    }

    /// Writes an event to all outputs whose filters let it pass. `nested`: this thread is inside code of ours that an
    /// event of the user interrupts; spans are left alone then.
    fn write(
        &self,
        event: &Event<'_>,
        metadata: &Metadata<'_>,
        is_log_record: bool,
        ctx: Context<'_, S>,
        nested: bool,
    ) {
        let line = passes(self.filters.lines.as_ref(), metadata, &ctx);
        let Current { is_suppressed: suppressed, ids, has_fields } = Current::read();
        let record = !suppressed && passes(self.filters.records.as_ref(), metadata, &ctx);
        let bridge = self.bridge.as_deref().filter(|_| !suppressed && !nested && errors::is_error(metadata));
        let events = self.bridge.as_deref().filter(|bridge| {
            bridge.records_events() && !suppressed && !nested && passes(Some(bridge.filter()), metadata, &ctx)
        });
        if let Some(stock) = self.stock.as_ref().filter(|_| !suppressed && !nested) {
            stock.on_event(event, metadata, &ctx);
        }
        if !line && !record && bridge.is_none() && events.is_none() {
            return;
        }
        if metadata.target() == PANIC_TARGET && !errors::claims_report() {
            return;
        }
        let context = EventContext {
            time: SystemTime::now(),
            ids: if event.is_contextual() { ids } else { self.ids_of_parent(event, nested) },
            has_context_fields: has_fields,
            metadata,
            is_log_record,
        };
        let lines = self.lines.as_ref().filter(|_| line);
        let records = self.records.as_ref().filter(|_| record);
        if bridge.is_none() && events.is_none() {
            return self.show(event, &context, lines, records, [None, None]);
        }
        let is_panic = metadata.target() == PANIC_TARGET;
        let events = events.filter(|_| !is_panic);
        let mut mark = bridge.filter(|_| !is_panic).and_then(|it| Mark::new(event, it, &self.marks));
        let mut span_event = events.map(|_| KeptFields::default());
        let of_span =
            [mark.as_mut().map(|mark| mark.fields() as _), span_event.as_mut().map(|fields| fields as _)];
        self.show(event, &context, lines, records, of_span);
        if let Some((bridge, fields)) = events.zip(span_event) {
            bridge.add_event(event, metadata, &fields, context.time);
        }
        if let Some(mark) = mark {
            mark.set(context.time);
        }
        if let Some(bridge) = bridge.filter(|_| is_panic) {
            errors::note_panic(event, bridge, &self.marks);
        }
    }

    /// Writes an event as a line and as a record, and shows its fields to what becomes of it in its span.
    fn show(
        &self,
        event: &Event<'_>,
        context: &EventContext<'_>,
        lines: Option<&Lines>,
        records: Option<&Records>,
        mut of_span: [Option<&mut dyn FieldOutput>; 2],
    ) {
        let is_only_record = lines.is_none() && of_span.iter().all(Option::is_none);
        let span = match is_only_record && !self.has_span_fields_in_records {
            true => None,
            false => self.spans.state_for_event(event),
        };
        let span = span.as_deref().map(|span| span as &dyn SpanChain);
        if is_only_record && let Some(records) = records {
            return records(event, context, span, None);
        }
        let mut visit = |record: Option<&mut dyn FieldOutput>| {
            let record = record.map(|record| record as _);
            let [mark, span_event] = of_span.each_mut().map(|output| output.as_deref_mut().map(|it| it as _));
            let mut others = SharedVisit::new([record, mark, span_event], &self.marks.redaction);
            match lines {
                Some(lines) => lines.write_event(event, span, context, &mut others),
                None => others.visit_without_line(event, context.is_log_record),
            }
        };
        // The line comes first: a panic is written even if a later step fails.
        match records {
            Some(records) => records(event, context, span, Some(&mut visit)),
            None => visit(None),
        }
    }

    /// Writes an event of the SDK as a line, without access to the current context.
    fn write_sdk_line(
        &self,
        event: &Event<'_>,
        metadata: &Metadata<'_>,
        is_log_record: bool,
        ctx: Context<'_, S>,
    ) {
        if let Some(lines) = &self.lines
            && !is_about_dropping_view(metadata)
            && passes(self.filters.lines.as_ref(), metadata, &ctx)
            && self.sdk_lines.allows(Instant::now())
        {
            let context = EventContext {
                time: SystemTime::now(),
                ids: None,
                has_context_fields: false,
                metadata,
                is_log_record,
            };
            let span = self.spans.state_for_event(event);
            let span = span.as_deref().map(|span| span as &dyn SpanChain);
            lines.write_event(event, span, &context, &mut SharedVisit::line_only());
        }
    }

    /// The ids of the span that an event names as its parent.
    ///
    /// The span is started for it, if it was not yet. `None` if the span is excluded by the filter or another
    /// subscriber's.
    fn ids_of_parent(&self, event: &Event<'_>, nested: bool) -> Option<TraceIds> {
        if let Some(stock) = &self.stock {
            return stock.ids(event);
        }
        // A span that this thread is starting has no ids yet.
        let bridge = self.bridge.as_ref().filter(|_| !nested)?;
        bridge.ids(&bridge.span_of_event(event)?)
    }
}
