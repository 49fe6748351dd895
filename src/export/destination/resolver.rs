//! Names to addresses.
//!
//! Addresses are not cached: each new connection resolves the name anew, so a collector that has moved is found.
//! Connections are few and long-lived, so this costs nothing. Slow answers are cached briefly: the connection that
//! requested them may have timed out already, and without the cache every retry would time out as well when the first
//! of two name servers is down.
//!
//! `getaddrinfo` blocks a thread of the runtime's pool for as long as a name server takes, up to half a minute. Lookups
//! of one host are joined for that time.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use hyper_util::client::legacy::connect::dns::Name;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tower_service::Service;

/// Resolves names, each by one lookup at a time: a name server that hangs must not cost a thread for each try. All
/// connections share one resolver. Cheap to clone.
///
/// | a connection needs | while |
/// |---|---|
/// | a name that is being looked up | it waits for that lookup |
/// | another name | it begins a lookup of its own |
/// | a name whose lookup has ended | it begins another one |
/// | a name whose lookup took longer than [`SLOW`], and has ended less than [`KEEP`] ago | it gets the same answer |
#[derive(Clone)]
pub(super) struct Resolver {
    /// Lookups that have no answer yet, or whose answer is kept, by host. The handles tell which.
    running: Arc<Mutex<HashMap<String, (Lookup, AbortHandle)>>>,
    /// Resolves a name; another one in tests.
    resolve: fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>,
    /// A lookup that takes longer is slow: [`SLOW`].
    slow: Duration,
    /// The time for which a slow response is cached: [`KEEP`].
    keep: Duration,
}

/// A lookup that several connections wait for.
type Lookup = Shared<BoxFuture<'static, Result<Vec<SocketAddr>, NameNotResolved>>>;

/// The error of a name without an address, in the words of the system.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot resolve the host name: {0}")]
pub(super) struct NameNotResolved(String);

impl Resolver {
    /// Joins the lookup that is under way for this host, or begins one.
    ///
    /// Must be called inside the runtime.
    ///
    /// The lookup goes on if the connections that wait for it give up.
    fn lookup(&self, host: String) -> Lookup {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, shared, resolve) = (host.clone(), Arc::clone(&self.running), self.resolve);
        let (slow, keep) = (self.slow, self.keep);
        let new = || {
            let lookup = async move {
                let began = Instant::now();
                let addresses = resolve(key.clone()).await;
                let remove = move || {
                    shared.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                };
                if addresses.is_ok() && began.elapsed() > slow {
                    tokio::spawn(async move {
                        tokio::time::sleep(keep).await;
                        remove();
                    });
                } else {
                    remove();
                }
                addresses.map_err(|error| NameNotResolved(error.to_string()))
            };
            // A task of its own, so it ends even if the connection is given up meanwhile.
            let task = tokio::spawn(lookup);
            let handle = task.abort_handle();
            let joined =
                async move { task.await.unwrap_or_else(|error| Err(NameNotResolved(error.to_string()))) };
            (joined.boxed().shared(), handle)
        };
        running.entry(host).or_insert_with(new).0.clone()
    }

    /// Returns `true` if a name server has not answered yet for this host.
    pub(super) fn is_looking_up(&self, host: &str) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(host).is_some_and(|(_, task)| !task.is_finished())
    }
}

impl NameNotResolved {
    /// The error of a name server that takes longer than a connection may.
    pub(super) fn unanswered(limit: Duration) -> Self {
        Self(format!("the name server does not answer within {limit:?}"))
    }
}

/// An answer that takes longer may come when nothing waits for it any more. Less than a connection gets.
const SLOW: Duration = Duration::from_secs(1);
/// The time for which a slow response is cached: longer than the longest pause between two attempts.
const KEEP: Duration = Duration::from_secs(10);

impl Default for Resolver {
    /// The resolver of the system.
    fn default() -> Self {
        let resolve = |host| {
            let lookup = async move { tokio::net::lookup_host((host, 0)).await.map(Iterator::collect) };
            lookup.boxed()
        };
        Self { running: Arc::default(), resolve, slow: SLOW, keep: KEEP }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NameNotResolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NameNotResolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NameNotResolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let lookup = self.lookup(name.as_str().to_owned());
        Box::pin(async move { lookup.await.map(Vec::into_iter) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Held by the one test that counts lookups.
    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

    #[tokio::test]
    async fn hanging_name_server_blocks_one_lookup_per_host() {
        let resolve = |_| {
            LOOKUPS.fetch_add(1, Ordering::Relaxed);
            std::future::pending().boxed()
        };
        let resolver = Resolver { resolve, ..Resolver::default() };
        for _ in 0..100 {
            for host in ["collector", "gateway"] {
                let lookup = resolver.clone().call(host.parse().unwrap());
                assert!(tokio::time::timeout(Duration::from_millis(1), lookup).await.is_err());
            }
        }
        assert_eq!(LOOKUPS.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_name_is_looked_up_again_after_an_answer() {
        static ANSWERS: AtomicUsize = AtomicUsize::new(0);
        let resolve = |_| match ANSWERS.fetch_add(1, Ordering::Relaxed) {
            0 => std::future::ready(Err(io::Error::other("no such host"))).boxed(),
            _ => std::future::ready(Ok(vec![([127, 0, 0, 1], 0).into()])).boxed(),
        };
        let resolver = Resolver { resolve, ..Resolver::default() };
        assert!(resolver.clone().call("collector".parse().unwrap()).await.is_err());
        assert_eq!(resolver.clone().call("collector".parse().unwrap()).await.unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_slow_answer_is_there_for_the_next_connection() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        static ANSWER: tokio::sync::Notify = tokio::sync::Notify::const_new();
        let resolve = |_| {
            LOOKUPS.fetch_add(1, Ordering::Relaxed);
            let answer = async {
                ANSWER.notified().await;
                Ok(vec![([127, 0, 0, 1], 0).into()])
            };
            answer.boxed()
        };
        let slow = Duration::from_millis(20);
        let resolver = Resolver { resolve, slow, ..Resolver::default() };
        let look_up = || resolver.clone().call("collector".parse().unwrap());
        assert!(tokio::time::timeout(Duration::from_millis(10), look_up()).await.is_err());
        assert!(resolver.is_looking_up("collector"));
        tokio::time::sleep(2 * slow).await;
        ANSWER.notify_one();
        while resolver.is_looking_up("collector") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(look_up().await.unwrap().count(), 1);
        assert_eq!(LOOKUPS.load(Ordering::Relaxed), 1);
        ANSWER.notify_one();
        let resolver = Resolver { keep: Duration::ZERO, running: Arc::default(), ..resolver.clone() };
        assert_eq!(resolver.clone().call("collector".parse().unwrap()).await.unwrap().count(), 1);
        while resolver.running.lock().unwrap().contains_key("collector") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(LOOKUPS.load(Ordering::Relaxed), 2);
    }
}
