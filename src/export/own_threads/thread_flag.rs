//! Flags that describe the current thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};

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
    /// It runs code of the layer for `tracing` that may hold locks of spans, or formats values of the user.
    SpanCode = 1 << 11,
    /// What is set on a span is inferred by this crate.
    InferredStatus = 1 << 12,
    /// It emits the event of an explicitly recorded error whose span is not marked yet.
    UnmarkedError = 1 << 13,
    /// Ids of spans are those of the registry of twins.
    TwinIds = 1 << 14,
}

/// Sets a flag back to what it was, after a panic as well.
#[must_use]
pub(crate) struct FlagGuard {
    flag: ThreadFlag,
    /// The flag, or nothing.
    before: u16,
}

impl ThreadFlag {
    /// Returns `true` if the thread has this flag.
    #[inline]
    pub(crate) fn is_set(self) -> bool {
        THREAD.with(|thread| thread.flags.get() & self as u16 != 0)
    }

    /// Sets the flag until the guard is dropped. Guards of a flag nest.
    #[inline]
    pub(crate) fn set(self) -> FlagGuard {
        THREAD.with(|Thread { flags, .. }| {
            let before = flags.get();
            flags.set(before | self as u16);
            FlagGuard { flag: self, before: before & self as u16 }
        })
    }

    /// Sets or removes the flag, and returns whether it was set.
    #[inline]
    pub(crate) fn replace(self, is_set: bool) -> bool {
        THREAD.with(|Thread { flags, .. }| {
            let before = flags.get();
            flags.set(if is_set { before | self as u16 } else { before & !(self as u16) });
            before & self as u16 != 0
        })
    }
}

impl FlagGuard {
    /// Returns `true` if the flag was set before.
    #[inline]
    pub(crate) fn was_set(&self) -> bool {
        self.before != 0
    }
}

impl Drop for FlagGuard {
    #[inline]
    fn drop(&mut self) {
        THREAD.with(|Thread { flags, .. }| flags.set(flags.get() & !(self.flag as u16) | self.before));
    }
}

/// Returns the number of this thread. Threads get numbers in turn, from a few that they share.
#[inline]
pub(crate) fn thread_number() -> u8 {
    /// The number of the next thread.
    static NEXT: AtomicU8 = AtomicU8::new(0);
    THREAD.with(|Thread { number, .. }| {
        let known = number.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        number.set(Some(known));
        known
    })
}

/// What is kept for a thread. It has no destructor, so that it can be used until the very end of the thread.
struct Thread {
    flags: Cell<u16>,
    number: Cell<Option<u8>>,
}

thread_local! {
    static THREAD: Thread = const { Thread { flags: Cell::new(0), number: Cell::new(None) } };
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
