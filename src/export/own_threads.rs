//! Threads of this crate whose own activity is no telemetry.

use std::cell::{Cell, RefCell};

use tracing_core::dispatcher::{self, DefaultGuard, Dispatch};

/// Returns `true` on the I/O thread, and on a helper of its runtime. Spans and events made here would be exported by the
/// very export that makes them; `opentelemetry`'s own suppression is lost where a library enters a root span.
pub(crate) fn on_io_thread() -> bool {
    ON_IO_THREAD.get()
}

/// What happens to spans and events of libraries, such as `h2`, on our threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnEvents {
    /// They reach the global subscriber, which consists of our layer alone: it ignores them.
    Ignore,
    /// They reach no subscriber: layers of the user are beside ours.
    ///
    /// A dispatcher of a thread makes every span and event of the program a little slower, so this is not the default.
    Discard,
}

/// Runs `action` as if this were the I/O thread.
#[cfg(test)]
pub(crate) fn as_io_thread(action: impl FnOnce()) {
    ON_IO_THREAD.set(true);
    action();
    ON_IO_THREAD.set(false);
}

/// Makes the current thread one whose own activity is no telemetry, until it ends.
pub(crate) fn become_io_thread(events: OwnEvents) {
    ON_IO_THREAD.set(true);
    if events == OwnEvents::Discard {
        DISCARDING.set(Some(dispatcher::set_default(&Dispatch::none())));
    }
}

thread_local! {
    static ON_IO_THREAD: Cell<bool> = const { Cell::new(false) };
    static DISCARDING: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}
