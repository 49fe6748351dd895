//! Methods: their names, which of them are known, and their instruments.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;

use super::instruments::MethodInstruments;
use super::method_name::name_of;
use super::options::Side;
use super::status::Ending;
use crate::semconv;
use crate::semconv::Code;

/// One method, as it is named on spans.
pub(super) struct Method {
    /// `pkg.Service/Method`, without the leading slash.
    pub(super) name: Arc<str>,
    /// It may appear on metrics under its own name.
    known: AtomicBool,
    /// The name of a known method, as spans take it without a copy.
    interned: OnceLock<&'static str>,
    pub(super) instruments: MethodInstruments,
}

impl Method {
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

    fn intern(&self) {
        if let Some(name) = intern(&self.name) {
            // Another call may have been first, with the same name.
            let _ = self.interned.set(name);
        }
    }

    fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }
}

/// The methods of one layer.
///
/// A path that a peer made up must cost neither memory nor a time series. So a method is remembered, and has
/// metrics of its own, only when it is listed, when this program calls it, or once somebody answered it with
/// anything but `UNIMPLEMENTED`; and there is a limit to that too.
pub(super) struct Methods {
    /// By name. Read by every call, replaced when one is added. A few comparisons cost less than to hash a name.
    known: ArcSwap<BTreeMap<Arc<str>, Arc<Method>>>,
    /// Stands on metrics for all methods that are not known.
    other: Arc<Method>,
    admission: MethodDiscovery,
}

/// How a method becomes known.
#[derive(Clone, Copy)]
enum MethodDiscovery {
    /// It was listed from the beginning.
    Listed,
    /// When it is called: clients call what their code names.
    Called,
    /// When it was answered.
    Answered,
}

/// Methods remembered by one layer; further ones are `_OTHER`.
pub(super) const MAX_METHODS: usize = 1000;

impl Methods {
    pub(super) fn new(side: Side, listed: Option<&[String]>) -> Self {
        let admission = match (listed, side) {
            (Some(_), _) => MethodDiscovery::Listed,
            (None, Side::Client) => MethodDiscovery::Called,
            (None, Side::Server) => MethodDiscovery::Answered,
        };
        let known = listed.unwrap_or_default().iter().map(|name| {
            let method = Method::new(name_of(name), true);
            method.intern();
            (Arc::clone(&method.name), method)
        });
        Self {
            known: ArcSwap::from_pointee(known.collect()),
            other: Method::new(semconv::OTHER, true),
            admission,
        }
    }

    /// The method of a request path.
    pub(super) fn get(&self, path: &str) -> Arc<Method> {
        let name = name_of(path);
        if let Some(method) = self.known.load().get(name) {
            return Arc::clone(method);
        }
        let method = Method::new(name, false);
        if matches!(self.admission, MethodDiscovery::Called) {
            self.remember(&method);
        }
        method
    }

    /// The method under which a call counts that has not ended.
    pub(super) fn of_open_call<'a>(&'a self, method: &'a Arc<Method>) -> &'a Arc<Method> {
        if method.is_known() { method } else { &self.other }
    }

    /// The method under which a call counts that ended like this.
    pub(super) fn of_ended_call<'a>(
        &'a self,
        method: &'a Arc<Method>,
        ending: &Ending<'_>,
    ) -> &'a Arc<Method> {
        if ending.answered && ending.code != Code::Unimplemented {
            self.answered(method);
        }
        self.of_open_call(method)
    }

    /// Somebody implements this method.
    pub(super) fn answered(&self, method: &Arc<Method>) {
        if !method.is_known() && matches!(self.admission, MethodDiscovery::Answered) {
            self.remember(method);
        }
    }

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

/// Names of methods in use live as long as the program, each once: a span's name would be copied for every
/// call otherwise. The number is limited, so that nothing grows with what peers send.
fn intern(name: &str) -> Option<&'static str> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(interned) = names.get(name) {
        return Some(interned);
    }
    if names.len() >= MAX_METHODS {
        return None;
    }
    let interned: &'static str = Box::leak(name.into());
    names.insert(interned);
    Some(interned)
}
