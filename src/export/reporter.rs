//! Says in plain words when delivery fails, and when it works again.
//!
//! One warning when it starts to fail, at most one reminder a minute, one line when it is over with what was lost.

use std::time::Duration;

use tokio::time::Instant;

use super::ledger::SignalDelivery;
use super::signal::Signal;
use super::transport::{Failure, FailureKind};
use crate::diagnostics::Diagnostics;

pub(super) struct Reporter {
    diagnostics: Diagnostics,
    signal: Signal,
    endpoint: String,
    outage: Option<Outage>,
    last_partial: Option<Instant>,
}

struct Outage {
    since: Instant,
    lost_before: u64,
    last_said: Instant,
}

impl Reporter {
    pub(super) fn new(diagnostics: Diagnostics, signal: Signal, endpoint: String) -> Self {
        Self { diagnostics, signal, endpoint, outage: None, last_partial: None }
    }

    /// A request was not taken. `lost` tells whether its items are given up, or wait for the next try.
    pub(super) fn failed(&mut self, failure: &Failure, counts: SignalDelivery) {
        let now = Instant::now();
        let Some(outage) = &mut self.outage else {
            self.outage = Some(Outage { since: now, lost_before: counts.lost(), last_said: now });
            self.say("telemetry is not being delivered", failure, counts);
            return;
        };
        if now - outage.last_said >= REMINDER {
            outage.last_said = now;
            self.say("telemetry is still not being delivered", failure, counts);
        }
    }

    /// A request was taken.
    pub(super) fn delivered(&mut self, counts: SignalDelivery) {
        let Some(outage) = self.outage.take() else { return };
        let seconds = format!("{:.1}", outage.since.elapsed().as_secs_f64());
        self.diagnostics.info(
            "telemetry is being delivered again",
            &[
                ("signal", &self.signal),
                ("endpoint", &self.endpoint),
                ("seconds", &seconds),
                ("lost", &(counts.lost() - outage.lost_before)),
            ],
        );
    }

    /// The collector took a request, but not all of it.
    pub(super) fn rejected(&mut self, rejected: u64, message: &str) {
        let now = Instant::now();
        if self.last_partial.is_some_and(|last| now - last < REMINDER) {
            return;
        }
        self.last_partial = Some(now);
        self.diagnostics.warn(
            "the collector rejected a part of the telemetry",
            &[
                ("signal", &self.signal),
                ("endpoint", &self.endpoint),
                ("rejected", &rejected),
                ("reason", &message),
            ],
        );
    }

    fn say(&self, message: &str, failure: &Failure, counts: SignalDelivery) {
        self.diagnostics.warn(
            message,
            &[
                ("signal", &self.signal),
                ("endpoint", &self.endpoint),
                ("error", &failure.text),
                ("check", &advice(failure)),
                ("pending", &counts.pending),
                ("lost", &counts.lost()),
            ],
        );
    }
}

fn advice(failure: &Failure) -> &'static str {
    use tonic::Code;

    match failure.kind {
        FailureKind::Unreachable => {
            "is the collector running, is the endpoint right, and does the scheme (http or https) match it?"
        }
        FailureKind::Timeout => "is the collector overloaded, or does a firewall swallow the connection?",
        FailureKind::TooLarge => {
            "which span or log record holds so much, and is there a limit for the length of values?"
        }
        FailureKind::Status(Code::Unauthenticated | Code::PermissionDenied) => {
            "are the credentials in OTEL_EXPORTER_OTLP_HEADERS right?"
        }
        FailureKind::Status(Code::Unimplemented) => {
            "does the collector accept this signal and this compression at this endpoint?"
        }
        FailureKind::Status(_) => "what does the collector's own log say?",
    }
}

const REMINDER: Duration = Duration::from_secs(60);
