//! Detection of forks: is this process the one in which a value was created?
//!
//! Everything that owns a thread, or shares a lock with one, keeps a [`Fork`] and checks it first.
//!
//! | in the child | instead |
//! |---|---|
//! | join a thread, wait for its answer | return at once |
//! | push into a queue that a thread empties | pass it to the queue that was built in the child, or count it as dropped |
//! | lock a mutex that a thread may have held | [`ForkMutex`](super::ForkMutex) |
//! | drop a handle | forget it: its channels may be locked as well |

use forkguard::Guard;

/// The process in which it was created.
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
    /// Creates a mark of this process. A clone marks the same process, not the one that clones.
    pub(crate) fn new() -> Self {
        // Without a handler a child is not noticed; that is not a reason to fail.
        Self(Guard::try_new().ok())
    }

    /// Returns `true` in a child of the process that created this. Costs the load of a counter.
    #[inline]
    pub(crate) fn is_child(&self) -> bool {
        self.0.as_ref().is_some_and(|guard| guard.clone().detected_fork())
    }
}
