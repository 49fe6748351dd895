//! The time that a request waits for its service to become ready.
//!
//! A service such as tower's `ConcurrencyLimit` makes requests wait in `poll_ready`, before there is a call. A span
//! that began at `call` would show a fast server while its callers wait. The start of the span is therefore moved back
//! by this time.

use std::task::Poll;
use std::time::{Duration, Instant};

/// Measures how long `poll_ready` returned `Pending` before the next call, so that waiting for a concurrency limit inside
/// the layer is part of the call. A clone starts without a wait, because it serves another request.
#[derive(Debug, Default)]
pub(super) struct ReadyTimer {
    /// Set at the first `Pending`, cleared when the service is ready.
    pending_since: Option<Instant>,
    /// The wait before the next request.
    waited: Duration,
}

impl ReadyTimer {
    /// Called with the result of each `poll_ready` of the inner service.
    pub(super) fn observe<E>(&mut self, poll: &Poll<Result<(), E>>) {
        match poll {
            Poll::Pending => {
                self.pending_since.get_or_insert_with(Instant::now);
            }
            Poll::Ready(_) => {
                if let Some(since) = self.pending_since.take() {
                    self.waited = since.elapsed();
                }
            }
        }
    }

    /// Returns the wait of the request that is served now.
    pub(super) fn take(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }
}

impl Clone for ReadyTimer {
    fn clone(&self) -> Self {
        Self::default()
    }
}
