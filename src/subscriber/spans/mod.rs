//! The bridge: `tracing` spans become OpenTelemetry spans.
//!
//! # States of a span
//!
//! ```text
//! on_new_span ──▶ excluded                                     by the span filter: it stands for the span around it
//!     │
//!     └─────────▶ pending ──────▶ starting ──────▶ started ──────▶ ended
//!                    │   first enter, child,  sampler,   │  on_close, which starts
//!                    │   question or close    processors │  a span that is pending
//!                    ▼                                    ▼
//!             fields, links, a parent               fields go to the OpenTelemetry span
//!             are kept in `PendingSpan`
//! ```
//!
//! A span below one of this process that is not sampled is entered without a start: it *follows* its parent, unless
//! another one is set before.
//!
//! A span starts late because its parent may be set between its creation and its first enter, as servers do that read
//! it from a request. Until then it has no ids, and the sampler has not been called. Its fields are kept as values, and
//! encoded if it is sampled.
//!
//! The verdict of the span filter is taken when the span is created and stays with it. Nothing travels in a
//! thread-local value between the calls of a subscriber, so level checks, nested macros and other layers cannot lose
//! a span.
//!
//! # Two ways
//!
//! Usually a span is encoded in the form that is exported, on the threads that record it ([`source::DirectSource`]).
//! Span processors and id generators of the user need spans of the SDK: then its tracer starts them, with the same
//! results. Fields are visited by the same code, and the status follows the same rules ([`status`]).
//!
//! # Locks
//!
//! No lock is held while code of the user runs: samplers, span processors, `Debug` implementations. While a thread
//! runs a sampler, another one that needs the same span waits for at most [`MAX_START`](start). Attributes are encoded without
//! a lock, and added under one.
//!
//! # What differs from `tracing-opentelemetry`
//!
//! | there | here |
//! |---|---|
//! | repeated attributes count against the limit, and the newest is dropped | the last value counts, the limit counts keys |
//! | of several error statuses the lexicographically greatest description wins | the user's own wins; of several the first |
//! | the end is read from the wall clock | the start plus measured time |
//! | unsigned numbers become text | numbers, where they fit |
//! | a child of an explicit parent that is filtered out becomes a root | attached to the nearest enabled ancestor |
//! | `otel.name` recorded after the first enter is lost | the span is renamed |
//! | a span below an unsampled one has ids of its own | it stands for the unsampled one |
//! | events are span events | log records |
//!
//! `otel.kind` recorded after the first enter becomes an attribute: the kind of a span that has started cannot change.
//!
//! On a thread that is ending, where thread-local values are dropped, spans are recorded as far as the registry of
//! `tracing-subscriber` allows it: they have no current span around them, and do not become current themselves.

mod attributes;
mod bridge_span;
#[cfg(any(feature = "grpc", feature = "http"))]
mod call_attributes;
#[cfg(any(feature = "grpc", feature = "http"))]
mod call_spans;
mod compat;
mod current;
mod ext;
mod fields;
mod handler;
mod open;
mod source;
mod start;
mod state;
mod status;
mod stock;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use opentelemetry::trace::{Link, TraceContextExt};
use opentelemetry::{Context as OtelContext, KeyValue};
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::{Dispatch, Event, Metadata, span};
use tracing_subscriber::layer::Context;

#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use self::call_attributes::CallAttributes;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use self::call_spans::{CallSpans, SpanHead, StartingCall, span_builder, start_sdk_call};
pub(super) use self::compat::StockExtensions;
pub(super) use self::current::Entered;
pub(super) use self::ext::SpanAccess;
pub use self::ext::SpanExt;
pub(crate) use self::handler::handler_span;
pub(super) use self::handler::{Adopted, is_handler_span};
pub(crate) use self::open::OpenSpans;
pub(crate) use self::source::{DirectSource, SpanSource};
pub(crate) use self::state::SpanState;
pub(crate) use self::status::as_inferred;
pub(crate) use self::stock::StockBridge;

use self::fields::{attributes, code_location, key_value, record_late};
use self::start::follow_parent;
use self::state::Started;
use super::combined_filter::passes;
use super::errors;
use super::filter::FilterHandle;
use crate::export::encode;
use crate::lines::kept_fields::KeptFields;
use crate::trace_ids::{TraceIds, with_current};

/// Makes OpenTelemetry spans of the `tracing` spans of one subscriber.
///
/// `dispatch` is the subscriber itself, to which twins belong; `stock` the layer of `tracing-opentelemetry` over them
/// (`compat`). Both are held weakly, because they hold the bridge.
#[derive(Debug)]
pub(crate) struct SpanBridge {
    source: SpanSource,
    filter: FilterHandle,
    records_events: bool,
    records_code_location: bool,
    spans: Arc<OpenSpans>,
    dispatch: OnceLock<WeakDispatch>,
    stock: OnceLock<compat::WeakStock>,
    /// There are twins of closed spans to be removed.
    has_ended_twins: AtomicBool,
}

impl SpanBridge {
    /// Creates the bridge of one subscriber.
    pub(crate) fn new(source: SpanSource, filter: FilterHandle) -> Self {
        Self {
            source,
            filter,
            records_events: false,
            records_code_location: false,
            spans: Arc::new(OpenSpans::new()),
            dispatch: OnceLock::new(),
            stock: OnceLock::new(),
            has_ended_twins: AtomicBool::new(false),
        }
    }

    /// Makes events span events as well.
    pub(crate) fn with_events(self, records_events: bool) -> Self {
        Self { records_events, ..self }
    }

    /// Makes the place of each span in the code its attributes.
    pub(crate) fn with_code_location(self, records_code_location: bool) -> Self {
        Self { records_code_location, ..self }
    }

    /// Returns `true` if events are span events as well.
    pub(super) fn records_events(&self) -> bool {
        self.records_events
    }

    /// Adds an event with these fields to the span that it belongs to, or to the nearest one around it. The metadata of a
    /// record of the `log` crate are those of the record.
    pub(super) fn add_event(
        &self,
        event: &Event<'_>,
        metadata: &Metadata<'_>,
        fields: &KeptFields,
        time: SystemTime,
    ) {
        let Some(context) = self.spans.state_for_event(event).and_then(|state| self.recording(&state)) else {
            return;
        };
        let span = context.span();
        if !span.is_recording() {
            return;
        }
        let mut name = metadata.name().to_owned();
        let mut recorded = vec![
            KeyValue::new("level", metadata.level().as_str()),
            KeyValue::new("target", metadata.target().to_owned()),
        ];
        for (key, value) in attributes(fields) {
            let attribute = key_value(key, value);
            match key {
                "message" => name = attribute.value.to_string(),
                _ => recorded.push(attribute),
            }
        }
        span.add_event_with_timestamp(name, time, recorded);
    }

    /// Returns the span filter.
    pub(super) fn filter(&self) -> &FilterHandle {
        &self.filter
    }

    /// Remembers the subscriber.
    pub(super) fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    /// The spans of the subscriber.
    pub(super) fn spans(&self) -> &Arc<OpenSpans> {
        &self.spans
    }

    /// Returns `true` if the span filter passes a new span.
    #[inline]
    pub(super) fn includes<S>(&self, metadata: &'static Metadata<'static>, ctx: &Context<'_, S>) -> bool {
        !is_handler_span(metadata) && passes(Some(&self.filter), metadata, ctx)
    }

    /// Begins a span whose fields are kept. `is_included` is `false` for one that the filter excludes.
    #[inline(always)]
    pub(super) fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        state: &mut SpanState,
        is_included: bool,
    ) {
        if let Some(Adopted { context, name }) = handler::take_adopted(state.metadata) {
            state.kept.name = name;
            let is_recording = context.span().is_recording();
            let started = Started { is_recording, ..Started::transparent(context) };
            drop(state.start.get_mut().settle(started));
            state.is_included = true;
        } else if is_included {
            state.is_included = true;
            self.begin(attributes, state);
        }
    }

    /// Makes a new span a pending one. Its parent is the explicit one, or else the current OpenTelemetry span of the
    /// thread. Where telemetry is suppressed, it stands for its parent.
    #[inline(always)]
    fn begin(&self, attributes: &span::Attributes<'_>, state: &mut SpanState) {
        let current = with_current(OtelContext::clone).unwrap_or_default();
        let is_suppressed = current.is_telemetry_suppressed();
        let parent = match &state.parent {
            _ if attributes.is_contextual() => current,
            Some(parent) => self.context(parent).unwrap_or_default(),
            None => OtelContext::new(),
        };
        if is_suppressed {
            let started = Started::transparent(parent.with_telemetry_suppressed());
            drop(state.start.get_mut().settle(started));
            return;
        }
        let is_dropped = self.source.drops_child_of(parent.span().span_context());
        let pending = state.start.get_mut().begin(parent);
        pending.read(state.kept.new_fields());
        // Another parent may be set, from which on it counts.
        if is_dropped {
            *state.follows_parent.get_mut() = true;
        } else {
            pending.start();
        }
        if self.records_code_location {
            pending.additions().attributes = code_location(state.metadata);
        }
    }

    /// Returns `true` if fields that are recorded later belong to an OpenTelemetry span.
    pub(super) fn takes_fields(&self, state: &SpanState) -> bool {
        state.is_included
            && !state.is_inherited()
            && state.lock_start().started().is_none_or(|started| started.is_recording)
    }

    /// Passes on fields that were recorded later.
    pub(super) fn on_record(&self, state: &Arc<SpanState>, fields: &KeptFields) {
        let mut start = state.lock_start();
        if let Some(pending) = start.pending() {
            pending.record(fields);
            return state.kept.record(fields);
        }
        drop(start);
        if state.kept.is_in_lines || state.kept.is_in_records {
            state.kept.record(fields);
        }
        if let Some(context) = self.recording(state) {
            record_late(&context, fields);
        }
    }

    /// Links a span to another one, which is started for its ids.
    pub(super) fn on_follows_from(&self, id: &span::Id, follows: &span::Id) {
        let (Some(state), Some(follows)) = (self.spans.get(id), self.spans.get(follows)) else { return };
        if !state.is_included || !follows.is_included {
            return;
        }
        // One that another thread is starting has no ids yet.
        if let Ok(followed) = self.start(&follows) {
            self.add_link(&state, Link::with_context(followed.context.span().span_context().clone()));
        }
    }

    /// Starts a span that is entered, and makes its context the current one.
    ///
    /// If the filter excluded the span, the context of its nearest included ancestor becomes current, unless it
    /// already is.
    #[inline(always)]
    pub(super) fn on_enter(&self, state: Arc<SpanState>) {
        let is_attached = !state.is_included
            && state.nearest_included().is_none_or(|around| self.spans.is_innermost(around));
        if self.source.runs_user_code() && !is_attached {
            // Before it starts: what a sampler logs is inside the span.
            return self.spans.enter_early(&state, |state| self.context_to_enter(state));
        }
        let context = if is_attached { None } else { self.context_to_enter(&state) };
        self.spans.enter(state, context);
    }

    /// The context to enter a span with. Starts it, unless it follows its parent.
    #[inline(always)]
    fn context_to_enter(&self, state: &Arc<SpanState>) -> Option<OtelContext> {
        follow_parent(state).or_else(|| self.context(state))
    }

    /// Marks the span if a panic was noted in it.
    #[inline(always)]
    pub(super) fn on_exit(&self, state: &Arc<SpanState>) {
        if errors::has_noted_panic()
            && !state.is_inherited()
            && let Some(started) = state.started()
        {
            errors::mark_panicked(&started.context, || state.stands_for_call());
        }
    }

    /// Returns `true` if nothing looks for the span among the open ones while it ends, as a twin does, or code of the
    /// user.
    #[inline]
    pub(super) fn ends_alone(&self, state: &SpanState) -> bool {
        !state.is_included
            || state.twin.get().is_none() && (state.follows_parent() || !self.source.runs_user_code())
    }

    /// Ends a span.
    #[inline(always)]
    pub(super) fn on_close(&self, state: &Arc<SpanState>) {
        if state.is_included && state.is_inherited() {
            // The parent ends it. To drop it here would end it, too.
            std::mem::forget(Arc::clone(state));
        } else if state.is_included && state.follows_parent() {
            self.source.count_follower();
        } else if state.is_included {
            let own = state.lock_start().started().map(Started::own_span);
            let own = own.unwrap_or_else(|| self.start(state).ok()?.own_span());
            if let Some((context, start)) = own {
                context.span().end_with_timestamp(start.end());
            }
        }
    }

    /// Closes the twin of a span that is not among the open ones any more.
    pub(super) fn after_close(&self, state: &SpanState) {
        if let Some(twin) = state.twin.get() {
            self.close_twin(twin);
        }
    }

    /// The innermost span that an event belongs to.
    pub(super) fn span_of_event(&self, event: &Event<'_>) -> Option<Arc<SpanState>> {
        self.spans.state_for_event(event)
    }

    /// The ids of a span, or of the nearest OpenTelemetry span around it. Starts it.
    pub(super) fn ids(&self, state: &Arc<SpanState>) -> Option<TraceIds> {
        TraceIds::from_context(&self.context(state)?)
    }

    /// The context with a span, or with the nearest around it that is one of OpenTelemetry. Starts it.
    #[inline]
    pub(crate) fn context(&self, state: &Arc<SpanState>) -> Option<OtelContext> {
        let started = self.start(state.nearest_included()?);
        Some(started.map_or_else(|around| around, |started| started.context))
    }

    /// The context with a span, or with the nearest around it that is one of OpenTelemetry, if what is recorded there
    /// becomes part of it. Starts it.
    ///
    /// `None` for a span that is not recorded, and for one that another thread is still starting: the span around it must
    /// not get its values. `None` in a forked child for a span of its parent, whose lock may never be released.
    pub(super) fn recording(&self, state: &Arc<SpanState>) -> Option<OtelContext> {
        let state = state.nearest_included().filter(|state| !state.is_inherited())?;
        self.start(state).ok().filter(|started| started.is_recording).map(|started| started.context)
    }

    /// Returns the number of spans that have not ended and may be exported, without those that are spans of the SDK.
    pub(crate) fn open_spans(&self) -> u64 {
        let is_sdk = self.source.is_sdk();
        self.spans.count(|state| match state.started() {
            Some(started) => !is_sdk && state.is_open(&started),
            None => state.is_included && !state.follows_parent() && self.may_be_sampled(state),
        })
    }

    /// Returns `true` unless a span that has not started is known not to be sampled.
    fn may_be_sampled(&self, state: &SpanState) -> bool {
        // The lock of an inherited one may never be released.
        if state.is_inherited() {
            return true;
        }
        state.lock_start().pending().is_none_or(|pending| self.source.may_sample(pending))
    }

    /// Adds a link to a span, started or not.
    fn add_link(&self, state: &Arc<SpanState>, link: Link) {
        if !state.is_included || encode::is_empty_link(&link) {
            return;
        }
        if let Some(pending) = state.lock_start().pending() {
            return pending.additions().links.push(link);
        }
        if let Some(context) = self.recording(state) {
            context.span().add_link(link.span_context, link.attributes);
        }
    }
}

#[cfg(test)]
mod tests;
