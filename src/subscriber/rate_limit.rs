//! A limit on how often something is logged.
//!
//! The SDK can log the same message for each item, at full speed. Twenty of its lines a minute show what is wrong; more
//! would push other lines out of the log. The limit never waits: if its lock is taken, the line is discarded.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lets a number of events pass in each window of time.
#[derive(Debug)]
pub(super) struct RateLimit {
    /// The current window.
    window: Mutex<Window>,
}

/// A period of [`WINDOW`], which begins with an event. The first one begins when the limit is created.
#[derive(Debug)]
struct Window {
    /// The start of the window.
    start: Instant,
    /// Events in the window, those that did not pass included.
    passed: u32,
}

impl RateLimit {
    /// Begins a window.
    pub(super) fn new(now: Instant) -> Self {
        Self { window: Mutex::new(Window { start: now, passed: 0 }) }
    }

    /// Returns `true` if another event is allowed now.
    pub(super) fn allows(&self, now: Instant) -> bool {
        // Another thread is deciding about the same flood, or this one was interrupted while it did.
        let Ok(mut window) = self.window.try_lock() else { return false };
        if now.saturating_duration_since(window.start) >= WINDOW {
            *window = Window { start: now, passed: 0 };
        }
        window.passed += 1;
        window.passed <= MAX_IN_WINDOW
    }
}

/// The length of a window, from its first event.
const WINDOW: Duration = Duration::from_secs(60);
/// Events that may pass in one window.
const MAX_IN_WINDOW: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_the_next_window_starts_afresh() {
        let start = Instant::now();
        let limit = RateLimit::new(start);
        let passed = |now| (0..1_000).filter(|_| limit.allows(now)).count();
        assert_eq!(passed(start), 20);
        assert_eq!(passed(start + WINDOW - Duration::from_millis(1)), 0);
        assert_eq!(passed(start + WINDOW), 20);
    }
}
