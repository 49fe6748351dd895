//! How long to wait before the next try: exponential, with jitter, as the OTLP specification asks.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Whether the last try failed: the collector is probed by one request at a time.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// When the next request may be sent, if not now.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.filter(|until| *until > Instant::now())
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Waits longer than before, or as long as the collector asks.
    pub(super) fn failed(&mut self, retry_after: Option<Duration>) {
        let wait = retry_after.map_or_else(|| self.next_wait(), |asked| asked.clamp(MIN_ASKED, MAX_ASKED));
        self.failures = self.failures.saturating_add(1);
        self.until = Some(Instant::now() + wait);
    }

    fn next_wait(&self) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(10)).min(MAX);
        // Between half and the whole: many services must not come back in step.
        ceiling.mul_f64(0.5 + 0.5 * random_fraction())
    }
}

/// Each `RandomState` has keys of its own, from the operating system's randomness.
fn random_fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

const FIRST: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(5);
/// A collector that asks for less would be hammered; one that asks for more is asked again after this.
const MIN_ASKED: Duration = Duration::from_millis(50);
const MAX_ASKED: Duration = Duration::from_secs(600);
