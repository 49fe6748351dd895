//! One bounded queue of encoded items, between the threads that record and the I/O thread.
//!
//! Items are appended as bytes to the *open* batch. A batch that has its number of items, or its size, is *full*
//! and wakes the I/O thread; what is open when the delay has passed is taken as it is. A batch that could not be
//! delivered goes back to where it was. When the limits are reached the newest items are dropped, and counted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::batch::{Batch, Items};
use super::ledger::Ledger;
use crate::settings::QueueSettings;

pub(crate) struct Queue {
    limits: QueueSettings,
    ledger: Arc<Ledger>,
    state: Mutex<State>,
    /// Told once for each batch that fills up.
    full: Notify,
}

#[derive(Default)]
struct State {
    open: Items,
    full: VecDeque<Batch>,
    /// Of everything that waits here, open and full.
    items: usize,
    bytes: usize,
    next_number: u64,
    /// The items of a delivered batch, emptied, for their memory.
    spare: Option<Items>,
    closed: bool,
}

/// What [`Queue::take`] may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// Only batches that are full.
    Full,
    /// The open batch too, if nothing else is there.
    Any,
}

impl Queue {
    pub(crate) fn new(limits: QueueSettings, ledger: Arc<Ledger>) -> Self {
        Self { limits, ledger, state: Mutex::default(), full: Notify::new() }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Appends one item: `scope` is its encoded instrumentation scope, `item` is framed for a request.
    pub(crate) fn push(&self, scope: &[u8], item: &[u8]) {
        let mut state = self.lock();
        self.ledger.accept(1);
        let size = item.len();
        if !self.has_room(&state, 1, size) {
            self.ledger.drop_newest(1);
            return;
        }
        state.items += 1;
        state.bytes += size;
        state.open.push(scope, item);
        let full = state.open.count() >= self.limits.max_batch_items || state.open.size() >= MAX_BATCH_BYTES;
        if full {
            state.close_open_batch();
        }
        drop(state);
        if full {
            self.full.notify_one();
        }
    }

    /// Appends a request that is complete already and holds `items` items.
    pub(crate) fn push_request(&self, request: Bytes, items: u64) {
        let mut state = self.lock();
        self.ledger.accept(items);
        if !self.has_room(&state, 1, request.len()) {
            self.ledger.drop_newest(items);
            return;
        }
        state.items += 1;
        state.bytes += request.len();
        let number = state.take_number();
        state.full.push_back(Batch::request(number, request, items));
        drop(state);
        self.full.notify_one();
    }

    /// The oldest batch, if there is one of the wanted kind.
    pub(crate) fn take(&self, what: Take) -> Option<Batch> {
        let mut state = self.lock();
        if state.full.is_empty() && what == Take::Any && state.open.count() > 0 {
            state.close_open_batch();
        }
        let batch = state.full.pop_front()?;
        state.items -= batch.entries();
        state.bytes -= batch.size();
        Some(batch)
    }

    /// Returns a batch that may be tried again to its place.
    ///
    /// It always fits: beyond the limits there are never more than the batches on their way.
    pub(crate) fn put_back(&self, batch: Batch) {
        let mut state = self.lock();
        state.items += batch.entries();
        state.bytes += batch.size();
        let place = state.full.partition_point(|waiting| waiting.number() <= batch.number());
        state.full.insert(place, batch);
    }

    /// Takes back the memory of a batch that is done with.
    pub(crate) fn recycle(&self, batch: Batch) {
        if let Some(items) = batch.into_spare() {
            self.lock().spare = Some(items);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items == 0
    }

    /// Resolves once a batch has filled up since the last time.
    pub(crate) async fn filled(&self) {
        self.full.notified().await;
    }

    /// Ends deliveries: what is pending has failed, and every later item counts as dropped.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        *state = State { closed: true, ..State::default() };
        // Under the lock, so that no item is between its acceptance and its fate.
        self.ledger.fail(self.ledger.snapshot().pending);
    }

    fn has_room(&self, state: &State, items: usize, bytes: usize) -> bool {
        !state.closed
            && state.items + items <= self.limits.max_items
            && state.bytes + bytes <= self.limits.max_bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held; if it did, the counts would still add up.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close_open_batch(&mut self) {
        let number = self.take_number();
        let next = self.spare.take().unwrap_or_default();
        let items = std::mem::replace(&mut self.open, next);
        self.full.push_back(Batch::items(number, items));
    }

    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Items beyond this wait for the next request: servers commonly refuse messages over 4 MiB.
const MAX_BATCH_BYTES: usize = 2 << 20;
