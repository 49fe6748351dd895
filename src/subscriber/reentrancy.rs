//! Tracks whether this thread is inside telemetry's own code.

use super::thread_state::FLAGS;

/// Held while this thread is where locks of spans may be held, or values of the user are being formatted.
///
/// What is logged meanwhile (by a sampler, a processor, a `Debug` implementation, a panic) still becomes a line, but
/// must not access a span: this thread may hold its lock.
#[derive(Debug)]
pub(crate) struct ReentrancyGuard(());

impl ReentrancyGuard {
    /// Begins a section of this crate's own code. Guards nest; each must be dropped on the thread that created it.
    #[inline]
    pub(crate) fn enter() -> Self {
        FLAGS.with(|flags| flags.depth.update(|depth| depth + 1));
        Self(())
    }

    /// Returns whether any is held on this thread.
    pub(crate) fn is_held() -> bool {
        FLAGS.with(|flags| flags.depth.get() > 0)
    }
}

impl Drop for ReentrancyGuard {
    #[inline]
    fn drop(&mut self) {
        FLAGS.with(|flags| flags.depth.update(|depth| depth - 1));
    }
}
