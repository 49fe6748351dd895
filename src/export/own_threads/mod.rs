//! The threads that this crate starts, and whether they still exist.
//!
//! | question | answered by |
//! |---|---|
//! | Is what happens here our own work, which must not become telemetry? | [`on_io_thread`], [`on_line_writer`] |
//! | Does it run code of the program and of the SDK in turns? | [`on_background_thread`] |
//! | Is this a forked child, in which none of the threads runs? | [`Fork::is_child`] |
//! | Can a forked child lock what one of the threads had locked? | [`ForkMutex`] |
//!
//! | thread | role | started by |
//! |---|---|---|
//! | `otel-export`, and helpers of its runtime | I/O | the exporter |
//! | `otel-scrape`, `otel-prometheus` | I/O | the Prometheus exporter |
//! | the writer of log lines | line writer | the log output |
//! | collection, flush, shutdown | background | the metric reader, the guard |
//! | everything else | none | the program |
//!
//! The role is a thread-local value that is set once, at the start of the thread. Reading it costs no more than reading
//! a variable, which matters: every span and every event asks.

mod fork;
mod fork_mutex;

use std::cell::Cell;

pub(crate) use self::fork::Fork;
pub(crate) use self::fork_mutex::ForkMutex;

/// Returns `true` on the I/O thread, on a helper of its runtime, and on the thread of a line writer. Spans and events
/// made here would be exported or written by the very work that makes them; `opentelemetry`'s own suppression is lost
/// where a library enters a root span.
pub(crate) fn on_io_thread() -> bool {
    matches!(ROLE.get(), Role::Io | Role::LineWriter)
}

/// Returns `true` on the thread of a line writer.
pub(crate) fn on_line_writer() -> bool {
    ROLE.get() == Role::LineWriter
}

/// Returns `true` on a thread that collects metrics, flushes or shuts down. Code of the program runs there, too, and is
/// treated as everywhere.
pub(crate) fn on_background_thread() -> bool {
    ROLE.get() == Role::Background
}

/// Runs `action` as if this were the I/O thread.
#[cfg(test)]
pub(crate) fn as_io_thread(action: impl FnOnce()) {
    ROLE.set(Role::Io);
    action();
    ROLE.set(Role::None);
}

/// Makes the current thread one whose own activity is no telemetry, until it ends.
pub(crate) fn become_io_thread() {
    ROLE.set(Role::Io);
}

/// Makes the current thread the thread of a line writer, until it ends.
pub(crate) fn become_line_writer() {
    ROLE.set(Role::LineWriter);
}

/// Makes the current thread one on which code of the program and of the SDK runs in turns, until it ends.
pub(crate) fn become_background_thread() {
    ROLE.set(Role::Background);
}

/// Runs `action`, in which the SDK holds a lock while it emits events of its own.
///
/// As on a background thread, layers of the user do not see these: one that creates a meter or an instrument for each
/// event would wait for the lock that this very thread holds.
pub(crate) fn without_sdk_chatter<T>(action: impl FnOnce() -> T) -> T {
    struct Restore(Role);
    impl Drop for Restore {
        fn drop(&mut self) {
            ROLE.set(self.0);
        }
    }
    let before = ROLE.get();
    let _restore = Restore(before);
    if before == Role::None {
        ROLE.set(Role::Background);
    }
    action()
}

/// What the current thread is for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// A thread of the program.
    None,
    /// Runs code of the program and of the SDK in turns, with a limit of time.
    Background,
    /// Sends telemetry, or answers scrapes.
    Io,
    /// Writes log lines.
    LineWriter,
}

thread_local! {
    /// [`Role::None`], unless one of the functions above was called on this thread.
    static ROLE: Cell<Role> = const { Cell::new(Role::None) };
}
