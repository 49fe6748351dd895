//! The time that a request waits for its service to become ready.
//!
//! A service such as tower's `ConcurrencyLimit` makes requests wait in `poll_ready`, before there is a call. A span
//! that starts in `call` would hide that waiting time. The start of the span is therefore moved back by this time.
//!
//! A server's caller can be gone before the service is ready: the service, which exists for this request alone, is dropped
//! while it waits.
//!
//! Not every `Pending` is a wait of a request. A layer that sheds load polls once and answers itself; a service can be
//! polled by another task, or become ready long before there is a request. So a wait counts only for the task that
//! waited, if the request follows at once; and a service that is dropped right after it was polled was not waited for.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Side;
use crate::export::own_threads::ThreadFlag;

/// Measures how long `poll_ready` returned `Pending` before the next call, so waiting for a concurrency limit inside
/// the layer is part of the call. A clone starts without a wait, because it serves another request.
#[derive(Debug, Default)]
pub(super) struct ReadyTimer {
    /// The first `Pending` of the task that waits, and its waker. Cleared when the service is ready.
    pending: Option<(Instant, Waker)>,
    /// The wait before the next request, and when it ended.
    waited: Option<(Duration, Instant)>,
    /// A layer of the same side around this one observes the service as well.
    is_inner: bool,
}

impl ReadyTimer {
    /// Calls `poll_ready` of the inner service, and observes the result.
    pub(super) fn observe<E>(
        &mut self,
        side: Side,
        cx: &mut Context<'_>,
        poll_ready: impl FnOnce(&mut Context<'_>) -> Poll<Result<(), E>>,
    ) -> Poll<Result<(), E>> {
        let flag = match side {
            Side::Server => ThreadFlag::ServerReadiness,
            Side::Client => ThreadFlag::ClientReadiness,
        };
        let polling = flag.set();
        self.is_inner = polling.was_set();
        let poll = poll_ready(cx);
        let waker = cx.waker();
        let since = self.pending.take_if(|(_, waiting)| poll.is_ready() || !waiting.will_wake(waker));
        match &poll {
            Poll::Pending => {
                self.pending.get_or_insert_with(|| (Instant::now(), waker.clone()));
            }
            Poll::Ready(_) => {
                // A service that was ready before keeps the wait: it can be polled again before the call.
                if let Some((since, waiting)) = since {
                    self.waited = waiting.will_wake(waker).then(|| (since.elapsed(), Instant::now()));
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
        let waited = self.waited.take().filter(|(_, end)| end.elapsed() <= MAX_GAP);
        waited.map(|(waited, _)| waited).unwrap_or_default()
    }

    /// Returns the wait of a request for which the service is not ready yet.
    pub(super) fn pending(&self) -> Option<Duration> {
        self.pending.as_ref().map(|(since, _)| since.elapsed()).filter(|waited| *waited >= MIN_WAIT)
    }
}

/// The time in which a request follows the readiness that it waited for. A later one did not wait.
const MAX_GAP: Duration = Duration::from_millis(20);
/// The shortest wait of a caller that left. A layer that sheds load drops the service at once.
const MIN_WAIT: Duration = Duration::from_millis(10);

impl Clone for ReadyTimer {
    fn clone(&self) -> Self {
        Self::default()
    }
}
