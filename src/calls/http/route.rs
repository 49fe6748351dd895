//! The route of a request: the pattern that a router matched, never the path.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use http::Extensions;

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

/// In the extensions of a request that is recorded: inner layers do not record it again, and report the route.
#[derive(Clone, Debug, Default)]
pub(in crate::calls) struct Recorded(Option<Arc<OnceLock<Arc<str>>>>);

impl Recorded {
    /// A recorded request whose route is to be found out.
    pub(super) fn without_route() -> Self {
        Self(Some(Arc::default()))
    }

    /// Reports the route, if it is not known yet.
    pub(super) fn report(&self, route: impl FnOnce() -> Option<Arc<str>>) {
        if let Some(slot) = &self.0
            && slot.get().is_none()
            && let Some(route) = route()
        {
            // Another layer may have been first.
            let _ = slot.set(route);
        }
    }

    pub(super) fn route(&self) -> Option<&Arc<str>> {
        self.0.as_ref()?.get()
    }
}

/// The routes of one layer. Their number is limited, in case a closure returns paths.
#[derive(Default)]
pub(super) struct Routes(ArcSwap<BTreeSet<Arc<str>>>);

impl Routes {
    /// Returns the route of a pattern, or `None` if there are too many.
    pub(super) fn get(&self, pattern: &str) -> Option<Arc<str>> {
        let known = self.0.load();
        if let Some(route) = known.get(pattern) {
            return Some(Arc::clone(route));
        }
        if known.len() >= MAX_ROUTES {
            return None;
        }
        let route: Arc<str> = pattern.into();
        self.0.rcu(|known| {
            let mut known = BTreeSet::clone(known);
            if known.len() < MAX_ROUTES {
                known.insert(Arc::clone(&route));
            }
            known
        });
        Some(route)
    }
}

/// Further routes are left out of names and metrics.
const MAX_ROUTES: usize = 1000;

/// Returns the pattern that axum's router matched.
#[cfg(feature = "axum")]
pub(super) fn matched_path(extensions: &Extensions) -> Option<&str> {
    extensions.get::<axum::extract::MatchedPath>().map(axum::extract::MatchedPath::as_str)
}

#[cfg(not(feature = "axum"))]
pub(super) fn matched_path(_: &Extensions) -> Option<&str> {
    None
}
