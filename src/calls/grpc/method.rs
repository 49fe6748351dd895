//! Methods: their names, which of them are known, and their instruments.
//!
//! | layer | a method becomes known | before that |
//! |---|---|---|
//! | with a list of methods | never: the list is complete | `_OTHER` on metrics |
//! | of a client | when it is called, unless a proxy passes on the request that called it; such a one as at a server | `_OTHER` on metrics |
//! | of a server | when a handler has answered it: a success, a stream, or an error after the request was read | `_OTHER` on metrics |
//!
//! A server's span has the name from its start. If something other than the handler answers, it becomes `_OTHER` there, too.
//!
//! Interceptors, pages, limits and fallbacks in front of the handlers answer without reading the request, so
//! arbitrary paths sent by clients are never added.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::instruments::MethodInstruments;
use super::options::Side;
use crate::calls::headers::MAX_CALLER_TEXT;
use crate::calls::intern::static_name;
use crate::semconv;
use crate::user_code::bounded_text::beginning;

/// Returns the method's name in a request path: the path without its leading slash.
pub(super) fn method_name(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// One method, as it is named on spans.
pub(super) struct Method {
    /// `pkg.Service/Method`, without the leading slash.
    pub(super) name: Arc<str>,
    /// The method may appear on metrics under its own name.
    known: AtomicBool,
    /// The name of a known method, as spans take it without a copy.
    interned: OnceLock<&'static str>,
    /// Bound to this name.
    pub(super) instruments: MethodInstruments,
}

impl Method {
    /// Creates a method without bound instruments.
    fn new(name: &str, known: bool) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            known: AtomicBool::new(known),
            interned: OnceLock::new(),
            instruments: MethodInstruments::default(),
        })
    }

    /// The name for a span.
    pub(super) fn span_name(&self) -> Cow<'static, str> {
        match self.interned.get() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.name.to_string()),
        }
    }

    /// Makes the name one that spans take without a copy, if there are not too many such names.
    fn intern(&self) {
        if let Some(name) = static_name(&self.name) {
            // Another call may have been first, with the same name.
            let _ = self.interned.set(name);
        }
    }

    /// Returns `true` if metrics have this name. Relaxed: nothing depends on the order in which calls learn it.
    pub(super) fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }
}

/// The methods of one layer.
///
/// A path invented by a peer must cost neither memory nor a time series. So a method is stored, and has metrics of its
/// own, only if it is listed, if this program calls it, or once a handler answered it. The number is limited.
pub(super) struct Methods {
    /// Methods by name. Read by every call, replaced when one is added. A few comparisons cost less than hashing a
    /// name.
    known: ArcSwap<BTreeMap<Arc<str>, Arc<Method>>>,
    /// Represents all unknown methods on metrics.
    other: Arc<Method>,
    /// The way in which methods become known to this layer.
    discovery: MethodDiscovery,
}

/// Method discovery strategy.
#[derive(Clone, Copy)]
enum MethodDiscovery {
    /// Known methods are listed in advance.
    Listed,
    /// A method becomes known when it is called, because clients call what their code names.
    Called,
    /// A method becomes known when a handler answers it.
    Answered,
}

/// The number of methods that one layer stores; further ones are `_OTHER`.
pub(super) const MAX_METHODS: usize = 1000;

impl Methods {
    /// Creates the table of a layer, with the methods that the program lists.
    pub(super) fn new(side: Side, listed: Option<&[String]>) -> Self {
        let discovery = match (listed, side) {
            (Some(_), _) => MethodDiscovery::Listed,
            (None, Side::Client) => MethodDiscovery::Called,
            (None, Side::Server) => MethodDiscovery::Answered,
        };
        let known = listed.unwrap_or_default().iter().map(|name| {
            let method = Method::new(method_name(name), true);
            method.intern();
            (Arc::clone(&method.name), method)
        });
        Self {
            known: ArcSwap::from_pointee(known.collect()),
            other: Method::new(semconv::OTHER, true),
            discovery,
        }
    }

    /// Returns the method of a request path. `is_forwarded` is `true` at a client whose request came from elsewhere.
    pub(super) fn get(&self, path: &str, is_forwarded: bool) -> Arc<Method> {
        let name = method_name(path);
        if let Some(method) = self.known.load().get(name) {
            return Arc::clone(method);
        }
        let method = Method::new(beginning(name, MAX_CALLER_TEXT), false);
        if matches!(self.discovery, MethodDiscovery::Called) && !is_forwarded {
            self.remember(&method);
        }
        method
    }

    /// Returns the method under which a call is measured.
    pub(super) fn metric_method<'a>(&'a self, method: &'a Arc<Method>) -> &'a Arc<Method> {
        if method.is_known() { method } else { &self.other }
    }

    /// Returns `true` if it is unknown whether a handler exists for the method.
    pub(super) fn is_undecided(&self, method: &Method) -> bool {
        !method.is_known() && !matches!(self.discovery, MethodDiscovery::Listed)
    }

    /// Returns the method that represents all unknown ones.
    pub(super) fn unknown(&self) -> &Arc<Method> {
        &self.other
    }

    /// Marks a method as known, because a handler answered it.
    pub(super) fn on_answer(&self, method: &Arc<Method>) {
        if self.is_undecided(method) {
            self.remember(method);
        }
    }

    /// Stores a method as known, unless there are [`MAX_METHODS`] already.
    fn remember(&self, method: &Arc<Method>) {
        self.known.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            if known.len() < MAX_METHODS {
                known.entry(Arc::clone(&method.name)).or_insert_with(|| Arc::clone(method));
            }
            known
        });
        let remembered = self.known.load().contains_key(&method.name);
        if remembered {
            method.intern();
        }
        method.known.store(remembered, Ordering::Relaxed);
    }
}
