//! Whether this process is a fork of the one in which something was created.

use forkguard::Guard;

/// Remembers the process that created it.
///
/// A child has a copy of all memory, but only the thread that called `fork`: none of our threads runs in it, and a lock
/// that one of them held stays locked.
#[derive(Clone, Debug)]
pub(crate) struct Fork(Option<Guard>);

impl Default for Fork {
    fn default() -> Self {
        Self::new()
    }
}

impl Fork {
    pub(crate) fn new() -> Self {
        // Without a handler a child is not noticed; that is no reason to fail.
        Self(Guard::try_new().ok())
    }

    /// Returns `true` in a child of the process that created this. Costs the load of a counter.
    pub(crate) fn is_child(&self) -> bool {
        self.0.as_ref().is_some_and(|guard| guard.clone().detected_fork())
    }
}
