//! The state of one open span.
//!
//! # Who owns a span
//!
//! | owner | until |
//! |---|---|
//! | [`OpenSpans`](super::OpenSpans), by the id of `tracing` | it is closed |
//! | the stack of each thread that has entered it | it is exited there |
//! | each child, as its parent | the child is closed |
//!
//! The last owner drops it. A state that nothing else refers to when its span is closed is emptied and kept for the
//! next span of the thread: a span in a loop then allocates nothing for its state and its fields.
//!
//! # Who may change it
//!
//! `id`, `metadata`, `parent`, `is_included` and the verdicts in `kept` are written before the state is
//! shared, and are read without a lock. `start` and `errors` have locks of their own, which are held for a moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};
use std::thread::ThreadId;

use opentelemetry::trace::{Event, Link, TraceContextExt as _};
use opentelemetry::{Context as OtelContext, Key, KeyValue};
use tracing_core::{Metadata, span};

use super::fields::{SpanMeaning, attributes, key_value};
use super::handler::is_handler_span;
use crate::export::own_threads::ForkMutex;
use crate::lines::kept_fields::KeptFields;
use crate::lines::span::{KeptSpan, SpanChain};
use crate::subscriber::errors::RecordedErrors;
use crate::subscriber::thread_state::with_thread;
use crate::time::start_time::StartTime;

/// The state of a `tracing` span. See the [module](super) for how it changes.
///
/// It exists for each span that an output needs, whether the span filter includes it or not.
#[derive(Debug)]
pub(crate) struct SpanState {
    pub(super) id: span::Id,
    /// That of the callsite.
    pub(super) metadata: &'static Metadata<'static>,
    /// Its fields, for all outputs.
    pub(crate) kept: KeptSpan,
    /// The `tracing` span around it.
    pub(in crate::subscriber) parent: Option<Arc<Self>>,
    /// The verdict of the span filter.
    pub(super) is_included: bool,
    /// `true` if the span is known to be unsampled and represents its parent, so it need not be started. Reset when
    /// another parent is set or a start is required.
    pub(super) follows_parent: AtomicBool,
    /// The progress of its start, and its result.
    pub(super) start: ForkMutex<Start>,
    /// The span that represents this one for the extensions of `tracing-opentelemetry`.
    pub(super) twin: OnceLock<span::Id>,
    /// Errors that were recorded on this span or below it. Most spans have none.
    errors: OnceLock<Box<ForkMutex<RecordedErrors>>>,
}

/// The stage of a span, what is kept until it starts, and the result.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) stage: Stage,
    /// While the span is pending. Of one that is following or starting, only the parent; nothing of one that is settled.
    pub(super) pending: PendingSpan,
    /// Of one that is settled. `None` if it is not an OpenTelemetry span.
    started: Option<Started>,
}

/// The stage of a span.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Stage {
    /// Its ids and its sampling are not decided.
    Pending,
    /// It was entered, and represents its parent.
    Following,
    /// This thread is calling the sampler, the span processors and the id generator of the user.
    Starting(ThreadId),
    /// It has started, or is not an OpenTelemetry span.
    #[default]
    Settled,
}

impl Start {
    /// Makes a new span, of which nothing is kept yet, a pending one below `parent`.
    #[inline]
    pub(super) fn begin(&mut self, parent: OtelContext) -> &mut PendingSpan {
        self.stage = Stage::Pending;
        self.pending.parent = parent;
        &mut self.pending
    }

    /// Returns what is kept of a span that is pending.
    #[inline]
    pub(super) fn pending(&mut self) -> Option<&mut PendingSpan> {
        matches!(self.stage, Stage::Pending).then_some(&mut self.pending)
    }

    /// Returns `true` if a twin may hold a parent for the span.
    pub(super) fn has_twin(&self) -> bool {
        matches!(self.stage, Stage::Pending) && self.pending.has_twin
    }

    /// Returns the result of the start.
    #[inline]
    pub(super) fn started(&self) -> Option<&Started> {
        self.started.as_ref()
    }

    /// Makes the span a settled one. Returns the parent, which can run code of the user when it is dropped: no lock may
    /// be held then.
    #[inline(always)]
    #[must_use = "it is dropped without the lock of the start"]
    pub(super) fn settle(&mut self, started: Started) -> OtelContext {
        self.started = Some(started);
        self.end_stages()
    }

    /// Removes everything, for another span. What is dropped here can run code of the user.
    #[inline]
    fn clear(&mut self) {
        if self.started.is_some() {
            self.started = None;
        }
        drop(self.end_stages());
    }

    #[inline]
    fn end_stages(&mut self) -> OtelContext {
        self.stage = Stage::Settled;
        if self.pending.additions.is_some() {
            self.pending.additions = None;
        }
        self.pending.start = None;
        self.pending.has_twin = false;
        std::mem::take(&mut self.pending.parent)
    }
}

/// A span that has not started.
#[derive(Debug, Default)]
pub(super) struct PendingSpan {
    pub(super) parent: OtelContext,
    /// Most spans have none.
    pub(super) additions: Option<Box<Additions>>,
    /// `None` while the span is expected to be dropped.
    start: Option<StartTime>,
    /// A twin may hold a parent, attributes or links.
    pub(super) has_twin: bool,
}

/// Data set on a span before it starts.
#[derive(Debug, Default)]
pub(super) struct Additions {
    /// The properties set by its fields, besides attributes.
    pub(super) meaning: SpanMeaning,
    // Set through an extension trait:
    pub(super) attributes: Vec<KeyValue>,
    /// Values of fields that were recorded after a twin was created. They replace what was set on the twin before.
    pub(super) recorded: Vec<KeyValue>,
    pub(super) links: Vec<Link>,
    pub(super) events: Vec<Event>,
}

impl PendingSpan {
    /// A span below `parent`, with nothing but its fields.
    pub(super) fn new(parent: OtelContext) -> Self {
        Self { parent, ..Self::default() }
    }

    /// Copies the properties that fields set besides attributes.
    pub(super) fn read(&mut self, fields: &KeptFields) {
        if fields.has_special() {
            self.additions().meaning.read(fields);
        }
    }

    /// Applies fields that are recorded before the start: they replace attributes that were set before.
    pub(super) fn record(&mut self, fields: &KeptFields) {
        self.read(fields);
        if self.has_twin {
            let recorded = attributes(fields).map(|(key, value)| key_value(key, value));
            self.additions.get_or_insert_default().recorded.extend(recorded);
        } else if let Some(additions) = self.additions.as_deref_mut().filter(|it| !it.attributes.is_empty()) {
            for (key, _) in attributes(fields) {
                additions.attributes.retain(|attribute| attribute.key.as_str() != key);
            }
        }
    }

    /// Removes a recorded value, for one that is set on the twin after it.
    pub(super) fn replace_recorded(&mut self, key: &Key) {
        if let Some(additions) = self.additions.as_deref_mut() {
            additions.recorded.retain(|recorded| recorded.key != *key);
        }
    }

    /// Returns the start time of the span: when it was created, or got the parent with which it is not dropped.
    pub(super) fn start(&mut self) -> StartTime {
        *self.start.get_or_insert_with(StartTime::now)
    }

    /// Replaces the parent. From then on the span is treated as one that may be sampled. Returns the earlier parent,
    /// which can run code of the user when it is dropped: no lock may be held then.
    #[must_use = "it is dropped without the lock of the start"]
    pub(super) fn set_parent(&mut self, parent: OtelContext) -> OtelContext {
        self.start();
        std::mem::replace(&mut self.parent, parent)
    }

    /// Returns the additions, which are allocated at the first one.
    pub(super) fn additions(&mut self) -> &mut Additions {
        self.additions.get_or_insert_default()
    }
}

/// A span that has started.
///
/// Cheap to clone: the context is reference-counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Started {
    /// Holds the OpenTelemetry span.
    pub(super) context: OtelContext,
    /// The start time of the OpenTelemetry span, if closing the `tracing` span ends it.
    pub(super) own: Option<StartTime>,
    pub(super) is_recording: bool,
}

impl Started {
    /// Returns the context and the start of the OpenTelemetry span that closing the `tracing` span ends.
    #[inline]
    pub(super) fn own_span(&self) -> Option<(OtelContext, StartTime)> {
        self.own.map(|start| (self.context.clone(), start))
    }

    /// A span without its own OpenTelemetry span, which represents the one around it.
    pub(super) fn transparent(context: OtelContext) -> Self {
        Self { context, own: None, is_recording: false }
    }
}

impl SpanState {
    /// A new span, in the memory of an earlier one of this thread if possible. `fill` is given one that is none of
    /// OpenTelemetry and has no fields.
    #[inline]
    pub(in crate::subscriber) fn create(
        id: &span::Id,
        metadata: &'static Metadata<'static>,
        fill: impl FnOnce(&mut Self),
    ) -> Arc<Self> {
        let spare = with_thread(|thread| thread.spares.borrow_mut().pop()).flatten();
        // The thread may be that of a child now, and the memory from before the fork.
        let spare = spare.filter(|spare| !spare.is_inherited());
        let mut state = spare.unwrap_or_else(|| Arc::new(Self::new(id, metadata)));
        // Nothing else refers to it.
        if let Some(state) = Arc::get_mut(&mut state) {
            state.id = id.clone();
            state.metadata = metadata;
            fill(state);
        }
        state
    }

    /// A span that is none of OpenTelemetry and has no fields.
    fn new(id: &span::Id, metadata: &'static Metadata<'static>) -> Self {
        Self {
            id: id.clone(),
            metadata,
            kept: KeptSpan::default(),
            parent: None,
            is_included: false,
            follows_parent: AtomicBool::new(false),
            start: ForkMutex::default(),
            twin: OnceLock::new(),
            errors: OnceLock::new(),
        }
    }

    /// Keeps the memory of a closed span for another one of this thread, unless something still refers to it.
    #[inline]
    pub(in crate::subscriber) fn recycle(mut self: Arc<Self>) {
        let Some(state) = Arc::get_mut(&mut self) else { return };
        // What is dropped here can run code of the user, which can come back here.
        state.parent = None;
        state.is_included = false;
        *state.follows_parent.get_mut() = false;
        state.start.get_mut().clear();
        empty(&mut state.twin);
        empty(&mut state.errors);
        if !state.kept.clear() {
            return;
        }
        with_thread(|thread| {
            let mut spares = thread.spares.borrow_mut();
            if spares.len() < MAX_SPARES {
                spares.push(self);
            }
        });
    }

    /// The span and those around it, from the inside to the outside.
    pub(crate) fn scope(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |state| state.parent.as_ref())
    }

    /// The span, or the nearest around it, that is one of OpenTelemetry.
    pub(super) fn nearest_included(self: &Arc<Self>) -> Option<&Arc<Self>> {
        self.scope().find(|state| state.is_included)
    }

    /// Returns `true` if the span, or the nearest around it that is one of OpenTelemetry, is that of a call.
    pub(in crate::subscriber) fn stands_for_call(self: &Arc<Self>) -> bool {
        self.nearest_included().is_some_and(|state| is_handler_span(state.metadata))
    }

    /// Returns `true` if the span was open when this process was forked. Only the parent records and ends it.
    #[inline]
    pub(super) fn is_inherited(&self) -> bool {
        self.start.is_inherited()
    }

    /// Returns `true` if the span, or the nearest around it that is one of OpenTelemetry, was open when this process was
    /// forked.
    pub(in crate::subscriber) fn belongs_to_parent_process(self: &Arc<Self>) -> bool {
        self.nearest_included().is_some_and(|state| state.is_inherited())
    }

    /// Returns the result of the start. `None` for a span that has not started, or is not an OpenTelemetry span.
    pub(super) fn started(&self) -> Option<Started> {
        self.lock_start().started().cloned()
    }

    /// Locks the start. A panic of another thread cannot have left it half changed.
    #[inline]
    pub(super) fn lock_start(&self) -> MutexGuard<'_, Start> {
        self.start.lock()
    }

    /// Locks the errors that the span remembers.
    pub(in crate::subscriber) fn lock_errors(&self) -> MutexGuard<'_, RecordedErrors> {
        self.errors.get_or_init(Box::default).lock()
    }

    /// Returns `true` if the span stands for the span around it and has not started.
    pub(super) fn follows_parent(&self) -> bool {
        self.follows_parent.load(Ordering::Relaxed)
    }

    /// Makes the span one that starts. Its start is locked, so it is not entered meanwhile.
    pub(super) fn stop_following(&self) {
        self.follows_parent.store(false, Ordering::Relaxed);
    }

    /// Returns `true` if the span has started and will be exported when it ends. One that is recorded without being
    /// sampled is not.
    pub(super) fn is_open(&self, started: &Started) -> bool {
        let span = started.context.span();
        // A program can end it through its context. The lock of an inherited one may never be released.
        let has_not_ended = || self.is_inherited() || span.is_recording();
        started.own.is_some() && started.is_recording && span.span_context().is_sampled() && has_not_ended()
    }
}

impl SpanChain for SpanState {
    fn kept(&self) -> &KeptSpan {
        &self.kept
    }

    fn parent(&self) -> Option<&dyn SpanChain> {
        self.parent.as_deref().map(|parent| parent as _)
    }
}

/// Removes what is there.
#[inline]
fn empty<T>(cell: &mut OnceLock<T>) {
    if cell.get().is_some() {
        *cell = OnceLock::new();
    }
}

/// Closed spans of a thread whose memory is kept.
const MAX_SPARES: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::subscriber::tests::rig::Rig;
    use crate::time::start_time::tests::set_clock;

    /// Sets the clock of this thread, in seconds, during a span, before another one begins.
    fn work(step: i64) {
        let outer = tracing::info_span!("outer").entered();
        set_clock(step);
        tracing::info_span!("inner").in_scope(|| std::thread::sleep(Duration::from_millis(2)));
        drop(outer);
        set_clock(0);
    }

    #[test]
    fn a_clock_that_is_set_during_a_span_does_not_change_how_long_it_lasts() {
        for step in [3_600, -3_600] {
            let rig = Rig::new();
            let measured = Instant::now();
            work(step);
            let limit = measured.elapsed();
            for name in ["outer", "inner"] {
                let span = rig.spans.named(name);
                let lasted = span.end_time.duration_since(span.start_time).unwrap();
                assert!((Duration::from_millis(2)..=limit).contains(&lasted), "{name}: {lasted:?}");
            }
        }
    }

    #[test]
    #[cfg(feature = "testing")]
    fn a_clock_that_is_set_does_not_change_spans_that_are_encoded_at_once() {
        for step in [3_600, -3_600] {
            let telemetry = crate::testing::capture();
            let measured = Instant::now();
            work(step);
            let limit = measured.elapsed();
            for name in ["outer", "inner"] {
                let span = telemetry.span(name).span;
                let lasted = Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano);
                assert!((Duration::from_millis(2)..=limit).contains(&lasted), "{name}: {lasted:?}");
            }
        }
    }
}
