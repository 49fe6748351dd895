//! Permanent refusals by the receivers, so a flush also reports items that were lost before it reached the worker.
//!
//! A flush of everything first lets the SDK's providers collect and flush. What is queued by that is sent at once, and
//! may be refused before the workers get the flush. So the flush compares the counts of its beginning and its end.

use std::sync::{Arc, Mutex, PoisonError};

/// The refusals of one worker. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<Mutex<Refused>>);

/// The number of refusals, and the last of them.
#[derive(Debug, Default)]
struct Refused {
    /// Batches that were refused, in part or as a whole.
    count: u64,
    /// The reason for the last refusal.
    reason: String,
}

impl Refusals {
    /// Records that a batch was refused.
    pub(super) fn add(&self, reason: &str) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.count += 1;
        reason.clone_into(&mut refused.reason);
    }

    /// Returns the number of refusals so far.
    pub(super) fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// Returns the reason of the last refusal, if there were any since `count`.
    pub(super) fn since(&self, count: u64) -> Option<String> {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (refused.count > count).then(|| refused.reason.clone())
    }
}
