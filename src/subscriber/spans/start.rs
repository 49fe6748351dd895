//! The start of a span: from pending to started, once, whichever thread needs it first.
//!
//! Who starts it, and whether through a twin, is decided under the lock of the stage. Without code of the user the span is
//! started under that lock, too; with it the stage says which thread is at it, and others wait.
//!
//! | the span is | another thread | this thread |
//! |---|---|---|
//! | pending | – | starts it |
//! | being started by user code (sampler, processor) | waits for at most [`MAX_START`] | gets the span around it: it is inside of that code |
//! | started | gets it, without a lock | the same |

use std::sync::{Arc, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use opentelemetry::Context as OtelContext;

use super::SpanBridge;
use super::state::{PendingSpan, SpanState, Stage, Started};
use crate::subscriber::reentrancy::ReentrancyGuard;
use crate::user_code::catch_panic;

impl SpanBridge {
    /// Starts a span, unless it has started.
    ///
    /// # Errors
    ///
    /// The context around a span that is still being started: by another thread, or by this one, whose sampler needs it.
    pub(super) fn start<'a>(&self, state: &'a Arc<SpanState>) -> Result<&'a Started, OtelContext> {
        if let Some(started) = state.started.get() {
            return Ok(started);
        }
        let stage = state.lock_stage();
        if !stage.has_twin() {
            return self.start_locked(state, stage, |_| {});
        }
        drop(stage);
        self.start_through_twin(state);
        self.start_with(state, |_| {})
    }

    /// Starts a span, unless it has started. `change` is called before.
    ///
    /// # Errors
    ///
    /// Like [`start`](Self::start).
    pub(super) fn start_with<'a>(
        &self,
        state: &'a Arc<SpanState>,
        change: impl FnOnce(&mut PendingSpan),
    ) -> Result<&'a Started, OtelContext> {
        self.start_locked(state, state.lock_stage(), change)
    }

    /// Starts a span under the lock of its stage, or waits for the thread that is starting it.
    ///
    /// `change` is called once, and only if this thread starts the span.
    #[inline]
    fn start_locked<'a>(
        &self,
        state: &'a Arc<SpanState>,
        mut stage: MutexGuard<'_, Stage>,
        change: impl FnOnce(&mut PendingSpan),
    ) -> Result<&'a Started, OtelContext> {
        match &mut *stage {
            Stage::Pending(pending) if state.is_inherited() => {
                // The parent starts it, with ids of its own.
                let around = pending.parent.clone();
                Ok(state.store(Started::transparent(around)))
            }
            Stage::Pending(pending) => {
                state.stop_following();
                change(pending);
                if !self.source.runs_user_code() {
                    let started = self.settle(state, pending);
                    *stage = Stage::Settled;
                    return Ok(started);
                }
                let mut pending = std::mem::take(pending);
                *stage = Stage::Starting(thread::current().id(), pending.parent.clone());
                drop(stage);
                let started = self.settle(state, &mut pending);
                *state.lock_stage() = Stage::Settled;
                Ok(started)
            }
            Stage::Following(around) => Ok(state.store(Started::transparent(around.clone()))),
            Stage::Starting(thread, around) => {
                let (thread, around) = (*thread, around.clone());
                drop(stage);
                wait_for(state, thread);
                state.started.get().ok_or(around)
            }
            Stage::Settled => state.started.get().ok_or_else(OtelContext::new),
        }
    }

    /// Starts a pending span, and stores the result. A panic of user code makes it stand for the span around it.
    #[inline]
    fn settle<'a>(&self, state: &'a SpanState, pending: &mut PendingSpan) -> &'a Started {
        if !self.source.runs_user_code() {
            return state.store(self.source.start(pending, state));
        }
        let start = || {
            // Events of a sampler or a span processor must not need this span.
            let _inside = ReentrancyGuard::enter();
            self.source.start(&mut *pending, state)
        };
        let started = catch_panic(start).unwrap_or_else(|| Started::transparent(pending.parent.clone()));
        state.store(started)
    }
}

/// Returns the context to enter a span with that stands for the span around it. From then on it keeps its parent. `None`
/// for any other span.
#[inline]
pub(super) fn follow_parent(state: &SpanState) -> Option<OtelContext> {
    if !state.follows_parent() || state.is_inherited() {
        return None;
    }
    let mut stage = state.lock_stage();
    match &mut *stage {
        Stage::Pending(pending) if state.follows_parent() => {
            let around = std::mem::take(&mut pending.parent);
            *stage = Stage::Following(around.clone());
            Some(around)
        }
        Stage::Following(around) => Some(around.clone()),
        _ => None,
    }
}

/// Waits for the thread that is starting the span, unless it is this one. It looks again and again, because a lock of all
/// spans could stay locked in a forked child; that two threads need a span at the moment of its start is rare.
pub(super) fn wait_for(state: &SpanState, starting: ThreadId) {
    // In a forked child, the thread of the parent does not exist.
    if starting == thread::current().id() || state.is_inherited() {
        return;
    }
    let deadline = Instant::now() + MAX_START;
    while state.started.get().is_none() && Instant::now() < deadline {
        thread::sleep(PAUSE);
    }
}

/// The time for which a thread waits for another one that is starting the same span. Afterwards it continues with the
/// enclosing span.
const MAX_START: Duration = Duration::from_secs(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_micros(100);

#[cfg(test)]
mod tests;
