//! Sends one signal's batches and records their outcome.
//!
//! While the collector is healthy, up to [`MAX_IN_FLIGHT`] requests are in flight at once; of metrics only one, so
//! they arrive in order. After a failure the batch goes back to its place and one request at a time probes the
//! collector, with growing pauses. A flush or the shutdown sends everything queued at once.
//!
//! Both use their deadline for a collector that is *restarting*: it answered within `RESTART_WINDOW`, and now refuses
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
//! | flush requested | as above, but without waiting for a pause that the collector has not requested | everything | one try was made |
//! | shutdown | one that is new since the last failure | everything, until the deadline | nothing is left, no receiver can be reached, or the deadline |
//!
//! Each turn of the loop does what is possible now (fill the window, answer flushes) and then waits for one of four events:
//! an answer, a command, a full batch, or the next moment at which something is due.
//!
//! | file | concept |
//! |---|---|
//! | `mod` | the loop: commands, what is sent when, the end |
//! | `tries` | requests in flight, their batches, and their limit of time |
//! | `outcome` | what is done after a try |
//! | `flushes` | callers that wait for batches |
//! | `shutdown` | what changes once telemetry ends |

mod flushes;
mod outcome;
mod shutdown;
mod tries;

pub(super) use self::flushes::{FlushError, FlushReply};

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use self::flushes::Flushes;
use self::shutdown::{Shutdown, hedge_deadline};
use self::tries::{Tries, TryTimeout};
use super::backoff::Backoff;
use super::outage_log::OutageLog;
use super::refusals::Refusals;
use crate::export::destination::{Cause, Destination, Failure, TryLimit};
use crate::export::queue::{Batch, Consumer, Take};
use crate::settings::Signal;
use crate::user_code::discard;

/// The commands of a worker.
pub(super) enum Command {
    /// Send everything queued; answer when all of it is gone, when a try has failed against a collector that is not
    /// restarting, or at the deadline.
    ///
    /// The reply is called on the I/O thread, exactly once.
    Flush(Instant, FlushReply),
    /// Send everything queued until the deadline, give up the rest, and end.
    ///
    /// The queue is closed when the command is handled: items recorded later count as dropped.
    Shutdown(Instant),
    /// Panic outside of a turn, as a runtime that fails does.
    #[cfg(test)]
    FailRuntime,
}

/// The worker of one destination of one signal.
///
/// It is owned by the I/O thread and moves between runtimes: if one fails, [`reconnect`](Self::reconnect) prepares the
/// worker for the next. Everything that must survive a panic (batches in flight, flushes, counts) is in its fields,
/// never in a future.
pub(super) struct Worker {
    /// The source of batches, and the ledger that their outcome is recorded in.
    queue: Consumer,
    /// The destination of requests. Shared with the futures of the tries, and replaced by
    /// [`reconnect`](Self::reconnect).
    destination: Arc<Destination>,
    /// The encoded resource, the first part of each request. Shared by all workers.
    resource: Arc<[u8]>,
    /// Longest wait before a batch that is not full is sent.
    delay: Duration,
    /// Logs failures and recoveries, limited in rate.
    outage_log: OutageLog,
    /// The pause after failures; empty while the receiver is healthy.
    backoff: Backoff,
    /// The limit for the next try.
    try_timeout: TryTimeout,
    /// Tries under way.
    tries: Tries,
    /// The latest time at which an incomplete batch is sent. Only advanced by a turn that found nothing more to take,
    /// so a worker that was busy catches up at once.
    next_tick: Instant,
    /// A flush or the shutdown is waiting: the next try does not wait for the pause to end. Cleared when the queue is
    /// next asked for a batch, so one command grants one try ahead of the pause.
    flush_requested: bool,
    /// Flushes without an answer. A flush leaves this list in the moment in which it is answered.
    flushes: Flushes,
    /// Gets the reason of each batch that will not be delivered, for flushes that are not among `flushes` yet.
    refusals: Refusals,
    /// `Some` from the command on.
    shutdown: Option<Shutdown>,
    /// The deadline of the shutdown, `None` before the command. Each try in flight watches it, to know when to send its
    /// request again on another connection; see [`hedge_deadline`].
    last_deadline: watch::Sender<Option<Instant>>,
    /// Set by [`Command::FailRuntime`]: the loop panics after this turn.
    #[cfg(test)]
    must_fail: bool,
}

impl Worker {
    /// Creates a worker that has not started.
    ///
    /// `delay` is the longest wait before a batch that is not full is sent. If it is zero, the queue wakes the worker
    /// for the first item of each batch.
    pub(super) fn new(
        queue: Consumer,
        destination: Arc<Destination>,
        resource: Arc<[u8]>,
        delay: Duration,
        outage_log: OutageLog,
        refusals: Refusals,
    ) -> Self {
        Self {
            queue,
            destination,
            resource,
            delay,
            outage_log,
            backoff: Backoff::default(),
            try_timeout: TryTimeout::default(),
            tries: Tries::new(),
            next_tick: Instant::now() + delay,
            flush_requested: false,
            flushes: Flushes::default(),
            refusals,
            shutdown: None,
            last_deadline: watch::Sender::default(),
            #[cfg(test)]
            must_fail: false,
        }
    }

    /// Returns the queue that it takes batches from.
    pub(super) fn queue(&self) -> &Consumer {
        &self.queue
    }

    /// Runs until a shutdown command, or until all senders of commands are gone.
    ///
    /// Panics inside a turn are caught, and the next turn follows after [`PANIC_PAUSE`]. Must be called inside the
    /// runtime that the destination's connections were made on.
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
    ///
    /// Those batches are marked as unanswered if their request had left the process: the receiver may have taken them.
    pub(super) fn reconnect(&mut self, destination: Arc<Destination>) {
        let (in_flight, sending) = self.tries.take_all();
        let old = (sending, std::mem::replace(&mut self.destination, destination));
        for sent in in_flight {
            self.queue.finished(sent.request);
            self.queue.put_back(sent.batch);
        }
        self.tries.begin_epoch();
        // Code of the user in there may panic.
        drop(old);
    }

    /// Handles the commands that come while there is no runtime. Returns `true` if it is time to end.
    ///
    /// Flushes fail at once, because nothing can be sent; the items stay in the queue. Called between attempts to build
    /// a runtime.
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

    /// Ends the destination, which may have to write what it holds. Only the console does: traces that are not complete
    /// yet are printed as they are.
    async fn finish(&self) {
        let deadline = self.shutdown.as_ref().map_or_else(Instant::now, Shutdown::deadline);
        if let Some(failure) = self.destination.finish(deadline).await {
            let now = Instant::now();
            self.outage_log.failed(&failure, now, now);
        }
    }

    /// Does what is possible now, and waits for the next event.
    ///
    /// Returns `Break` if the worker has nothing more to do: after a shutdown, or because every sender of commands is
    /// gone. Cancelling it between events is safe, because all waiting is done on state that outlives the future.
    async fn turn(&mut self, commands: &mut UnboundedReceiver<Command>) -> ControlFlow<()> {
        self.overtake_before_deadline();
        self.fill_window();
        self.answer_flushes();
        if self.is_done() {
            return ControlFlow::Break(());
        }
        let wake = self.next_wake();
        tokio::select! {
            sent = self.tries.next() => self.on_response(sent),
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
    ///
    /// Does nothing during a pause, unless a flush or the shutdown was requested since the last try. When the delay is
    /// over, a batch that is not full is taken as well; the tick moves on only after the queue had nothing left.
    fn fill_window(&mut self) {
        let is_pausing = self.backoff.is_pausing();
        if self.should_stop() || (is_pausing && !self.flush_requested) {
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

    /// Returns `true` if another request may be in flight.
    ///
    /// | | healthy | after a failure, or metrics |
    /// |---|---|---|
    /// | running | fewer than [`MAX_IN_FLIGHT`] are | none is |
    /// | shutdown | fewer than [`MAX_IN_FLIGHT`] are | none is that was sent since the last failure |
    fn may_send(&self) -> bool {
        let is_one_at_a_time = self.backoff.is_failing() || self.is_in_order();
        match self.shutdown {
            // Requests sent before the failure may take longer than the time left.
            Some(_) if is_one_at_a_time => self.tries.are_all_from_before(),
            None if is_one_at_a_time => self.tries.is_empty(),
            _ => self.tries.len() < MAX_IN_FLIGHT,
        }
    }

    /// Returns `true` if a batch must not overtake an earlier one.
    ///
    /// True of metrics: databases refuse points that are older than those they have. Spans and log records carry their
    /// own time, and receivers sort them.
    fn is_in_order(&self) -> bool {
        self.destination.signal() == Signal::Metrics
    }

    /// Shortly before the deadline, a collection that waits for its answer no longer holds up the later ones. If these
    /// contain their predecessors, only the newest is sent.
    ///
    /// Runs at most once for each shutdown, at [`Shutdown::hedge_at`]. The collections that are given up count as
    /// failed, the tries in flight stay under way, and their answers still count.
    fn overtake_before_deadline(&mut self) {
        let is_in_order = self.is_in_order();
        let Some(shutdown) = &mut self.shutdown else { return };
        if is_in_order && shutdown.take_hedge() {
            self.tries.begin_epoch();
            self.queue.keep_newest_cumulative();
        }
    }

    /// Starts a try of this batch, on the current connections.
    ///
    /// The request is framed here, once for each try. The queue keeps a note of it until [`Consumer::finished`], so
    /// the end of deliveries counts items that are in flight without an answer, even if this worker never runs again.
    fn send(&mut self, batch: Batch) {
        let message = batch.to_request(&self.resource);
        let destination = Arc::clone(&self.destination);
        let shutdown = self.last_deadline.subscribe();
        let hedge_deadline = hedge_deadline(shutdown.clone());
        let limit = TryLimit { timeout: self.try_timeout.next(destination.timeout()), shutdown };
        let queue = &self.queue;
        self.tries.add(batch, |request, batch, is_unanswered| {
            queue.started(request, batch.count(), Arc::clone(&is_unanswered));
            async move { destination.send(message, limit, hedge_deadline, is_unanswered).await }
        });
    }

    /// Answers the flushes whose batches are gone, or whose time is over.
    ///
    /// Batches leave in any order while several are in flight, so the oldest one left, in flight or in the queue,
    /// decides.
    fn answer_flushes(&mut self) {
        if self.flushes.is_empty() {
            return;
        }
        let oldest = self.tries.sequences().chain(self.queue.first_sequence()).min();
        self.flushes.answer(oldest.unwrap_or(u64::MAX));
    }

    /// Records a command; the next turn acts on it.
    ///
    /// Both commands set `flush_requested`, so a worker that pauses after a failure tries once more at once. A flush
    /// waits for the end of a pause that the collector has requested, or fails if that is too late: a program may
    /// flush after each of its requests.
    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Flush(deadline, reply) => match self.backoff.requested_until() {
                Some(until) if until >= deadline => {
                    reply(Err(FlushError::Failed("the collector has requested a longer pause".to_owned())));
                }
                requested => {
                    self.flush_requested |= requested.is_none();
                    self.flushes.add(self.queue.last_sequence(), deadline, reply);
                }
            },
            #[cfg(test)]
            Command::FailRuntime => self.must_fail = true,
            Command::Shutdown(deadline) => {
                self.flush_requested = true;
                self.queue.close();
                self.last_deadline.send_replace(Some(deadline));
                self.shutdown = Some(Shutdown::new(deadline));
            }
        }
    }

    /// Returns `true` if the worker can end: after a shutdown command, when nothing is left to do or no time.
    ///
    /// At the deadline it ends whatever is left; [`Drop`] then counts that as failed.
    fn is_done(&self) -> bool {
        let Some(shutdown) = &self.shutdown else { return false };
        let idle = self.tries.is_empty();
        Instant::now() >= shutdown.deadline() || (idle && (self.should_stop() || self.queue.is_empty()))
    }

    /// Returns `true` if nothing more is sent: the collector is absent, or requires a pause that ends after the
    /// deadline.
    ///
    /// Always `false` before shutdown, when retries are unlimited.
    fn should_stop(&self) -> bool {
        let Some(shutdown) = &self.shutdown else { return false };
        let pause_ends_too_late = self.backoff.until().is_some_and(|until| until >= shutdown.deadline());
        shutdown.has_given_up() || (pause_ends_too_late && !self.flush_requested)
    }

    /// Returns the next moment at which something is due.
    ///
    /// That is the earliest of: the deadline of the shutdown, the moment to overtake a collection (metrics alone), the
    /// end of the pause or the next tick, and the deadline of each flush. Never later than [`MAX_SLEEP`] from now.
    fn next_wake(&self) -> Instant {
        let deadline = self.shutdown.as_ref().map(Shutdown::deadline);
        let hedge = self.shutdown.as_ref().and_then(Shutdown::hedge_at);
        let hedge = hedge.filter(|_| self.is_in_order());
        let next_send = match self.backoff.until() {
            Some(until) => Some(until),
            // When all that may be on their way are, the first answer wakes. Without a delay, the queue wakes.
            None => (self.may_send() && !self.delay.is_zero()).then_some(self.next_tick),
        };
        // Nothing is sent any more: what is in flight decides.
        let next_send = next_send.filter(|_| !self.should_stop());
        let far = Instant::now() + MAX_SLEEP;
        let due = [deadline, hedge, next_send].into_iter().flatten();
        due.chain(self.flushes.deadlines()).fold(far, Instant::min)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let is_in_flight = !self.tries.is_empty();
        self.queue.abandon();
        self.tries.clear();
        // What is on its way has failed too: its answer will not be read.
        if self.shutdown.is_some() && is_in_flight {
            let failure = Failure::new(Cause::Timeout, "no answer before the deadline of the shutdown");
            let now = Instant::now();
            self.outage_log.failed(&failure, now, now);
        }
        self.flushes.fail("telemetry was shut down", |_| true);
    }
}

/// Requests of one signal in flight at once: more than one, so a distant collector does not limit throughput to one
/// batch a round trip.
const MAX_IN_FLIGHT: usize = 8;
/// The pause after a panic, before the next turn or the next runtime: code that panics each time costs no busy loop.
pub(super) const PANIC_PAUSE: Duration = Duration::from_millis(100);
/// The longest wait for an event. A timer needs some end, and an hour costs nothing.
const MAX_SLEEP: Duration = Duration::from_secs(3600);
