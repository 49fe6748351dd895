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
//! a variable, which matters: every span and every event reads it.

mod fork;
mod fork_mutex;
mod thread_flag;

pub(crate) use self::fork::Fork;
pub(crate) use self::fork_mutex::ForkMutex;
pub(crate) use self::thread_flag::{FlagGuard, ThreadFlag, thread_number};

/// Returns `true` on the I/O thread, on a helper of its runtime, and on the thread of a line writer. Spans and events
/// made here would be exported or written by the very work that makes them; `opentelemetry`'s own suppression is lost
/// where a library enters a root span.
#[inline]
pub(crate) fn on_io_thread() -> bool {
    ThreadFlag::Io.is_set() || ThreadFlag::LineWriter.is_set()
}

/// Returns `true` on the thread of a line writer.
pub(crate) fn on_line_writer() -> bool {
    ThreadFlag::LineWriter.is_set()
}

/// Returns `true` on a thread that collects metrics, flushes or shuts down. Code of the program runs there, too, and is
/// treated as everywhere.
pub(crate) fn on_background_thread() -> bool {
    ThreadFlag::Background.is_set()
}

/// Runs `action` as if this were the I/O thread.
#[cfg(test)]
pub(crate) fn as_io_thread(action: impl FnOnce()) {
    let _set = ThreadFlag::Io.set();
    action();
}

/// Makes the current thread one whose own activity is no telemetry, until it ends.
pub(crate) fn become_io_thread() {
    ThreadFlag::Io.replace(true);
}

/// Makes the current thread the thread of a line writer, until it ends.
pub(crate) fn become_line_writer() {
    ThreadFlag::LineWriter.replace(true);
}

/// Makes the current thread one on which code of the program and of the SDK runs in turns, until it ends.
pub(crate) fn become_background_thread() {
    ThreadFlag::Background.replace(true);
}

/// Runs `action`, in which the SDK holds a lock while it emits events of its own.
///
/// User layers do not see these events, just as on a background thread: one that creates a meter or an instrument for
/// each event would wait for the lock that this very thread holds.
pub(crate) fn without_sdk_chatter<T>(action: impl FnOnce() -> T) -> T {
    let _set = ThreadFlag::Background.set();
    action()
}
