//! Start times: wall clock and monotonic clock.
//!
//! The wall clock can be set while a span or a call lasts. So it is read once, at the start; the duration comes from
//! the monotonic clock, and the end is start + duration. Nothing ends before it began.

use std::time::{Duration, Instant, SystemTime};

/// A start, by the clock that can be set and by the one that measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartTime {
    /// The exported start time.
    pub(crate) time: SystemTime,
    /// The same moment, for durations.
    instant: Instant,
}

impl StartTime {
    /// Reads both clocks.
    pub(crate) fn now() -> Self {
        Self { time: wall_clock(), instant: Instant::now() }
    }

    /// Returns the start of what began this long ago. What is before the range of a clock is now.
    #[cfg(any(feature = "grpc", feature = "http"))]
    pub(crate) fn ago(elapsed: Duration) -> Self {
        let Self { time, instant } = Self::now();
        Self {
            time: time.checked_sub(elapsed).unwrap_or(time),
            instant: instant.checked_sub(elapsed).unwrap_or(instant),
        }
    }

    /// Returns the measured time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.instant.elapsed()
    }

    /// Returns the time this long after the start. What is beyond the range of the clock is the start.
    pub(crate) fn after(self, duration: Duration) -> SystemTime {
        self.time.checked_add(duration).unwrap_or(self.time)
    }

    /// Returns the current time, if the wall clock had not been set since the start.
    pub(crate) fn end(self) -> SystemTime {
        self.after(self.elapsed())
    }
}

/// The clock that can be set.
#[cfg(not(test))]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// A clock that tests can set.
#[cfg(test)]
fn wall_clock() -> SystemTime {
    tests::wall_clock()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static STEP: Cell<i64> = const { Cell::new(0) };
    }

    pub(super) fn wall_clock() -> SystemTime {
        let step = Duration::from_secs(STEP.get().unsigned_abs());
        if STEP.get() < 0 { SystemTime::now() - step } else { SystemTime::now() + step }
    }

    /// Sets the clock of this thread to the current time and these seconds.
    pub(crate) fn set_clock(step: i64) {
        STEP.set(step);
    }

    #[test]
    fn a_time_that_is_out_of_range_is_the_start() {
        let last = (0..64).rev().fold(SystemTime::UNIX_EPOCH, |time, bit| {
            time.checked_add(Duration::from_secs(1 << bit)).unwrap_or(time)
        });
        let start = StartTime { time: last, instant: Instant::now() - Duration::from_secs(2) };
        assert_eq!(start.end(), last);
    }

    #[test]
    #[cfg(any(feature = "grpc", feature = "http"))]
    fn a_start_before_the_range_of_the_clocks_is_now() {
        let before = SystemTime::now();
        let start = StartTime::ago(Duration::MAX);
        assert!(start.time >= before && start.elapsed() < Duration::from_secs(60), "{start:?}");
    }
}
