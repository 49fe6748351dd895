//! Memory of a thread for lines and fields, so they cost no allocation.

use std::cell::Cell;

use super::json::Scratch;
use super::kept_fields::KeptFields;

/// Each buffer is taken out while it is used: a value that logs while it is being formatted finds none and gets a
/// fresh one, so neither event tears the other.
pub(super) struct ThreadBuffers {
    /// For a line.
    pub(super) line: Cell<Option<Box<Scratch>>>,
    /// For the fields of a span that are recorded later.
    pub(super) fields: Cell<Option<Box<KeptFields>>>,
    /// For the text of a value.
    pub(super) text: Cell<String>,
}

impl ThreadBuffers {
    /// Takes a buffer. A thread that ends has none.
    pub(super) fn take<T: Default>(buffer: impl FnOnce(&Self) -> &Cell<T>) -> T {
        BUFFERS.try_with(|buffers| buffer(buffers).take()).unwrap_or_default()
    }

    /// Puts a buffer back.
    pub(super) fn put<T>(buffer: impl FnOnce(&Self) -> &Cell<T>, used: T) {
        let _ = BUFFERS.try_with(|buffers| buffer(buffers).set(used));
    }
}

thread_local! {
    static BUFFERS: ThreadBuffers =
        const { ThreadBuffers { line: Cell::new(None), fields: Cell::new(None), text: Cell::new(String::new()) } };
}
