//! The callbacks of observable instruments.
//!
//! The SDK calls them while it holds the lock that the creation of an instrument needs: a slow callback holds up every
//! thread that creates one, and a callback that creates one never returns. So they run here before each collection, on
//! a thread of their own and without a lock; what the SDK calls only hands on what they have observed.
//!
//! A callback that has not returned within its limit is reported, and the collection goes on without it. It is not
//! called again before it has returned; its late observations are part of the collection after that.
//!
//! Readers of the user collect by themselves. For them the callbacks are called as the SDK calls them.
//!
//! # A collection
//!
//! ```text
//! collecting thread                         thread `otel-observe`
//! lock `thread` ─ Work(all instruments) ──▶ observe(1): callbacks → observations
//! wait ≤ limit ◀───────────────── done ──── observe(2) …
//!    │ none in time: report instrument 2, leave this thread to it,
//!    │ start another one with Work(instruments 3 …)
//! collect(): the SDK calls `on_collect` of each, which takes the observations
//! ```
//!
//! The last collection moves the deadline of the one that runs when it is requested ([`Observer::hurry`]).
//!
//! The lock `thread` is held for a whole collection, so two readers that collect at the same time do not take each
//! other's observations. No lock is held while code of the user runs: `instruments` is cloned before, and each
//! instrument's `observations` are written after its callbacks have returned.
//!
//! # Limits
//!
//! Each callback of an instrument that is too slow costs one collection `limit`, and one thread, until it returns; then
//! the thread ends, because its channel is closed. As many threads can hang as there are instruments with a callback
//! that never returns: `is_running` keeps a further collection from calling them again.
//!
//! # Alternatives
//!
//! Asking a thread for each instrument would make a slow callback cost nothing at all, but start a thread for each of
//! them at every collection. Callbacks on the collecting thread without a limit would be simpler, and one that waits
//! for a lock would end the export of all metrics.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::metrics::{AsyncInstrument, Callback};
use opentelemetry::{Context, KeyValue};

use super::attributes::unique;
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::export::own_threads::{ForkMutex, ThreadFlag, become_background_thread};
use crate::user_code::catch_panic;

/// Every observable instrument of a provider.
///
/// Owned by the provider and its readers. It has no thread before there is a callback to call, and its thread ends when
/// it is dropped.
#[derive(Debug)]
pub(crate) struct Observer {
    /// All observable instruments with callbacks. They are never removed, as those of the SDK.
    instruments: ForkMutex<Vec<Arc<dyn Observe>>>,
    /// The thread that calls them. Locked for the time of a collection, so each has its own observations.
    thread: Mutex<Option<Sender<Work>>>,
    /// The wait of the collection that runs. `None` before the first one; without effect after it.
    wait: Mutex<Option<Wait>>,
    /// Gets warnings about callbacks.
    diagnostics: Diagnostics,
}

/// An observable instrument of any type.
trait Observe: Send + Sync + fmt::Debug {
    /// Calls the callbacks, unless they are being called, or what they observed has not been collected yet.
    fn observe(&self);

    /// Returns the name of the instrument, for reports.
    fn name(&self) -> &str;

    /// Returns `true` the first time.
    fn report_slow(&self) -> bool;
}

/// An observable instrument: its callbacks, and what they have observed since the last collection.
///
/// `is_running` and `observations` are a small state machine:
///
/// | `is_running` | `observations` | state |
/// |---|---|---|
/// | false | `None` | idle: the next collection calls the callbacks |
/// | true | `None` | callbacks run, perhaps for longer than their limit |
/// | false | `Some` | waits for a collection, which takes them |
///
/// An instrument whose observations were not taken is not called again, so a late result is exported before a new one
/// is made.
pub(super) struct Observed<T> {
    /// The name of the instrument.
    name: String,
    /// All callbacks of the instrument, in the order in which they were added.
    callbacks: Vec<Callback<T>>,
    /// Set while the callbacks run, on whichever thread.
    is_running: AtomicBool,
    /// Reported as slow; once is enough.
    is_slow: AtomicBool,
    /// Reported as panicking; once is enough.
    has_panicked: AtomicBool,
    /// `None` until the callbacks have run, and after a collection took them.
    observations: Mutex<Option<Vec<Observation<T>>>>,
    /// Gets a warning after the first panic.
    diagnostics: Diagnostics,
}

/// A value and its attributes.
type Observation<T> = (T, Vec<KeyValue>);

/// A part of one collection: instruments to observe, from the first on.
struct Work {
    /// Called in this order.
    instruments: Vec<Arc<dyn Observe>>,
    /// Gets one message for each instrument that is done.
    done: Sender<Progress>,
}

/// State of waiting for callbacks during a collection.
#[derive(Debug)]
struct Wait {
    /// Callbacks that have not returned by then are left out.
    deadline: Instant,
    /// Wakes the collection.
    wake: Sender<Progress>,
}

/// A message to the collection that waits.
#[derive(Debug)]
enum Progress {
    /// The next instrument is done.
    Observed,
    /// The deadline has changed.
    Hurry,
}

impl Observer {
    /// Starts without a thread; the first collection with an observable instrument starts it.
    pub(crate) fn new(diagnostics: Diagnostics) -> Self {
        Self {
            instruments: ForkMutex::default(),
            thread: Mutex::default(),
            wait: Mutex::default(),
            diagnostics,
        }
    }

    /// Adds an instrument, and returns the callback for the SDK.
    pub(super) fn add<T: Copy + Send + Sync + 'static>(
        &self,
        name: &str,
        callbacks: Vec<Callback<T>>,
    ) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + 'static {
        let observed = Arc::new(Observed {
            name: name.to_owned(),
            callbacks,
            is_running: AtomicBool::new(false),
            is_slow: AtomicBool::new(false),
            has_panicked: AtomicBool::new(false),
            observations: Mutex::default(),
            diagnostics: self.diagnostics.clone(),
        });
        self.instruments.lock().push(Arc::clone(&observed) as _);
        move |instrument| observed.on_collect(instrument)
    }

    /// Calls all callbacks, each for at most `limit` and all of them until the deadline, and then `collect`.
    ///
    /// Blocks until the deadline at most, and while another collection runs: concurrent calls wait for each other. If
    /// the thread cannot be spawned, there is no limit (see [`start`]).
    pub(super) fn collect<R>(&self, limit: Duration, deadline: Instant, collect: impl FnOnce() -> R) -> R {
        let mut thread = lock(&self.thread);
        self.observe(&mut thread, limit, deadline);
        let _collecting = ThreadFlag::OwnCollection.set();
        collect()
    }

    /// Limits the time that the running collection, if any, waits for callbacks to this deadline.
    pub(super) fn hurry(&self, deadline: Instant) {
        if let Some(wait) = &mut *lock(&self.wait) {
            wait.deadline = wait.deadline.min(deadline);
            let _ = wait.wake.send(Progress::Hurry);
        }
    }

    /// Runs all callbacks. Each time one exceeds the limit, its thread is left to it, and the others continue on a
    /// new one.
    ///
    /// Costs at most `limit` for each instrument that is too slow. After the deadline, those that are left are not
    /// called in this collection.
    fn observe(&self, thread: &mut Option<Sender<Work>>, limit: Duration, mut deadline: Instant) {
        let mut left = self.instruments.lock().clone();
        while !left.is_empty() {
            let (done, observed) = channel();
            *lock(&self.wait) = Some(Wait { deadline, wake: done.clone() });
            start(thread, Work { instruments: left.clone(), done });
            let (finished, waited) = self.wait(&observed, left.len(), limit);
            left.drain(..finished);
            let Some(slow) = (!left.is_empty()).then(|| left.remove(0)) else { return };
            // That thread ends when the callback returns; the rest gets another one.
            *thread = None;
            // One that the deadline left no time is not slow.
            if waited >= MIN_CALLBACK_LIMIT && slow.report_slow() {
                self.diagnostics.warn(
                    "a callback of an observable instrument is slow: metrics are exported without what it observes \
                     until it returns",
                    &[
                        ("instrument", FieldValue::Text(&slow.name())),
                        ("seconds", FieldValue::Seconds(waited.as_secs_f64())),
                    ],
                );
            }
            deadline = self.deadline();
            if Instant::now() >= deadline {
                return;
            }
        }
    }

    /// Waits until all have been observed, until one takes longer than the limit, or until the deadline. Returns how
    /// many have been observed, and how long it waited for the next one.
    fn wait(&self, observed: &Receiver<Progress>, count: usize, limit: Duration) -> (usize, Duration) {
        let (mut finished, mut begun) = (0, Instant::now());
        while finished < count {
            let until = self.deadline().min(begun + limit);
            match observed.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Progress::Observed) => (finished, begun) = (finished + 1, Instant::now()),
                Ok(Progress::Hurry) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        (finished, begun.elapsed())
    }

    /// Returns the deadline of the collection that runs.
    fn deadline(&self) -> Instant {
        lock(&self.wait).as_ref().map_or_else(Instant::now, |wait| wait.deadline)
    }
}

/// Hands the work to the thread, and starts one if there is none or if it has ended.
///
/// If the thread cannot be spawned, the work is done here, without a limit: a collection that takes too long is
/// better than none.
fn start(thread: &mut Option<Sender<Work>>, work: Work) {
    let work = match thread {
        Some(thread) => match thread.send(work) {
            Ok(()) => return,
            Err(unsent) => unsent.0,
        },
        None => work,
    };
    let (sender, receiver) = channel();
    match std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || run(&receiver)) {
        Ok(_) => {
            let _ = sender.send(work);
            *thread = Some(sender);
        }
        Err(_) => work.run(),
    }
}

/// The thread's function. Ends when the observer drops its sender.
fn run(work: &Receiver<Work>) {
    become_background_thread();
    // Spans and records of the export's own doing are not telemetry.
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    while let Ok(work) = work.recv() {
        work.run();
    }
}

impl Work {
    /// Calls the callbacks of each instrument, until the caller no longer waits.
    fn run(self) {
        for instrument in self.instruments {
            instrument.observe();
            // The caller has given up waiting, and another thread does the rest.
            if self.done.send(Progress::Observed).is_err() {
                return;
            }
        }
    }
}

impl<T: Copy + Send + Sync + 'static> Observed<T> {
    /// The callback that the SDK calls during a collection, under its lock.
    ///
    /// For a reader of ours it hands on what was observed before, which takes no time. For a reader of the user nothing
    /// was observed before: the user's callbacks are called here, and may not create instruments meanwhile.
    fn on_collect(&self, instrument: &dyn AsyncInstrument<T>) {
        if ThreadFlag::OwnCollection.is_set() {
            for (value, attributes) in lock(&self.observations).take().unwrap_or_default() {
                instrument.observe(value, &attributes);
            }
            return;
        }
        let _called = ThreadFlag::LockedCallback.set();
        self.call(&UniqueKeys(instrument));
    }

    /// Calls the callbacks. A panic ends the calls of this instrument, for this collection.
    fn call(&self, instrument: &dyn AsyncInstrument<T>) {
        let call = || self.callbacks.iter().for_each(|callback| callback(instrument));
        // The panic hook has reported where it happened.
        if catch_panic(call).is_none() && !self.has_panicked.swap(true, Ordering::Relaxed) {
            self.diagnostics.warn(
                "a callback of an observable instrument panicked: what it observes is not exported",
                &[("instrument", FieldValue::Text(&self.name))],
            );
        }
    }
}

impl<T: Copy + Send + Sync + 'static> Observe for Observed<T> {
    fn observe(&self) {
        if lock(&self.observations).is_some() || self.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let recorder = Recorder::default();
        self.call(&recorder);
        *lock(&self.observations) = Some(recorder.0.into_inner().unwrap_or_else(PoisonError::into_inner));
        self.is_running.store(false, Ordering::Release);
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn report_slow(&self) -> bool {
        !self.is_slow.swap(true, Ordering::Relaxed)
    }
}

impl<T> fmt::Debug for Observed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An instrument that keeps what is observed, with each key once.
struct Recorder<T>(Mutex<Vec<Observation<T>>>);

impl<T> Default for Recorder<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send> AsyncInstrument<T> for Recorder<T> {
    fn observe(&self, measurement: T, attributes: &[KeyValue]) {
        lock(&self.0).push((measurement, unique(attributes).into_owned()));
    }
}

/// An instrument that passes each observation on, with each key once.
struct UniqueKeys<'a, T>(&'a dyn AsyncInstrument<T>);

impl<T> AsyncInstrument<T> for UniqueKeys<'_, T> {
    fn observe(&self, measurement: T, attributes: &[KeyValue]) {
        self.0.observe(measurement, &unique(attributes));
    }
}

/// Returns `true` inside of a callback that a reader of the user calls: the SDK holds a lock then, which the creation
/// of an instrument would wait for.
pub(super) fn is_inside_locked_callback() -> bool {
    ThreadFlag::LockedCallback.is_set()
}

/// Locks also after a panic: each value is complete at any moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of the thread. Linux shows 15 bytes.
const THREAD_NAME: &str = "otel-observe";
/// The least time that each callback has, and after which it is treated as slow.
pub(super) const MIN_CALLBACK_LIMIT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
