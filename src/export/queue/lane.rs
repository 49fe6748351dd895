//! The items that wait for one destination.
//!
//! ```text
//! open batch (shared) ──full or delay──▶ full: sequence 7 │ 8 │ 9 ──take──▶ worker ──put back──▶ at its place
//! ```
//!
//! A batch that was closed early, because another destination has a shorter delay, waits for the delay of this one, or until
//! there is enough for a whole batch. Batches that were closed early are sent as one request, as far as they fit.
//!
//! Sequence numbers order batches over all lanes. A batch that comes back is older than those that wait, and is sent
//! before them.
//!
//! | phase | new items | batches that come back | outcomes |
//! |---|---|---|---|
//! | open | accepted while there is room | inserted at their place | recorded |
//! | closed | dropped | inserted at their place | recorded |
//! | abandoned | dropped | discarded: they have been counted as failed | ignored |
//!
//! All fields are protected by the lock of the [`Queue`](super::Queue).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::{Batch, Ledger, Operation};
use crate::settings::QueueSettings;

/// The batches that wait for one destination, and its part in the open batch.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Ordered by sequence number.
    pub(super) full: VecDeque<Batch>,
    /// The items in all batches here, open and full: what `max_items` limits.
    pub(super) items: usize,
    /// The memory of all batches here, in bytes: what `max_bytes` limits. Shared buffers count in full for each lane.
    pub(super) bytes: usize,
    /// The sequence number up to which everything is sent now, whether or not it was closed early: a flush or the end of
    /// telemetry waits for it.
    pub(super) flushed_until: u64,
    /// `true` if the items in the open batch are for this destination.
    pub(super) takes_open: bool,
    /// `true` if the item that is being appended is. Only meaningful within one call of
    /// [`Queue::push`](super::Queue::push).
    pub(super) takes_next: bool,
    /// The current phase. It only moves forward.
    pub(super) phase: Phase,
    /// The requests that were delivered.
    pub(super) deliveries: u64,
    /// The requests under way, so the end can count the ones without an answer.
    pub(super) in_flight: Vec<InFlight>,
}

/// A request under way, as far as the end of deliveries needs to know it.
#[derive(Debug)]
pub(super) struct InFlight {
    /// The number that the worker has given to the request.
    pub(super) number: u64,
    /// The items of its batch.
    items: u64,
    /// `true` if this try, or an earlier one, was sent and has no answer. Set by the request's body, read at the end.
    is_unanswered: Arc<AtomicBool>,
}

impl InFlight {
    /// Notes a request that is about to be sent.
    pub(super) fn new(number: u64, items: u64, is_unanswered: Arc<AtomicBool>) -> Self {
        Self { number, items, is_unanswered }
    }
}

/// Lifecycle of a lane: the batches that it still takes. Phases follow each other in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// New items are accepted.
    #[default]
    Open,
    /// No new items are accepted.
    Closed,
    /// No batches are taken back either.
    Abandoned,
}

impl Lane {
    /// Returns `true` if one more item or request of this size fits.
    ///
    /// A lane that is closed has no room.
    pub(super) fn has_room(&self, limits: &QueueSettings, bytes: usize) -> bool {
        self.phase == Phase::Open && self.items < limits.max_items && self.bytes + bytes <= limits.max_bytes
    }

    /// Returns `true` if two requests of this size fit, or if nothing waits. The second place is for the request at the
    /// end.
    pub(super) fn has_room_for_two(&self, limits: &QueueSettings, bytes: usize) -> bool {
        let fit = self.items + 2 <= limits.max_items && self.bytes + 2 * bytes <= limits.max_bytes;
        self.full.is_empty() || fit
    }

    /// Appends a complete request of `items` items. Older requests make room for it, and count as dropped.
    ///
    /// A request that is larger than the whole lane waits alone. The request itself is dropped if the lane is closed.
    /// Returns the export operations that end with that.
    pub(super) fn push_request(
        &mut self,
        sequence: u64,
        request: &Bytes,
        items: u64,
        limits: &QueueSettings,
        ledger: &Ledger,
    ) -> Vec<Operation> {
        let mut ended = Vec::new();
        // Waiting items must not make room for a request that is not sent.
        if self.phase != Phase::Open {
            ledger.record_dropped(items);
            return ended;
        }
        while !self.has_room(limits, request.len()) {
            let Some(oldest) = self.pop_oldest() else { break };
            ledger.record_dropped(oldest.count());
            if oldest.has_started() {
                ledger.record_dropped_after_start(oldest.count());
                ended.push(oldest.given_up(None));
            }
        }
        self.insert(Batch::request(sequence, request.clone(), items));
        ended
    }

    /// Returns `true` if a batch is due before the delay is over: there is one that was not closed early, one that a flush
    /// waits for, or as much as one batch may hold.
    pub(super) fn is_due(&self, limits: &QueueSettings) -> bool {
        if self.full.iter().any(|batch| !batch.is_early() || batch.sequence() <= self.flushed_until) {
            return true;
        }
        // All that is here was closed early: lanes hold few of these.
        let (items, bytes) = self
            .full
            .iter()
            .fold((0, 0), |(items, bytes), batch| (items + batch.slots(), bytes + batch.size()));
        items >= limits.max_export_batch_size || bytes >= limits.max_batch_bytes
    }

    /// Removes and returns the oldest full batch.
    pub(super) fn pop_oldest(&mut self) -> Option<Batch> {
        self.remove(0)
    }

    /// Removes and returns the full batch that is to be tried next: the oldest that does not let others pass, or else the
    /// oldest of those that have failed least often. If it was closed early, those behind it that fit into one request with it are removed as well.
    pub(super) fn pop_next(&mut self, limits: &QueueSettings) -> Option<(Batch, Vec<Batch>)> {
        let next = self.full.iter().position(|batch| !batch.lets_others_pass(self.deliveries));
        let least = || (0..self.full.len()).min_by_key(|place| self.full[*place].failures());
        let place = next.or_else(least)?;
        let first = self.remove(place)?;
        let (mut items, mut bytes, mut joined) = (first.slots(), first.size(), Vec::new());
        while first.is_early()
            && let Some(batch) = self.full.get(place).filter(|batch| !batch.has_started())
            && items + batch.slots() <= limits.max_export_batch_size
            && bytes + batch.size() <= limits.max_batch_bytes
            && let Some(batch) = self.remove(place)
        {
            (items, bytes) = (items + batch.slots(), bytes + batch.size());
            joined.push(batch);
        }
        Some((first, joined))
    }

    /// Returns `true` if every full batch was closed early or lets others pass, or if there is none.
    pub(super) fn has_no_next(&self) -> bool {
        self.full.iter().all(|batch| batch.is_early() || batch.lets_others_pass(self.deliveries))
    }

    /// Removes a full batch.
    fn remove(&mut self, place: usize) -> Option<Batch> {
        let batch = self.full.remove(place)?;
        self.items -= batch.slots();
        self.bytes -= batch.size();
        Some(batch)
    }

    /// Adds a batch at its place: one that comes back after a failed try is older than those that wait.
    ///
    /// The limits do not apply, because its items have been accepted before. The halves of a split batch have one
    /// sequence number, and stay in the order in which they are inserted.
    pub(super) fn insert(&mut self, batch: Batch) {
        self.items += batch.slots();
        self.bytes += batch.size();
        let place = self.full.partition_point(|waiting| waiting.sequence() <= batch.sequence());
        self.full.insert(place, batch);
    }

    /// Returns the sequence number of the oldest batch that is full.
    pub(super) fn first_sequence(&self) -> Option<u64> {
        self.full.front().map(Batch::sequence)
    }

    /// Returns the number of items that the receiver may have although it did not answer: those of unanswered requests,
    /// under way or waiting to be tried again.
    pub(super) fn unanswered(&self) -> u64 {
        let waiting = self.full.iter().filter(|batch| batch.is_unanswered()).map(Batch::count);
        let is_unanswered = |request: &&InFlight| request.is_unanswered.load(Ordering::Relaxed);
        let in_flight = self.in_flight.iter().filter(is_unanswered).map(|request| request.items);
        waiting.chain(in_flight).sum()
    }

    /// Discards everything, and refuses everything from now on.
    pub(super) fn abandon(&mut self) {
        *self = Self { phase: Phase::Abandoned, ..Self::default() };
    }
}
