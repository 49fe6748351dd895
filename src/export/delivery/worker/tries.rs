//! The tries under way: requests that were sent and have no outcome yet, and their limit of time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::export::destination::Outcome;
use crate::export::queue::Batch;

/// The tries under way.
pub(super) struct Tries {
    /// Each resolves to its outcome, and never fails otherwise.
    futures: FuturesUnordered<Sending>,
    /// Their batches. They are kept apart from the futures, so that a panic in one of these loses nothing.
    in_flight: Vec<InFlight>,
    /// Number of the last request.
    last_request: u64,
    /// Requests that were sent before the last failure was noticed fail together with it, as one failure.
    epoch: u64,
}

/// The future of a try.
type Sending = Pin<Box<dyn Future<Output = Sent> + Send>>;

/// A try under way.
pub(super) struct InFlight {
    pub(super) request: u64,
    pub(super) batch: Batch,
    pub(super) epoch: u64,
    /// When it was sent.
    pub(super) at: Instant,
    /// This try, or an earlier one, was sent and has no answer.
    is_unanswered: Arc<AtomicBool>,
}

/// A finished try.
pub(super) struct Sent {
    pub(super) request: u64,
    pub(super) outcome: Outcome,
}

impl Tries {
    /// Creates the state before the first try.
    pub(super) fn new() -> Self {
        Self { futures: FuturesUnordered::new(), in_flight: Vec::new(), last_request: 0, epoch: 0 }
    }

    /// Adds a try of this batch. `start` gets the number of the request, and returns its sending.
    pub(super) fn add<F>(&mut self, batch: Batch, start: impl FnOnce(u64, &Batch, Arc<AtomicBool>) -> F)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        self.last_request += 1;
        let request = self.last_request;
        let is_unanswered = Arc::new(AtomicBool::new(batch.is_unanswered()));
        let sending = start(request, &batch, Arc::clone(&is_unanswered));
        let (epoch, at) = (self.epoch, Instant::now());
        self.in_flight.push(InFlight { request, batch, epoch, at, is_unanswered });
        self.futures.push(Box::pin(async move { Sent { request, outcome: sending.await } }));
    }

    /// Waits for the next outcome. Does not resolve while no try is under way.
    pub(super) async fn next(&mut self) -> Sent {
        match self.futures.next().await {
            Some(sent) => sent,
            None => std::future::pending().await,
        }
    }

    /// Removes a try that has its outcome.
    pub(super) fn take(&mut self, request: u64) -> Option<InFlight> {
        self.in_flight.extract_if(.., |sent| sent.request == request).next()
    }

    /// Removes all tries without waiting for them. Returns their batches, marked if the receiver may have them, and the
    /// futures to drop: code of the user in there may panic.
    pub(super) fn take_all(&mut self) -> (Vec<InFlight>, FuturesUnordered<Sending>) {
        let mut in_flight = std::mem::take(&mut self.in_flight);
        for sent in &mut in_flight {
            if sent.is_unanswered.load(Ordering::Relaxed) {
                sent.batch.mark_unanswered();
            }
        }
        (in_flight, std::mem::take(&mut self.futures))
    }

    /// Drops all tries.
    pub(super) fn clear(&mut self) {
        self.futures.clear();
    }

    /// Returns the number of tries under way.
    pub(super) fn len(&self) -> usize {
        self.futures.len()
    }

    /// Returns `true` if no try is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.futures.is_empty()
    }

    /// Returns the sequence number of each batch.
    pub(super) fn sequences(&self) -> impl Iterator<Item = u64> {
        self.in_flight.iter().map(|sent| sent.batch.sequence())
    }

    /// Returns the current epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Begins another epoch: later tries have nothing to do with the failure of earlier ones.
    pub(super) fn begin_epoch(&mut self) {
        self.epoch += 1;
    }

    /// Returns `true` if all tries under way are from an earlier epoch.
    pub(super) fn are_all_from_before(&self) -> bool {
        self.in_flight.iter().all(|sent| sent.epoch != self.epoch)
    }
}

/// The limit for one try. It grows with each one that was not answered: a collector that needs longer would otherwise get
/// the same data again and again, and none of it would count as delivered.
#[derive(Default)]
pub(super) struct TryLimit {
    /// Tries in a row that were sent and not answered in time.
    timeouts: u32,
}

impl TryLimit {
    /// Returns the limit for the next try.
    pub(super) fn next(&self, configured: Duration) -> Duration {
        doubled(configured, self.timeouts)
    }

    /// Records a try that was not answered in time.
    pub(super) fn timed_out(&mut self) {
        self.timeouts = (self.timeouts + 1).min(MAX_TIMEOUT_DOUBLINGS);
    }

    /// Records an answer. After one that came within half of a shorter limit, that limit is enough. A collector that is
    /// always slow keeps the longer one: with the shorter one it would get every request several times.
    pub(super) fn answered_after(&mut self, took: Duration, configured: Duration) {
        while self.timeouts > 0 && took < doubled(configured, self.timeouts - 1) / 2 {
            self.timeouts -= 1;
        }
    }
}

fn doubled(configured: Duration, times: u32) -> Duration {
    configured.saturating_mul(1 << times)
}

/// The longest limit is the configured one, doubled so often.
const MAX_TIMEOUT_DOUBLINGS: u32 = 3;
