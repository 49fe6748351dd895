//! The open spans of a subscriber.
//!
//! The table finds the state of a span by its id, from any thread. The spans that are entered on this thread are a
//! stack of their own (`current`), so the innermost one is found without a look-up.

use std::sync::Arc;

use opentelemetry::Context as OtelContext;
use tracing_core::{Event, span};

use super::current;
use super::state::SpanState;
use crate::lines::span_table::SpanTable;

/// The states of the open spans of one subscriber, and which of them are entered on this thread.
#[derive(Debug)]
pub(crate) struct OpenSpans {
    table: SpanTable<SpanState>,
}

impl OpenSpans {
    /// Creates an empty table.
    pub(crate) fn new() -> Self {
        Self { table: SpanTable::new() }
    }

    /// Returns the state of an open span.
    #[inline]
    pub(in crate::subscriber) fn get(&self, id: &span::Id) -> Option<Arc<SpanState>> {
        self.table.get(id)
    }

    /// Stores the state of a new span.
    #[inline(always)]
    pub(in crate::subscriber) fn insert(&self, id: &span::Id, state: Arc<SpanState>) {
        self.table.insert(id, state);
    }

    /// Removes the state of a span that was closed.
    #[inline(always)]
    pub(in crate::subscriber) fn remove(&self, id: &span::Id) -> Option<Arc<SpanState>> {
        self.table.remove(id)
    }

    /// The span around a new one.
    #[inline]
    pub(in crate::subscriber) fn parent_of(
        &self,
        attributes: &span::Attributes<'_>,
    ) -> Option<Arc<SpanState>> {
        match attributes.parent() {
            Some(parent) => self.table.get(parent),
            None if attributes.is_contextual() => current::innermost(self.number()),
            None => None,
        }
    }

    /// The innermost span that an event belongs to.
    pub(in crate::subscriber) fn state_for_event(&self, event: &Event<'_>) -> Option<Arc<SpanState>> {
        match event.parent() {
            Some(parent) => self.table.get(parent),
            None if event.is_contextual() => current::innermost(self.number()),
            None => None,
        }
    }

    /// Returns `true` if the innermost span is this one, or stands for it.
    #[inline]
    pub(super) fn is_innermost(&self, state: &Arc<SpanState>) -> bool {
        current::is_innermost(self.number(), state)
    }

    /// Notes that a span is entered. `context` is the current one until it is exited.
    #[inline(always)]
    pub(in crate::subscriber) fn enter(&self, state: Arc<SpanState>, context: Option<OtelContext>) {
        current::enter(self.number(), state, context);
    }

    /// Notes that a span is entered before its context is known, which is the current one then until it is exited.
    ///
    /// To attach a context panics where the current one is borrowed. Nothing exits the span then: it is not entered.
    pub(in crate::subscriber) fn enter_early(
        &self,
        state: &Arc<SpanState>,
        context: impl FnOnce(&Arc<SpanState>) -> Option<OtelContext>,
    ) {
        self.enter(Arc::clone(state), None);
        let unwound = Unwound { spans: self, state };
        if let Some(context) = context(state) {
            current::attach(state, context);
        }
        std::mem::forget(unwound);
    }

    /// Notes that a span is exited. Returns its state.
    #[inline(always)]
    pub(in crate::subscriber) fn exit(&self, id: &span::Id) -> Option<Arc<SpanState>> {
        current::exit(self.number(), id)
    }

    /// Returns the number of open spans for which `matches` returns `true`.
    pub(super) fn count(&self, matches: impl Fn(&SpanState) -> bool) -> u64 {
        self.table.count(matches)
    }

    /// Distinguishes subscribers on a thread where spans of several are entered.
    fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// Exits a span when it is dropped.
struct Unwound<'a> {
    spans: &'a OpenSpans,
    state: &'a SpanState,
}

impl Drop for Unwound<'_> {
    fn drop(&mut self) {
        self.spans.exit(&self.state.id);
    }
}
