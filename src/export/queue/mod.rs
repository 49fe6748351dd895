//! The bounded queues of encoded items between the threads that record and the I/O thread: one for each destination of
//! a signal, filled together.
//!
//! Items are appended as bytes to the *open* batch. A batch that has its number of items, or its size, is *full*
//! and wakes the I/O thread; what is open when the delay has passed is taken as it is. A batch that could not be
//! delivered goes back to where it was.
//!
//! Every destination has a [`Lane`] of batches, with limits and a ledger of its own, and takes from it through a
//! [`Consumer`]. An item is encoded and stored once: the batches of all lanes share it. Where one destination has no
//! room for an item that another one takes, the open batch is closed first, so that a batch belongs to its lanes as a
//! whole.
//!
//! When a limit is reached the newest spans and log records are dropped: the oldest ones show how an incident began.
//! Of metrics the oldest requests are dropped: a cumulative one contains its predecessors, except for the times
//! between. Dropped items are counted in either case.
//!
//! The limits apply to waiting items. Items in flight come on top; they are bounded too: a few batches.
//!
//! In a forked child nothing takes from a queue of the parent, and its lock may be held by a thread that does not exist
//! there. Items go to the queue of the telemetry that was built in the child, or are discarded.

pub(super) mod batch;
mod consumer;
mod lane;
mod ledger;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

pub(super) use self::batch::Batch;
use self::batch::ItemBuffer;
pub(crate) use self::consumer::{Consumer, Take};
use self::lane::{Lane, Phase};
pub(crate) use self::ledger::Ledger;
use crate::export::own_threads::Fork;
use crate::settings::QueueSettings;

/// The queues of one signal, as the threads that record see them.
pub(crate) struct Queue {
    limits: QueueSettings,
    /// Each request contains what the earlier ones hold, as cumulative metrics do.
    is_cumulative: bool,
    state: Mutex<QueueState>,
    /// One for each lane.
    outlets: Box<[Outlet]>,
    /// In a child process no thread empties the queue, and the lock may be held by a thread that does not exist there.
    fork: Fork,
    /// In a child process, the queue that takes the items there.
    successor: OnceLock<Arc<Self>>,
}

/// What a destination has beside its lane.
#[derive(Default)]
struct Outlet {
    ledger: Arc<Ledger>,
    /// Notified once for each batch that fills up, or begins if there is no delay.
    full: Notify,
}

struct QueueState {
    open: ItemBuffer,
    lanes: Box<[Lane]>,
    /// Number of the newest batch.
    last_sequence: u64,
    /// Emptied batches, for their memory.
    spares: Vec<Arc<ItemBuffer>>,
}

impl Queue {
    /// Queues of items.
    #[cfg(test)]
    pub(crate) fn new(limits: QueueSettings, destinations: usize) -> (Arc<Self>, Vec<Consumer>) {
        Self::with_cumulative_requests(limits, destinations, false)
    }

    /// Returns the recording side, and what each of `destinations` takes its batches from. `is_cumulative`: whether each
    /// request contains what the earlier ones hold.
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

    /// Passes everything from now on to the queue of a forked child, which this process is.
    pub(crate) fn continue_with(&self, successor: &Arc<Self>) {
        let _ = self.successor.set(Arc::clone(successor));
    }

    /// Appends one encoded item; `scope` is its encoded instrumentation scope.
    pub(crate) fn push(&self, scope: &[u8], item: &[u8]) {
        if self.fork.is_child() {
            return self.push_in_child(scope, item);
        }
        let mut state = self.lock();
        let most = scope.len() + item.len() + ItemBuffer::OVERHEAD;
        // A batch that this item does not fit into is sent without it.
        let mut is_due = state.open.count() > 0 && state.open.size() + most > self.limits.max_batch_bytes;
        if is_due {
            state.close_open_batch();
        }
        let admission = self.admit(&mut state, most);
        is_due |= admission == Admission::AfterOpenBatch;
        if admission != Admission::Nowhere {
            state.push(scope, item);
            let count = state.open.count();
            if count >= self.limits.max_export_batch_size {
                state.close_open_batch();
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

    #[cold]
    fn push_in_child(&self, scope: &[u8], item: &[u8]) {
        match self.successor.get() {
            Some(successor) => successor.push(scope, item),
            None => self.drop_in_child(1),
        }
    }

    #[cold]
    fn drop_in_child(&self, items: u64) {
        for Outlet { ledger, .. } in &self.outlets {
            ledger.accept(items);
            ledger.record_dropped(items);
        }
    }

    /// Counts an item for every destination, and decides which of them get it.
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
        let has_closed = state.close_open_batch();
        state.lanes.iter_mut().for_each(|lane| lane.takes_open = lane.takes_next);
        if has_closed { Admission::AfterOpenBatch } else { Admission::ToOpenBatch }
    }

    /// Appends a request that is complete already and holds `items` items. Older ones make room for it.
    pub(crate) fn push_request(&self, request: &Bytes, items: u64) {
        // Collections of the parent's instruments are not those of a child.
        if self.fork.is_child() {
            return self.drop_in_child(items);
        }
        let mut state = self.lock();
        state.last_sequence += 1;
        let sequence = state.last_sequence;
        for (lane, outlet) in state.lanes.iter_mut().zip(&self.outlets) {
            outlet.ledger.accept(items);
            lane.push_request(sequence, request, items, &self.limits, &outlet.ledger);
        }
        drop(state);
        self.notify();
    }

    /// Requests that wait, without those on their way, for the destination that has the fewest.
    pub(in crate::export) fn waiting_requests(&self) -> usize {
        self.lock().lanes.iter().map(|lane| lane.full.len()).min().unwrap_or_default()
    }

    fn notify(&self) {
        self.outlets.iter().for_each(|outlet| outlet.full.notify_one());
    }

    /// A batch was closed for one destination before it was full: the others need not wait either.
    fn notify_others(&self, lane: usize) {
        let others = self.outlets.iter().enumerate().filter(|(other, _)| *other != lane);
        others.for_each(|(_, outlet)| outlet.full.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // Nothing panics while the lock is held; if something did, the counts would still add up.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an item goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    /// No destination has room for it.
    Nowhere,
    ToOpenBatch,
    /// Into a new batch: the open one was for other destinations, and is closed.
    AfterOpenBatch,
}

impl QueueState {
    fn push(&mut self, scope: &[u8], item: &[u8]) {
        let before = self.open.size();
        self.open.push(scope, item);
        let bytes = self.open.size() - before;
        for lane in self.lanes.iter_mut().filter(|lane| lane.takes_open) {
            lane.items += 1;
            lane.bytes += bytes;
        }
    }

    /// Returns `false` if there is nothing in it.
    fn close_open_batch(&mut self) -> bool {
        if self.open.count() == 0 {
            return false;
        }
        let mut items = self.spares.pop().unwrap_or_default();
        match Arc::get_mut(&mut items) {
            Some(spare) => std::mem::swap(spare, &mut self.open),
            None => items = Arc::new(std::mem::take(&mut self.open)),
        }
        self.last_sequence += 1;
        for lane in self.lanes.iter_mut().filter(|lane| lane.takes_open) {
            lane.full.push_back(Batch::items(self.last_sequence, Arc::clone(&items)));
        }
        true
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limits", &self.limits).finish_non_exhaustive()
    }
}
