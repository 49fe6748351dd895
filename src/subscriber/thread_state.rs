//! Per-thread state of the subscriber.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::errors::{NotedPanic, PanicReport};
use super::spans::{Adopted, Entered, SpanState};

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
    /// The panic of another thread whose event this one emits.
    pub(super) report: RefCell<Option<PanicReport>>,
}

/// Runs `work` with the memory of this thread. `None` if the thread is ending and has lost it.
#[inline]
pub(super) fn with_thread<R>(work: impl FnOnce(&ThreadState) -> R) -> Option<R> {
    THREAD.try_with(work).ok()
}

thread_local! {
    /// Created on first use, and gone once its destructor has run.
    static THREAD: ThreadState = const {
        ThreadState {
            entered: RefCell::new(Vec::new()),
            spares: RefCell::new(Vec::new()),
            buffers: RefCell::new(Vec::new()),
            adopted: Cell::new(None),
            panic: RefCell::new(None),
            report: RefCell::new(None),
        }
    };
}
