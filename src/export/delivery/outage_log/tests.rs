use super::*;
use crate::export::destination::Cause;
use crate::settings::OutputTarget;

type Lines = Arc<Mutex<Vec<String>>>;

/// The logs of two signals to one endpoint, and the lines that are written.
fn logs() -> (OutageLogs, [(OutageLog, Arc<Ledger>); 2], Lines) {
    let lines = Lines::default();
    let diagnostics = Diagnostics::default();
    let written = Arc::clone(&lines);
    diagnostics.write_with(Box::new(move |_, message, fields| {
        let field = |name| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        let after = field("seconds").map(|seconds| format!(" after {seconds} s")).unwrap_or_default();
        let (signals, lost) = (field("signals").unwrap(), field("lost").unwrap());
        written.lock().unwrap().push(format!("{signals}: {message}{after}, {lost} lost"));
    }));
    let mut logs = OutageLogs::new(diagnostics);
    let signals = [Signal::Traces, Signal::Logs].map(|signal| {
        let ledger = Arc::new(Ledger::default());
        let destination = DestinationSettings::Output(OutputTarget::Stdout);
        (logs.log(signal, &destination, Arc::clone(&ledger)), ledger)
    });
    (logs, signals, lines)
}

fn lose(ledger: &Ledger, items: u64) {
    ledger.accept(items);
    ledger.fail(items);
}

fn failure(cause: Cause) -> Failure {
    Failure::new(cause, "no answer")
}

#[test]
fn outage_is_logged_at_its_beginning_once_a_minute_and_at_its_end() {
    let (_logs, [(traces, ledger), (logs, _)], lines) = logs();
    let begin = Instant::now();
    for second in 0..150 {
        let sent = begin + Duration::from_secs(second);
        lose(&ledger, 1);
        traces.failed(&failure(Cause::Timeout), sent, sent + Duration::from_secs(10));
        logs.failed(&failure(Cause::ConnectionRefused), sent, sent + Duration::from_secs(11));
    }
    traces.delivered(begin + Duration::from_secs(150));
    logs.delivered(begin + Duration::from_secs(151));
    logs.delivered(begin + Duration::from_secs(152));
    let expected = [
        "traces: telemetry is not being delivered, 1 lost",
        "traces, logs: telemetry is still not being delivered, 60 lost",
        "traces, logs: telemetry is still not being delivered, 120 lost",
        "traces, logs: telemetry is being delivered again after 151 s, 150 lost",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[test]
fn flapping_collector_is_logged_once_a_minute() {
    let (_logs, [(traces, _), _], lines) = logs();
    let begin = Instant::now();
    for second in 0..70 {
        let now = begin + Duration::from_secs(second);
        traces.failed(&failure(Cause::Timeout), now, now);
        traces.delivered(now);
    }
    let one = [
        "traces: telemetry is not being delivered, 0 lost",
        "traces: telemetry is being delivered again after 0 s, 0 lost",
    ];
    assert_eq!(*lines.lock().unwrap(), one.repeat(2));
}

#[test]
fn refusal_of_one_signal_is_reported_separately() {
    let (_logs, [(traces, _), (logs, ledger)], lines) = logs();
    let now = Instant::now();
    traces.failed(&failure(Cause::ConnectionRefused), now, now);
    traces.delivered(now);
    lose(&ledger, 7);
    logs.failed(&failure(Cause::Unsupported), now, now);
    logs.failed(&failure(Cause::Unsupported), now, now);
    // What concerns the endpoint does not.
    logs.failed(&failure(Cause::Timeout), now, now);
    let expected = [
        "traces: telemetry is not being delivered, 0 lost",
        "traces: telemetry is being delivered again after 0 s, 0 lost",
        "logs: telemetry is not being delivered, 7 lost",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[test]
fn a_signal_that_is_refused_before_others_are_delivered_has_one_outage() {
    let (_logs, [(traces, ledger), (logs, _)], lines) = logs();
    let begin = Instant::now();
    let at = |second| begin + Duration::from_secs(second);
    lose(&ledger, 3);
    traces.failed(&failure(Cause::Unsupported), begin, begin);
    logs.delivered(at(1));
    lose(&ledger, 4);
    traces.failed(&failure(Cause::Unsupported), at(2), at(2));
    logs.delivered(at(3));
    traces.failed(&failure(Cause::Unsupported), at(61), at(61));
    traces.delivered(at(70));
    traces.delivered(at(71));
    let expected = [
        "traces: telemetry is not being delivered, 3 lost",
        "traces: telemetry is still not being delivered, 7 lost",
        "traces: telemetry is being delivered again after 70 s, 7 lost",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[test]
fn final_failure_is_reported_once() {
    let (_logs, [(traces, ledger), (logs, _)], lines) = logs();
    let begin = Instant::now();
    traces.failed(&failure(Cause::Timeout), begin, begin);
    for second in 1..150 {
        let now = begin + Duration::from_secs(second);
        lose(&ledger, 1);
        traces.failed(&failure(Cause::ReaderGone), now, now);
        logs.failed(&failure(Cause::ReaderGone), now, now);
    }
    let expected = [
        "traces: telemetry is not being delivered, 0 lost",
        "traces: telemetry is not being delivered, 1 lost",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[test]
fn refusal_of_all_signals_is_reported_once() {
    let (_logs, [(traces, _), (logs, _)], lines) = logs();
    let now = Instant::now();
    traces.failed(&failure(Cause::Unsupported), now, now);
    logs.failed(&failure(Cause::Unsupported), now, now);
    assert_eq!(lines.lock().unwrap().len(), 1);
}

#[test]
fn files_whose_names_are_redacted_have_logs_of_their_own() {
    let (mut logs, [_, _], lines) = logs();
    let mut log = |name: &str| {
        let destination = DestinationSettings::Output(OutputTarget::File(name.into()));
        assert_eq!(destination.name(), "[redacted]");
        logs.log(Signal::Traces, &destination, Arc::default())
    };
    let (one, other) = (log("ghp_abcdefgh1"), log("ghp_abcdefgh2"));
    let now = Instant::now();
    one.failed(&failure(Cause::OutputFailed), now, now);
    other.failed(&failure(Cause::OutputFailed), now, now);
    one.delivered(now);
    let not_delivered = "traces: telemetry is not being delivered, 0 lost";
    let again = "traces: telemetry is being delivered again after 0 s, 0 lost";
    assert_eq!(*lines.lock().unwrap(), [not_delivered, not_delivered, again]);
}
