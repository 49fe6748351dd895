//! Sends one signal's batches and records their outcome.
//!
//! While the collector is healthy, up to [`MAX_IN_FLIGHT`] requests are in flight at once; of metrics only one, so that they arrive in
//! order. After a failure the batch goes back to its place and one request at a time probes the collector, with growing
//! pauses. A flush or the shutdown sends everything queued at once.
//!
//! Both use their deadline for a collector that is *restarting*: it answered within [`RESTART_WINDOW`], and now refuses
//! connections, resets them, or answers that it is unavailable. They do not wait for one that is *absent*: it never
//! answered, or not for longer than that, and cannot be reached. The shutdown does not rely on a connection without any
//! answer: what is still in flight there shortly before the deadline is sent on a new one too.
//!
//! However a worker ends, pending items have failed by then, and waiting flushes have returned. A panic costs one turn of
//! its loop: the ledger is written before any code that might panic. If the runtime itself fails, the worker outlives it
//! and goes on with [`reconnect`](Worker::reconnect).
//!
//! # States
//!
//! | state | requests in flight | what is taken from the queue | leaves it when |
//! |---|---|---|---|
//! | healthy | up to 8; metrics one | full batches; all of it when the delay is over | a try fails |
//! | failing | one, after each pause | the batch that failed, again | a try succeeds |
//! | flush requested | as above, but without waiting for the pause | everything | one try was made |
//! | shutdown | one that is new since the last failure | everything, until the deadline | nothing is left, no receiver can be reached, or the deadline |
//!
//! Each turn of the loop does what is possible now (fill the window, answer flushes) and then waits for one of four events:
//! an answer, a command, a full batch, or the next moment at which something is due.

use std::any::Any;
use std::future::{Future, pending};
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::Backoff;
use super::outage_log::OutageLog;
use crate::export::destination::{Cause, Destination, Failure, Outcome};
use crate::export::queue::{Batch, Consumer, Take};
use crate::settings::Signal;

/// The commands of a worker.
pub(super) enum Command {
    /// Send everything queued; answer when all of it is gone, when a try has failed against a collector that is not
    /// restarting, or at the deadline.
    Flush(Instant, FlushReply),
    /// Send everything queued until the deadline, give up the rest, and end.
    Shutdown(Instant),
    /// Panic outside of a turn, as a runtime that fails does.
    #[cfg(test)]
    FailRuntime,
}

pub(super) type FlushReply = Box<dyn FnOnce(Result<(), FlushError>) + Send>;

/// The reason why an item of a flush has not been delivered.
#[derive(Debug)]
pub(super) enum FlushError {
    /// There was no time.
    Timeout,
    /// The reason, as text. Items that can be retried are still in the queue.
    Failed(String),
}

/// The worker of one destination of one signal.
pub(super) struct Worker {
    queue: Consumer,
    destination: Arc<Destination>,
    /// The encoded resource, in each request.
    resource: Arc<[u8]>,
    /// Longest wait before a batch that is not full is sent.
    delay: Duration,
    /// Logs failures and recoveries, limited in rate.
    outage_log: OutageLog,
    /// The pause after failures; empty while the receiver is healthy.
    backoff: Backoff,
    /// Tries in a row that were sent and not answered in time.
    timeouts: u32,
    /// Tries under way. Each resolves to its outcome, and never fails otherwise.
    in_flight: FuturesUnordered<Pin<Box<dyn Future<Output = Sent> + Send>>>,
    /// The batches of these tries.
    in_flight_batches: Vec<InFlight>,
    /// Number of the last request.
    last_request: u64,
    /// Requests that were sent before the last failure was noticed fail together with it, as one failure.
    epoch: u64,
    /// When a batch that is not full is sent at the latest.
    next_tick: Instant,
    /// A flush is waiting: the next try does not wait for the pause to end.
    flush_requested: bool,
    /// Flushes without an answer.
    flushes: Vec<Flush>,
    /// `Some` from the command on.
    shutdown: Option<Shutdown>,
    /// That of the shutdown, for the requests in flight.
    last_deadline: watch::Sender<Option<Instant>>,
    #[cfg(test)]
    must_fail: bool,
}

/// A try under way.
struct InFlight {
    request: u64,
    batch: Batch,
    epoch: u64,
    at: Instant,
    /// This try, or an earlier one, was sent and has no answer.
    is_unanswered: Arc<AtomicBool>,
}

/// A finished try.
struct Sent {
    request: u64,
    outcome: Outcome,
}

/// A flush that waits for its batches.
struct Flush {
    /// Batches up to this one are waited for.
    last_sequence: u64,
    deadline: Instant,
    reply: FlushReply,
}

/// What changes once telemetry ends.
struct Shutdown {
    deadline: Instant,
    /// From then on a request that is not answered holds up no other. `None` afterwards.
    hedge_at: Option<Instant>,
    /// Tries left against a peer that is absent.
    tries_absent: u32,
}

impl Worker {
    /// Creates a worker that has not started.
    pub(super) fn new(
        queue: Consumer,
        destination: Arc<Destination>,
        resource: Arc<[u8]>,
        delay: Duration,
        outage_log: OutageLog,
    ) -> Self {
        Self {
            queue,
            destination,
            resource,
            delay,
            outage_log,
            backoff: Backoff::default(),
            timeouts: 0,
            in_flight: FuturesUnordered::new(),
            in_flight_batches: Vec::new(),
            last_request: 0,
            epoch: 0,
            next_tick: Instant::now() + delay,
            flush_requested: false,
            flushes: Vec::new(),
            shutdown: None,
            last_deadline: watch::Sender::default(),
            #[cfg(test)]
            must_fail: false,
        }
    }

    /// Runs until a shutdown command, or until all senders of commands are gone.
    pub(super) async fn run(&mut self, commands: &mut UnboundedReceiver<Command>) {
        loop {
            match AssertUnwindSafe(self.turn(commands)).catch_unwind().await {
                Ok(ControlFlow::Break(())) => return self.finish().await,
                Ok(ControlFlow::Continue(())) => {}
                // The panic hook has reported it. A pause, in case that the next turn panics as well.
                Err(panic) => {
                    discard(panic);
                    sleep(PANIC_PAUSE).await;
                }
            }
            #[cfg(test)]
            if std::mem::take(&mut self.must_fail) {
                std::panic::resume_unwind(Box::new("the runtime fails on purpose"));
            }
        }
    }

    /// Goes on after the runtime has failed, with connections on another one. Batches that were in flight are sent again.
    pub(super) fn reconnect(&mut self, destination: Arc<Destination>) {
        let old =
            (std::mem::take(&mut self.in_flight), std::mem::replace(&mut self.destination, destination));
        for InFlight { request, mut batch, is_unanswered, .. } in self.in_flight_batches.drain(..) {
            self.queue.finished(request);
            if is_unanswered.load(Ordering::Relaxed) {
                batch.mark_unanswered();
            }
            self.queue.put_back(batch);
        }
        self.epoch += 1;
        // Code of the user in there may panic.
        drop(old);
    }

    /// Handles the commands that come while there is no runtime. Returns `true` if it is time to end.
    pub(super) fn handle_without_runtime(&mut self, commands: &mut UnboundedReceiver<Command>) -> bool {
        loop {
            match commands.try_recv() {
                Ok(Command::Shutdown(_)) | Err(TryRecvError::Disconnected) => return true,
                Ok(Command::Flush(_, reply)) => {
                    reply(Err(FlushError::Failed("the export thread is being started again".to_owned())));
                }
                #[cfg(test)]
                Ok(Command::FailRuntime) => {}
                Err(TryRecvError::Empty) => return false,
            }
        }
    }

    /// Ends the destination, which may have to write what it holds.
    async fn finish(&self) {
        let deadline = self.shutdown.as_ref().map_or_else(Instant::now, |shutdown| shutdown.deadline);
        self.destination.finish(deadline).await;
    }

    /// Does what is possible now, and waits for the next event.
    async fn turn(&mut self, commands: &mut UnboundedReceiver<Command>) -> ControlFlow<()> {
        self.overtake_before_deadline();
        self.fill_window();
        self.answer_flushes();
        if self.is_done() {
            return ControlFlow::Break(());
        }
        let wake = self.next_wake();
        tokio::select! {
            Some(sent) = self.in_flight.next(), if !self.in_flight.is_empty() => self.on_response(sent),
            command = commands.recv() => match command {
                Some(command) => self.handle_command(command),
                None => return ControlFlow::Break(()),
            },
            () = self.queue.filled() => {}
            () = sleep_until(wake) => {}
        }
        ControlFlow::Continue(())
    }

    /// Sends batches as long as another request may be in flight.
    fn fill_window(&mut self) {
        if self.should_stop() || (self.backoff.until().is_some() && !self.flush_requested) {
            return;
        }
        let due = Instant::now() >= self.next_tick;
        let take = if due { Take::Any } else { Take::FullOnly };
        while self.may_send() {
            let batch = self.queue.take(take);
            self.flush_requested = false;
            let Some(batch) = batch else {
                if due {
                    self.next_tick = Instant::now() + self.delay;
                }
                return;
            };
            self.send(batch);
        }
    }

    /// Whether another request may be in flight.
    fn may_send(&self) -> bool {
        let ends = self.shutdown.is_some();
        // Requests sent before the failure may take longer than the time left.
        let none_since_failure = || self.in_flight_batches.iter().all(|batch| batch.epoch != self.epoch);
        match self.backoff.is_failing() {
            _ if self.is_in_order() && ends => none_since_failure(),
            true if ends => none_since_failure(),
            failing => self.in_flight.len() < if self.is_in_order() || failing { 1 } else { MAX_IN_FLIGHT },
        }
    }

    /// A database of metrics refuses points that are older than those it has.
    fn is_in_order(&self) -> bool {
        self.destination.signal() == Signal::Metrics
    }

    /// Shortly before the deadline, a collection that waits for its answer no longer holds up the later ones. If these
    /// contain their predecessors, only the newest is sent.
    fn overtake_before_deadline(&mut self) {
        let is_in_order = self.is_in_order();
        let Some(shutdown) = &mut self.shutdown else { return };
        if is_in_order && shutdown.hedge_at.take_if(|at| *at <= Instant::now()).is_some() {
            self.epoch += 1;
            self.queue.keep_newest_cumulative();
        }
    }

    /// Starts a try of this batch.
    fn send(&mut self, batch: Batch) {
        let message = batch.to_request(&self.resource);
        let (epoch, at) = (self.epoch, Instant::now());
        let is_unanswered = Arc::new(AtomicBool::new(batch.is_unanswered()));
        self.last_request += 1;
        let request = self.last_request;
        self.queue.started(request, batch.count(), Arc::clone(&is_unanswered));
        let unanswered = Arc::clone(&is_unanswered);
        self.in_flight_batches.push(InFlight { request, batch, epoch, at, is_unanswered });
        let destination = Arc::clone(&self.destination);
        let timeout = self.timeout();
        let hedge_deadline = hedge_deadline(self.last_deadline.subscribe());
        self.in_flight.push(Box::pin(async move {
            let outcome = destination.send(message, timeout, hedge_deadline, unanswered).await;
            Sent { request, outcome }
        }));
    }

    /// Records the outcome of a try, and decides on the next one.
    fn on_response(&mut self, Sent { request, outcome }: Sent) {
        let is_answered = |sent: &mut InFlight| sent.request == request;
        let answered = self.in_flight_batches.extract_if(.., is_answered).next();
        let Some(InFlight { mut batch, epoch, at, .. }) = answered else { return };
        self.queue.finished(request);
        let sequence = batch.sequence();
        if outcome.failure().is_some_and(|failure| failure.is_unanswered) {
            batch.mark_unanswered();
        }
        match outcome {
            Outcome::Delivered { rejected, message } => {
                if epoch == self.epoch {
                    self.backoff.succeeded();
                    self.shorten_timeout(at.elapsed());
                }
                self.delivered(batch, rejected, &message);
            }
            Outcome::Retry(failure) => {
                self.queue.put_back(batch);
                if epoch == self.epoch {
                    self.epoch += 1;
                    self.back_off(&failure);
                } else {
                    self.backoff.failed_too(failure.retry_after);
                }
                self.outage_log.failed(&failure, at, Instant::now());
                self.fail_hopeless_flushes(sequence, &failure);
            }
            Outcome::TooLarge(failure) => match batch.split() {
                Ok((first, second)) => {
                    self.queue.put_back(first);
                    self.queue.put_back(second);
                }
                Err(single) => self.refused(&single, &failure, at),
            },
            Outcome::Refused(failure) => self.refused(&batch, &failure, at),
        }
    }

    /// Counts a batch that was acknowledged, in part or as a whole.
    fn delivered(&mut self, batch: Batch, rejected: u64, message: &str) {
        let sequence = batch.sequence();
        let rejected = rejected.min(batch.count());
        self.queue.record(|ledger| {
            ledger.deliver(batch.count() - rejected);
            ledger.reject(rejected);
        });
        self.queue.recycle(batch);
        self.outage_log.delivered(Instant::now());
        if rejected > 0 || !message.is_empty() {
            self.outage_log.rejected(rejected, message, Instant::now());
        }
        if rejected > 0 {
            let reason = format!("the collector rejected {rejected}: {message}");
            self.fail_flushes(&reason, |flush| sequence <= flush.last_sequence);
        }
    }

    /// Counts a batch that no retry can deliver.
    fn refused(&mut self, batch: &Batch, failure: &Failure, sent: Instant) {
        self.queue.record(|ledger| {
            ledger.fail(batch.count());
            if batch.is_unanswered() {
                ledger.record_unanswered(batch.count());
            }
        });
        self.outage_log.failed(failure, sent, Instant::now());
        self.fail_flushes(&failure.text, |flush| batch.sequence() <= flush.last_sequence);
    }

    /// The limit for the next try. It grows with each one that was not answered: a collector that needs longer would
    /// otherwise get the same data again and again, and none of it would count as delivered.
    fn timeout(&self) -> Duration {
        self.destination.timeout().saturating_mul(1 << self.timeouts)
    }

    /// After an answer that came within half of a shorter limit, that one is enough. A collector that is always slow
    /// keeps the longer one: with the shorter one it would get every request several times.
    fn shorten_timeout(&mut self, took: Duration) {
        let shorter = |timeouts: u32| self.destination.timeout().saturating_mul(1 << timeouts);
        while self.timeouts > 0 && took < shorter(self.timeouts - 1) / 2 {
            self.timeouts -= 1;
        }
    }

    /// The end of the time that there is for what waits, if it is limited.
    fn next_deadline(&self) -> Option<Instant> {
        let flushes = self.flushes.iter().map(|flush| flush.deadline);
        flushes.chain(self.shutdown.as_ref().map(|shutdown| shutdown.deadline)).min()
    }

    /// Before a deadline a pause must leave time for more than one further try.
    fn longest_pause(&self) -> Duration {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.next_deadline().map_or(Duration::MAX, |deadline| left(deadline) / 4)
    }

    /// Returns `true` if the collector answered a short time ago, so that a failure to reach it is likely to be a
    /// restart.
    fn has_answered_lately(&self) -> bool {
        self.destination.last_response().is_some_and(|last| last.elapsed() < RESTART_WINDOW)
    }

    /// Begins or prolongs the pause.
    fn back_off(&mut self, failure: &Failure) {
        if failure.cause == Cause::Timeout {
            self.timeouts = (self.timeouts + 1).min(MAX_TIMEOUT_DOUBLINGS);
        }
        let known_to_be_down = self.backoff.is_failing();
        self.backoff.failed(failure.retry_after, self.longest_pause());
        let is_absent = failure.cause.is_absence() && !self.has_answered_lately();
        if let Some(shutdown) = &mut self.shutdown
            && is_absent
        {
            let used = if known_to_be_down { shutdown.tries_absent } else { 1 };
            shutdown.tries_absent = shutdown.tries_absent.saturating_sub(used);
        }
    }

    /// Answers the flushes that wait for this batch, which will be tried again, unless that may succeed before their
    /// deadline: the collector is restarting, and the pause that it requests ends in time.
    fn fail_hopeless_flushes(&mut self, sequence: u64, failure: &Failure) {
        let is_restarting = self.has_answered_lately();
        let requested = failure.retry_after.and(self.backoff.until());
        let ends_in_time = |deadline| requested.is_none_or(|until| until < deadline);
        self.fail_flushes(&failure.text, |flush| {
            sequence <= flush.last_sequence && !(is_restarting && ends_in_time(flush.deadline))
        });
    }

    /// Answers these flushes with the reason.
    fn fail_flushes(&mut self, reason: &str, fails: impl Fn(&Flush) -> bool) {
        for flush in self.flushes.extract_if(.., |flush| fails(flush)) {
            (flush.reply)(Err(FlushError::Failed(reason.to_owned())));
        }
    }

    /// Answers the flushes whose batches are gone, or whose time is over.
    fn answer_flushes(&mut self) {
        if self.flushes.is_empty() {
            return;
        }
        let in_flight = self.in_flight_batches.iter().map(|sent| sent.batch.sequence());
        let oldest = in_flight.chain(self.queue.first_sequence()).min().unwrap_or(u64::MAX);
        for flush in self.flushes.extract_if(.., |flush| flush.last_sequence < oldest) {
            (flush.reply)(Ok(()));
        }
        let now = Instant::now();
        for flush in self.flushes.extract_if(.., |flush| flush.deadline <= now) {
            (flush.reply)(Err(FlushError::Timeout));
        }
    }

    /// Notes what was requested; the next turn acts on it.
    fn handle_command(&mut self, command: Command) {
        self.flush_requested = true;
        match command {
            Command::Flush(deadline, reply) => {
                let last_sequence = self.queue.last_sequence();
                self.flushes.push(Flush { last_sequence, deadline, reply });
            }
            #[cfg(test)]
            Command::FailRuntime => self.must_fail = true,
            Command::Shutdown(deadline) => {
                self.queue.close();
                self.last_deadline.send_replace(Some(deadline));
                let hedge_at = Some(hedge_before(deadline));
                self.shutdown = Some(Shutdown { deadline, hedge_at, tries_absent: TRIES_ABSENT });
            }
        }
    }

    /// Returns `true` if the worker can end: after a shutdown command, when nothing is left to do or no time.
    fn is_done(&self) -> bool {
        let Some(shutdown) = &self.shutdown else { return false };
        let idle = self.in_flight.is_empty();
        Instant::now() >= shutdown.deadline || (idle && (self.should_stop() || self.queue.is_empty()))
    }

    /// Whether nothing more is sent: the collector is absent, or asks for a pause beyond the deadline.
    fn should_stop(&self) -> bool {
        let Some(shutdown) = &self.shutdown else { return false };
        let pause_ends_too_late = self.backoff.until().is_some_and(|until| until >= shutdown.deadline);
        shutdown.tries_absent == 0 || (pause_ends_too_late && !self.flush_requested)
    }

    /// Returns the next moment at which something is due.
    fn next_wake(&self) -> Instant {
        let deadline = self.shutdown.as_ref().map(|shutdown| shutdown.deadline);
        let hedge = self.shutdown.as_ref().and_then(|shutdown| shutdown.hedge_at);
        let hedge = hedge.filter(|_| self.is_in_order());
        let next_send = match self.backoff.until() {
            Some(until) => Some(until),
            // When all that may be on their way are, the first answer wakes. Without a delay, the queue wakes.
            None => (self.may_send() && !self.delay.is_zero()).then_some(self.next_tick),
        };
        let far = Instant::now() + MAX_SLEEP;
        let flushes = self.flushes.iter().map(|flush| flush.deadline);
        [deadline, hedge, next_send].into_iter().flatten().chain(flushes).fold(far, Instant::min)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let is_in_flight = !self.in_flight.is_empty();
        self.queue.abandon();
        self.in_flight.clear();
        // What is on its way has failed too: its answer will not be read.
        if self.shutdown.is_some() && is_in_flight {
            let failure = Failure::new(Cause::Timeout, "no answer before the deadline of the shutdown");
            let now = Instant::now();
            self.outage_log.failed(&failure, now, now);
        }
        for flush in self.flushes.drain(..) {
            (flush.reply)(Err(FlushError::Failed("telemetry was shut down".to_owned())));
        }
    }
}

/// Discards what a panic carries. Dropping it could panic again.
pub(super) fn discard(panic: Box<dyn Any + Send>) {
    std::mem::forget(panic);
}

/// Resolves shortly before the shutdown deadline; used to send the last request once more. Not earlier: a collector that
/// is only slow would get it twice.
async fn hedge_deadline(mut deadline: watch::Receiver<Option<Instant>>) {
    let known = deadline.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
    match known {
        Some(deadline) => sleep_until(hedge_before(deadline)).await,
        None => pending().await,
    }
}

/// A second before the deadline, or a quarter of the time if that is less.
fn hedge_before(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - (left / 4).min(HEDGE_BEFORE_DEADLINE)
}

/// Requests of one signal in flight at once: more than one, so that a distant collector does not limit
/// throughput to one batch a round trip.
const MAX_IN_FLIGHT: usize = 8;
/// A collector that was not known to be absent before gets a second try at shutdown.
const TRIES_ABSENT: u32 = 2;
/// How long after its last answer a collector that cannot be reached counts as restarting. Enough for a container to be
/// replaced; after that, a program should not spend its shutdown on it.
const RESTART_WINDOW: Duration = Duration::from_secs(30);
/// The longest try takes so many doublings of the limit that was configured.
const MAX_TIMEOUT_DOUBLINGS: u32 = 3;
/// Enough to connect to a collector and send a few requests.
const HEDGE_BEFORE_DEADLINE: Duration = Duration::from_secs(1);
/// Between panics.
pub(super) const PANIC_PAUSE: Duration = Duration::from_millis(100);
/// An upper bound, where nothing is due.
const MAX_SLEEP: Duration = Duration::from_secs(3600);
