//! Logs export outages and recoveries of an endpoint, rate-limited.
//!
//! Signals that share an endpoint share its log. There is one warning when an outage starts, at most one reminder a
//! minute, and one line with the losses when every signal that failed is delivered again. A collector that comes and goes
//! is reported once a minute, not each time.
//!
//! A signal that alone is refused, while others are delivered to the same endpoint, has its own outage: the collector
//! has no pipeline for it, for example. If it was refused before the first of the others was delivered, its outage
//! was that of the endpoint, and becomes its own without another line.
//!
//! | event | line |
//! |---|---|
//! | the first failure | WARN `telemetry is not being delivered`, with the error and what to check |
//! | failures a minute later | WARN `telemetry is still not being delivered`, with pending and lost items |
//! | a failure that is final, such as a pipe without a reader | WARN `telemetry is not being delivered`, once, without reminders |
//! | a success, once no signal fails any more | INFO `telemetry is being delivered again`, with the duration and the losses |
//! | a partial success | WARN `the collector rejected a part of the telemetry`, once a minute |
//!
//! # Whose outage it is
//!
//! | cause of the failure | other signals at this endpoint | recorded as an outage of |
//! |---|---|---|
//! | concerns the connection (refused, timeout, TLS, credentials, …) | any | the endpoint |
//! | concerns the signal (unsupported, refused, too large) | at least one was delivered and is not failing | the signal |
//! | concerns the signal | none was delivered yet, or all fail | the endpoint |
//!
//! # States of an outage
//!
//! ```text
//!           failed: WARN unless the last report is under a minute old
//!  none ───────────────────────────────────────────▶ current ──┐ failed: WARN once a minute
//!    ▲                                                   │     │
//!    └───────────────────────────────────────────────────┘ ◀───┘
//!           delivered: INFO if the outage was reported
//! ```
//!
//! The minute runs across outages, so an outage which begins shortly after the report of an earlier one is silent at
//! first, and stays silent if it ends within that minute. Losses of a silent outage are not logged; they are part of
//! `ExportStats`.
//!
//! `lost` is the sum since the start in a warning, and the loss of this outage alone in the line about its end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::diagnostics::Diagnostics;
use crate::diagnostics::FieldValue::{Count, Seconds, Text};
use crate::export::destination::Failure;
use crate::export::queue::Ledger;
use crate::settings::{DestinationSettings, Signal};

/// The logs of all endpoints. Only needed while the workers are created: each keeps its endpoint alive.
pub(super) struct OutageLogs {
    /// Gets the lines.
    diagnostics: Diagnostics,
    /// Keyed by the identity of the destination, which is not shown.
    endpoints: HashMap<String, Arc<Mutex<EndpointLog>>>,
}

/// One signal's part in the log of its endpoint, held by its worker.
pub(super) struct OutageLog {
    /// Shared by the signals that go there. All workers run on one thread, so the lock is never contended.
    endpoint: Arc<Mutex<EndpointLog>>,
    /// The index of the signal in [`EndpointLog::signals`].
    index: usize,
}

/// State of one endpoint.
struct EndpointLog {
    /// Gets the lines.
    diagnostics: Diagnostics,
    /// The address without credentials, for the field `endpoint`.
    endpoint: String,
    /// In the order in which their workers were created.
    signals: Vec<SignalLog>,
    /// The outage of the endpoint as a whole.
    outage: OutageState,
    /// `true` if a failure was reported after which the endpoint takes nothing any more.
    is_final: bool,
}

/// State of one signal at its endpoint.
struct SignalLog {
    /// Named in the lines.
    signal: Signal,
    /// Read for the counts in the lines: pending and lost items.
    ledger: Arc<Ledger>,
    /// A request of it was accepted at least once.
    has_delivered: bool,
    /// The last request failed, in an outage of the endpoint.
    is_failing: bool,
    /// The signal failed at least once in the current outage of the endpoint.
    is_affected: bool,
    /// The last failure in an outage of the endpoint was about the signal.
    is_refused: bool,
    /// The outage of this signal alone, while others are delivered to the same endpoint.
    outage: OutageState,
    /// The time of the last report of a partial success.
    last_partial: Option<Instant>,
}

/// The current outage, and what later reports depend on.
#[derive(Default)]
struct OutageState {
    /// `None` while requests succeed.
    current: Option<Outage>,
    /// The time of the last report of an outage, this one or an earlier one.
    last_reported: Option<Instant>,
    /// The sum of lost items at the last success: what an outage has cost is the difference to it.
    lost_before: u64,
}

/// A time without a success.
#[derive(Clone)]
struct Outage {
    /// The time at which the first failed request was sent, not at which its failure was noticed: with a timeout of
    /// 10 s that is earlier.
    since: Instant,
    /// `true` if the outage was reported: only then its end is, too.
    is_reported: bool,
}

impl OutageLogs {
    /// Creates the collection without any endpoint.
    pub(super) fn new(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, endpoints: HashMap::new() }
    }

    /// Returns the log of a signal that goes to this destination.
    ///
    /// Signals with one address share one log. `ledger` is that of the signal at this destination.
    pub(super) fn log(
        &mut self,
        signal: Signal,
        destination: &DestinationSettings,
        ledger: Arc<Ledger>,
    ) -> OutageLog {
        let new = || EndpointLog {
            diagnostics: self.diagnostics.clone(),
            endpoint: destination.name(),
            signals: Vec::new(),
            outage: OutageState::default(),
            is_final: false,
        };
        let shared =
            self.endpoints.entry(destination.identity()).or_insert_with(|| Arc::new(Mutex::new(new())));
        let mut log = lock(shared);
        log.signals.push(SignalLog {
            signal,
            ledger,
            has_delivered: false,
            is_failing: false,
            is_affected: false,
            is_refused: false,
            outage: OutageState::default(),
            last_partial: None,
        });
        OutageLog { endpoint: Arc::clone(shared), index: log.signals.len() - 1 }
    }
}

impl OutageLog {
    /// Records a failed request.
    ///
    /// `sent` is when the request was sent, `now` when its failure was noticed. Logs a warning if one is due.
    pub(super) fn failed(&self, failure: &Failure, sent: Instant, now: Instant) {
        let mut log = lock(&self.endpoint);
        if failure.cause.concerns_signal() && log.delivers_others(self.index) {
            let own = &mut log.signals[self.index].outage;
            let Some(message) = own.failed(sent, now) else { return };
            return log.report(message, failure, self.index, &[self.index]);
        }
        let signal = &mut log.signals[self.index];
        (signal.is_failing, signal.is_affected) = (true, true);
        signal.is_refused = failure.cause.concerns_signal();
        let message = match failure.cause.is_final() {
            true => (!std::mem::replace(&mut log.is_final, true)).then_some(NOT_DELIVERED),
            false => log.outage.failed(sent, now),
        };
        let Some(message) = message else { return };
        let affected = log.affected();
        log.report(message, failure, self.index, &affected);
    }

    /// Records a successful request.
    ///
    /// Ends the outage of the signal at once, and that of the endpoint once no signal is failing there any more.
    pub(super) fn delivered(&self, now: Instant) {
        let mut log = lock(&self.endpoint);
        let signal = &mut log.signals[self.index];
        (signal.has_delivered, signal.is_failing) = (true, false);
        let lost = signal.ledger.snapshot().lost();
        if let Some((outage, lost)) = signal.outage.delivered(lost) {
            log.report_end(&outage, lost, now, &[self.index]);
        }
        log.separate_refused();
        if log.signals.iter().any(|signal| signal.is_failing) {
            return;
        }
        let lost = log.signals.iter().map(|signal| signal.ledger.snapshot().lost()).sum();
        if let Some((outage, lost)) = log.outage.delivered(lost) {
            let affected = log.affected();
            if !affected.is_empty() {
                log.report_end(&outage, lost, now, &affected);
            }
        }
        log.signals.iter_mut().for_each(|signal| signal.is_affected = false);
    }

    /// Records that the collector accepted a request but not all of it. Logged at most once a minute for each signal.
    ///
    /// `rejected` is 0 if the collector only sent a warning, which is in `message`.
    pub(super) fn rejected(&self, rejected: u64, message: &str, now: Instant) {
        let mut log = lock(&self.endpoint);
        let signal = &mut log.signals[self.index];
        if signal.last_partial.is_some_and(|last| now - last < REMINDER) {
            return;
        }
        signal.last_partial = Some(now);
        log.diagnostics.warn(
            "the collector rejected a part of the telemetry",
            &[
                ("signal", Text(&log.signals[self.index].signal)),
                ("endpoint", Text(&log.endpoint)),
                ("rejected", Count(rejected)),
                ("reason", Text(&message)),
            ],
        );
    }
}

impl EndpointLog {
    /// Returns `true` if another signal is delivered: then the endpoint works.
    fn delivers_others(&self, index: usize) -> bool {
        let mut others = self.signals.iter().enumerate().filter(|(other, _)| *other != index);
        others.any(|(_, other)| other.has_delivered && !other.is_failing)
    }

    /// Makes the outage of the endpoint that of the signals that it refuses, now that it has taken another one.
    fn separate_refused(&mut self) {
        let Self { signals, outage, .. } = self;
        for signal in signals.iter_mut().filter(|signal| signal.is_failing && signal.is_refused) {
            (signal.is_failing, signal.is_affected) = (false, false);
            signal.outage.last_reported = outage.last_reported;
            signal.outage.current = outage.current.clone();
        }
    }

    /// Returns the indices of the signals that failed in the current outage.
    fn affected(&self) -> Vec<usize> {
        (0..self.signals.len()).filter(|index| self.signals[*index].is_affected).collect()
    }

    /// Logs the beginning of an outage, or a reminder. `failed` is the index of the signal whose failure is shown, and
    /// `signals` are all whose counts are summed.
    fn report(&self, message: &str, failure: &Failure, failed: usize, signals: &[usize]) {
        let counts = || signals.iter().map(|index| self.signals[*index].ledger.snapshot());
        self.diagnostics.warn(
            message,
            &[
                ("signals", Text(&self.names(signals))),
                ("endpoint", Text(&self.endpoint)),
                ("error", Text(&failure.text)),
                ("check", Text(&failure.cause.advice(self.signals[failed].signal))),
                ("pending", Count(counts().map(|counts| counts.pending).sum())),
                ("lost", Count(counts().map(|counts| counts.lost()).sum())),
            ],
        );
    }

    /// Logs the end of an outage, with its duration in tenths of a second.
    fn report_end(&self, outage: &Outage, lost: u64, now: Instant, signals: &[usize]) {
        let tenths = ((now - outage.since).as_secs_f64() * 10.0).round();
        self.diagnostics.info(
            "telemetry is being delivered again",
            &[
                ("signals", Text(&self.names(signals))),
                ("endpoint", Text(&self.endpoint)),
                ("seconds", Seconds(tenths / 10.0)),
                ("lost", Count(lost)),
            ],
        );
    }

    /// Returns the names of the signals with these indices, separated by commas.
    fn names(&self, signals: &[usize]) -> String {
        let names: Vec<_> = signals.iter().map(|index| self.signals[*index].signal.name()).collect();
        names.join(", ")
    }
}

impl OutageState {
    /// Begins an outage unless there is one, and returns the message if a line is due.
    fn failed(&mut self, sent: Instant, now: Instant) -> Option<&'static str> {
        let outage = self.current.get_or_insert(Outage { since: sent, is_reported: false });
        if self.last_reported.is_some_and(|last| now - last < REMINDER) {
            return None;
        }
        self.last_reported = Some(now);
        Some(match std::mem::replace(&mut outage.is_reported, true) {
            false => NOT_DELIVERED,
            true => "telemetry is still not being delivered",
        })
    }

    /// Returns the outage that is over, if it was reported, and what was lost in it. `lost` is the sum until now.
    ///
    /// `lost` counts all items of the signals that were ever lost. Returns `None` if there was no outage, or a silent
    /// one.
    fn delivered(&mut self, lost: u64) -> Option<(Outage, u64)> {
        let before = std::mem::replace(&mut self.lost_before, lost);
        let outage = self.current.take().filter(|outage| outage.is_reported)?;
        Some((outage, lost.saturating_sub(before)))
    }
}

/// Locks the log of an endpoint. A poisoned lock is used as it is: the fields are valid at any time.
fn lock(log: &Mutex<EndpointLog>) -> MutexGuard<'_, EndpointLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message at the beginning of an outage.
const NOT_DELIVERED: &str = "telemetry is not being delivered";
/// The time from one line about an endpoint or signal to the next.
const REMINDER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
