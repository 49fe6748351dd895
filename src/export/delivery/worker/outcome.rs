//! Handling of export outcomes: count, split, retry, back off.
//!
//! A batch is in flight until its outcome is known, and then either back in the queue or gone; a batch that is gone has
//! been recorded in the ledger.
//!
//! | outcome | the batch | ledger | pause | flushes that cover the batch |
//! |---|---|---|---|---|
//! | delivered | its memory is kept for another | delivered, and rejected if a partial success says so | ends | fail if something was rejected |
//! | held (console) | its memory is kept for another | delivered, without the items that the console counts | ends | go on, or fail if what is held cannot be printed |
//! | retry | back to its place; others may be tried before it, see [`Verdict`] | – (still pending) | begins, or doubles | fail, unless the collector is restarting |
//! | retry, and the batch is to blame | as if it were too large | failed if it is one item | – | fail if it is one item |
//! | too large, several items | two halves, back to its place | – | – | go on |
//! | too large, one item | gone | failed | – | fail |
//! | refused | gone | failed, and unanswered if an earlier try had no answer | – | fail |
//!
//! # Failures that belong together
//!
//! Up to eight requests are in flight when a collector goes away, and all of them fail. They count as one failure: each
//! try carries the *epoch* in which it was sent, the first failure of an epoch begins the next one and doubles the
//! pause, and failures of older epochs only prolong the pause if the receiver requests it. For the same reason, a
//! success of an older epoch does not end the pause: it was sent before the collector went away.
//!
//! # A collector that restarts
//!
//! A collector that cannot be reached is likely to be restarting if it has answered within [`RESTART_WINDOW`] before
//! a flush or the shutdown began, or since. The flush then keeps retrying until its deadline. Otherwise it fails at
//! the first failure, so a program without a collector does not spend its deadline on it.

use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use super::shutdown::Shutdown;
use super::tries::{InFlight, Sent};
use crate::export::destination::{Cause, Failure, Outcome};
use crate::export::encode;
use crate::export::queue::{Batch, OperationError, Verdict};

impl Worker {
    /// Records the outcome of a try, and decides on the next one.
    ///
    /// Ignores a request that is not in flight any more.
    pub(super) fn on_response(&mut self, Sent { request, outcome }: Sent) {
        let Some(InFlight { mut batch, epoch, at, is_alone, .. }) = self.tries.take(request) else { return };
        self.queue.finished(request);
        let sequence = batch.sequence();
        match outcome {
            Outcome::Delivered { rejected, message, status } => {
                self.succeeded(epoch, at);
                let error = (rejected > 0).then_some(OperationError::Rejected);
                let operation = batch.operation(error, status);
                self.delivered(batch, rejected, &message);
                self.queue.operation_ended(operation);
            }
            Outcome::Held { items, failure } => {
                self.succeeded(epoch, at);
                let error = failure.as_ref().map(|_| OperationError::Other);
                let operation = batch.operation(error, None);
                self.queue.record(|ledger| ledger.deliver(batch.count().saturating_sub(items)));
                self.queue.recycle(batch);
                match failure {
                    None => self.outage_log.delivered(Instant::now()),
                    Some(failure) => {
                        self.outage_log.failed(&failure, at, Instant::now());
                        self.fail_flushes(sequence, &failure.text);
                    }
                }
                self.queue.operation_ended(operation);
            }
            Outcome::Retry(failure) => {
                // Of several on one connection that breaks, one is to blame.
                let is_suspect = failure.may_come_from_items;
                let verdict = match is_alone || !is_suspect {
                    true => batch.failed(is_suspect, self.queue.deliveries()),
                    false => Verdict::TryAgain,
                };
                match verdict {
                    Verdict::TryAgain => self.queue.put_back(batch),
                    Verdict::Divide => return self.divide(batch, failure, at),
                }
                if epoch == self.tries.epoch() {
                    self.tries.begin_epoch();
                    self.back_off(&failure);
                } else {
                    self.backoff.failed_too(failure.retry_after);
                }
                self.outage_log.failed(&failure, at, Instant::now());
                self.fail_hopeless_flushes(sequence, &failure);
            }
            Outcome::TooLarge(failure) => self.divide(batch, failure, at),
            Outcome::Refused(failure) => self.refused(&batch, &failure, at),
        }
    }

    /// Ends the pause after failures, if the try began after the last one.
    ///
    /// `epoch` and `sent` are those of the try. Also records how long the answer took, which can shorten the limit for
    /// the next try.
    fn succeeded(&mut self, epoch: u64, sent: Instant) {
        self.queue.count_delivery();
        if epoch == self.tries.epoch() {
            self.backoff.succeeded();
            self.try_timeout.answered_after(sent.elapsed(), self.destination.timeout());
        }
    }

    /// Counts a batch that was acknowledged, in part or as a whole.
    ///
    /// `rejected` and `message` come from OTLP's partial success. More rejected items than the batch holds are a fault
    /// of the receiver, and count as the whole batch. A message without rejected items is a warning of the receiver,
    /// and is logged.
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
            self.fail_flushes(sequence, &format!("the collector rejected {rejected}: {message}"));
        }
    }

    /// Puts both halves of a batch back, which may succeed one by one. A single item is refused.
    fn divide(&mut self, batch: Batch, failure: Failure, sent: Instant) {
        match batch.split() {
            Ok((first, second)) => {
                self.queue.put_back(first);
                self.queue.put_back(second);
            }
            Err(single) => self.refused(&single, &self.naming_item(failure, &single), sent),
        }
    }

    /// Counts a batch that no retry can deliver. Waiting flushes that cover it fail with its reason.
    fn refused(&mut self, batch: &Batch, failure: &Failure, sent: Instant) {
        self.queue.record(|ledger| {
            ledger.fail(batch.count());
            if batch.is_unanswered() {
                ledger.record_unanswered(batch.count());
            }
        });
        self.outage_log.failed(failure, sent, Instant::now());
        self.fail_flushes(batch.sequence(), &failure.text);
        self.queue.operation_ended(batch.given_up(failure.status));
    }

    /// Answers the flushes that cover a batch of which something will never be delivered.
    fn fail_flushes(&mut self, sequence: u64, reason: &str) {
        self.refusals.add(reason);
        self.flushes.fail(reason, |flush| flush.covers(sequence));
    }

    /// Appends the name and the size of the item that is too large by itself to the failure's text, so the user finds
    /// it.
    fn naming_item(&self, failure: Failure, single: &Batch) -> Failure {
        match encode::describe_item(self.destination.signal(), &single.to_request(&[])) {
            Some(item) => Failure { text: format!("{} ({item})", failure.text), ..failure },
            None => failure,
        }
    }

    /// Returns the earliest deadline of a waiting flush or of the shutdown, or `None` if nothing waits.
    fn next_deadline(&self) -> Option<Instant> {
        self.flushes.deadlines().chain(self.shutdown.as_ref().map(Shutdown::deadline)).min()
    }

    /// Returns the upper limit of a pause: a quarter of the time until the next deadline, so more than one further
    /// try fits.
    ///
    /// Without a deadline there is no limit but that of the backoff itself.
    fn longest_pause(&self) -> Duration {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.next_deadline().map_or(Duration::MAX, |deadline| left(deadline) / 4)
    }

    /// Returns `true` if the collector answered a short time before this moment, or after it, so a failure to reach
    /// it is likely to be a restart.
    fn has_answered_lately(&self, before: Instant) -> bool {
        self.destination.last_response().is_some_and(|last| last + RESTART_WINDOW > before)
    }

    /// Begins or prolongs the pause after the first failure of an epoch.
    ///
    /// A timeout also raises the limit for the next try. During a shutdown, an absent receiver uses up one of the tries
    /// that it gets.
    fn back_off(&mut self, failure: &Failure) {
        if failure.cause == Cause::Timeout {
            self.try_timeout.timed_out();
        }
        let known_to_be_down = self.backoff.is_failing();
        self.backoff.failed(failure, self.longest_pause());
        let began = self.shutdown.as_ref().map_or_else(Instant::now, Shutdown::began);
        let is_absent = failure.cause.is_absence() && !self.has_answered_lately(began);
        if let Some(shutdown) = &mut self.shutdown
            && is_absent
        {
            shutdown.record_absence(known_to_be_down);
        }
    }

    /// Answers the flushes that wait for this batch, which will be tried again, unless that may succeed before their
    /// deadline: the collector is restarting, and the pause that it requests ends in time.
    fn fail_hopeless_flushes(&mut self, sequence: u64, failure: &Failure) {
        let last_response = self.destination.last_response();
        let is_restarting = |began| last_response.is_some_and(|last| last + RESTART_WINDOW > began);
        let requested = failure.retry_after.and(self.backoff.until());
        let ends_in_time = |deadline| requested.is_none_or(|until| until < deadline);
        self.flushes.fail(&failure.text, |flush| {
            flush.covers(sequence) && !(is_restarting(flush.began()) && ends_in_time(flush.deadline()))
        });
    }
}

/// The time since its last response during which an unreachable collector is assumed to be restarting. Enough for a
/// container to be replaced; after that, a program should not spend its shutdown on it.
const RESTART_WINDOW: Duration = Duration::from_secs(30);
