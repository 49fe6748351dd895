//! Each event is one line and one record, which agree: counted by what was logged, not by this crate.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use telemetry_bootstrap::testing::{CollectedLog, Collector};
use telemetry_bootstrap::{LogDestination, LogFormat, init};
use tracing::{debug, error, info, info_span, trace, warn};
use tracing_subscriber::layer::SubscriberExt as _;

const THREADS: u64 = 4;
const EVENTS: u64 = 2_000;

#[test]
fn each_event_of_many_threads_is_exactly_one_line_and_one_record() {
    let collector = Collector::start().unwrap();
    let output = tempfile::NamedTempFile::new().unwrap();
    let (layer, guard) = init()
        .ignore_env()
        .log_filter("trace")
        .endpoint(collector.endpoint())
        .log_output(|lines| lines.format(LogFormat::Json).destination(LogDestination::file(output.path())))
        .build_local()
        .unwrap();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let dispatch = &dispatch;
            scope.spawn(move || {
                tracing::dispatcher::with_default(dispatch, || log(thread * EVENTS..(thread + 1) * EVENTS));
            });
        }
    });
    let stats = guard.shutdown().unwrap();
    let text = std::fs::read_to_string(output.path()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines = by_number(lines, |line| line["number"].as_u64());
    let records = by_number(collector.logs(), |log| log.attribute_text("number")?.parse().ok());
    let logged: Vec<_> = (0..THREADS * EVENTS).collect();
    assert!(lines.keys().eq(&logged) && records.keys().eq(&logged));
    for (number, record) in &records {
        assert_agree(*number, &lines[number], record);
    }
    assert_eq!((stats.logs.accepted, stats.logs.delivered), (THREADS * EVENTS, THREADS * EVENTS));
    assert_eq!((stats.traces.accepted, stats.traces.delivered), (THREADS * EVENTS / 2, THREADS * EVENTS / 2));
    assert_eq!(collector.spans().len() as u64, THREADS * EVENTS / 2);
}

/// Every second event is inside a span.
fn log(numbers: std::ops::Range<u64>) {
    for number in numbers {
        let span = (number.is_multiple_of(2)).then(|| info_span!("span", number).entered());
        match number % 5 {
            0 => error!(number, "event"),
            1 => warn!(number, "event"),
            2 => info!(number, "event"),
            3 => debug!(number, "event"),
            _ => trace!(number, "event"),
        }
        drop(span);
    }
}

/// Fails if one comes twice. What the program did not log has no number.
fn by_number<T>(all: Vec<T>, number: impl Fn(&T) -> Option<u64>) -> BTreeMap<u64, T> {
    let mut found = BTreeMap::new();
    for item in all {
        if let Some(number) = number(&item) {
            assert!(found.insert(number, item).is_none(), "{number} twice");
        }
    }
    found
}

fn assert_agree(number: u64, line: &Value, record: &CollectedLog) {
    assert_eq!(line["level"], record.severity(), "{number}");
    assert_eq!(line["message"], record.body(), "{number}");
    let id = |key: &str| line.get(key).map(|id| id.as_str().unwrap().to_owned());
    assert_eq!((id("trace_id"), id("span_id")), (record.trace_id(), record.span_id()), "{number}");
    assert_eq!(id("trace_id").is_some(), number.is_multiple_of(2), "{number}");
    let time = record.time().duration_since(UNIX_EPOCH).unwrap();
    assert!(line["timestamp"].as_str().unwrap().ends_with(&time_of_day(time)), "{number}: {line}, {time:?}");
}

/// `14:20:44.123456Z`
fn time_of_day(time: Duration) -> String {
    let seconds = time.as_secs() % 86_400;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:06}Z", time.subsec_micros())
}
