//! A level that can be changed while the program runs, used for the lines of this crate and for log records.
//!
//! It is a single atomic number, so reading it takes no lock. Other threads see a change a moment later, which is
//! precise enough for a change of the configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_core::{Level, LevelFilter};

/// The most verbose level that is enabled. Shared by its clones.
#[derive(Clone, Debug)]
pub(crate) struct SharedLevel(Arc<AtomicUsize>);

impl SharedLevel {
    /// Creates a level that this and its clones share.
    pub(crate) fn new(level: LevelFilter) -> Self {
        Self(Arc::new(AtomicUsize::new(number(level))))
    }

    /// Replaces the level for all later events.
    pub(crate) fn set(&self, level: LevelFilter) {
        self.0.store(number(level), Ordering::Relaxed);
    }

    /// Copies the current level of `other`.
    pub(crate) fn take_over(&self, other: &Self) {
        self.0.store(other.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Returns `true` if events of this level are enabled.
    pub(crate) fn allows(&self, level: Level) -> bool {
        number(LevelFilter::from_level(level)) <= self.0.load(Ordering::Relaxed)
    }
}

/// Returns the number of a level. Higher is more verbose.
pub(crate) fn number(level: LevelFilter) -> usize {
    match level.into_level() {
        None => OFF,
        Some(Level::ERROR) => 1,
        Some(Level::WARN) => 2,
        Some(Level::INFO) => 3,
        Some(Level::DEBUG) => 4,
        Some(Level::TRACE) => 5,
    }
}

/// The number of the level that disables everything.
pub(crate) const OFF: usize = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_up_to_the_last_one_set_are_enabled() {
        let level = SharedLevel::new(LevelFilter::WARN);
        let clone = level.clone();
        assert!(clone.allows(Level::ERROR) && clone.allows(Level::WARN) && !clone.allows(Level::INFO));
        level.set(LevelFilter::OFF);
        assert!(!clone.allows(Level::ERROR));
        level.set(LevelFilter::TRACE);
        assert!(clone.allows(Level::TRACE));
        level.take_over(&SharedLevel::new(LevelFilter::ERROR));
        assert!(!clone.allows(Level::WARN));
    }
}
