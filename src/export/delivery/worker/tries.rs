//! The tries under way: requests that were sent and have no outcome yet, and their limit of time.
//!
//! Each try has two halves, joined by a request number that is never reused: the future that sends, and the batch that
//! it sends. The halves are kept apart because the future runs code of the user (sources of credentials, signers) and
//! may panic or be dropped with its runtime. The batch then is still here, and goes back to the queue.
//!
//! ```text
//!             add ──▶ futures:   #7 ◌   #8 ◌   #9 ◌      polled by next()
//!                     in_flight: #7 ▣   #8 ▣   #9 ▣      taken by take(7), or by take_all()
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;

use crate::export::destination::Outcome;
use crate::export::queue::Batch;

/// The tries under way.
pub(super) struct Tries {
    /// The sending halves. Each resolves to its outcome; failures are outcomes too.
    futures: FuturesUnordered<Sending>,
    /// The batches of `futures`. At most a handful, so a vector is searched faster than a map.
    in_flight: Vec<InFlight>,
    /// The number of the newest request. The first one has 1.
    last_request: u64,
    /// The number of failures so far. Requests that were sent in one epoch fail together, as one failure.
    epoch: u64,
}

/// The future of a try.
type Sending = Pin<Box<dyn Future<Output = Sent> + Send>>;

/// A try under way.
pub(super) struct InFlight {
    /// The number that joins it with its future and with the note in the queue.
    pub(super) request: u64,
    /// The batch that is being sent. It returns to the queue unless it was delivered or refused.
    pub(super) batch: Batch,
    /// The epoch in which it was sent.
    pub(super) epoch: u64,
    /// The time at which it was sent.
    pub(super) at: Instant,
    /// No other request was under way at the same time: whatever goes wrong is not the fault of another one.
    pub(super) is_alone: bool,
    /// `true` if this try, or an earlier one of the same batch, was sent and has no answer. Set by the request's body
    /// as soon as a connection takes its first bytes.
    is_unanswered: Arc<AtomicBool>,
}

impl InFlight {
    /// Marks the batch if it was sent and has no answer.
    fn marked(mut self) -> Self {
        if self.is_unanswered.load(Ordering::Relaxed) {
            self.batch.mark_unanswered();
        }
        self
    }
}

/// A finished try.
pub(super) struct Sent {
    /// The number of the request, for [`Tries::take`].
    pub(super) request: u64,
    /// Its outcome.
    pub(super) outcome: Outcome,
}

impl Tries {
    /// Creates the state before the first try.
    pub(super) fn new() -> Self {
        Self { futures: FuturesUnordered::new(), in_flight: Vec::new(), last_request: 0, epoch: 0 }
    }

    /// Adds a try of this batch.
    ///
    /// `start` is called at once, with the number of the request, the batch, and the flag that it has to set while the
    /// request is without an answer. It returns the future that sends.
    pub(super) fn add<F>(&mut self, batch: Batch, start: impl FnOnce(u64, &Batch, Arc<AtomicBool>) -> F)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        self.last_request += 1;
        let request = self.last_request;
        let is_unanswered = Arc::new(AtomicBool::new(batch.is_unanswered()));
        let sending = start(request, &batch, Arc::clone(&is_unanswered));
        let (epoch, at) = (self.epoch, Instant::now());
        let is_alone = self.in_flight.is_empty();
        self.in_flight.iter_mut().for_each(|other| other.is_alone = false);
        self.in_flight.push(InFlight { request, batch, epoch, at, is_alone, is_unanswered });
        self.futures.push(Box::pin(sending.map(move |outcome| Sent { request, outcome })));
    }

    /// Waits for the next outcome. Does not resolve while no try is under way.
    ///
    /// Dropping the returned future loses nothing: the tries stay under way.
    pub(super) async fn next(&mut self) -> Sent {
        match self.futures.next().await {
            Some(sent) => sent,
            None => std::future::pending().await,
        }
    }

    /// Removes a try that has its outcome, and returns its batch, marked if the receiver may have it. `None` if the try was
    /// removed before.
    pub(super) fn take(&mut self, request: u64) -> Option<InFlight> {
        self.in_flight.extract_if(.., |sent| sent.request == request).next().map(InFlight::marked)
    }

    /// Removes all tries without waiting for them. Returns their batches, marked if the receiver may have them, and the
    /// futures to drop: code of the user in there may panic.
    pub(super) fn take_all(&mut self) -> (Vec<InFlight>, FuturesUnordered<Sending>) {
        let in_flight = std::mem::take(&mut self.in_flight).into_iter().map(InFlight::marked);
        (in_flight.collect(), std::mem::take(&mut self.futures))
    }

    /// Drops the sending halves of all tries, which aborts their requests. The batches stay.
    ///
    /// Used at the end alone, when the ledger has already counted them as failed.
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

    /// Returns the sequence number of each batch under way, in no particular order.
    pub(super) fn sequences(&self) -> impl Iterator<Item = u64> {
        self.in_flight.iter().map(|sent| sent.batch.sequence())
    }

    /// Returns the current epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Begins another epoch: outcomes of tries that are under way now no longer affect the pause.
    pub(super) fn begin_epoch(&mut self) {
        self.epoch += 1;
    }

    /// Returns `true` if every try under way was sent in an earlier epoch, or if none is under way.
    pub(super) fn are_all_from_before(&self) -> bool {
        self.in_flight.iter().all(|sent| sent.epoch != self.epoch)
    }
}

/// The limit for one try, which grows with each timeout.
///
/// Otherwise a collector slower than the limit would receive the same data repeatedly without a successful export.
/// With a configured timeout of 10 s, the limits are 10, 20, 40 and 80 s.
#[derive(Default)]
pub(super) struct TryTimeout {
    /// The number of times the configured limit is doubled, at most [`MAX_TIMEOUT_DOUBLINGS`].
    timeouts: u32,
}

impl TryTimeout {
    /// Returns the limit for the next try. `configured` is the destination's timeout (`OTEL_EXPORTER_OTLP_TIMEOUT`).
    pub(super) fn next(&self, configured: Duration) -> Duration {
        doubled(configured, self.timeouts)
    }

    /// Records a try that was not answered in time.
    pub(super) fn timed_out(&mut self) {
        self.timeouts = (self.timeouts + 1).min(MAX_TIMEOUT_DOUBLINGS);
    }

    /// Records an answer that took this long, and returns to a shorter limit where that is safe.
    ///
    /// A limit is lowered by one step at a time, as long as the answer came within half of the lower one. A collector
    /// that is always slow keeps the longer limit: with the shorter one it would get every request several times.
    pub(super) fn answered_after(&mut self, took: Duration, configured: Duration) {
        while self.timeouts > 0 && took < doubled(configured, self.timeouts - 1) / 2 {
            self.timeouts -= 1;
        }
    }
}

/// Returns the configured limit times 2 to the power of `times`.
fn doubled(configured: Duration, times: u32) -> Duration {
    configured.saturating_mul(1 << times)
}

/// The highest number of doublings: the longest limit is eight times the configured one.
const MAX_TIMEOUT_DOUBLINGS: u32 = 3;
