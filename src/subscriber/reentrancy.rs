//! Tracks whether this thread is inside telemetry's own code.

use crate::export::own_threads::{FlagGuard, ThreadFlag};

/// Held while this thread is where locks of spans may be held, or values of the user are being formatted.
///
/// What is logged meanwhile (by a sampler, a processor, a `Debug` implementation, a panic) still becomes a line, but
/// must not access a span: this thread may hold its lock.
pub(crate) struct ReentrancyGuard(FlagGuard);

impl ReentrancyGuard {
    /// Begins a section of this crate's own code. Guards nest; each must be dropped on the thread that created it, before
    /// those that were created earlier.
    #[inline]
    pub(crate) fn enter() -> Self {
        Self(ThreadFlag::SpanCode.set())
    }

    /// Returns whether any is held on this thread.
    #[inline]
    pub(crate) fn is_held() -> bool {
        ThreadFlag::SpanCode.is_set()
    }

    /// Returns whether another one was held when this one was created.
    #[inline]
    pub(super) fn is_nested(&self) -> bool {
        self.0.was_set()
    }
}
