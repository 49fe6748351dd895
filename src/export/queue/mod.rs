//! The bounded queues of encoded items between the threads that record and the I/O thread: one for each destination of
//! a signal, filled together.
//!
//! Items are appended as bytes to the *open* batch. A batch that has its number of items, or its size, is *full*
//! and wakes the I/O thread; what is open when the delay has passed is taken as it is. A batch that could not be
//! delivered goes back to where it was.
//!
//! Every destination has a [`Lane`] of batches, with limits and a ledger of its own, and takes from it through a
//! [`Consumer`]. An item is encoded and stored once: the batches of all lanes share it. Where one destination has no
//! room for an item that another one takes, the open batch is closed first, so a batch belongs to its lanes as a
//! whole.
//!
//! The newest spans and log records are dropped when a limit is reached: the oldest ones show how an incident began.
//! For metrics, the oldest requests are dropped: a cumulative one contains its predecessors, except for the times
//! between. Dropped items are counted in either case.
//!
//! The limits apply to waiting items. In-flight items are not included; they are bounded to a few batches.
//!
//! In a forked child nothing takes from a queue of the parent, and its lock may be held by a thread that does not exist
//! there. Items go to the queue of the telemetry that was built in the child, or are discarded.
//!
//! # Lanes
//!
//! ```text
//!                          ┌─ lane 0 ─ full: 4 │ 6 │ 7 ──▶ Consumer ──▶ worker of destination 0
//!  push ──▶ open batch ────┤
//!   (lock)   (shared)      └─ lane 1 ─ full: 6 │ 7     ──▶ Consumer ──▶ worker of destination 1
//!                               the batches 6 and 7 are one buffer each, behind an `Arc`
//! ```
//!
//! # What happens to an item
//!
//! | state of a lane | spans and log records | requests of metrics |
//! |---|---|---|
//! | room for it | appended to the open batch | appended as a batch |
//! | over `max_items` or `max_bytes` | the new item counts as dropped | the oldest requests count as dropped, until it fits |
//! | larger than `max_bytes` by itself | dropped | waits alone: the older requests count as dropped |
//! | closed by the shutdown | dropped | dropped |
//!
//! Every item is accepted first in every ledger, so the counts add up in each row.
//!
//! # When the worker is woken
//!
//! | event | woken |
//! |---|---|
//! | the open batch has `max_export_batch_size` items | all workers of the signal |
//! | an item does not fit into the open batch, which would exceed `max_batch_bytes` | all |
//! | the first item of a batch, if there is no delay | all |
//! | one worker takes, flushes or closes the open batch before it is full | the others: they may have enough for a whole batch now |
//! | a request of metrics | all |
//!
//! Everything else waits for the worker's own timer.
//!
//! # Locking
//!
//! One mutex for each signal, held for a copy of the item's bytes and never across I/O, a wake-up or a call into code
//! of the user. Nothing is allocated under it in the steady state: emptied buffers come back through
//! [`Consumer::recycle`].

pub(super) mod batch;
mod consumer;
mod lane;
mod ledger;
mod operations;
mod suspicion;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

pub(super) use self::batch::Batch;
use self::batch::ItemBuffer;
pub(crate) use self::consumer::{Consumer, Take};
use self::lane::{Lane, Phase};
pub(crate) use self::ledger::Ledger;
pub(crate) use self::operations::{Operation, OperationError, Operations, ResponseStatus};
pub(crate) use self::suspicion::Verdict;
use crate::export::own_threads::Fork;
use crate::settings::QueueSettings;

/// The queues of one signal, as the threads that record see them.
///
/// Shared by every recording thread and by one [`Consumer`] for each destination.
pub(crate) struct Queue {
    /// The limits of each lane, the size of a batch, and the delay.
    limits: QueueSettings,
    /// Each request contains what the earlier ones hold, as cumulative metrics do: at the end only the newest is
    /// needed.
    is_cumulative: bool,
    /// Everything that changes. Locked for a moment at a time.
    state: Mutex<QueueState>,
    /// One for each lane, in the same order. Outside of the lock, because waiting and counting need none.
    outlets: Box<[Outlet]>,
    /// In a child process no thread empties the queue, and the lock may be held by a thread that does not exist there.
    fork: Fork,
    /// In a child process, the queue that takes the items there.
    successor: OnceLock<Arc<Self>>,
}

/// Lock-free state of a destination.
#[derive(Default)]
struct Outlet {
    /// The counts of this destination.
    ledger: Arc<Ledger>,
    /// Takes the end of each export operation.
    operations: Arc<Operations>,
    /// Notified once for each batch that fills up, or begins if there is no delay. A notification that comes while the
    /// worker is busy is kept.
    full: Notify,
}

/// State protected by the queue's lock.
struct QueueState {
    /// The batch that items are appended to, shared by the lanes with `takes_open`.
    open: ItemBuffer,
    /// One for each destination.
    lanes: Box<[Lane]>,
    /// The sequence number of the newest batch. The first batch has 1; the open batch has none until it is closed.
    last_sequence: u64,
    /// Emptied batches, whose memory the next ones use.
    spares: Vec<Arc<ItemBuffer>>,
}

impl Queue {
    /// Creates queues of items, as those of spans and log records are.
    #[cfg(test)]
    pub(crate) fn new(limits: QueueSettings, destinations: usize) -> (Arc<Self>, Vec<Consumer>) {
        Self::with_cumulative_requests(limits, destinations, false)
    }

    /// Creates the recording side, and a consumer for each of `destinations`.
    ///
    /// `is_cumulative` is `true` if each request contains what the earlier ones hold.
    pub(crate) fn with_cumulative_requests(
        limits: QueueSettings,
        destinations: usize,
        is_cumulative: bool,
    ) -> (Arc<Self>, Vec<Consumer>) {
        let state = QueueState {
            open: ItemBuffer::default(),
            lanes: (0..destinations).map(|_| Lane::default()).collect(),
            last_sequence: 0,
            spares: Vec::new(),
        };
        let outlets = (0..destinations).map(|_| Outlet::default()).collect();
        let queue = Arc::new(Self {
            limits,
            is_cumulative,
            state: Mutex::new(state),
            outlets,
            fork: Fork::new(),
            successor: OnceLock::new(),
        });
        let consumers = (0..destinations).map(|lane| Consumer::new(Arc::clone(&queue), lane)).collect();
        (queue, consumers)
    }

    /// Passes everything from now on to the queue of a forked child, which this process is. Only the first call has an
    /// effect.
    pub(crate) fn continue_with(&self, successor: &Arc<Self>) {
        let _ = self.successor.set(Arc::clone(successor));
    }

    /// Appends one encoded item; `scope` is its encoded instrumentation scope.
    ///
    /// Called by the thread that ends a span or logs a record. Never blocks for longer than the lock, and never fails:
    /// an item without room is counted as dropped.
    pub(crate) fn push(&self, scope: &[u8], item: &[u8]) {
        if self.fork.is_child() {
            return self.push_in_child(scope, item);
        }
        let mut state = self.lock();
        let most = scope.len() + item.len() + ItemBuffer::OVERHEAD;
        // A batch that this item does not fit into is sent without it.
        let mut is_due = state.open.count() > 0 && state.open.size() + most > self.limits.max_batch_bytes;
        if is_due {
            state.close_open_batch(None);
        }
        let admission = self.admit(&mut state, most);
        is_due |= admission == Admission::AfterOpenBatch;
        if admission != Admission::Nowhere {
            state.push(scope, item);
            let count = state.open.count();
            if count >= self.limits.max_export_batch_size {
                state.close_open_batch(None);
                is_due = true;
            }
            // Without a delay, the first item of a batch is sent as soon as the worker comes to it.
            is_due |= self.limits.delay.is_zero() && count == 1;
        }
        drop(state);
        if is_due {
            self.notify();
        }
    }

    /// Appends an item in a forked child: to the queue that was built there, if any.
    #[cold]
    fn push_in_child(&self, scope: &[u8], item: &[u8]) {
        match self.successor.get() {
            Some(successor) => successor.push(scope, item),
            None => self.drop_in_child(1),
        }
    }

    /// Counts items of a child without telemetry of its own as dropped. The ledgers are lock-free, so this is safe
    /// after a fork.
    #[cold]
    fn drop_in_child(&self, items: u64) {
        for Outlet { ledger, .. } in &self.outlets {
            ledger.accept(items);
            ledger.record_dropped(items);
        }
    }

    /// Counts an item for every destination, and decides which of them get it.
    ///
    /// Where the lanes that take this item differ from those of the open batch, the open batch is closed, so a batch
    /// belongs to its lanes as a whole. `bytes` is the most that the item takes.
    fn admit(&self, state: &mut QueueState, bytes: usize) -> Admission {
        let (mut is_taken, mut is_same) = (false, true);
        for (lane, outlet) in state.lanes.iter_mut().zip(&self.outlets) {
            outlet.ledger.accept(1);
            lane.takes_next = lane.has_room(&self.limits, bytes);
            if !lane.takes_next {
                outlet.ledger.record_dropped(1);
            }
            is_taken |= lane.takes_next;
            is_same &= lane.takes_next == lane.takes_open;
        }
        if !is_taken || is_same {
            return if is_taken { Admission::ToOpenBatch } else { Admission::Nowhere };
        }
        let has_closed = state.close_open_batch(None);
        state.lanes.iter_mut().for_each(|lane| lane.takes_open = lane.takes_next);
        if has_closed { Admission::AfterOpenBatch } else { Admission::ToOpenBatch }
    }

    /// Appends a complete request that holds `items` items. In each lane, older requests are dropped until there is
    /// room for it.
    pub(crate) fn push_request(&self, request: &Bytes, items: u64) {
        // Collections of the parent's instruments are not those of a child.
        if self.fork.is_child() {
            return self.drop_in_child(items);
        }
        let mut state = self.lock();
        state.last_sequence += 1;
        let sequence = state.last_sequence;
        let mut ended = Vec::new();
        for (lane, outlet) in state.lanes.iter_mut().zip(&self.outlets) {
            outlet.ledger.accept(items);
            let operations = lane.push_request(sequence, request, items, &self.limits, &outlet.ledger);
            ended.extend(operations.into_iter().map(|operation| (&outlet.operations, operation)));
        }
        drop(state);
        ended.into_iter().for_each(|(operations, operation)| operations.ended(operation));
        self.notify();
    }

    /// Returns the number of requests that wait, without those in flight, at the destination that has the fewest.
    ///
    /// Read before each collection of metrics: while many wait, the next ones are further apart.
    pub(in crate::export) fn waiting_requests(&self) -> usize {
        self.lock().lanes.iter().map(|lane| lane.full.len()).min().unwrap_or_default()
    }

    /// Returns `true` if no destination has room for a request of this size and for another one at the end.
    pub(in crate::export) fn is_full_for(&self, bytes: usize) -> bool {
        !self.lock().lanes.iter().any(|lane| lane.has_room_for_two(&self.limits, bytes))
    }

    /// Wakes every worker of the signal.
    fn notify(&self) {
        self.outlets.iter().for_each(|outlet| outlet.full.notify_one());
    }

    /// Wakes the workers of all lanes but this one: a batch was closed for that one before it was full, and with it the
    /// others may have enough for a whole one.
    fn notify_others(&self, lane: usize) {
        let others = self.outlets.iter().enumerate().filter(|(other, _)| *other != lane);
        others.for_each(|(_, outlet)| outlet.full.notify_one());
    }

    /// Locks the state. A poisoned lock is used as it is.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // Nothing panics while the lock is held; if something did, the counts would still add up.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Result of admitting an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    /// No destination has room for it.
    Nowhere,
    /// Into the open batch, for the lanes that it already has.
    ToOpenBatch,
    /// Into a new batch: the open one was for other destinations, and is closed.
    AfterOpenBatch,
}

impl QueueState {
    /// Appends an item to the open batch, and adds its size to the totals of the lanes that take it.
    fn push(&mut self, scope: &[u8], item: &[u8]) {
        let before = self.open.size();
        self.open.push(scope, item);
        let bytes = self.open.size() - before;
        for lane in self.lanes.iter_mut().filter(|lane| lane.takes_open) {
            lane.items += 1;
            lane.bytes += bytes;
        }
    }

    /// Moves the open batch to its lanes, and begins another. Returns `false` if there is nothing in it.
    ///
    /// If it is closed for one lane, `only_for`, it is early for the others. The buffer of the new one comes from `spares`
    /// if possible.
    fn close_open_batch(&mut self, only_for: Option<usize>) -> bool {
        if self.open.count() == 0 {
            return false;
        }
        let mut items = self.spares.pop().unwrap_or_default();
        match Arc::get_mut(&mut items) {
            Some(spare) => std::mem::swap(spare, &mut self.open),
            None => items = Arc::new(std::mem::take(&mut self.open)),
        }
        self.last_sequence += 1;
        for (index, lane) in self.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.takes_open) {
            let is_early = only_for.is_some_and(|only| only != index);
            lane.full.push_back(Batch::items(self.last_sequence, Arc::clone(&items)).early(is_early));
        }
        true
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limits", &self.limits).finish_non_exhaustive()
    }
}
