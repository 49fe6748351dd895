//! Deadlines: a limit in time, counted from now on.

use std::time::{Duration, Instant};

/// Returns the end of `timeout`. A duration that no clock can hold counts as unlimited.
pub(crate) fn deadline_after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now + FOR_EVER)
}

/// A year. Every clock can hold it.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
