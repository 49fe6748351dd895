//! One bounded queue of encoded items, between the threads that record and the I/O thread.
//!
//! Items are appended as bytes to the *open* batch. A batch that has its number of items, or its size, is *full*
//! and wakes the I/O thread; what is open when the delay has passed is taken as it is. A batch that could not be
//! delivered goes back to where it was.
//!
//! When a limit is reached the newest spans and log records are dropped: the oldest ones show how an incident began.
//! Of metrics the oldest requests are dropped: a cumulative one contains its predecessors, except for the times
//! between. Dropped items are counted in either case.
//!
//! The limits hold for what waits. What is on its way comes on top, which is bounded too: a few batches.

pub(super) mod batch;
mod ledger;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

pub(super) use self::batch::Batch;
use self::batch::ItemBuffer;
pub(crate) use self::ledger::Ledger;
use crate::settings::QueueSettings;

pub(crate) struct Queue {
    limits: QueueSettings,
    ledger: Arc<Ledger>,
    /// Each request contains what the earlier ones hold, as cumulative metrics do.
    is_cumulative: bool,
    state: Mutex<QueueState>,
    /// Notified once for each batch that fills up, or begins if there is no delay.
    full: Notify,
}

#[derive(Default)]
struct QueueState {
    open: ItemBuffer,
    /// Ordered by sequence number.
    full: VecDeque<Batch>,
    /// Of everything that waits here, open and full.
    items: usize,
    bytes: usize,
    /// Number of the newest batch.
    last_sequence: u64,
    /// Emptied batches, for their memory.
    spares: Vec<ItemBuffer>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    Open,
    /// Nothing new is taken.
    Closed,
    /// Nothing is taken back either.
    Abandoned,
}

/// What [`Queue::take`] may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// Only batches that are full.
    FullOnly,
    /// The open batch too, if nothing else is there.
    Any,
}

impl Queue {
    pub(crate) fn new(limits: QueueSettings, ledger: Arc<Ledger>) -> Self {
        Self { limits, ledger, is_cumulative: false, state: Mutex::default(), full: Notify::new() }
    }

    /// Sets whether each request contains what the earlier ones hold.
    pub(crate) fn with_cumulative_requests(self, is_cumulative: bool) -> Self {
        Self { is_cumulative, ..self }
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Appends one encoded item; `scope` is its encoded instrumentation scope.
    pub(crate) fn push(&self, scope: &[u8], item: &[u8]) {
        let mut state = self.lock();
        self.ledger.accept(1);
        if !self.has_room(&state, scope.len() + item.len() + ItemBuffer::OVERHEAD) {
            self.ledger.record_dropped(1);
            return;
        }
        let before = state.open.size();
        state.open.push(scope, item);
        state.items += 1;
        state.bytes += state.open.size() - before;
        let full =
            state.open.count() >= self.limits.max_export_batch_size || state.open.size() >= MAX_BATCH_BYTES;
        // Without a delay, the first item of a batch is sent as soon as the worker comes to it.
        let is_due = full || (self.limits.delay.is_zero() && state.open.count() == 1);
        if full {
            state.close_open_batch();
        }
        drop(state);
        if is_due {
            self.full.notify_one();
        }
    }

    /// Appends a request that is complete already and holds `items` items. Older ones make room for it.
    pub(crate) fn push_request(&self, request: Bytes, items: u64) {
        let mut state = self.lock();
        self.ledger.accept(items);
        // Nothing makes room for it then, and what waits must not be dropped for it.
        if state.phase != Phase::Open || request.len() > self.limits.max_bytes {
            self.ledger.record_dropped(items);
            return;
        }
        while !self.has_room(&state, request.len()) {
            let Some(oldest) = state.pop_full() else {
                self.ledger.record_dropped(items);
                return;
            };
            self.ledger.record_dropped(oldest.count());
        }
        state.last_sequence += 1;
        let batch = Batch::request(state.last_sequence, request, items);
        state.insert(batch);
        drop(state);
        self.full.notify_one();
    }

    /// The oldest batch, if there is one of the wanted kind.
    pub(crate) fn take(&self, what: Take) -> Option<Batch> {
        let mut state = self.lock();
        if state.full.is_empty() && what == Take::Any {
            state.close_open_batch();
        }
        state.pop_full()
    }

    /// Returns a batch that may be tried again to its place, whether or not the queue has filled up meanwhile: what
    /// was accepted first must not be lost for what came later.
    pub(crate) fn put_back(&self, batch: Batch) {
        let mut state = self.lock();
        // Otherwise it was still pending when the queue was abandoned, and has been counted as failed.
        if state.phase != Phase::Abandoned {
            state.insert(batch);
        }
    }

    /// Takes back the memory of a batch that is done with.
    pub(crate) fn recycle(&self, batch: Batch) {
        let Some(items) = batch.into_spare() else { return };
        let mut state = self.lock();
        if state.spares.len() < MAX_SPARES && state.phase == Phase::Open {
            state.spares.push(items);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items == 0
    }

    /// Gives up all requests that wait but the newest, if that contains them.
    pub(in crate::export) fn keep_newest_cumulative(&self) {
        if !self.is_cumulative {
            return;
        }
        let mut state = self.lock();
        let Some(newest) = state.full.back().map(Batch::sequence) else { return };
        while state.full.front().is_some_and(|oldest| oldest.sequence() != newest) {
            if let Some(oldest) = state.pop_full() {
                self.ledger.fail(oldest.count());
            }
        }
    }

    /// Requests that wait, without those on their way.
    pub(in crate::export) fn waiting_requests(&self) -> usize {
        self.lock().full.len()
    }

    /// Number of the newest batch, so that whatever is here now is in this one or in an older one.
    pub(in crate::export) fn last_sequence(&self) -> u64 {
        let mut state = self.lock();
        state.close_open_batch();
        state.last_sequence
    }

    /// Number of the oldest batch that waits.
    pub(in crate::export) fn first_sequence(&self) -> Option<u64> {
        let state = self.lock();
        state.full.front().map(Batch::sequence)
    }

    /// Resolves once a batch has filled up since the last time.
    pub(crate) async fn filled(&self) {
        self.full.notified().await;
    }

    /// Takes nothing more: every later item counts as dropped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.close_open_batch();
        state.phase = state.phase.max(Phase::Closed);
    }

    /// Ends deliveries: what is pending has failed, on its way or not, and every later item counts as dropped.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Abandoned {
            return;
        }
        let unanswered = state.full.iter().filter(|batch| batch.is_unanswered()).map(Batch::count).sum();
        self.ledger.record_unanswered(unanswered);
        *state = QueueState {
            phase: Phase::Abandoned,
            last_sequence: state.last_sequence,
            ..QueueState::default()
        };
        // Under the lock, so that no item is between its acceptance and its fate.
        self.ledger.fail(self.ledger.snapshot().pending);
    }

    /// All that waits, as requests.
    #[cfg(test)]
    pub(crate) fn drain(&self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.take_any()).map(|batch| batch.to_request(&[])).collect()
    }

    #[cfg(test)]
    pub(crate) fn take_any(&self) -> Option<Batch> {
        self.take(Take::Any)
    }

    /// Items that wait, counted one by one.
    #[cfg(test)]
    pub(in crate::export) fn waiting(&self) -> u64 {
        let state = self.lock();
        state.full.iter().map(Batch::count).sum::<u64>() + state.open.count() as u64
    }

    /// What is taken of the limits.
    #[cfg(test)]
    pub(in crate::export) fn occupied(&self) -> (usize, usize) {
        let state = self.lock();
        (state.items, state.bytes)
    }

    fn has_room(&self, state: &QueueState, bytes: usize) -> bool {
        state.phase == Phase::Open
            && state.items < self.limits.max_items
            && state.bytes + bytes <= self.limits.max_bytes
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // Nothing panics while the lock is held; if it did, the counts would still add up.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueState {
    fn close_open_batch(&mut self) {
        if self.open.count() == 0 {
            return;
        }
        let next = self.spares.pop().unwrap_or_default();
        let items = std::mem::replace(&mut self.open, next);
        self.last_sequence += 1;
        self.full.push_back(Batch::items(self.last_sequence, items));
    }

    fn pop_full(&mut self) -> Option<Batch> {
        let batch = self.full.pop_front()?;
        self.items -= batch.slots();
        self.bytes -= batch.size();
        Some(batch)
    }

    fn insert(&mut self, batch: Batch) {
        self.items += batch.slots();
        self.bytes += batch.size();
        let place = self.full.partition_point(|waiting| waiting.sequence() <= batch.sequence());
        self.full.insert(place, batch);
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Items beyond this wait for the next request: servers commonly refuse messages over 4 MiB.
const MAX_BATCH_BYTES: usize = 2 << 20;
/// As many as are on their way while the next one fills up.
const MAX_SPARES: usize = 3;
