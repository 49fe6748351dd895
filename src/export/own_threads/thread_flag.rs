//! Flags that describe the current thread.

use std::cell::Cell;

/// A property of the current thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum ThreadFlag {
    /// It exports: what happens here is no telemetry.
    Io = 1,
    /// It writes log lines: nor is this.
    LineWriter = 1 << 1,
    /// It runs code of the program and of the SDK in turns.
    Background = 1 << 2,
    /// It runs a rule of redaction.
    RedactionRule = 1 << 3,
    /// It reports a panic.
    PanicHook = 1 << 4,
    /// A metric reader of ours collects on it.
    OwnCollection = 1 << 5,
    /// A metric reader of the program calls a callback on it, under a lock of the SDK.
    LockedCallback = 1 << 6,
    /// A layer for servers polls whether the service inside it is ready.
    #[cfg(any(feature = "grpc", feature = "http"))]
    ServerReadiness = 1 << 7,
    /// A layer for clients does.
    #[cfg(any(feature = "grpc", feature = "http"))]
    ClientReadiness = 1 << 8,
    /// A span processor of the program is called for the end of a span, which the thread may have locked.
    SpanProcessor = 1 << 9,
    /// Metric readers of the program are flushed or shut down on it; those of the export have been already.
    CustomReaders = 1 << 10,
}

/// Sets a flag back to what it was, after a panic as well.
#[must_use]
pub(crate) struct FlagGuard {
    flag: ThreadFlag,
    before: bool,
}

impl ThreadFlag {
    /// Returns `true` if the thread has this flag.
    #[inline]
    pub(crate) fn is_set(self) -> bool {
        FLAGS.get() & self as u16 != 0
    }

    /// Sets the flag until the guard is dropped.
    pub(crate) fn set(self) -> FlagGuard {
        FlagGuard { flag: self, before: self.replace(true) }
    }

    /// Sets or removes the flag, and returns whether it was set.
    pub(crate) fn replace(self, is_set: bool) -> bool {
        let before = FLAGS.get();
        FLAGS.set(if is_set { before | self as u16 } else { before & !(self as u16) });
        before & self as u16 != 0
    }
}

#[cfg(any(feature = "grpc", feature = "http"))]
impl FlagGuard {
    /// Returns `true` if the flag was set before.
    pub(crate) fn was_set(&self) -> bool {
        self.before
    }
}

impl Drop for FlagGuard {
    fn drop(&mut self) {
        self.flag.replace(self.before);
    }
}

thread_local! {
    static FLAGS: Cell<u16> = const { Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_independent() {
        assert!(!ThreadFlag::Background.replace(true));
        assert!(!ThreadFlag::PanicHook.replace(true));
        assert!(ThreadFlag::Background.replace(false));
        assert!(ThreadFlag::PanicHook.is_set() && !ThreadFlag::Background.is_set());
        assert!(ThreadFlag::PanicHook.replace(false));
    }

    #[test]
    fn a_guard_restores_what_was_set_before_it() {
        let flag = ThreadFlag::LockedCallback;
        let outer = flag.set();
        drop(flag.set());
        assert!(flag.is_set());
        drop(outer);
        assert!(!flag.is_set());
        let panicked = std::panic::catch_unwind(|| {
            let _set = flag.set();
            std::panic::panic_any(());
        });
        assert!(panicked.is_err() && !flag.is_set());
    }
}
