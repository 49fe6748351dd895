//! Threads of this crate whose own activity is no telemetry.

use std::cell::{Cell, RefCell};

use tracing_core::dispatcher::{self, DefaultGuard, Dispatch};

/// Returns `true` on the I/O thread, on a helper of its runtime, and on the thread of a line writer. Spans and events
/// made here would be exported or written by the very work that makes them; `opentelemetry`'s own suppression is lost
/// where a library enters a root span.
pub(crate) fn on_io_thread() -> bool {
    ROLE.get() != Role::None
}

/// Returns `true` on the thread of a line writer.
pub(crate) fn on_line_writer() -> bool {
    ROLE.get() == Role::LineWriter
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
    ROLE.set(Role::Io);
    action();
    ROLE.set(Role::None);
}

/// Makes the current thread one whose own activity is no telemetry, until it ends.
pub(crate) fn become_io_thread(events: OwnEvents) {
    ROLE.set(Role::Io);
    if events == OwnEvents::Discard {
        DISCARDING.set(Some(dispatcher::set_default(&Dispatch::none())));
    }
}

/// Makes the current thread the thread of a line writer, until it ends.
pub(crate) fn become_line_writer() {
    ROLE.set(Role::LineWriter);
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    None,
    Io,
    LineWriter,
}

thread_local! {
    static ROLE: Cell<Role> = const { Cell::new(Role::None) };
    static DISCARDING: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}
