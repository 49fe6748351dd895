//! The spans that are entered on this thread.
//!
//! `tracing` allows spans to be exited in another order than they were entered, and one span to be entered twice: the
//! stack is searched from its end, and what is exited is removed wherever it is.
//!
//! Two things are kept for each entered span: its state, which tells the parent of new spans and the span of an event,
//! and the guard of its OpenTelemetry context, which is detached when the span is exited. The contexts of a thread are
//! a stack as well, of the OpenTelemetry API; it tolerates guards that are dropped out of order.

use std::sync::Arc;

use opentelemetry::{Context as OtelContext, ContextGuard};
use tracing_core::span;

use super::state::SpanState;
use crate::subscriber::thread_state::with_thread;
use crate::trace_ids::context_lives;

/// A span that was entered and not exited yet.
pub(in crate::subscriber) struct Entered {
    /// Distinguishes the subscribers of a thread, which has one stack for all: it can use one inside another.
    subscriber: usize,
    state: Arc<SpanState>,
    context: Attached,
}

/// A context that is attached until this is dropped.
struct Attached(Option<ContextGuard>);

/// Notes that a span is entered. `context` is the current one until it is exited.
#[inline(always)]
pub(super) fn enter(subscriber: usize, state: Arc<SpanState>, context: Option<OtelContext>) {
    let entered = Entered { subscriber, state, context: Attached::new(context) };
    with_thread(move |thread| thread.entered.borrow_mut().push(entered));
}

/// Makes `context` the current one until a span is exited that is entered.
///
/// If the span was exited meanwhile, the context is detached at once.
pub(super) fn attach(state: &Arc<SpanState>, context: OtelContext) {
    let mut attached = Attached::new(Some(context));
    with_thread(|thread| {
        let mut spans = thread.entered.borrow_mut();
        if let Some(entered) = spans.iter_mut().rfind(|entered| Arc::ptr_eq(&entered.state, state)) {
            std::mem::swap(&mut entered.context, &mut attached);
        }
    });
}

/// Notes that a span is exited. Returns its state.
#[inline(always)]
pub(super) fn exit(subscriber: usize, id: &span::Id) -> Option<Arc<SpanState>> {
    let exited = with_thread(|thread| {
        let mut spans = thread.entered.borrow_mut();
        let is_exited = |entered: &Entered| entered.subscriber == subscriber && entered.state.id == *id;
        // Nearly always the last one.
        spans.pop_if(|entered| is_exited(entered)).or_else(|| {
            let place = spans.iter().rposition(is_exited)?;
            Some(spans.remove(place))
        })
    });
    // Dropped without the borrow: a context can hold values of the user.
    exited.flatten().map(|exited| exited.state)
}

/// The innermost span of a subscriber.
#[inline]
pub(super) fn innermost(subscriber: usize) -> Option<Arc<SpanState>> {
    let of_subscriber = |entered: &&Entered| entered.subscriber == subscriber;
    let find = |spans: &[Entered]| Some(Arc::clone(&spans.iter().rev().find(of_subscriber)?.state));
    with_thread(|thread| find(&thread.entered.borrow())).flatten()
}

/// Returns `true` if the innermost span of a subscriber is this one, or one that the filter excluded and that stands
/// for it.
#[inline]
pub(super) fn is_innermost(subscriber: usize, state: &Arc<SpanState>) -> bool {
    let of_subscriber = |entered: &&Entered| entered.subscriber == subscriber;
    let stands_for = |entered: &Entered| {
        entered.state.nearest_included().is_some_and(|included| Arc::ptr_eq(included, state))
    };
    let find = |spans: &[Entered]| spans.iter().rev().find(of_subscriber).is_some_and(stands_for);
    with_thread(|thread| find(&thread.entered.borrow())).unwrap_or(false)
}

impl Attached {
    #[inline(always)]
    fn new(context: Option<OtelContext>) -> Self {
        match context {
            Some(context) if context_lives() => Self(Some(context.attach())),
            // Without the thread's stack of contexts there is nothing to attach to.
            _ => Self(None),
        }
    }
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
