//! A mutex that a forked process can lock.
//!
//! ```text
//! lock ─▶ same process ─────────────────────────▶ value
//!     └─▶ child ─▶ try for MAX_WAIT ─ free ─────▶ value        (its holder, if any, lives in the child)
//!                                   └ locked ───▶ replacement  (from now on, for every caller in this child)
//! ```

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::Fork;

/// A mutex that cannot hang a forked child: a thread of the parent that held it at the fork does not exist in the child, and
/// never unlocks it.
///
/// If it stays locked, the child abandons the value and continues with a default one. A panic while it is locked leaves
/// the value as it is.
#[derive(Debug)]
pub(crate) struct ForkMutex<T> {
    /// The value, as long as it can be locked.
    value: Mutex<T>,
    /// The process in which the mutex was created.
    fork: Fork,
    /// Replaces `value` in a child in which that stays locked.
    replacement: OnceLock<Box<Self>>,
}

impl<T: Default> ForkMutex<T> {
    /// Creates an unlocked mutex of this process.
    pub(crate) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), fork: Fork::new(), replacement: OnceLock::new() }
    }

    /// Returns `true` in a child of the process in which this was created. Values that describe threads or sockets are
    /// then those of the parent.
    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        self.fork.is_child()
    }

    /// Locks the value. Waits for as long as it takes in the process that created the mutex, and at most [`MAX_WAIT`]
    /// for the inherited value in a child.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.fork.is_child() {
            true => self.lock_in_child(),
            false => self.value.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Returns the value for a caller that no other thread competes with.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        if self.fork.is_child() {
            self.adopt();
        }
        self.value.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes this process, a child, the one that the mutex belongs to, and the replacement its value.
    #[cold]
    fn adopt(&mut self) {
        while let Some(replacement) = self.replacement.take() {
            *self = *replacement;
        }
        self.fork = Fork::new();
    }

    /// Locks the inherited value, or the replacement if that stays locked. Other threads of the child hold the lock for
    /// moments only.
    #[cold]
    fn lock_in_child(&self) -> MutexGuard<'_, T> {
        let deadline = Instant::now() + MAX_WAIT;
        while self.replacement.get().is_none() {
            match self.value.try_lock() {
                Ok(value) => return value,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => break,
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        self.replacement.get_or_init(|| Box::new(Self::new(T::default()))).lock()
    }
}

impl<T: Default> Default for ForkMutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// The time after which a child regards a lock as one that is never released.
const MAX_WAIT: Duration = Duration::from_millis(50);
