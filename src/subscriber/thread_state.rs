//! Per-thread state of the subscriber.
//!
//! | value | has a destructor | used while the values of a thread are being dropped |
//! |---|---|---|
//! | [`Flags`] | no | as before |
//! | [`ThreadState`] | yes | no: callers do without it |

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::sync::Arc;

use super::errors::{Explicit, NotedPanic};
use super::spans::{Adopted, Entered, SpanState};

/// Flags that code of this crate sets for the code that it calls on the same thread.
#[derive(Debug)]
pub(super) struct Flags {
    /// How many [`ReentrancyGuard`](super::reentrancy::ReentrancyGuard)s are held.
    pub(super) depth: Cell<u32>,
    /// Statuses and `error.type` are inferred by this crate.
    pub(super) is_inferred: Cell<bool>,
    /// The progress of an explicitly recorded error.
    pub(super) explicit: Cell<Explicit>,
    /// What an id means to the registry of twins.
    pub(super) ids: Cell<IdMeaning>,
}

/// The meaning of the ids that the registry of twins looks up.
#[derive(Clone, Copy, Debug)]
pub(super) enum IdMeaning {
    /// Spans of the program.
    Spans,
    /// Spans of the private registry.
    Twins,
    /// Twins, while that of the span with this id is being created.
    NewTwin(NonZeroU64),
}

/// The memory of a thread for its spans.
pub(super) struct ThreadState {
    /// Entered spans of all subscribers, the innermost last.
    pub(super) entered: RefCell<Vec<Entered>>,
    /// Closed spans whose memory is kept.
    pub(super) spares: RefCell<Vec<Arc<SpanState>>>,
    /// Unused buffers for encoded attributes.
    pub(super) buffers: RefCell<Vec<Vec<u8>>>,
    /// What the handler span is for that is being created.
    pub(super) adopted: Cell<Option<Adopted>>,
    /// A panic in a span, whose status is set when it is exited.
    pub(super) panic: RefCell<Option<NotedPanic>>,
}

/// Runs `work`, during which a flag of this thread has another value.
pub(super) fn with_flag<T: Copy, R>(flag: fn(&Flags) -> &Cell<T>, value: T, work: impl FnOnce() -> R) -> R {
    let _restore = Restore { flag, before: FLAGS.with(|flags| flag(flags).replace(value)) };
    work()
}

/// Runs `work` with the memory of this thread. `None` if the thread is ending and has lost it.
#[inline]
pub(super) fn with_thread<R>(work: impl FnOnce(&ThreadState) -> R) -> Option<R> {
    THREAD.try_with(work).ok()
}

/// Sets a flag back, after a panic as well.
struct Restore<T: Copy> {
    /// Selects the flag.
    flag: fn(&Flags) -> &Cell<T>,
    /// The value to restore, which is not always the default: sections nest.
    before: T,
}

impl<T: Copy> Drop for Restore<T> {
    fn drop(&mut self) {
        FLAGS.with(|flags| (self.flag)(flags).set(self.before));
    }
}

thread_local! {
    /// Readable until the very end of the thread, because it has no destructor.
    pub(super) static FLAGS: Flags = const {
        Flags {
            depth: Cell::new(0),
            is_inferred: Cell::new(false),
            explicit: Cell::new(Explicit::Idle),
            ids: Cell::new(IdMeaning::Spans),
        }
    };
    /// Created on first use, and gone once its destructor has run.
    static THREAD: ThreadState = const {
        ThreadState {
            entered: RefCell::new(Vec::new()),
            spares: RefCell::new(Vec::new()),
            buffers: RefCell::new(Vec::new()),
            adopted: Cell::new(None),
            panic: RefCell::new(None),
        }
    };
}
