//! Per-thread cache for calls.
//!
//! | value | saves |
//! |---|---|
//! | address and user agent of the last peer | two texts for each request of a connection that is kept alive |
//! | address of the server that the last request was for | parsing it, and its text |
//! | buffer for headers | an allocation for each header that is injected |
//! | slots of routes | an allocation for each request |
//!
//! No borrow is held while code of the program runs, because that may make a call and come here again.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use http::uri::Authority;

use super::address::Address;
#[cfg(feature = "http")]
use super::http::RouteSlot;

/// Texts of the last call, which the next one often has too, and memory that can be used again.
#[derive(Default)]
pub(super) struct ThreadCache {
    /// The last address of a peer, and its text.
    pub(super) peer: RefCell<Option<(IpAddr, Arc<str>)>>,
    /// The last authority of a server, and its address.
    pub(super) address: RefCell<Option<(Authority, Address)>>,
    /// The last user agent.
    #[cfg(feature = "http")]
    pub(super) agent: RefCell<Option<Arc<str>>>,
    /// The buffer that headers are written to.
    pub(super) headers: RefCell<BytesMut>,
    /// Empty slots for routes, which save an allocation for each request.
    #[cfg(feature = "http")]
    pub(super) slots: RefCell<Vec<RouteSlot>>,
}

/// Calls `work` with this thread's cache. `None` on a thread that ends, whose cache may be gone.
pub(super) fn with<T>(work: impl FnOnce(&ThreadCache) -> T) -> Option<T> {
    CACHE.try_with(work).ok()
}

thread_local! {
    /// Created at the first call on the thread.
    static CACHE: ThreadCache = ThreadCache::default();
}
