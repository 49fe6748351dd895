//! The time that a request waits for its service to become ready.
//!
//! A service such as tower's `ConcurrencyLimit` makes requests wait in `poll_ready`, before there is a call. A span
//! that starts in `call` would hide that waiting time. The start of the span is therefore moved back by this time.
//!
//! A server's caller can be gone before the service is ready: the service, which exists for this request alone, is dropped
//! while it waits.

use std::task::Poll;
use std::time::{Duration, Instant};

use super::Side;
use crate::export::own_threads::ThreadFlag;

/// Measures how long `poll_ready` returned `Pending` before the next call, so waiting for a concurrency limit inside
/// the layer is part of the call. A clone starts without a wait, because it serves another request.
#[derive(Debug, Default)]
pub(super) struct ReadyTimer {
    /// Set at the first `Pending`, cleared when the service is ready.
    pending_since: Option<Instant>,
    /// The wait before the next request.
    waited: Duration,
    /// A layer of the same side around this one observes the service as well.
    is_inner: bool,
}

impl ReadyTimer {
    /// Calls `poll_ready` of the inner service, and observes the result.
    pub(super) fn observe<E>(
        &mut self,
        side: Side,
        poll_ready: impl FnOnce() -> Poll<Result<(), E>>,
    ) -> Poll<Result<(), E>> {
        let flag = match side {
            Side::Server => ThreadFlag::ServerReadiness,
            Side::Client => ThreadFlag::ClientReadiness,
        };
        let polling = flag.set();
        self.is_inner = polling.was_set();
        let poll = poll_ready();
        match &poll {
            Poll::Pending => {
                self.pending_since.get_or_insert_with(Instant::now);
            }
            Poll::Ready(_) => {
                if let Some(since) = self.pending_since.take() {
                    self.waited = since.elapsed();
                }
            }
        }
        poll
    }

    /// Returns `true` if a layer around this one records a service that fails before it is ready.
    pub(super) fn is_inner(&self) -> bool {
        self.is_inner
    }

    /// Returns the wait of the request that is served now.
    pub(super) fn take(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// Returns the wait of a request for which the service is not ready yet.
    pub(super) fn pending(&self) -> Option<Duration> {
        self.pending_since.map(|since| since.elapsed())
    }
}

impl Clone for ReadyTimer {
    fn clone(&self) -> Self {
        Self::default()
    }
}
