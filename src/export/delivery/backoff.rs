//! The pause before the next try: exponential, with jitter, as the OTLP specification requires.
//!
//! The pause begins at 50 to 100 ms and doubles with each failure, up to 2.5 to 5 s. What the collector requests by
//! `RetryInfo` or `Retry-After` counts instead, within 50 ms and 10 minutes.
//!
//! Rate limiting has pauses of its own. After an outage all programs send at once, and gateways limit them: a try that
//! is throttled then shows that the collector is back, and must not wait as long as if it were not.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::export::destination::{Cause, Failure};

/// The failures in a row, and the pause after the last one.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Failures since the last success, without those below.
    failures: u32,
    /// Tries since the last success that met a limit of the rate.
    throttled: u32,
    /// The end of the pause.
    until: Option<Instant>,
}

impl Backoff {
    /// Whether the last try failed: the collector is probed by one request at a time.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0 || self.throttled > 0
    }

    /// When the next request may be sent. An expired pause is returned until
    /// [`is_pausing`](Self::is_pausing) clears it, so that the worker wakes at once.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Returns `true` during a pause, and ends one whose time is over.
    pub(super) fn is_pausing(&mut self) -> bool {
        self.until = self.until.filter(|until| *until > Instant::now());
        self.until.is_some()
    }

    /// Ends the pause: the next failure starts with a short one.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Waits longer than after the last failure of this kind, but not longer than `limit`, or as long as the collector
    /// requests.
    pub(super) fn failed(&mut self, failure: &Failure, limit: Duration) {
        let in_a_row =
            if failure.cause == Cause::Throttled { &mut self.throttled } else { &mut self.failures };
        let own = wait_after(*in_a_row).min(limit).max(MIN);
        let wait = failure.retry_after.map_or(own, |asked| asked.clamp(MIN_ASKED, MAX_ASKED));
        *in_a_row = in_a_row.saturating_add(1);
        self.until = Some(Instant::now() + wait);
    }

    /// Another request in flight has failed too: it does not make the pause longer, unless the collector
    /// requests that.
    pub(super) fn failed_too(&mut self, retry_after: Option<Duration>) {
        let Some(asked) = retry_after else { return };
        let until = Instant::now() + asked.clamp(MIN_ASKED, MAX_ASKED);
        self.until = self.until.max(Some(until));
    }
}

/// Returns the pause after one more failure.
fn wait_after(failures: u32) -> Duration {
    let ceiling = FIRST.saturating_mul(1 << failures.min(10)).min(MAX);
    // Between half and the whole, so that many services do not retry at the same time.
    ceiling.mul_f64(0.5 + 0.5 * random_fraction())
}

/// Each `RandomState` has keys of its own, from the operating system's randomness.
fn random_fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// The longest first pause.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause that is not requested by the collector.
const MAX: Duration = Duration::from_secs(5);
/// However little time is left.
const MIN: Duration = Duration::from_millis(10);
/// The limits of the pause that a collector may request.
const MIN_ASKED: Duration = Duration::from_millis(50);
const MAX_ASKED: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(cause: Cause, retry_after: Option<Duration>) -> Failure {
        Failure { retry_after, ..Failure::new(cause, "") }
    }

    fn left(backoff: &Backoff) -> Duration {
        backoff.until().unwrap() - Instant::now()
    }

    #[test]
    fn pauses_double_up_to_the_longest_with_jitter_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let mut expected = FIRST;
        for _ in 0..40 {
            let begin = Instant::now();
            backoff.failed(&failure(Cause::ConnectionRefused, None), Duration::MAX);
            let wait = backoff.until.unwrap() - begin;
            // The clock goes on between the two calls.
            assert!(wait >= expected / 2 && wait <= expected + FIRST / 2, "{wait:?} of {expected:?}");
            expected = (expected * 2).min(MAX);
        }
        backoff.succeeded();
        assert!(!backoff.is_failing() && backoff.until().is_none() && wait_after(0) <= FIRST);
    }

    #[test]
    fn a_limit_of_the_rate_after_an_outage_begins_with_a_short_pause() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.failed(&failure(Cause::ConnectionRefused, None), Duration::MAX);
        }
        backoff.failed(&failure(Cause::Throttled, None), Duration::MAX);
        assert!(backoff.is_failing() && left(&backoff) <= FIRST, "{backoff:?}");
        for _ in 0..10 {
            backoff.failed(&failure(Cause::Throttled, None), Duration::MAX);
        }
        assert!(left(&backoff) > MAX / 4, "{backoff:?}");
    }

    #[test]
    fn a_pause_that_is_over_is_due_until_it_is_noticed() {
        let mut backoff = Backoff::default();
        backoff.failed(&failure(Cause::ConnectionRefused, None), MIN);
        assert!(backoff.is_pausing());
        std::thread::sleep(MIN);
        assert!(backoff.until().is_some_and(|until| until <= Instant::now()));
        assert!(!backoff.is_pausing());
        assert_eq!(backoff.until(), None);
    }

    #[test]
    fn longest_requested_pause_counts_up_to_a_limit() {
        let asked = |pause| failure(Cause::Unavailable, Some(pause));
        let mut backoff = Backoff::default();
        backoff.failed(&asked(Duration::from_secs(20)), Duration::ZERO);
        backoff.failed_too(Some(Duration::from_secs(30)));
        backoff.failed_too(Some(Duration::from_secs(1)));
        backoff.failed_too(None);
        assert!(left(&backoff) > Duration::from_secs(29) && left(&backoff) <= Duration::from_secs(30));
        backoff.failed(&asked(Duration::MAX), Duration::ZERO);
        assert!(left(&backoff) <= MAX_ASKED);
        backoff.failed(&asked(Duration::ZERO), Duration::MAX);
        assert!(left(&backoff) > Duration::ZERO);
        backoff.failed(&failure(Cause::Unavailable, None), Duration::from_millis(20));
        assert!(left(&backoff) <= Duration::from_millis(20));
    }
}
