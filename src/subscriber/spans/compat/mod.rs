//! `tracing_opentelemetry::OpenTelemetrySpanExt` and `get_otel_context` of other crates.
//!
//! They look for the layer of `tracing-opentelemetry` in the subscriber, and there for data that only this layer can
//! make. So a stock layer stands beside the subscriber, over a registry of its own. It is found by a downcast
//! ([`StockExtensions`]) and takes no part in the subscriber's work.
//!
//! The first such call for a span creates a *twin* of it in that registry ([`TwinRegistry`]). Data that is set on the
//! twin before the span starts is handed over by the tracer of the stock layer ([`TwinTracer`]), which starts our
//! span. From then on the twin's context is ours. A span without such calls has no twin and pays nothing; a span with
//! a twin starts through it, and closes it.
//!
//! While a span starts through its twin, the stock layer has the twin locked, and with it samplers and span processors of
//! the user run. A twin is not looked up meanwhile: calls of the same thread have no effect, those of others wait for at most
//! [`MAX_START`](super::start).

mod downcast;
mod registry;
mod tracer;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use opentelemetry::Context as OtelContext;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::TraceContextExt as _;
use tracing_core::{Dispatch, dispatcher, span};
use tracing_opentelemetry::{OpenTelemetryLayer, get_otel_context};
use tracing_subscriber::layer::{Layered, SubscriberExt as _};

pub(in crate::subscriber) use self::downcast::StockExtensions;
use self::registry::TwinRegistry;
use self::tracer::TwinTracer;
use super::SpanBridge;
use super::start::wait_for;
use super::state::{SpanState, Stage, Start};
use crate::subscriber::reentrancy::ReentrancyGuard;
use crate::trace_ids::with_current;
use crate::user_code::catch_panic;

/// A stock layer over the registry of twins.
pub(super) type Stock = Layered<OpenTelemetryLayer<TwinRegistry, TwinTracer>, TwinRegistry>;

/// A reference from the bridge to the stock layer, which holds the bridge.
#[derive(Clone)]
pub(super) struct WeakStock(Weak<Stock>);

impl std::fmt::Debug for WeakStock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakStock").finish_non_exhaustive()
    }
}

fn stock(bridge: &Arc<SpanBridge>) -> Arc<Stock> {
    let layer = OpenTelemetryLayer::new(TwinTracer::new(Arc::clone(bridge)))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false);
    let stock = Arc::new(TwinRegistry::new(Arc::clone(bridge)).with(layer));
    let _ = bridge.stock.set(WeakStock(Arc::downgrade(&stock)));
    stock
}

impl SpanBridge {
    fn stock(&self) -> Option<Arc<Stock>> {
        self.stock.get()?.0.upgrade()
    }

    /// The twin of a span, which is created by the first call. `None` for a span that is none of OpenTelemetry, or
    /// that has been closed; and while the span is being started, because the stock layer may have its twin locked.
    fn twin(&self, id: &span::Id) -> Option<span::Id> {
        let state = self.spans.get(id).filter(|state| state.is_included)?;
        if state.lock_start().started().is_some()
            && let Some(twin) = state.twin.get()
        {
            return Some(twin.clone());
        }
        let (context, is_pending) = context_for_twin(&state)?;
        if let Some(twin) = state.twin.get() {
            return Some(twin.clone());
        }
        let stock = self.stock()?;
        let twin = create_within(context, || registry::create_twin(&stock, id))?;
        if !is_pending && let Some(dispatch) = self.dispatch() {
            registry::start_twin(&dispatch, &twin);
        }
        let first = state.twin.get_or_init(|| twin.clone());
        if *first != twin {
            // Another thread was first.
            self.close_twin(&twin);
        }
        Some(first.clone())
    }

    /// Starts a span with the parent, attributes and links of its twin, if that is available.
    pub(super) fn start_through_twin(&self, state: &Arc<SpanState>) {
        if let Some(dispatch) = self.dispatch() {
            let _ = get_otel_context(&state.id, &dispatch);
        }
    }

    /// The subscriber of the bridge. Not every wrapper of layers passes it on.
    fn dispatch(&self) -> Option<Dispatch> {
        match self.dispatch.get() {
            Some(dispatch) => dispatch.upgrade(),
            None => Some(dispatcher::get_default(Dispatch::clone)),
        }
    }

    pub(super) fn close_twin(&self, twin: &span::Id) {
        if let Some(stock) = self.stock() {
            registry::close_twin(&stock, twin);
            self.has_ended_twins.store(true, Ordering::Relaxed);
        }
    }

    /// Removes the twins of closed spans, if there are any. Called before a span is created.
    #[inline]
    pub(in crate::subscriber) fn remove_ended_twins(&self) {
        if self.has_ended_twins.load(Ordering::Relaxed) {
            self.remove_ended_twins_now();
        }
    }

    #[cold]
    fn remove_ended_twins_now(&self) {
        if !ReentrancyGuard::is_held()
            && self.has_ended_twins.swap(false, Ordering::Relaxed)
            && let Some(stock) = self.stock()
        {
            registry::remove_ended(&stock);
        }
    }
}

/// The context that a twin is created in, and whether the span waits for its start. `None` while the span is being
/// started by this thread, and if another one takes too long.
fn context_for_twin(state: &SpanState) -> Option<(OtelContext, bool)> {
    let mut start = state.lock_start();
    let Start { stage, pending, .. } = &mut *start;
    match *stage {
        Stage::Pending => {
            state.stop_following();
            pending.has_twin = true;
            pending.start();
            return Some((pending.parent.clone(), true));
        }
        Stage::Following => return Some((pending.parent.clone(), false)),
        Stage::Starting(thread) => {
            drop(start);
            wait_for(state, thread);
        }
        Stage::Settled => drop(start),
    }
    state.started().map(|started| (started.context, false))
}

/// Creates a twin with `context` as the current one. `None` where the current context is another one and is borrowed,
/// as in the closure of `Context::map_current`: to attach one there panics.
fn create_within(context: OtelContext, create: impl FnOnce() -> Option<span::Id>) -> Option<span::Id> {
    if with_current(|current| is_same(current, &context)).unwrap_or(true) {
        return create();
    }
    let _attached = catch_panic(|| context.attach())?;
    create()
}

/// Returns `true` if two contexts have the same span and the same baggage, not only equal ones.
fn is_same(one: &OtelContext, other: &OtelContext) -> bool {
    one.is_telemetry_suppressed() == other.is_telemetry_suppressed()
        && std::ptr::eq(one.span().span_context(), other.span().span_context())
        && std::ptr::eq(one.baggage(), other.baggage())
}

#[cfg(test)]
mod tests;
