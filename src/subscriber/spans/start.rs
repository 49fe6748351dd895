//! The start of a span: from pending to started, once, whichever thread needs it first.
//!
//! Who starts it, and whether through a twin, is decided under the lock of its start. Without code of the user the span is
//! started under that lock, too; with it the stage says which thread is at it, and others wait.
//!
//! | the span is | another thread | this thread |
//! |---|---|---|
//! | pending | – | starts it |
//! | being started by user code (sampler, processor) | waits for at most [`MAX_START`] | gets the span around it: it is inside of that code |
//! | started | gets it | the same |

use std::sync::{Arc, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use opentelemetry::Context as OtelContext;

use super::SpanBridge;
use super::state::{PendingSpan, SpanState, Stage, Start, Started};
use crate::subscriber::reentrancy::ReentrancyGuard;
use crate::user_code::catch_panic;

impl SpanBridge {
    /// Starts a span, unless it has started.
    ///
    /// # Errors
    ///
    /// The context around a span that is still being started: by another thread, or by this one, whose sampler needs it.
    pub(super) fn start(&self, state: &Arc<SpanState>) -> Result<Started, OtelContext> {
        let start = state.lock_start();
        if !start.has_twin() {
            return self.start_locked(state, start, |_| {});
        }
        drop(start);
        self.start_through_twin(state);
        self.start_with(state, |_| {})
    }

    /// Starts a span, unless it has started. `change` is called before.
    ///
    /// # Errors
    ///
    /// Like [`start`](Self::start).
    pub(super) fn start_with(
        &self,
        state: &Arc<SpanState>,
        change: impl FnOnce(&mut PendingSpan),
    ) -> Result<Started, OtelContext> {
        self.start_locked(state, state.lock_start(), change)
    }

    /// Starts a span under the lock of its start, or waits for the thread that is starting it.
    ///
    /// `change` is called once, and only if this thread starts the span.
    #[inline]
    fn start_locked(
        &self,
        state: &Arc<SpanState>,
        mut start: MutexGuard<'_, Start>,
        change: impl FnOnce(&mut PendingSpan),
    ) -> Result<Started, OtelContext> {
        let Start { stage, pending, .. } = &mut *start;
        match *stage {
            // The parent starts it, with ids of its own.
            Stage::Pending if state.is_inherited() => Ok(Started::transparent(pending.parent.clone())),
            Stage::Pending => {
                state.stop_following();
                change(pending);
                if !self.source.runs_user_code() {
                    let started = self.source.start(pending, state);
                    let around = start.settle(started.clone());
                    drop(start);
                    drop(around);
                    return Ok(started);
                }
                let around = pending.parent.clone();
                let mut pending = std::mem::replace(pending, PendingSpan::new(around));
                *stage = Stage::Starting(thread::current().id());
                drop(start);
                let started = self.start_caught(state, &mut pending);
                let around = state.lock_start().settle(started.clone());
                drop(around);
                Ok(started)
            }
            Stage::Following => Ok(Started::transparent(pending.parent.clone())),
            Stage::Starting(thread) => {
                let around = pending.parent.clone();
                drop(start);
                wait_for(state, thread);
                state.started().ok_or(around)
            }
            Stage::Settled => start.started().cloned().ok_or_else(OtelContext::new),
        }
    }

    /// Starts a pending span, which runs user code. A panic makes it stand for the span around it.
    fn start_caught(&self, state: &SpanState, pending: &mut PendingSpan) -> Started {
        let start = || {
            // Events of a sampler or a span processor must not need this span.
            let _inside = ReentrancyGuard::enter();
            self.source.start(&mut *pending, state)
        };
        catch_panic(start).unwrap_or_else(|| Started::transparent(pending.parent.clone()))
    }
}

/// Returns the context to enter a span with that stands for the span around it. From then on it keeps its parent. `None`
/// for any other span.
#[inline]
pub(super) fn follow_parent(state: &SpanState) -> Option<OtelContext> {
    if !state.follows_parent() || state.is_inherited() {
        return None;
    }
    let mut start = state.lock_start();
    let Start { stage, pending, .. } = &mut *start;
    match stage {
        Stage::Pending if state.follows_parent() => *stage = Stage::Following,
        Stage::Following => {}
        _ => return None,
    }
    Some(pending.parent.clone())
}

/// Waits for the thread that is starting the span, unless it is this one. It looks again and again, because a lock of all
/// spans could stay locked in a forked child; that two threads need a span at the moment of its start is rare.
pub(super) fn wait_for(state: &SpanState, starting: ThreadId) {
    // In a forked child, the thread of the parent does not exist.
    if starting == thread::current().id() || state.is_inherited() {
        return;
    }
    let deadline = Instant::now() + MAX_START;
    while matches!(state.lock_start().stage, Stage::Starting(_)) && Instant::now() < deadline {
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
