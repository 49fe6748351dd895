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
//! `pending` is computed as the difference, so items never move between counters. Counters are only incremented, an
//! item is accepted before anything else becomes of it, and `accepted` is read last: the sum of the others, read
//! before, cannot exceed it. No lock is taken.
//!
//! # What troubles do to the counts
//!
//! | trouble | counted as |
//! |---|---|
//! | the collector is away for a while | pending, then delivered |
//! | … for so long that the queue fills up | dropped, for what comes then |
//! | … until the end | failed at the deadline of the shutdown |
//! | an answer is lost, and the next try succeeds | delivered, once |
//! | no try is ever answered | failed, and as a part of it unanswered |
//! | the collector refuses the request for good (status 400, `INVALID_ARGUMENT`) | failed |
//! | a request is too large | split; a single item that is too large has failed |
//! | partial success | rejected, and delivered for the others |
//! | recorded after the shutdown | dropped |
//! | recorded in a forked child that has no telemetry of its own | dropped, in the child's copy |
//! | a panic in code of the user during a try | pending: the batch is tried again |
//!
//! Items count for each destination of their signal: there is one ledger for each.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::export::SignalStats;

/// The counters behind one [`SignalStats`].
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Everything that was recorded. Incremented first.
    accepted: AtomicU64,
    /// Acknowledged items.
    delivered: AtomicU64,
    /// Items that a partial success leaves out.
    rejected: AtomicU64,
    /// Items that were given up.
    failed: AtomicU64,
    /// Items without room.
    dropped: AtomicU64,
    /// The part of `failed` that was sent at least once without an answer.
    unanswered: AtomicU64,
    /// Beside the others: items that the worker has taken, each once.
    started: AtomicU64,
    /// The part of `dropped` that the worker had taken: collections of metrics that waited for their next try.
    dropped_after_start: AtomicU64,
}

impl Ledger {
    /// Counts items before anything else becomes of them. Must be called first.
    pub(crate) fn accept(&self, items: u64) {
        self.accepted.fetch_add(items, Ordering::Release);
    }

    /// Counts items that the worker takes for the first time.
    pub(crate) fn start(&self, items: u64) {
        self.started.fetch_add(items, Ordering::Release);
    }

    /// Returns the items that the worker has taken, and those of them whose outcome is not known: items under way, and
    /// items that wait for their next try.
    pub(crate) fn started(&self) -> (u64, u64) {
        let SignalStats { delivered, rejected, failed, .. } = self.snapshot();
        let dropped = self.dropped_after_start.load(Ordering::Acquire);
        // Read last: what has an outcome was taken before.
        let started = self.started.load(Ordering::Acquire);
        (started, started.saturating_sub(delivered + rejected + failed + dropped))
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

    /// Records that items that fail were sent and not answered. Called in addition to [`fail`](Self::fail).
    pub(crate) fn record_unanswered(&self, items: u64) {
        self.unanswered.fetch_add(items, Ordering::Release);
    }

    /// Counts items for which there was no room.
    pub(crate) fn record_dropped(&self, items: u64) {
        self.dropped.fetch_add(items, Ordering::Release);
    }

    /// Records that items without room had been taken before. Called in addition to
    /// [`record_dropped`](Self::record_dropped).
    pub(super) fn record_dropped_after_start(&self, items: u64) {
        self.dropped_after_start.fetch_add(items, Ordering::Release);
    }

    /// Returns all counts, as of one moment: they add up although they are not read at once.
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
