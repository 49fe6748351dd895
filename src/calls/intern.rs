//! Values that are stored once for each name, and names that live as long as the program.
//!
//! Names of routes and methods come from code in nearly all programs, but nothing guarantees it: a router without
//! routes has the path of each request. Both collections therefore stop growing at [`MAX_NAMES`]; callers then use
//! the name without its cached value.

#[cfg(feature = "http")]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
#[cfg(feature = "http")]
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "http")]
use arc_swap::ArcSwap;

/// Values by their names. Their number is limited, in case names come from callers. A stored value stays as long as
/// the layer, so its address identifies it.
///
/// Reading takes no lock: the map is replaced as a whole when a name is added, which happens a few times at the start
/// of a program.
#[cfg(feature = "http")]
pub(super) struct Interned<T>(ArcSwap<BTreeMap<Arc<str>, Arc<T>>>);

#[cfg(feature = "http")]
impl<T> Interned<T> {
    /// Returns the value of a name, which is created at the first call. Returns `None` if there are too many names.
    pub(super) fn get(&self, name: &str, create: impl FnOnce() -> T) -> Option<Arc<T>> {
        let known = self.0.load();
        if let Some(value) = known.get(name) {
            return Some(Arc::clone(value));
        }
        if known.len() >= MAX_NAMES {
            return None;
        }
        let value = Arc::new(create());
        self.0.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            if known.len() < MAX_NAMES {
                known.entry(name.into()).or_insert_with(|| Arc::clone(&value));
            }
            known
        });
        // Another call may have been first.
        self.0.load().get(name).cloned()
    }
}

#[cfg(feature = "http")]
impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self(ArcSwap::default())
    }
}

/// Returns a name that lives as long as the program, so it is not copied for every span. The number is limited, so
/// memory does not grow with what peers send.
///
/// Takes a lock; callers keep the result. The memory is leaked on purpose, at most [`MAX_NAMES`] names.
pub(super) fn static_name(name: &str) -> Option<&'static str> {
    /// All names of the process, of routes and methods together.
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= MAX_NAMES {
        return None;
    }
    let known: &'static str = Box::leak(name.into());
    names.insert(known);
    Some(known)
}

/// Enough for the routes and methods of one program.
const MAX_NAMES: usize = 1000;
