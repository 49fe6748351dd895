//! The pause before the next try: exponential, with jitter, as the OTLP specification requires.
//!
//! The pause begins at 50 to 100 ms and doubles with each failure, up to 2.5 to 5 s. What the collector requests by
//! `RetryInfo` or `Retry-After` counts instead, within 50 ms and 10 minutes.
//!
//! Rate limiting has pauses of its own. After an outage all clients send at once and gateways throttle them. A
//! throttled attempt proves that the collector is back, so it is not followed by the long outage pause.
//!
//! | failure in a row | 1 | 2 | 3 | 4 | 5 | 6 | from 7 on |
//! |---|---|---|---|---|---|---|---|
//! | pause, ms | 50–100 | 100–200 | 200–400 | 400–800 | 800–1600 | 1600–3200 | 2500–5000 |
//!
//! Before a deadline (a flush waits, or the shutdown), the pause is cut so that further tries fit, but never below 10
//! ms. A requested pause is never cut: the specification requires it. One that ends after the deadline ends the
//! attempts instead.
//!
//! A flush or the shutdown may skip the rest of a pause once; see the worker's [states](super::worker). A flush does not
//! skip a requested one.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::export::destination::{Cause, Failure};

/// The failures in a row, and the pause after the last one.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Failures since the last success, without those that are counted in `throttled`.
    failures: u32,
    /// Tries since the last success that the receiver refused because it limits the rate. Counted on their own, so
    /// the first one after an outage is followed by a short pause.
    throttled: u32,
    /// The end of the pause. `None` outside of one.
    until: Option<Instant>,
    /// The receiver has requested the pause.
    is_requested: bool,
}

impl Backoff {
    /// Returns `true` if the last try failed, also after the pause: the collector is then probed by one request at a
    /// time.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0 || self.throttled > 0
    }

    /// Returns when the next request may be sent, or `None` outside of a pause.
    ///
    /// A pause that is over is returned until [`is_pausing`](Self::is_pausing) clears it, so the worker wakes at
    /// once.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Returns `true` during a pause, and ends one whose time is over.
    pub(super) fn is_pausing(&mut self) -> bool {
        self.until = self.until.filter(|until| *until > Instant::now());
        self.until.is_some()
    }

    /// Returns the end of the pause if the receiver has requested it and it is not over.
    pub(super) fn requested_until(&self) -> Option<Instant> {
        self.until.filter(|until| self.is_requested && *until > Instant::now())
    }

    /// Forgets all failures and ends the pause: the next failure starts with a short one.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Begins a pause after a failure that is the first of its epoch.
    ///
    /// It is longer than the one after the last failure of this kind, but not longer than `limit`. If the failure
    /// carries a requested pause, that one counts instead, within [`MIN_ASKED`] and [`MAX_ASKED`]. A requested pause
    /// of zero only means that a retry may succeed.
    pub(super) fn failed(&mut self, failure: &Failure, limit: Duration) {
        let in_a_row =
            if failure.cause == Cause::Throttled { &mut self.throttled } else { &mut self.failures };
        let own = wait_after(*in_a_row).min(limit).max(MIN);
        let requested = failure.retry_after.filter(|asked| !asked.is_zero());
        let wait = requested.map_or(own, |asked| asked.clamp(MIN_ASKED, MAX_ASKED));
        *in_a_row = in_a_row.saturating_add(1);
        self.is_requested = requested.is_some();
        self.until = Some(Instant::now() + wait);
    }

    /// Records the failure of another request that was in flight at the same time.
    ///
    /// It does not make the pause longer, unless the collector requests a longer one with it.
    pub(super) fn failed_too(&mut self, retry_after: Option<Duration>) {
        let Some(asked) = retry_after.filter(|asked| !asked.is_zero()) else { return };
        let until = Instant::now() + asked.clamp(MIN_ASKED, MAX_ASKED);
        self.until = self.until.max(Some(until));
        self.is_requested = true;
    }
}

/// Returns the pause after this many earlier failures in a row.
fn wait_after(failures: u32) -> Duration {
    let ceiling = FIRST.saturating_mul(1 << failures.min(10)).min(MAX);
    // Between half and the whole, so many services do not retry at the same time.
    ceiling.mul_f64(0.5 + 0.5 * random_fraction())
}

/// Returns a random number from 0 to 1, both included.
///
/// Each `RandomState` has keys of its own, which come from the operating system, so no generator is needed as a
/// dependency.
fn random_fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// The upper end of the first pause.
const FIRST: Duration = Duration::from_millis(100);
/// The upper end of the longest pause that is not requested by the collector.
const MAX: Duration = Duration::from_secs(5);
/// The shortest pause, however close a deadline is.
const MIN: Duration = Duration::from_millis(10);
/// The shortest pause that a collector can request: a date that has just passed must not become a busy loop.
const MIN_ASKED: Duration = Duration::from_millis(50);
/// The longest pause that a collector can request. A longer value, such as a date in a wrong time zone, must not
/// silence the exporter for hours.
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
    fn pauses_double_with_jitter_up_to_a_maximum_and_reset_on_success() {
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
