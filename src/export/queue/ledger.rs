//! The counts of every item that was recorded, by outcome.
//!
//! Per signal, at any moment: accepted = delivered + rejected + failed + dropped + pending.
//!
//! | count | when |
//! |---|---|
//! | accepted | the item is recorded, whether or not there is room for it |
//! | delivered | the receiver acknowledged it |
//! | rejected | the receiver answered with a partial success that leaves it out |
//! | failed | it was given up: after an error that no retry mends, or at the end |
//! | dropped | there was no room for it |
//! | pending | everything else: the difference |
//!
//! # Why the counts always add up
//!
//! `pending` is the rest, so that no count has to be moved. Counters are only incremented, an item is accepted before
//! anything else becomes of it, and `accepted` is read last: the sum of the others, read before, cannot exceed it. No
//! lock is taken.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::export::SignalStats;

/// The counters behind one [`SignalStats`].
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accepted: AtomicU64,
    delivered: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    /// A part of `failed`.
    unanswered: AtomicU64,
}

impl Ledger {
    /// Counts items before anything else becomes of them.
    pub(crate) fn accept(&self, items: u64) {
        self.accepted.fetch_add(items, Ordering::Release);
    }

    /// Counts items that the receiver acknowledged.
    pub(crate) fn deliver(&self, items: u64) {
        self.delivered.fetch_add(items, Ordering::Release);
    }

    /// Counts items that the receiver left out.
    pub(crate) fn reject(&self, items: u64) {
        self.rejected.fetch_add(items, Ordering::Release);
    }

    /// Counts items that were given up.
    pub(crate) fn fail(&self, items: u64) {
        self.failed.fetch_add(items, Ordering::Release);
    }

    /// Records that items that fail were sent and not answered.
    pub(crate) fn record_unanswered(&self, items: u64) {
        self.unanswered.fetch_add(items, Ordering::Release);
    }

    /// Counts items for which there was no room.
    pub(crate) fn record_dropped(&self, items: u64) {
        self.dropped.fetch_add(items, Ordering::Release);
    }

    /// Returns all counts. They always add up, although they are not read at the same moment.
    pub(crate) fn snapshot(&self) -> SignalStats {
        let delivered = self.delivered.load(Ordering::Acquire);
        let rejected = self.rejected.load(Ordering::Acquire);
        let failed = self.failed.load(Ordering::Acquire);
        let unanswered = self.unanswered.load(Ordering::Acquire).min(failed);
        let dropped = self.dropped.load(Ordering::Acquire);
        // Read last: an item is accepted before anything else becomes of it, so the rest never exceeds it.
        let accepted = self.accepted.load(Ordering::Acquire);
        let pending = accepted.saturating_sub(delivered + rejected + failed + dropped);
        SignalStats { accepted, delivered, rejected, failed, dropped, pending, unanswered }
    }
}
