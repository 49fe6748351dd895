//! Whether a batch is to blame for its failures.
//!
//! A receiver that is away fails every batch, and the oldest one is tried until it comes back. A gateway that closes the
//! connection, or answers 403, for what is *in* one batch would hold up everything behind it in the same way, for ever.
//!
//! | the batch has failed in this way | what is done |
//! |---|---|
//! | fewer than [`PATIENCE`] times in a row | it is tried again |
//! | more often, and nothing was delivered since | the next batch is tried before it |
//! | each of the last [`PATIENCE`] times something was delivered since the failure before | it is divided, until the item to blame is alone and fails |

/// The failures of a batch that may be its own fault.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suspicion {
    /// Failures in a row.
    failures: u32,
    /// Those among them before which something else was delivered.
    strikes: u32,
    /// What was delivered until the last failure, in requests.
    deliveries: u64,
}

/// What is done with a batch that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is tried again.
    TryAgain,
    /// The next one is tried before it.
    LetNextPass,
    /// It is to blame.
    Divide,
}

impl Suspicion {
    /// Records a failure that may be the fault of the batch. `deliveries` is the number of requests that were delivered
    /// so far.
    pub(super) fn failed(&mut self, deliveries: u64) -> Verdict {
        self.failures += 1;
        if self.failures > 1 && deliveries > self.deliveries {
            self.strikes += 1;
        }
        self.deliveries = deliveries;
        match self {
            Self { strikes: PATIENCE.., .. } => Verdict::Divide,
            Self { failures: PATIENCE.., .. } => Verdict::LetNextPass,
            _ => Verdict::TryAgain,
        }
    }

    /// Forgets all failures: the last one was that of the receiver.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Failures before something is done.
const PATIENCE: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_to_blame_if_others_are_delivered_between_its_failures() {
        let mut suspicion = Suspicion::default();
        let verdicts = [0, 0, 0, 1, 2, 2, 3].map(|deliveries| suspicion.failed(deliveries));
        use Verdict::{Divide, LetNextPass, TryAgain};
        assert_eq!(
            verdicts,
            [TryAgain, TryAgain, LetNextPass, LetNextPass, LetNextPass, LetNextPass, Divide]
        );
        suspicion.clear();
        assert_eq!(suspicion.failed(9), TryAgain);
    }

    #[test]
    fn an_outage_is_the_fault_of_no_batch() {
        let mut suspicion = Suspicion::default();
        assert!((0..100).all(|_| suspicion.failed(7) != Verdict::Divide));
    }
}
