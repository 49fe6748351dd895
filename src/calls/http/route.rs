//! The route of a request: the pattern that a router matched, never the path.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use http::Extensions;

use super::method::{ReportedMethod, STANDARD};
use crate::calls::intern::{Interned, static_name};
use crate::calls::thread_cache;

/// The route of a request, in the extensions of its response: for routers that this crate does not know.
///
/// `http::ServerLayer` uses it if the route was not known before, for the span's name and `http.route`.
///
/// ```
/// use telemetry_bootstrap::http::Route;
///
/// # let mut response = http::Response::new(());
/// response.extensions_mut().insert(Route::new("/users/{id}"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route(Cow<'static, str>);

impl Route {
    /// Creates a route from a pattern such as `/users/{id}`. Do not pass the path of a request: each route is a time
    /// series.
    pub fn new(pattern: impl Into<Cow<'static, str>>) -> Self {
        Self(pattern.into())
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Extension through which inner layers report the route of a recorded request, which they do not record
/// again.
#[derive(Clone, Debug, Default)]
pub(in crate::calls) struct RouteSlot(Arc<OnceLock<Arc<str>>>);

impl RouteSlot {
    /// Returns an empty slot, one of a finished request if there is any.
    pub(super) fn new() -> Self {
        thread_cache::with(|cache| cache.slots.borrow_mut().pop()).flatten().unwrap_or_default()
    }

    /// Reports the route, if it is not known yet.
    pub(super) fn report(&self, route: impl FnOnce() -> Option<Arc<str>>) {
        if self.0.get().is_none()
            && let Some(route) = route()
        {
            // Another layer may have been first.
            let _ = self.0.set(route);
        }
    }

    /// Returns the route that an inner layer has reported.
    pub(super) fn route(&self) -> Option<&str> {
        self.0.get().map(|route| &**route)
    }

    /// Keeps the slot for another request, unless an inner layer can still report to it.
    pub(super) fn recycle(mut self) {
        let Some(route) = Arc::get_mut(&mut self.0) else { return };
        route.take();
        let _ = thread_cache::with(|cache| {
            let mut slots = cache.slots.borrow_mut();
            if slots.len() < MAX_UNUSED_SLOTS {
                slots.push(self);
            }
        });
    }
}

/// The number of concurrent requests on a busy thread.
const MAX_UNUSED_SLOTS: usize = 64;

/// A route of one layer, with the names of its spans.
#[derive(Debug)]
pub(super) struct KnownRoute {
    /// The route as the router has it: `/orders/{id}`.
    pub(super) pattern: Arc<str>,
    /// Names of spans by the place of the method in [`STANDARD`]; `None` inside if too many names are kept already.
    names: [OnceLock<Option<&'static str>>; STANDARD.len()],
}

impl KnownRoute {
    /// Creates a route without names yet.
    fn new(pattern: &str) -> Self {
        Self { pattern: pattern.into(), names: Default::default() }
    }

    /// The name of a span, which is built once for each method.
    pub(super) fn span_name(&self, method: &ReportedMethod) -> Cow<'static, str> {
        let name = || method.span_name(Some(&self.pattern));
        let ReportedMethod::Standard(place) = method else { return name() };
        match self.names[*place].get_or_init(|| static_name(&name())) {
            Some(known) => Cow::Borrowed(known),
            None => name(),
        }
    }
}

/// The routes of one layer. Their number is limited, in case a closure returns paths; further routes are left out of
/// names and metrics.
#[derive(Default)]
pub(super) struct Routes(Interned<KnownRoute>);

impl Routes {
    /// Returns the route of a pattern, or `None` if there are too many.
    pub(super) fn get(&self, pattern: &str) -> Option<Arc<KnownRoute>> {
        self.0.get(pattern, || KnownRoute::new(pattern))
    }
}

/// Returns the pattern that axum's router matched.
#[cfg(feature = "axum")]
pub(super) fn matched_path(extensions: &Extensions) -> Option<&str> {
    extensions.get::<axum::extract::MatchedPath>().map(axum::extract::MatchedPath::as_str)
}

/// Returns `None`: without axum the route comes from the option, or from an inner layer.
#[cfg(not(feature = "axum"))]
pub(super) fn matched_path(_: &Extensions) -> Option<&str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_is_reused_only_if_no_inner_layer_can_report_to_it() {
        let (slot, held) = (RouteSlot::new(), RouteSlot::new());
        let address = |slot: &RouteSlot| Arc::as_ptr(&slot.0);
        let (first, second) = (address(&slot), address(&held));
        let inner = held.clone();
        slot.report(|| Some("/users/{id}".into()));
        slot.recycle();
        held.recycle();
        inner.report(|| Some("/late".into()));
        let slots: Vec<_> = (0..3).map(|_| RouteSlot::new()).collect();
        assert!(slots.iter().any(|slot| address(slot) == first));
        assert!(slots.iter().all(|slot| address(slot) != second && slot.route().is_none()));
    }
}
