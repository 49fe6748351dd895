//! The one place with unsafe code: how the stock layer is found in a subscriber.
//!
//! `tracing_opentelemetry::OpenTelemetrySpanExt` and `get_otel_context` ask the subscriber of a span for the layer of
//! that crate, by its type. [`StockExtensions`] answers: with the stock layer over the registry of twins, or with the
//! user's stock bridge. Redirecting such a question is possible only in `Layer::downcast_raw`, which is an unsafe
//! function.
//!
//! Miri runs the tests of this module in `.ci/run`.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use tracing_core::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::super::SpanBridge;
use super::super::stock::{StockBridge, StockLayer};
use super::{Stock, stock};

/// A layer that makes the stock layer visible to downcasts. It does nothing else.
pub(in crate::subscriber) struct StockExtensions<S> {
    /// The value that is found in place of this layer.
    target: Target<S>,
}

/// The location of the stock layer.
enum Target<S> {
    /// Over the registry of twins.
    Twins(Arc<Stock>),
    /// Instead of our bridge.
    Bridge(Arc<StockLayer<S>>),
}

impl<S> StockExtensions<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    /// Makes the stock layer over the twins of our bridge's spans visible.
    pub(in crate::subscriber) fn new(bridge: &Arc<SpanBridge>) -> Self {
        Self { target: Target::Twins(stock(bridge)) }
    }

    /// Makes the layer of the user's stock bridge visible.
    pub(in crate::subscriber) fn from_stock_bridge(bridge: &StockBridge<S>) -> Self {
        Self { target: Target::Bridge(Arc::clone(bridge.layer())) }
    }
}

impl<S> fmt::Debug for StockExtensions<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StockExtensions").finish_non_exhaustive()
    }
}

#[expect(
    unsafe_code,
    reason = "the stock layer is found by a downcast, which only an unsafe function can redirect"
)]
impl<S> Layer<S> for StockExtensions<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // SAFETY: the caller may dereference the pointer as the type of `id` while it borrows `self`, as the contract of
    // `Layer::downcast_raw` says. Either it points to `self`, which has the type of `id`; or `downcast_raw` of the
    // target returns it, whose contract is the same for a borrow of the target. That is behind an `Arc` which `self`
    // owns, never replaces and never gives mutable access to: it lives, and stays in its place, as long as `self`.
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(std::ptr::from_ref(self).cast());
        }
        // SAFETY: the calls have no requirements beyond those on the use of the pointer, which are above.
        unsafe {
            match &self.target {
                Target::Twins(stock) => stock.downcast_raw(id),
                Target::Bridge(layer) => layer.downcast_raw(id),
            }
        }
    }
}
