//! Which threads are the I/O thread.

use std::cell::Cell;

/// Whether this is the I/O thread, or a helper of its runtime. Spans and events made here would be exported by the
/// very export that makes them; `opentelemetry`'s own suppression is lost where a library enters a root span.
pub(crate) fn on_io_thread() -> bool {
    ON_IO_THREAD.get()
}

/// Runs `action` as if this were the I/O thread.
#[cfg(test)]
pub(crate) fn as_io_thread(action: impl FnOnce()) {
    ON_IO_THREAD.set(true);
    action();
    ON_IO_THREAD.set(false);
}

/// Makes the current thread one whose own doings are no telemetry, for as long as it lives.
pub(crate) fn become_io_thread() {
    ON_IO_THREAD.set(true);
}

thread_local! {
    static ON_IO_THREAD: Cell<bool> = const { Cell::new(false) };
}
