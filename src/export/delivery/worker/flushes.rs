//! The flushes that wait for a worker.
//!
//! A flush covers the batches that were queued when it was requested. It is answered once all of them are gone, once one
//! of them has failed and will not be delivered before the deadline, or at the deadline. Each flush is answered exactly
//! once: its reply is consumed.

use tokio::time::Instant;

/// The way back to the caller of a flush. Called on the I/O thread; must not block.
pub(in crate::export::delivery) type FlushReply = Box<dyn FnOnce(Result<(), FlushError>) + Send>;

/// The reason why an item of a flush has not been delivered.
///
/// A flush that failed loses nothing by itself: what can be retried stays in the queue.
#[derive(Debug)]
pub(in crate::export::delivery) enum FlushError {
    /// The deadline passed while some of the batches were still pending.
    Timeout,
    /// The reason, as text. Items that can be retried are still in the queue.
    Failed(String),
}

/// The flushes that have not been answered. There are few: one for each thread that waits.
#[derive(Default)]
pub(super) struct Flushes(Vec<Flush>);

/// A flush that waits for its batches.
pub(super) struct Flush {
    /// The sequence number of the last batch that the flush covers.
    last_sequence: u64,
    /// The time of the request.
    began: Instant,
    /// The deadline of the caller.
    deadline: Instant,
    /// Consumed by the answer, so there is only one.
    reply: FlushReply,
}

impl Flush {
    /// Returns `true` if the flush covers the batch with this sequence number.
    pub(super) fn covers(&self, sequence: u64) -> bool {
        sequence <= self.last_sequence
    }

    /// Returns when it was requested.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Returns when the caller no longer waits.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Flushes {
    /// Adds a flush of all batches up to this sequence number. `last_sequence` is that of the newest batch in the
    /// queue.
    pub(super) fn add(&mut self, last_sequence: u64, deadline: Instant, reply: FlushReply) {
        self.0.push(Flush { last_sequence, began: Instant::now(), deadline, reply });
    }

    /// Returns `true` if no caller waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the deadline of each flush.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Instant> {
        self.0.iter().map(Flush::deadline)
    }

    /// Answers the flushes whose batches are gone, and those whose deadline has passed.
    ///
    /// `oldest` is the sequence number of the oldest batch that is left, in the queue or in flight; `u64::MAX` if none
    /// is. A flush whose batches are all gone succeeds even if it is late.
    pub(super) fn answer(&mut self, oldest: u64) {
        for flush in self.0.extract_if(.., |flush| !flush.covers(oldest)) {
            (flush.reply)(Ok(()));
        }
        let now = Instant::now();
        for flush in self.0.extract_if(.., |flush| flush.deadline <= now) {
            (flush.reply)(Err(FlushError::Timeout));
        }
    }

    /// Answers the flushes that `fails` selects with the reason of a failure. All others go on waiting.
    pub(super) fn fail(&mut self, reason: &str, fails: impl Fn(&Flush) -> bool) {
        for flush in self.0.extract_if(.., |flush| fails(flush)) {
            (flush.reply)(Err(FlushError::Failed(reason.to_owned())));
        }
    }
}
