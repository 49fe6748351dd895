//! Flushes of everything, each within one time limit.
//!
//! One flush runs at a time. Calls that come while it runs share the next one, so that any number of calls at once
//! costs the threads of one flush. A thread serves all calls that wait: it starts the flushes, and answers calls whose
//! time is over. It ends when no call is left.
//!
//! ```text
//!          request                      serve                       flush ends
//! (none) ──────────▶ waiting ──────────────────▶ under way ──────────────────▶ answered
//!                       └────────── deadline ───────┴───▶ answered: Timeout
//! ```
//!
//! A flush that runs cannot take a new call: what the caller recorded just before may have missed the collection. So
//! the call waits for the next flush, which covers it. A caller that leaves early costs nothing; a flush goes on
//! without it.
//!
//! | flush | waits for |
//! |---|---|
//! | metric collection, processors and readers of the user | the share of user code of the shortest limit |
//! | delivery of what is queued then | the longest limit |
//! | delivery of what was collected late | the longest limit |
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

/// Flushes everything. Cheap to clone; may be used on any thread, and longer than the guard.
#[derive(Clone)]
pub(crate) struct Flusher(Arc<Shared>);

/// What the handles and the threads share.
struct Shared {
    /// Flushed first: they hold what is not in a queue yet.
    providers: Providers,
    /// Deliver what is queued.
    workers: Workers,
    /// Flushed last. `None` without a log output.
    lines: Option<NonBlockingWriter>,
    /// What providers do for a flush, which can go on after its end.
    turns: Turns,
    /// The calls, and what is being done for them.
    state: Mutex<FlushState>,
    /// Notified after each change of `state` that a thread may wait for.
    changed: Condvar,
    /// The process that the threads belong to.
    fork: Fork,
    /// The flusher of the telemetry that was built in a forked child, in that child.
    successor: OnceLock<Flusher>,
}

/// The calls that wait. The lock is never held while code of the user or a flush runs.
#[derive(Default)]
struct FlushState {
    /// The calls that the next flush answers.
    waiting: Vec<Call>,
    /// The calls that the flush under way answers.
    under_way: Vec<Call>,
    /// `true` while a flush runs, on a thread of its own.
    is_running: bool,
    /// The last flush that was requested has not collected its metrics yet.
    is_collecting: bool,
    /// The number of flushes that have begun. User code can hold a collection up until a later flush is under way.
    begun: u64,
    /// `true` while a thread serves the calls: starts flushes and answers the ones that are over.
    is_served: bool,
}

/// One request to flush.
struct Call {
    /// When the caller no longer waits.
    deadline: Instant,
    /// The caller's limit, for the error.
    timeout: Duration,
    /// Gets the result, exactly once.
    reply: Reply,
}

/// The way back to a caller. It may wake a task of the program, so that a panic in it is caught.
type Reply = Box<dyn FnOnce(Result<(), ExportError>) + Send>;

impl Flusher {
    /// Creates the flusher, without a thread.
    pub(crate) fn new(providers: Providers, workers: Workers, lines: Option<NonBlockingWriter>) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let (turns, fork, successor) = (Turns::default(), Fork::new(), OnceLock::new());
        Self(Arc::new(Shared { providers, workers, lines, turns, state, changed, fork, successor }))
    }

    /// Passes flushes on to the flusher of a forked child, which this process is.
    pub(crate) fn continue_with(&self, successor: &Self) {
        let _ = self.0.successor.set(successor.clone());
    }

    /// Returns the flusher of this process. `None` in a forked child that has built no telemetry: the parent delivers.
    fn current(&self) -> Option<&Self> {
        if self.0.fork.is_child() { self.0.successor.get()?.current() } else { Some(self) }
    }

    /// Flushes, and waits for it.
    ///
    /// Returns at most 200 ms after `timeout`, and at once where there is nothing of this process to flush.
    ///
    /// # Errors
    ///
    /// [`ExportError::Timeout`] if not everything was collected, delivered and written in time, and always on the I/O
    /// thread; else the first error of a destination.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), ExportError> {
        // The answer would have to come from the thread that waits for it.
        if on_io_thread() {
            return Err(ExportError::Timeout(Duration::ZERO));
        }
        let Some(flusher) = self.current() else { return Ok(()) };
        let (sender, answer) = channel();
        flusher.flush_with(timeout, move |result| drop(sender.send(result)));
        let limit = timeout.saturating_add(ANSWER_GRACE * 2);
        answer.recv_timeout(limit).unwrap_or(Err(ExportError::Timeout(timeout)))
    }

    /// Flushes in the background, then calls `reply`, on another thread. If the system refuses a thread, both happen on
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

    /// Flushes in the background, unless the system refuses a thread. Nothing is flushed then. Never blocks, so that it
    /// can be called by the handler of a signal.
    pub(crate) fn flush_in_background(&self, timeout: Duration) {
        let Some(flusher) = self.current() else { return };
        if flusher.request(timeout, Box::new(|_| ())).is_err() {
            let mut state = flusher.0.lock();
            // Others may have joined meanwhile.
            let calls = std::mem::take(&mut state.waiting);
            flusher.0.end_serving(state);
            answer(calls, &Err(ExportError::Timeout(Duration::ZERO)));
        }
    }

    /// Waits until the metrics of a flush that was requested before are collected.
    pub(super) fn wait_until_collected(&self, deadline: Instant) {
        let is_collecting = |state: &mut FlushState| state.is_collecting;
        let state = self.0.lock();
        let _ = self.0.changed.wait_timeout_while(state, left_until(deadline), is_collecting);
    }

    /// Adds a call, and starts the thread that serves calls unless it runs. Returns what a thread has to do, if it is
    /// needed and the system refused it.
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
    /// Starts flushes and answers calls until none is left.
    ///
    /// Each flush runs on another thread, so that this one can answer calls whose time is over while user code hangs.
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

    /// Notes that no thread serves calls. Nothing is collected for those that were answered before their flush began.
    fn end_serving(&self, mut state: MutexGuard<'_, FlushState>) {
        (state.is_served, state.is_collecting) = (false, false);
        drop(state);
        self.changed.notify_all();
    }

    /// Flushes everything once.
    ///
    /// # Errors
    ///
    /// The first error of a destination; [`ExportError::Timeout`] if user code or the line writer did not end in time.
    fn flush(self: &Arc<Self>, limits: Limits) -> Result<(), ExportError> {
        let deadline = limits.longest;
        let left = || left_until(deadline);
        // The next flush begins after this one has ended.
        let collected = Collected { flush: self.lock().begun, shared: Arc::clone(self) };
        // The providers flush the workers as well, and what is refused then is gone when this flush comes to them.
        let refusals = self.workers.refusals();
        let mut flushing = BackgroundTasks::start_in_turn(self.providers.flush_tasks(collected), &self.turns);
        let share = user_code_share(left_until(limits.shortest));
        let collected = flushing.wait_until(Instant::now() + share).is_empty();
        let mut outcome = self.workers.flush(None, left());
        // Items that were flushed late are exported if there is time.
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
    /// The earliest deadline: user code gets its share of the time until then.
    shortest: Instant,
    /// The latest deadline: the delivery goes on until then.
    longest: Instant,
}

impl FlushState {
    /// Makes the waiting calls those of a flush that runs from now on, and returns its limits.
    fn begin(&mut self) -> Limits {
        self.under_way = std::mem::take(&mut self.waiting);
        (self.is_running, self.is_collecting) = (true, true);
        self.begun += 1;
        let now = Instant::now();
        let deadlines = || self.under_way.iter().map(|call| call.deadline);
        Limits { shortest: deadlines().min().unwrap_or(now), longest: deadlines().max().unwrap_or(now) }
    }

    /// Removes the calls whose time is over. Those under way have a little more: the flush keeps the same deadline
    /// itself.
    fn take_overdue(&mut self) -> Vec<Call> {
        let now = Instant::now();
        let mut overdue: Vec<_> = self.waiting.extract_if(.., |call| call.deadline <= now).collect();
        // The flush itself keeps the deadline, and may know more.
        overdue.extend(self.under_way.extract_if(.., |call| call.deadline + ANSWER_GRACE <= now));
        overdue
    }

    /// Returns when [`take_overdue`](Self::take_overdue) will next find a call.
    fn next_deadline(&self) -> Instant {
        let under_way = self.under_way.iter().map(|call| call.deadline + ANSWER_GRACE);
        let waiting = self.waiting.iter().map(|call| call.deadline);
        waiting.chain(under_way).min().unwrap_or_else(|| deadline_after(Duration::MAX))
    }
}

/// Answers calls. After a timeout each of them gets its own limit in the error.
fn answer(calls: Vec<Call>, result: &Result<(), ExportError>) {
    for Call { timeout, reply, .. } in calls {
        let result = match result {
            Err(ExportError::Timeout(_)) => Err(ExportError::Timeout(timeout)),
            other => other.clone(),
        };
        // It may wake a task of an executor of the program.
        tasks::run_inline(move || reply(result));
    }
}

/// The flush that runs. If it panics, its calls are answered nevertheless.
struct FlushUnderWay(Arc<Shared>);

impl FlushUnderWay {
    /// Runs the flush, and answers its calls.
    fn flush(self, limits: Limits) {
        let result = self.0.flush(limits);
        self.end(&result);
    }

    /// Notes the end of the flush, wakes the serving thread, and answers the calls that are left.
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

/// Reports that the metrics of a flush are collected, when it is dropped.
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

/// The name of the serving thread, and of the threads that flush.
const THREAD_NAME: &str = "otel-flush";
/// How much later than its deadline a flush may return: its own limits are the same, and it knows more about what is
/// missing.
const ANSWER_GRACE: Duration = Duration::from_millis(100);
