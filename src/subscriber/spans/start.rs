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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context as OtelContext;

use super::SpanBridge;
use super::state::{PendingSpan, SpanState, Stage, Started};
use crate::subscriber::reentrancy::ReentrancyGuard;

impl SpanBridge {
    /// Starts a span, unless it has started.
    pub(super) fn start(&self, state: &Arc<SpanState>) -> Started {
        if let Some(started) = state.started.get() {
            return started.clone();
        }
        let stage = state.lock_stage();
        if !stage.has_twin() {
            return self.start_locked(state, stage, |_| {});
        }
        drop(stage);
        self.start_through_twin(state).unwrap_or_else(|| self.start_with(state, |_| {}))
    }

    /// Starts a span, unless it has started. `change` is called before.
    pub(super) fn start_with(
        &self,
        state: &Arc<SpanState>,
        change: impl FnOnce(&mut PendingSpan),
    ) -> Started {
        self.start_locked(state, state.lock_stage(), change)
    }

    /// Starts a span under the lock of its stage, or waits for the thread that is starting it.
    ///
    /// `change` is called once, and only if this thread starts the span.
    fn start_locked(
        &self,
        state: &Arc<SpanState>,
        mut stage: MutexGuard<'_, Stage>,
        change: impl FnOnce(&mut PendingSpan),
    ) -> Started {
        match &mut *stage {
            Stage::Pending(pending) if state.is_inherited() => {
                // The parent starts it, with ids of its own.
                let around = pending.parent.clone();
                state.started.get_or_init(|| Started::transparent(around)).clone()
            }
            Stage::Pending(pending) => {
                change(pending);
                if !self.source.runs_user_code() {
                    let started = self.settle(state, pending);
                    *stage = Stage::Settled;
                    return started;
                }
                let mut pending = std::mem::take(pending);
                *stage = Stage::Starting(std::thread::current().id(), pending.parent.clone());
                drop(stage);
                let started = self.settle(state, &mut pending);
                *state.lock_stage() = Stage::Settled;
                STARTED.1.notify_all();
                started
            }
            Stage::Starting(thread, around) => {
                let (is_own, around) = (*thread == std::thread::current().id(), around.clone());
                drop(stage);
                (!is_own).then(|| wait_for(state)).flatten().unwrap_or_else(|| Started::transparent(around))
            }
            Stage::Settled => {
                state.started.get().cloned().unwrap_or_else(|| Started::transparent(OtelContext::new()))
            }
        }
    }

    /// Starts a pending span, and stores the result. A panic of user code makes it stand for the span around it.
    fn settle(&self, state: &SpanState, pending: &mut PendingSpan) -> Started {
        let start = || {
            // Events of a sampler or a span processor must not need this span.
            let _inside = self.source.runs_user_code().then(ReentrancyGuard::enter);
            self.source.start(&mut *pending, state)
        };
        // The panic hook reports it when code of the user panics.
        let started = catch_unwind(AssertUnwindSafe(start));
        let started = started.unwrap_or_else(|_| Started::transparent(pending.parent.clone()));
        state.started.get_or_init(|| started).clone()
    }
}

/// Waits for another thread that is starting the span.
fn wait_for(state: &SpanState) -> Option<Started> {
    let deadline = Instant::now() + MAX_START;
    let mut waiting = STARTED.0.lock().unwrap_or_else(PoisonError::into_inner);
    while state.started.get().is_none() && Instant::now() < deadline {
        let wait = STARTED.1.wait_timeout(waiting, Duration::from_millis(10));
        waiting = wait.unwrap_or_else(PoisonError::into_inner).0;
    }
    state.started.get().cloned()
}

/// Notified when a span has started; which one, the waiting thread sees itself.
static STARTED: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

/// How long a thread waits for another one that is starting the same span. Then it goes on with the span around it.
const MAX_START: Duration = Duration::from_secs(1);
