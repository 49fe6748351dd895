//! Detection of poison batches.
//!
//! A receiver that is away fails every batch, and the oldest one is tried until it comes back. A gateway that rejects
//! the contents of one batch would block all later batches forever.
//!
//! Only failures of a request that was alone under way count: several on one connection fail together.
//!
//! | the batch has failed in this way | what is done |
//! |---|---|
//! | fewer than [`PATIENCE`] times in a row | it is tried again |
//! | more often | others are tried before it, until something was delivered |
//! | [`PATIENCE`] times, each after something else was delivered | it is divided, until the item to blame is alone |
//! | [`PATIENCE_WITH_ITEM`] times, each after something else was delivered, and it is one item | it fails |
//!
//! A receiver that is overloaded answers 503, or not at all, to any of several requests: that counts for nothing here.

/// The failures of a batch that may be its own fault.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suspicion {
    /// Failures in a row.
    pub(super) failures: u32,
    /// Those among them before which something else was delivered.
    strikes: u32,
    /// The number of requests delivered until the last failure.
    deliveries: u64,
}

/// The treatment of a batch that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes back to the queue, and is tried again.
    TryAgain,
    /// It is to blame.
    Divide,
}

impl Suspicion {
    /// Records a failure that may be the fault of the batch. `deliveries` is the number of requests that were delivered
    /// so far, `can_be_divided` is `false` for a batch of one item.
    pub(super) fn failed(&mut self, deliveries: u64, can_be_divided: bool) -> Verdict {
        self.failures += 1;
        if self.failures > 1 && deliveries > self.deliveries {
            self.strikes += 1;
        }
        self.deliveries = deliveries;
        let patience = if can_be_divided { PATIENCE } else { PATIENCE_WITH_ITEM };
        if self.strikes >= patience { Verdict::Divide } else { Verdict::TryAgain }
    }

    /// Returns `true` while other batches are tried before it: until something was delivered.
    pub(super) fn lets_others_pass(&self, deliveries: u64) -> bool {
        self.failures >= PATIENCE && deliveries <= self.deliveries
    }

    /// Returns what half of a divided batch begins with: if the whole was to blame, one of the halves is, and its next failure
    /// is enough.
    pub(super) fn halved(self) -> Self {
        Self { strikes: self.strikes.min(PATIENCE - 1), ..self }
    }

    /// Forgets all failures: the last one was that of the receiver.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Failures before something is done.
const PATIENCE: u32 = 3;
/// Failures, each after something else was delivered, before an item is given up.
const PATIENCE_WITH_ITEM: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_to_blame_if_others_are_delivered_between_its_failures() {
        let mut suspicion = Suspicion::default();
        let verdicts = [0, 0, 0, 1, 2, 2, 3].map(|deliveries| {
            (suspicion.failed(deliveries, true) == Verdict::Divide, suspicion.lets_others_pass(deliveries))
        });
        let (no, passes) = ((false, false), (false, true));
        assert_eq!(verdicts, [no, no, passes, passes, passes, passes, (true, true)]);
        assert!(!suspicion.lets_others_pass(4));
        suspicion.clear();
        assert_eq!((suspicion.failed(9, true), suspicion.lets_others_pass(9)), (Verdict::TryAgain, false));
    }

    #[test]
    fn half_of_a_batch_to_blame_is_divided_at_its_next_failure() {
        let mut suspicion = Suspicion::default();
        (0..6).for_each(|deliveries| _ = suspicion.failed(deliveries, true));
        let mut half = suspicion.halved();
        assert!(half.lets_others_pass(5));
        // Nothing was delivered between, as in an outage.
        assert_eq!(half.failed(5, true), Verdict::TryAgain);
        assert_eq!(half.failed(6, true), Verdict::Divide);
        assert_eq!(Suspicion::default().halved().failed(6, true), Verdict::TryAgain);
    }

    #[test]
    fn one_item_gets_more_tries_than_a_batch_that_can_be_divided() {
        let mut suspicion = Suspicion::default();
        let tries =
            (0..100).take_while(|deliveries| suspicion.failed(*deliveries, false) == Verdict::TryAgain);
        assert_eq!(tries.count(), 12);
    }

    #[test]
    fn outage_does_not_mark_batches_as_poison() {
        let mut suspicion = Suspicion::default();
        assert!((0..100).all(|_| suspicion.failed(7, true) != Verdict::Divide));
    }
}
