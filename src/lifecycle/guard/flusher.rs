//! Flushes of all telemetry, each with a time limit.
//!
//! One flush runs at a time. Calls that arrive while it runs share the next one, so any number of concurrent calls
//! costs the threads of one flush. One thread serves all waiting calls: it starts the flushes, and returns an error
//! to calls whose time has elapsed. It exits when no call is left.
//!
//! ```text
//!          request                      serve                       flush ends
//! (none) ──────────▶ waiting ──────────────────▶ under way ──────────────────▶ answered
//!                       └────────── deadline ───────┴───▶ answered: Timeout
//! ```
//!
//! A call that arrives during a flush joins the next one, because data it just recorded may have missed the current
//! collection. A caller that stops waiting costs nothing; the flush continues without it.
//!
//! | flush | waits for |
//! |---|---|
//! | metric collection, processors and readers of the user | the user code's share of the shortest limit |
//! | delivery of the items queued by then | the longest limit |
//! | delivery of items that were collected late | the longest limit |
//! | lines | the longest limit |

use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::providers::Providers;
use super::{left_until, user_code_share};
use crate::export::own_threads::Fork;
use crate::export::own_threads::on_io_thread;
use crate::export::{ExportError, Workers};
use crate::lifecycle::tasks::{self, BackgroundTasks, Turns};
use crate::lines::writer::NonBlockingWriter;
use crate::settings::deadline_after;

/// Flushes all telemetry. Cheap to clone; may be used on any thread, and outlive the guard.
#[derive(Clone)]
pub(crate) struct Flusher(Arc<Shared>);

/// State shared by the handles and the threads.
struct Shared {
    /// Flushed first: they hold items that are not in a queue yet.
    providers: Providers,
    /// Deliver the queued items.
    workers: Workers,
    /// Flushed last. `None` without a log output.
    lines: Option<NonBlockingWriter>,
    /// Tasks of the providers for a flush, which may outlive it.
    turns: Turns,
    /// The calls, and the state of their flush.
    state: Mutex<FlushState>,
    /// Notified after each change of `state` that a thread may wait for.
    changed: Condvar,
    /// The process that owns the threads.
    fork: Fork,
    /// In a forked child, the flusher of the telemetry that was built there.
    successor: OnceLock<Flusher>,
}

/// Pending calls. The lock is never held while user code or a flush runs.
#[derive(Default)]
struct FlushState {
    /// The calls that the next flush serves.
    waiting: Vec<Call>,
    /// The calls that the current flush serves.
    under_way: Vec<Call>,
    /// `true` while a flush runs, on its own thread.
    is_running: bool,
    /// `true` until the flush that was requested last has collected its metrics.
    is_collecting: bool,
    /// The number of flushes that have begun. User code can delay a collection until a later flush has begun.
    begun: u64,
    /// `true` while a thread serves the calls: starts flushes and completes calls.
    is_served: bool,
}

/// One request to flush.
struct Call {
    /// Time at which the caller stops waiting.
    deadline: Instant,
    /// The caller's limit, for the error.
    timeout: Duration,
    /// Receives the result, exactly once.
    reply: Reply,
}

/// The callback of a caller. It may wake a task of the program, so panics in it are caught.
type Reply = Box<dyn FnOnce(Result<(), ExportError>) + Send>;

impl Flusher {
    /// Creates the flusher, without starting a thread.
    pub(crate) fn new(providers: Providers, workers: Workers, lines: Option<NonBlockingWriter>) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let (turns, fork, successor) = (Turns::default(), Fork::new(), OnceLock::new());
        Self(Arc::new(Shared { providers, workers, lines, turns, state, changed, fork, successor }))
    }

    /// In a forked child, forwards flushes to the child's flusher.
    pub(crate) fn continue_with(&self, successor: &Self) {
        let _ = self.0.successor.set(successor.clone());
    }

    /// Returns the flusher of this process. `None` in a forked child that has built no telemetry, because the parent
    /// delivers.
    fn current(&self) -> Option<&Self> {
        if self.0.fork.is_child() { self.0.successor.get()?.current() } else { Some(self) }
    }

    /// Flushes, and waits for the result.
    ///
    /// Returns at most 200 ms after `timeout`, and immediately if this process has nothing to flush.
    ///
    /// # Errors
    ///
    /// [`ExportError::Timeout`] if not everything was collected, delivered and written in time, and always on the I/O
    /// thread; otherwise the first error of a destination.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), ExportError> {
        // The result would have to come from the thread that waits for it.
        if on_io_thread() {
            return Err(ExportError::Timeout(Duration::ZERO));
        }
        let Some(flusher) = self.current() else { return Ok(()) };
        let (sender, answer) = channel();
        flusher.flush_with(timeout, move |result| drop(sender.send(result)));
        let limit = timeout.saturating_add(ANSWER_GRACE * 2);
        answer.recv_timeout(limit).unwrap_or(Err(ExportError::Timeout(timeout)))
    }

    /// Flushes in the background, then calls `reply` on another thread. If no thread can be spawned, both happen on
    /// this one.
    pub(crate) fn flush_with(
        &self,
        timeout: Duration,
        reply: impl FnOnce(Result<(), ExportError>) + Send + 'static,
    ) {
        let Some(flusher) = self.current() else { return reply(Ok(())) };
        if let Err(serve) = flusher.request(timeout, Box::new(reply)) {
            tasks::run_inline(serve);
        }
    }

    /// Flushes in the background. Flushes nothing if no thread can be spawned. Never blocks, so the signal handler
    /// can call it.
    pub(crate) fn flush_in_background(&self, timeout: Duration) {
        let Some(flusher) = self.current() else { return };
        if flusher.request(timeout, Box::new(|_| ())).is_err() {
            let mut state = flusher.0.lock();
            // Other calls may have joined in the meantime.
            let calls = std::mem::take(&mut state.waiting);
            flusher.0.end_serving(state);
            answer(calls, &Err(ExportError::Timeout(Duration::ZERO)));
        }
    }

    /// Waits until the metrics of an earlier flush are collected.
    pub(super) fn wait_until_collected(&self, deadline: Instant) {
        let is_collecting = |state: &mut FlushState| state.is_collecting;
        let state = self.0.lock();
        let _ = self.0.changed.wait_timeout_while(state, left_until(deadline), is_collecting);
    }

    /// Adds a call, and starts the serving thread unless it runs. If the thread is needed and cannot be spawned,
    /// returns its work.
    fn request(&self, timeout: Duration, reply: Reply) -> Result<(), impl FnOnce() + use<>> {
        let mut state = self.0.lock();
        state.waiting.push(Call { deadline: deadline_after(timeout), timeout, reply });
        if std::mem::replace(&mut state.is_served, true) {
            drop(state);
            self.0.changed.notify_all();
            return Ok(());
        }
        state.is_collecting = true;
        drop(state);
        let shared = Arc::clone(&self.0);
        tasks::spawn(THREAD_NAME, move || shared.serve())
    }
}

impl Shared {
    /// Starts flushes and completes calls until none is left.
    ///
    /// Each flush runs on another thread, so this one can complete calls whose time has elapsed while user code
    /// hangs.
    fn serve(self: Arc<Self>) {
        let mut state = self.lock();
        loop {
            let overdue = state.take_overdue();
            if !overdue.is_empty() {
                drop(state);
                answer(overdue, &Err(ExportError::Timeout(Duration::ZERO)));
                state = self.lock();
            } else if state.is_running {
                let wait = left_until(state.next_deadline());
                let waited = self.changed.wait_timeout(state, wait);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            } else if state.waiting.is_empty() {
                return self.end_serving(state);
            } else {
                let limits = state.begin();
                drop(state);
                let flush = FlushUnderWay(Arc::clone(&self));
                if let Err(flush) = tasks::spawn(THREAD_NAME, move || flush.flush(limits)) {
                    tasks::run_inline(flush);
                }
                state = self.lock();
            }
        }
    }

    /// Records that no thread serves calls. Nothing is collected for calls that were completed before their flush
    /// began.
    fn end_serving(&self, mut state: MutexGuard<'_, FlushState>) {
        (state.is_served, state.is_collecting) = (false, false);
        drop(state);
        self.changed.notify_all();
    }

    /// Flushes everything once.
    ///
    /// # Errors
    ///
    /// The first error of a destination; [`ExportError::Timeout`] if user code or the line writer did not finish in
    /// time.
    fn flush(self: &Arc<Self>, limits: Limits) -> Result<(), ExportError> {
        let deadline = limits.longest;
        let left = || left_until(deadline);
        // Dropped before the next flush begins.
        let collected = Collected { flush: self.lock().begun, shared: Arc::clone(self) };
        // The providers flush the workers as well. Items refused then are gone when the workers are flushed below.
        let refusals = self.workers.refusals();
        let mut flushing = BackgroundTasks::start_in_turn(self.providers.flush_tasks(collected), &self.turns);
        let share = user_code_share(left_until(limits.shortest));
        let collected = flushing.wait_until(Instant::now() + share).is_empty();
        let mut outcome = self.workers.flush(None, left());
        // Items that were collected late are exported if there is time.
        let collected = collected || {
            let ended = flushing.wait_until(deadline).is_empty();
            outcome = outcome.and_then(|()| self.workers.flush(None, left()));
            ended
        };
        let written = self.lines.as_ref().is_none_or(|lines| lines.flush(left()));
        match outcome.and_then(|()| self.workers.refused_since(&refusals)) {
            Ok(()) if !collected || !written => Err(ExportError::Timeout(Duration::ZERO)),
            outcome => outcome,
        }
    }

    /// Locks the state. A poisoned lock is used as it is.
    fn lock(&self) -> MutexGuard<'_, FlushState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limits of the calls that share a flush.
#[derive(Clone, Copy)]
struct Limits {
    /// The earliest deadline. User code gets its share of the time until then.
    shortest: Instant,
    /// The latest deadline. The delivery continues until then.
    longest: Instant,
}

impl FlushState {
    /// Moves the waiting calls to a flush that begins now, and returns its limits.
    fn begin(&mut self) -> Limits {
        self.under_way = std::mem::take(&mut self.waiting);
        (self.is_running, self.is_collecting) = (true, true);
        self.begun += 1;
        let now = Instant::now();
        let deadlines = || self.under_way.iter().map(|call| call.deadline);
        Limits { shortest: deadlines().min().unwrap_or(now), longest: deadlines().max().unwrap_or(now) }
    }

    /// Removes the calls whose time has elapsed. Calls of the current flush get a grace period, because the flush
    /// keeps the same deadline itself.
    fn take_overdue(&mut self) -> Vec<Call> {
        let now = Instant::now();
        let mut overdue: Vec<_> = self.waiting.extract_if(.., |call| call.deadline <= now).collect();
        // The flush keeps the deadline itself, and may return a more specific error.
        overdue.extend(self.under_way.extract_if(.., |call| call.deadline + ANSWER_GRACE <= now));
        overdue
    }

    /// Returns the time at which [`take_overdue`](Self::take_overdue) will find the next call.
    fn next_deadline(&self) -> Instant {
        let under_way = self.under_way.iter().map(|call| call.deadline + ANSWER_GRACE);
        let waiting = self.waiting.iter().map(|call| call.deadline);
        waiting.chain(under_way).min().unwrap_or_else(|| deadline_after(Duration::MAX))
    }
}

/// Completes calls. After a timeout, the error of each call contains its own limit.
fn answer(calls: Vec<Call>, result: &Result<(), ExportError>) {
    for Call { timeout, reply, .. } in calls {
        let result = match result {
            Err(ExportError::Timeout(_)) => Err(ExportError::Timeout(timeout)),
            other => other.clone(),
        };
        // It may wake a task of one of the program's executors.
        tasks::run_inline(move || reply(result));
    }
}

/// A running flush. If it panics, its calls are completed anyway.
struct FlushUnderWay(Arc<Shared>);

impl FlushUnderWay {
    /// Runs the flush, and completes its calls.
    fn flush(self, limits: Limits) {
        let result = self.0.flush(limits);
        self.end(&result);
    }

    /// Records the end of the flush, wakes the serving thread, and completes the remaining calls.
    fn end(&self, result: &Result<(), ExportError>) {
        let mut state = self.0.lock();
        state.is_running = false;
        let calls = std::mem::take(&mut state.under_way);
        drop(state);
        self.0.changed.notify_all();
        answer(calls, result);
    }
}

impl Drop for FlushUnderWay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.end(&Err(ExportError::Timeout(Duration::ZERO)));
        }
    }
}

/// Reports on drop that the metrics of a flush are collected.
pub(super) struct Collected {
    shared: Arc<Shared>,
    flush: u64,
}

impl Drop for Collected {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.begun == self.flush {
            state.is_collecting = false;
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// Name of the serving thread, and of the threads that flush.
const THREAD_NAME: &str = "otel-flush";
/// How long after its deadline a flush may still return: its own limits are the same, and its error is more specific.
const ANSWER_GRACE: Duration = Duration::from_millis(100);
