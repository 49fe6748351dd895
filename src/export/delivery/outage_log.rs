//! Logs export outages and recoveries, rate-limited.
//!
//! There is one warning when an outage starts, at most one reminder a minute, and one line with the losses when it is
//! over. A collector that comes and goes is reported once a minute, not each time.

use std::time::Duration;

use tokio::time::Instant;

use crate::diagnostics::Diagnostics;
use crate::diagnostics::FieldValue::{Count, Seconds, Text};
use crate::export::SignalStats;
use crate::export::destination::Failure;
use crate::settings::Signal;

pub(super) struct OutageLog {
    diagnostics: Diagnostics,
    signal: Signal,
    endpoint: String,
    outage: Option<Outage>,
    /// When an outage was last reported, this one or an earlier one.
    last_reported: Option<Instant>,
    last_partial: Option<Instant>,
}

struct Outage {
    /// When the first request that failed was sent.
    since: Instant,
    lost_before: u64,
    /// Whether the outage was reported: then its end is, too.
    reported: bool,
}

impl OutageLog {
    pub(super) fn new(diagnostics: Diagnostics, signal: Signal, endpoint: String) -> Self {
        Self { diagnostics, signal, endpoint, outage: None, last_reported: None, last_partial: None }
    }

    /// Records a failed request. `counts` has the items that wait for the next try, and those that are lost.
    pub(super) fn failed(&mut self, failure: &Failure, counts: SignalStats, sent: Instant, now: Instant) {
        let begin = Outage { since: sent, lost_before: counts.lost(), reported: false };
        let outage = self.outage.get_or_insert(begin);
        if self.last_reported.is_some_and(|last| now - last < REMINDER) {
            return;
        }
        self.last_reported = Some(now);
        let message = match std::mem::replace(&mut outage.reported, true) {
            false => "telemetry is not being delivered",
            true => "telemetry is still not being delivered",
        };
        self.say(message, failure, counts);
    }

    /// Records a successful request.
    pub(super) fn delivered(&mut self, counts: SignalStats, now: Instant) {
        let Some(outage) = self.outage.take().filter(|outage| outage.reported) else { return };
        let tenths = ((now - outage.since).as_secs_f64() * 10.0).round();
        self.diagnostics.info(
            "telemetry is being delivered again",
            &[
                ("signal", Text(&self.signal)),
                ("endpoint", Text(&self.endpoint)),
                ("seconds", Seconds(tenths / 10.0)),
                ("lost", Count(counts.lost().saturating_sub(outage.lost_before))),
            ],
        );
    }

    /// The collector took a request, but not all of it.
    pub(super) fn rejected(&mut self, rejected: u64, message: &str, now: Instant) {
        if self.last_partial.is_some_and(|last| now - last < REMINDER) {
            return;
        }
        self.last_partial = Some(now);
        self.diagnostics.warn(
            "the collector rejected a part of the telemetry",
            &[
                ("signal", Text(&self.signal)),
                ("endpoint", Text(&self.endpoint)),
                ("rejected", Count(rejected)),
                ("reason", Text(&message)),
            ],
        );
    }

    fn say(&self, message: &str, failure: &Failure, counts: SignalStats) {
        self.diagnostics.warn(
            message,
            &[
                ("signal", Text(&self.signal)),
                ("endpoint", Text(&self.endpoint)),
                ("error", Text(&failure.text)),
                ("check", Text(&failure.cause.advice())),
                ("pending", Count(counts.pending)),
                ("lost", Count(counts.lost())),
            ],
        );
    }
}

const REMINDER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::export::destination::Cause;

    /// The reporter, the lines it has reported, and the time at which it began.
    fn reporter() -> (OutageLog, Arc<Mutex<Vec<String>>>, Instant) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let diagnostics = Diagnostics::default();
        let reported = Arc::clone(&lines);
        diagnostics.write_with(Box::new(move |_, message, fields| {
            let field =
                |name| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
            let after = field("seconds").map(|seconds| format!(" after {seconds} s"));
            let (after, lost) = (after.unwrap_or_default(), field("lost").unwrap_or_default());
            reported.lock().unwrap().push(format!("{message}{after}, {lost} lost"));
        }));
        let reporter = OutageLog::new(diagnostics, Signal::Logs, "http://collector:4317".to_owned());
        (reporter, lines, Instant::now())
    }

    fn failure() -> Failure {
        Failure::new(Cause::Timeout, "no answer")
    }

    fn lost(failed: u64) -> SignalStats {
        SignalStats { failed, ..Default::default() }
    }

    #[test]
    fn outage_is_logged_at_its_beginning_once_a_minute_and_at_its_end() {
        let (mut reporter, lines, begin) = reporter();
        for second in 0..150 {
            let sent = begin + Duration::from_secs(second);
            reporter.failed(&failure(), lost(5 + second), sent, sent + Duration::from_secs(10));
        }
        reporter.delivered(lost(155), begin + Duration::from_secs(150));
        reporter.delivered(lost(155), begin + Duration::from_secs(151));
        let expected = [
            "telemetry is not being delivered, 5 lost",
            "telemetry is still not being delivered, 65 lost",
            "telemetry is still not being delivered, 125 lost",
            "telemetry is being delivered again after 150 s, 150 lost",
        ];
        assert_eq!(*lines.lock().unwrap(), expected);
    }

    #[test]
    fn flapping_collector_is_logged_once_a_minute() {
        let (mut reporter, lines, begin) = reporter();
        for second in 0..70 {
            let now = begin + Duration::from_secs(second);
            reporter.failed(&failure(), lost(0), now, now);
            reporter.delivered(lost(0), now);
        }
        let one = [
            "telemetry is not being delivered, 0 lost",
            "telemetry is being delivered again after 0 s, 0 lost",
        ];
        assert_eq!(*lines.lock().unwrap(), one.repeat(2));
    }
}
