//! One destination's side of the queues.
//!
//! All methods take the queue's lock for a moment, and none of them while anything is awaited. A batch is at one
//! place at any time: in the lane, with the worker, or gone; the ledger is written under the lock when it is gone, so
//! the counts always add up.
//!
//! # The path of a batch
//!
//! ```text
//!         take                      started            outcome known        finished
//! lane ───────────▶ worker holds it ───────▶ in flight ─────────────┬─ recorded, recycled
//!   ▲                                                               │
//!   └────────────────────── put_back ◀──────────────────────────────┘ to be tried again
//! ```
//!
//! After [`abandon`](Consumer::abandon) the lane takes nothing and records nothing: every pending item has been counted
//! as failed at that moment, whether it was in the lane or with the worker. A worker that goes on nevertheless, because
//! the thread that waited for it gave up, changes no count any more.
//!
//! # Who calls what
//!
//! | caller | methods |
//! |---|---|
//! | worker, while it runs | `take`, `put_back`, `started`, `finished`, `count_delivery`, `record`, `recycle`, `filled` |
//! | worker, for flushes | `last_sequence`, `first_sequence` |
//! | worker, at the shutdown | `close`, `keep_newest_cumulative`, `is_empty`, `abandon` |
//! | the thread that drops the guard | `abandon`, if the worker missed the deadline |
//! | the console | `record`, for traces that it prints later |

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[cfg(test)]
use bytes::Bytes;

use super::lane::InFlight;
use super::{Batch, Lane, Ledger, Operation, Operations, Outlet, Phase, Queue, QueueState};

/// Takes the batches of one destination. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    /// The queues of all destinations of the signal.
    queue: Arc<Queue>,
    /// The index of this destination's lane and outlet.
    lane: usize,
}

/// Selection for [`Consumer::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// Only batches that are full, and what makes up a whole batch if it is joined.
    FullOnly,
    /// The rest too, if nothing else is there but what lets it pass: batches that were closed early for another
    /// destination, and the open batch.
    Any,
}

impl Consumer {
    /// Creates the side of one lane.
    pub(super) fn new(queue: Arc<Queue>, lane: usize) -> Self {
        Self { queue, lane }
    }

    /// Returns the counts of this destination.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.outlet().ledger
    }

    /// Returns what takes the end of each export operation of this destination.
    pub(crate) fn operations(&self) -> &Arc<Operations> {
        &self.outlet().operations
    }

    /// Reports that the export of a batch has ended. Called last, because it runs instruments of the SDK.
    pub(in crate::export) fn operation_ended(&self, operation: Operation) {
        self.operations().ended(operation);
    }

    /// Removes and returns the batch of the requested kind that is to be tried next, if there is one: the oldest, but for those
    /// that let others pass. Batches that were closed early are one batch, as far as they fit into it.
    ///
    /// Closing the open batch for one destination closes it for all. For the others it is early: each keeps its own delay.
    pub(crate) fn take(&self, what: Take) -> Option<Batch> {
        let limits = &self.queue.limits;
        let mut state = self.queue.lock();
        let has_closed = what == Take::Any
            && self.lane_in(&mut state).has_no_next()
            && state.close_open_batch(Some(self.lane));
        let lane = self.lane_in(&mut state);
        if what == Take::FullOnly && !lane.is_due(limits) {
            return None;
        }
        let (mut first, mut next) = lane.pop_next(limits)?;
        for batch in [&mut first].into_iter().chain(&mut next) {
            if let Some(items) = batch.start() {
                self.ledger().start(items);
            }
        }
        drop(state);
        if has_closed {
            self.queue.notify_others(self.lane);
        }
        if next.is_empty() {
            return Some(first);
        }
        // Not under the lock: the items are copied.
        let joined = first.joined(&next);
        next.into_iter().for_each(|batch| self.recycle(batch));
        Some(joined)
    }

    /// Returns a batch that may be tried again to its place, whether or not the queue has filled up meanwhile: what
    /// was accepted first must not be lost for what came later.
    pub(crate) fn put_back(&self, batch: Batch) {
        let mut state = self.queue.lock();
        let lane = self.lane_in(&mut state);
        // Otherwise it was still pending when the queue was abandoned, and has been counted as failed.
        if lane.phase != Phase::Abandoned {
            lane.insert(batch);
        }
    }

    /// Returns the number of requests that were delivered so far.
    pub(crate) fn deliveries(&self) -> u64 {
        self.lane_in(&mut self.queue.lock()).deliveries
    }

    /// Counts a request that was delivered: batches that let others pass get another try.
    pub(crate) fn count_delivery(&self) {
        self.lane_in(&mut self.queue.lock()).deliveries += 1;
    }

    /// Notes a request under way; [`finished`](Self::finished) ends it.
    ///
    /// `number` identifies the request, `items` is what its batch holds, and `is_unanswered` is shared with the try.
    pub(in crate::export) fn started(&self, number: u64, items: u64, is_unanswered: Arc<AtomicBool>) {
        let mut state = self.queue.lock();
        self.lane_in(&mut state).in_flight.push(InFlight::new(number, items, is_unanswered));
    }

    /// Notes that a request is not under way any more.
    pub(in crate::export) fn finished(&self, number: u64) {
        self.lane_in(&mut self.queue.lock()).in_flight.retain(|request| request.number != number);
    }

    /// Records what became of items, unless deliveries were abandoned meanwhile: then they have failed already.
    ///
    /// `record` runs under the lock, so it cannot race with [`abandon`](Self::abandon). It must only count.
    pub(in crate::export) fn record(&self, record: impl FnOnce(&Ledger)) {
        let mut state = self.queue.lock();
        if self.lane_in(&mut state).phase != Phase::Abandoned {
            record(self.ledger());
        }
    }

    /// Takes back the memory of a finished batch.
    ///
    /// Kept are at most [`MAX_SPARES`] buffers, and none once every lane is closed.
    pub(crate) fn recycle(&self, batch: Batch) {
        let Some(items) = batch.into_spare() else { return };
        let mut state = self.queue.lock();
        let is_open = state.lanes.iter().any(|lane| lane.phase == Phase::Open);
        if state.spares.len() < MAX_SPARES && is_open {
            state.spares.push(items);
        }
    }

    /// Returns `true` if nothing waits, full or open.
    pub(crate) fn is_empty(&self) -> bool {
        self.lane_in(&mut self.queue.lock()).items == 0
    }

    /// Gives up all waiting requests but the newest, if that one contains the earlier ones. They count as failed.
    pub(in crate::export) fn keep_newest_cumulative(&self) {
        if !self.queue.is_cumulative {
            return;
        }
        let mut state = self.queue.lock();
        let lane = self.lane_in(&mut state);
        let Some(newest) = lane.full.back().map(Batch::sequence) else { return };
        let mut ended = Vec::new();
        while lane.full.front().is_some_and(|oldest| oldest.sequence() != newest) {
            if let Some(oldest) = lane.pop_oldest() {
                self.ledger().fail(oldest.count());
                if oldest.is_unanswered() {
                    self.ledger().record_unanswered(oldest.count());
                }
                if oldest.has_started() {
                    ended.push(oldest.given_up(None));
                }
            }
        }
        drop(state);
        ended.into_iter().for_each(|operation| self.operation_ended(operation));
    }

    /// Returns the sequence number of the newest batch, after closing the open one: everything that was recorded before
    /// the call is in this batch or in an older one.
    pub(in crate::export) fn last_sequence(&self) -> u64 {
        let mut state = self.queue.lock();
        let has_closed = state.close_open_batch(Some(self.lane));
        let sequence = state.last_sequence;
        self.lane_in(&mut state).flushed_until = sequence;
        drop(state);
        if has_closed {
            self.queue.notify_others(self.lane);
        }
        sequence
    }

    /// Returns the sequence number of the oldest batch in this lane, or `None` if it is empty.
    pub(in crate::export) fn first_sequence(&self) -> Option<u64> {
        self.lane_in(&mut self.queue.lock()).first_sequence()
    }

    /// Waits until a batch has filled up since the last call. Resolves at once if that happened between two calls.
    pub(crate) async fn filled(&self) {
        self.outlet().full.notified().await;
    }

    /// Closes the lane: every later item is counted as dropped for this destination. What is in it stays.
    pub(crate) fn close(&self) {
        let mut state = self.queue.lock();
        let has_closed = state.close_open_batch(Some(self.lane));
        let lane = self.lane_in(&mut state);
        lane.phase = lane.phase.max(Phase::Closed);
        lane.flushed_until = u64::MAX;
        drop(state);
        if has_closed {
            self.queue.notify_others(self.lane);
        }
    }

    /// Ends deliveries: pending items have failed, in flight or not, and every later item is counted as dropped.
    ///
    /// May be called from any thread, and more than once; later calls have no effect.
    pub(crate) fn abandon(&self) {
        let mut state = self.queue.lock();
        if self.lane_in(&mut state).phase == Phase::Abandoned {
            return;
        }
        let lane = self.lane_in(&mut state);
        self.ledger().record_unanswered(lane.unanswered());
        lane.abandon();
        if state.lanes.iter().all(|lane| !lane.takes_open) {
            state.open = Default::default();
        }
        if state.lanes.iter().all(|lane| lane.phase == Phase::Abandoned) {
            state.spares.clear();
        }
        // Under the lock, so no item is between its acceptance and its outcome.
        let ledger = self.ledger();
        ledger.fail(ledger.snapshot().pending);
    }

    /// Returns what this destination has beside its lane.
    fn outlet(&self) -> &Outlet {
        &self.queue.outlets[self.lane]
    }

    /// Returns this destination's lane.
    fn lane_in<'a>(&self, state: &'a mut QueueState) -> &'a mut Lane {
        &mut state.lanes[self.lane]
    }
}

#[cfg(test)]
impl Consumer {
    /// All waiting batches, as requests.
    pub(crate) fn drain(&self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.take(Take::Any)).map(|batch| batch.to_request(&[])).collect()
    }

    /// Items that wait, counted one by one.
    pub(in crate::export) fn waiting(&self) -> u64 {
        let mut state = self.queue.lock();
        let open = state.open.count() as u64;
        let lane = self.lane_in(&mut state);
        lane.full.iter().map(Batch::count).sum::<u64>() + if lane.takes_open { open } else { 0 }
    }

    /// The used part of the limits.
    pub(in crate::export) fn occupied(&self) -> (usize, usize) {
        let mut state = self.queue.lock();
        let lane = self.lane_in(&mut state);
        (lane.items, lane.bytes)
    }
}

/// The most buffers that are kept: as many as are in flight while the next one fills up.
const MAX_SPARES: usize = 3;
