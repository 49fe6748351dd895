//! The spans that are entered on this thread.

use std::cell::RefCell;
use std::sync::Arc;

use opentelemetry::{Context as OtelContext, ContextGuard};
use tracing_core::span;

use super::state::SpanState;
use crate::trace_ids::context_lives;

/// Entered spans of all bridges, the innermost last.
struct EnteredSpans(Vec<Entered>);

struct Entered {
    bridge: usize,
    id: span::Id,
    state: Arc<SpanState>,
    _context: Attached,
}

/// A context that is attached until this is dropped.
struct Attached(Option<ContextGuard>);

/// Notes that a span is entered, and makes `context` the current one.
pub(super) fn enter(bridge: usize, id: &span::Id, state: Arc<SpanState>, context: Option<OtelContext>) {
    // Without the thread's stack of contexts there is nothing to attach to.
    let context = Attached(context.filter(|_| context_lives()).map(OtelContext::attach));
    let entered = Entered { bridge, id: id.clone(), state, _context: context };
    let mut entered = Some(entered);
    let _ = ENTERED.try_with(|spans| spans.borrow_mut().0.extend(entered.take()));
}

/// Notes that a span is exited. Returns its state.
pub(super) fn exit(bridge: usize, id: &span::Id) -> Option<Arc<SpanState>> {
    let exited = ENTERED.try_with(|spans| {
        let spans = &mut spans.borrow_mut().0;
        let place = spans.iter().rposition(|entered| entered.bridge == bridge && entered.id == *id)?;
        Some(spans.remove(place))
    });
    // Dropped without the borrow: a context can hold values of the user.
    exited.ok().flatten().map(|exited| exited.state)
}

/// The innermost span of a bridge.
pub(super) fn innermost(bridge: usize) -> Option<Arc<SpanState>> {
    find(|entered| entered.bridge == bridge)
}

/// Returns `true` if the span is entered on this thread.
pub(super) fn is_entered(state: &Arc<SpanState>) -> bool {
    find(|entered| Arc::ptr_eq(&entered.state, state)).is_some()
}

fn find(matches: impl Fn(&Entered) -> bool) -> Option<Arc<SpanState>> {
    ENTERED
        .try_with(|spans| {
            let spans = &spans.borrow().0;
            spans.iter().rev().find(|entered| matches(entered)).map(|entered| Arc::clone(&entered.state))
        })
        .ok()
        .flatten()
}

impl Drop for Attached {
    fn drop(&mut self) {
        // On a thread that is ending the stack of contexts may be gone; detaching would panic.
        if let Some(guard) = self.0.take()
            && !context_lives()
        {
            std::mem::forget(guard);
        }
    }
}

thread_local! {
    static ENTERED: RefCell<EnteredSpans> = const { RefCell::new(EnteredSpans(Vec::new())) };
}
