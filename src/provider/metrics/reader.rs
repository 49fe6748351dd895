//! The reader behind the export: it collects at each interval, at a flush and at the shutdown.
//!
//! While collections wait for the collector, further ones follow at least a second apart, and none is made while the
//! queue is full: counters and histograms go on adding up, so nothing is lost but the times between. A flush makes none
//! of deltas then either, and fails. Flushes that wait at the same time share a collection.
//!
//! The thread alternates between waiting for a command and, when the interval is over, a collection. Intervals that
//! were missed, because a callback was slow or the machine slept, are not made up for.
//!
//! | moment | limit for each callback | limit for all |
//! |---|---|---|
//! | interval | half of it, within 0.1 to 5 s | the interval, at least 0.1 s |
//! | flush, shutdown | the same | three quarters of the time that is left; the rest is for the delivery |
//!
//! A shutdown that comes while another collection waits for callbacks leaves it half of its own time for them.
//!
//! # Why not the SDK's `PeriodicReader`
//!
//! It exports on the thread that collects: while a collector does not answer, nothing is collected, and a flush waits
//! for the answer. Here a collection ends when its bytes are in the queue, and delivery is the pipeline's. It also
//! calls callbacks under the SDK's lock (see [`observer`](super::observer)).
//!
//! # Threads
//!
//! Each reader has one thread, `otel-metrics`. Handles send commands through a channel without a bound: the thread
//! takes all that wait at once, and makes one collection for them. It ends at a shutdown, or when the last handle is
//! dropped, since only handles have the sender.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};

use super::collection_times::CollectionTimes;
use super::observer::{MIN_CALLBACK_LIMIT, Observer};
use super::stream_conflicts::StreamConflicts;
use super::sums::Resets;
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::export::MetricQueue;
use crate::export::own_threads::{Fork, ThreadFlag, become_background_thread};
use crate::settings::deadline_after;
use crate::user_code::catch_panic;

/// A reader that hands each collection to the queue.
///
/// One for each temporality that destinations require. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct QueueReader {
    /// State shared with the thread.
    shared: Arc<Shared>,
    /// The sender to the reader's thread; `None` after the shutdown.
    commands: Arc<Mutex<Option<Sender<Command>>>>,
}

/// State shared by the thread and the handles.
#[derive(Debug)]
struct Shared {
    /// The SDK's reader, which collects when it is called.
    manual: ManualReader,
    /// Takes the collections.
    queue: MetricQueue,
    /// Calls the callbacks before each collection.
    observer: Arc<Observer>,
    /// The time from one collection to the next (`OTEL_METRIC_EXPORT_INTERVAL`, 10 s).
    interval: Duration,
    /// Counts collections.
    resets: Resets,
    /// Compares the metrics of each collection.
    conflicts: StreamConflicts,
    /// Records how long collections take, on request.
    times: CollectionTimes,
    /// Gets the warning about a failed collection.
    diagnostics: Diagnostics,
    /// `true` once a failed collection was reported; further ones are not.
    has_failed: AtomicBool,
    /// The process in which the thread runs.
    fork: Fork,
}

/// A command for the thread: to collect now.
#[derive(Debug)]
struct Command {
    /// The thread ends afterwards. No command follows.
    is_last: bool,
    /// Callbacks that have not returned by then are left out.
    callbacks: Instant,
    /// Takes the result. The thread ignores that nothing may wait for it any more.
    reply: Sender<OTelSdkResult>,
}

impl QueueReader {
    /// Starts the reader's thread.
    ///
    /// The first collection follows after one interval.
    ///
    /// # Errors
    ///
    /// If the system refuses the thread.
    pub(crate) fn start(
        queue: MetricQueue,
        observer: Arc<Observer>,
        interval: Duration,
        resets: Resets,
        conflicts: StreamConflicts,
        diagnostics: Diagnostics,
    ) -> std::io::Result<Self> {
        let manual = ManualReader::builder().with_temporality(queue.temporality()).build();
        let (commands, receiver) = channel();
        let shared = Shared {
            manual,
            queue,
            observer,
            interval,
            resets,
            conflicts,
            times: CollectionTimes::default(),
            diagnostics,
            has_failed: AtomicBool::new(false),
            fork: Fork::new(),
        };
        let shared = Arc::new(shared);
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || run(&of_thread, &receiver))?;
        Ok(Self { shared, commands: Arc::new(Mutex::new(Some(commands))) })
    }

    /// Returns where the reader records how long collections take.
    pub(super) fn times(&self) -> &CollectionTimes {
        &self.shared.times
    }

    /// Starts a collection. Returns the answer to wait for.
    pub(super) fn begin_collection(&self) -> Answer {
        self.command(MetricQueue::FLUSH_TIMEOUT, false)
    }

    /// Starts the last collection, within this time. Returns the answer to wait for.
    pub(super) fn begin_end(&self, timeout: Duration) -> Answer {
        self.command(timeout, true)
    }

    /// Waits until what was collected is delivered, by all readers.
    ///
    /// # Errors
    ///
    /// `Timeout`, or `InternalFailure` with the reason of a destination.
    pub(crate) fn deliver(&self, timeout: Duration) -> OTelSdkResult {
        self.shared.queue.flush(timeout)
    }

    /// Sends a command, and returns without waiting for it. Callbacks may use three quarters of the time.
    ///
    /// The lock is held for the send only. After the shutdown there is no thread to send to: the reply is dropped with
    /// the command, and waiting for it returns `AlreadyShutdown`.
    fn command(&self, timeout: Duration, is_last: bool) -> Answer {
        let (reply, result) = channel();
        let of_callbacks = timeout / 4 * 3;
        let command = Command { is_last, callbacks: deadline_after(of_callbacks), reply };
        if is_last {
            // Whichever reader collects now, this collection comes after it.
            self.shared.observer.hurry(deadline_after(of_callbacks / 2));
        }
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        // If the thread has ended, the reply ends with the command.
        if let Some(commands) = &*commands {
            let _ = commands.send(command);
        }
        if is_last {
            *commands = None;
        }
        Answer { result, timeout, deadline: deadline_after(timeout) }
    }

    /// Returns `true` where the SDK has nothing to flush or to end: in a forked child, and where it does so for readers
    /// of the user.
    fn is_passed_over(&self) -> bool {
        self.shared.fork.is_child() || ThreadFlag::CustomReaders.is_set()
    }
}

/// The result of a command that the reader's thread works on.
///
/// Splits a command from the wait for it, so several readers can end at the same time.
#[must_use = "the command may not be done before `wait` returns"]
pub(crate) struct Answer {
    /// The channel for the result.
    result: Receiver<OTelSdkResult>,
    /// The time of the command, for the error.
    timeout: Duration,
    /// The deadline of the thread's answer.
    deadline: Instant,
}

impl Answer {
    /// Waits for the result, at most until the deadline of the command and [`GRACE`] more.
    ///
    /// # Errors
    ///
    /// `Timeout` if the thread has not answered, `AlreadyShutdown` if it has ended, and the error of the collection.
    pub(crate) fn wait(self) -> OTelSdkResult {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.result.recv_timeout(left + GRACE) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(OTelSdkError::Timeout(self.timeout)),
            Err(RecvTimeoutError::Disconnected) => Err(OTelSdkError::AlreadyShutdown),
        }
    }
}

impl MetricReader for QueueReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.shared.manual.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.shared.manual.collect(metrics)
    }

    /// Collects now, and returns when the collection is in the queue; delivering it is the pipeline's flush.
    fn force_flush(&self) -> OTelSdkResult {
        if self.is_passed_over() { Ok(()) } else { self.begin_collection().wait() }
    }

    /// Collects once more, and delivers what waits.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if self.is_passed_over() {
            return Ok(());
        }
        let deadline = deadline_after(timeout);
        let collected = self.begin_end(timeout).wait();
        collected.and(self.deliver(deadline.saturating_duration_since(Instant::now())))
    }

    /// Observed counters are always cumulative: the queue makes deltas of them where these are wanted.
    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        match kind {
            InstrumentKind::ObservableCounter => Temporality::Cumulative,
            kind => self.shared.manual.temporality(kind),
        }
    }
}

/// The body of the reader's thread. Ends after a shutdown command, and when the last handle on the reader is dropped.
fn run(reader: &Shared, commands: &Receiver<Command>) {
    become_background_thread();
    // What exporting does is not telemetry.
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    let mut metrics = ResourceMetrics::default();
    let mut next = Instant::now() + reader.interval;
    loop {
        match commands.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(first) => {
                let all: Vec<_> = std::iter::once(first).chain(commands.try_iter()).collect();
                let is_last = all.iter().any(|command| command.is_last);
                let callbacks = all.iter().map(|command| command.callbacks).min();
                let collected = match is_last || !reader.queue.would_lose_deltas() {
                    true => reader.collect(&mut metrics, callbacks.unwrap_or_else(Instant::now)),
                    false => Err(OTelSdkError::InternalFailure(QUEUE_IS_FULL.to_owned())),
                };
                if is_last {
                    let _ = reader.manual.shutdown();
                }
                for Command { reply, .. } in all {
                    let _ = reply.send(copy(&collected));
                }
                if is_last {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                if reader.queue.has_room() {
                    let deadline = deadline_after(reader.interval.max(MIN_CALLBACK_LIMIT));
                    let _ = reader.collect(&mut metrics, deadline);
                }
                next = Instant::now().max(next + reader.interval);
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Returns the result of a collection for each command that it was made for.
fn copy(collected: &OTelSdkResult) -> OTelSdkResult {
    collected.as_ref().copied().map_err(|error| OTelSdkError::InternalFailure(error.to_string()))
}

impl Shared {
    /// Calls the callbacks, collects, and queues the result. A panic fails this collection only.
    ///
    /// `metrics` is the memory of the last collection, which is used again.
    ///
    /// # Errors
    ///
    /// That of the SDK, or `InternalFailure` after a panic. The first one is logged.
    fn collect(&self, metrics: &mut ResourceMetrics, deadline: Instant) -> OTelSdkResult {
        let limit = (self.interval / 2).clamp(MIN_CALLBACK_LIMIT, MAX_CALLBACK_LIMIT);
        let collect = || {
            self.observer.collect(limit, deadline, || self.manual.collect(metrics))?;
            self.resets.add();
            self.conflicts.check(metrics);
            self.queue.push(metrics);
            Ok(())
        };
        let panicked = || Err(OTelSdkError::InternalFailure("the collection panicked".to_owned()));
        let started = Instant::now();
        let result = catch_panic(collect).unwrap_or_else(panicked);
        self.times.ended(started.elapsed(), result.is_err());
        if let Err(error) = &result
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            let warn = || self.diagnostics.warn(COLLECTION_FAILED, &[("error", FieldValue::Text(error))]);
            catch_panic(warn);
        }
        result
    }
}

/// The warning about the first collection that failed.
const COLLECTION_FAILED: &str = "metrics could not be collected";
/// The error of a flush that would have dropped deltas.
pub(super) const QUEUE_IS_FULL: &str =
    "the queue is full: nothing was collected, and counters go on adding up";
/// The name of the thread. Linux shows 15 bytes.
const THREAD_NAME: &str = "otel-metrics";
/// The upper limit of the time for one callback, which is half an interval otherwise.
const MAX_CALLBACK_LIMIT: Duration = Duration::from_secs(5);
/// The time after its deadline for which an answer to a command is accepted.
const GRACE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{OverflowReports, Queue, Workers};
    use crate::provider::metrics::stream_conflicts::Views;

    #[test]
    fn the_thread_ends_when_the_last_handle_is_dropped() {
        let diagnostics = Diagnostics::default();
        let (queue, _consumers) = Queue::new(MetricQueue::LIMITS, 1);
        let overflow = OverflowReports::new(diagnostics.clone());
        let queue = MetricQueue::new(queue, Workers::default(), Temporality::Cumulative, overflow);
        let observer = Arc::new(Observer::new(diagnostics.clone()));
        let conflicts = StreamConflicts::new(Views::None, diagnostics.clone());
        let hour = Duration::from_secs(3_600);
        let reader =
            QueueReader::start(queue, observer, hour, Resets::default(), conflicts, diagnostics).unwrap();
        let of_thread = Arc::downgrade(&reader.shared);
        drop(reader);
        let begin = Instant::now();
        while of_thread.strong_count() > 0 {
            assert!(begin.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
    }
}
