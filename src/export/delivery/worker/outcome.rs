//! What a worker does after a try: count, split, retry, pause.

use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use super::shutdown::Shutdown;
use super::tries::{InFlight, Sent};
use crate::export::destination::{Cause, Failure, Outcome};
use crate::export::encode;
use crate::export::queue::Batch;

impl Worker {
    /// Records the outcome of a try, and decides on the next one.
    pub(super) fn on_response(&mut self, Sent { request, outcome }: Sent) {
        let Some(InFlight { mut batch, epoch, at, .. }) = self.tries.take(request) else { return };
        self.queue.finished(request);
        let sequence = batch.sequence();
        if outcome.failure().is_some_and(|failure| failure.is_unanswered) {
            batch.mark_unanswered();
        }
        match outcome {
            Outcome::Delivered { rejected, message } => {
                self.succeeded(epoch, at);
                self.delivered(batch, rejected, &message);
            }
            Outcome::Held { items } => {
                self.succeeded(epoch, at);
                self.queue.record(|ledger| ledger.deliver(batch.count().saturating_sub(items)));
                self.queue.recycle(batch);
                self.outage_log.delivered(Instant::now());
            }
            Outcome::Retry(failure) => {
                self.queue.put_back(batch);
                if epoch == self.tries.epoch() {
                    self.tries.begin_epoch();
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
                Err(single) => self.refused(&single, &self.naming_item(failure, &single), at),
            },
            Outcome::Refused(failure) => self.refused(&batch, &failure, at),
        }
    }

    /// Ends the pause after failures, if the try began after the last one.
    fn succeeded(&mut self, epoch: u64, sent: Instant) {
        if epoch == self.tries.epoch() {
            self.backoff.succeeded();
            self.try_limit.answered_after(sent.elapsed(), self.destination.timeout());
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
            self.flushes.fail(&reason, |flush| flush.covers(sequence));
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
        self.flushes.fail(&failure.text, |flush| flush.covers(batch.sequence()));
    }

    /// Adds the name and the size of the item that is too large by itself.
    fn naming_item(&self, failure: Failure, single: &Batch) -> Failure {
        match encode::describe_item(self.destination.signal(), &single.to_request(&[])) {
            Some(item) => Failure { text: format!("{} ({item})", failure.text), ..failure },
            None => failure,
        }
    }

    /// The end of the time that there is for what waits, if it is limited.
    fn next_deadline(&self) -> Option<Instant> {
        self.flushes.deadlines().chain(self.shutdown.as_ref().map(Shutdown::deadline)).min()
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
            self.try_limit.timed_out();
        }
        let known_to_be_down = self.backoff.is_failing();
        self.backoff.failed(failure, self.longest_pause());
        let is_absent = failure.cause.is_absence() && !self.has_answered_lately();
        if let Some(shutdown) = &mut self.shutdown
            && is_absent
        {
            shutdown.record_absence(known_to_be_down);
        }
    }

    /// Answers the flushes that wait for this batch, which will be tried again, unless that may succeed before their
    /// deadline: the collector is restarting, and the pause that it requests ends in time.
    fn fail_hopeless_flushes(&mut self, sequence: u64, failure: &Failure) {
        let is_restarting = self.has_answered_lately();
        let requested = failure.retry_after.and(self.backoff.until());
        let ends_in_time = |deadline| requested.is_none_or(|until| until < deadline);
        self.flushes.fail(&failure.text, |flush| {
            flush.covers(sequence) && !(is_restarting && ends_in_time(flush.deadline()))
        });
    }
}

/// How long after its last answer a collector that cannot be reached counts as restarting. Enough for a container to be
/// replaced; after that, a program should not spend its shutdown on it.
const RESTART_WINDOW: Duration = Duration::from_secs(30);
