//! The counts of every item that was recorded, by outcome.
//!
//! Per signal, at any moment: accepted = delivered + rejected + failed + dropped + pending.

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
    pub(crate) fn accept(&self, items: u64) {
        self.accepted.fetch_add(items, Ordering::Release);
    }

    pub(crate) fn deliver(&self, items: u64) {
        self.delivered.fetch_add(items, Ordering::Release);
    }

    pub(crate) fn reject(&self, items: u64) {
        self.rejected.fetch_add(items, Ordering::Release);
    }

    pub(crate) fn fail(&self, items: u64) {
        self.failed.fetch_add(items, Ordering::Release);
    }

    /// Records that items that fail were sent and not answered.
    pub(crate) fn record_unanswered(&self, items: u64) {
        self.unanswered.fetch_add(items, Ordering::Release);
    }

    pub(crate) fn record_dropped(&self, items: u64) {
        self.dropped.fetch_add(items, Ordering::Release);
    }

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
