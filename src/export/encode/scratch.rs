//! The buffers that a thread encodes its items in.
//!
//! Recording allocates nothing in the steady state: an item is encoded here and then copied into the queue, under its
//! lock. It is not encoded under the lock, because that calls code of the user, such as `Debug` implementations.

use std::cell::Cell;

/// The buffers of one item.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The encoded scope.
    pub(crate) scope: Vec<u8>,
    /// The encoded item.
    pub(crate) item: Vec<u8>,
}

/// Calls `encode` with this thread's buffers, emptied.
///
/// They are taken out for the time of the call: an item that is encoded while another one is (a `Debug`
/// implementation that logs) finds none, and gets new ones. So does a thread that is ending.
pub(crate) fn with_scratch<R>(encode: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default();
    scratch.scope.clear();
    scratch.item.clear();
    let result = encode(&mut scratch);
    if scratch.item.capacity() <= MAX_KEPT && scratch.scope.capacity() <= MAX_KEPT {
        let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
    }
    result
}

thread_local! {
    /// `None` while the buffers are in use.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// The largest capacity, in bytes, that a thread keeps: one huge item must not hold its memory for as long as the
/// thread lives.
const MAX_KEPT: usize = 64 << 10;
