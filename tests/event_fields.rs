//! What an event's fields mean: the same in its line, as JSON and as text, in its record and on its span.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use serde_json::Value;
use telemetry_bootstrap::opentelemetry::KeyValue;
use telemetry_bootstrap::testing::{Capture, CollectedLog, Collector, capture};
use telemetry_bootstrap::{LogDestination, LogFormat, Redaction, init, with_fields};
use tracing::subscriber::with_default;
use tracing::{error, info, info_span, warn};
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Debug, thiserror::Error)]
#[error("first failed")]
struct First(#[source] std::num::ParseIntError);

#[derive(Debug, thiserror::Error)]
#[error("second failed")]
struct Second;

fn first() -> First {
    First("x".parse::<i32>().unwrap_err())
}

const KEYS: [&str; 3] = ["exception.type", "exception.message", "exception.stacktrace"];
const STACK: &str = "First: first failed\nCaused by: invalid digit found in string";

/// `exception.*` of one ERROR event inside a span: those of the line, of the record and of the span event.
fn exceptions(event: impl FnOnce()) -> [[Option<String>; 3]; 3] {
    let capture = capture();
    info_span!("span").in_scope(event);
    let line = line(&capture);
    let of_line = KEYS.map(|key| line.get(key).map(|value| value.as_str().unwrap().to_owned()));
    let record = capture.logs().remove(0);
    let of_record = KEYS.map(|key| record.attribute_text(key));
    let span = capture.span("span");
    let events: Vec<_> = span.events("exception").collect();
    assert_eq!(events.len(), 1);
    let text = |key: &str| {
        let attribute = events[0].attributes.iter().find(|attribute| attribute.key == key)?;
        let value = attribute.value.clone()?.value?;
        if let OtlpValue::StringValue(text) = value { Some(text) } else { None }
    };
    [of_line, of_record, KEYS.map(text)]
}

fn line(capture: &Capture) -> Value {
    let lines = capture.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    serde_json::from_str(&lines[0]).unwrap()
}

fn assert_same(what: &str, expected: [Option<&str>; 3], event: impl FnOnce()) {
    let expected = expected.map(|text| text.map(str::to_owned));
    let [line, record, span] = exceptions(event);
    assert_eq!(line, expected, "{what}: line");
    assert_eq!(record, expected, "{what}: record");
    assert_eq!(span, expected, "{what}: span event");
}

#[test]
fn error_field_takes_precedence_over_other_errors() {
    let (a, b) = (first(), Second);
    let (a, b) = (&a as &dyn Error, &b as &dyn Error);
    let of_a = [Some("First"), Some("first failed"), Some(STACK)];
    assert_same("error, cause", of_a, || error!(error = a, cause = b, "event"));
    assert_same("cause, error", of_a, || error!(cause = b, error = a, "event"));
    assert_same("other names", of_a, || error!(reason = a, cause = b, "event"));
    assert_same("text and value", of_a, || error!(error = "text", cause = a, "event"));
    assert_same("value and text", of_a, || error!(cause = a, error = "text", "event"));
}

#[test]
fn each_explicit_exception_field_wins_in_any_order() {
    let error = first();
    let error = &error as &dyn Error;
    let message = [Some("First"), Some("own"), Some(STACK)];
    assert_same("message first", message, || error!(exception.message = "own", error, "event"));
    assert_same("message last", message, || error!(error, exception.message = "own", "event"));
    let kind = [Some("Own"), Some("first failed"), Some(STACK)];
    assert_same("type first", kind, || error!(exception.r#type = "Own", error, "event"));
    assert_same("type last", kind, || error!(error, exception.r#type = "Own", "event"));
    let stack = [Some("First"), Some("first failed"), Some("own")];
    assert_same("stack first", stack, || error!(exception.stacktrace = "own", error, "event"));
    assert_same("stack last", stack, || error!(error, exception.stacktrace = "own", "event"));
    // An optional value that is not there is not the user's.
    let none = None::<&str>;
    let all = [Some("First"), Some("first failed"), Some(STACK)];
    assert_same("none", all, || error!(exception.message = none, error, "event"));
}

#[test]
fn text_of_the_error_is_kept_beside_an_explicit_exception_message() {
    let capture = capture();
    error!(error = &first() as &dyn Error, exception.message = "own", "event");
    let record = capture.logs().remove(0);
    assert_eq!(record.attribute_text("error").as_deref(), Some("first failed"));
}

#[test]
fn the_first_message_is_the_text_of_the_event() {
    let capture = capture();
    info_span!("span").in_scope(|| error!(message = "two", "three"));
    let (line, record) = (line(&capture), capture.logs().remove(0));
    assert_eq!((&line["message"], &line["field.message"]), (&"three".into(), &"two".into()));
    assert_eq!(record.body(), "three");
    assert_eq!(record.attribute_text("field.message").as_deref(), Some("two"));
    assert_eq!(capture.span("span").status_message(), "three");
}

#[test]
fn the_first_message_is_the_name_of_the_span_event() {
    let collector = Collector::start().unwrap();
    let builder = init().ignore_env().endpoint(collector.endpoint());
    let (layer, guard) = builder.traces(|traces| traces.events_on_spans()).build_local().unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("span").in_scope(|| info!(message = "two", "three"));
    });
    guard.shutdown().unwrap();
    let span = collector.received().span("span");
    let events: Vec<_> = span.events("three").map(|event| format!("{:?}", event.attributes)).collect();
    assert!(
        matches!(&events[..], [one] if one.contains("field.message") && one.contains("two")),
        "{events:?}"
    );
}

#[test]
fn empty_keys_are_dropped_everywhere() {
    let capture = capture();
    let attached = with_fields([KeyValue::new("", 1), KeyValue::new("tenant", "acme")]).attach();
    info_span!("span", "" = 1, a = 2).in_scope(|| {
        info!("" = 1, b = 2, "event");
        warn!("" = "text", "other");
    });
    drop(attached);
    for line in capture.lines() {
        assert!(!line.contains("\"\":"), "{line}");
        assert!(line.contains("\"tenant\":\"acme\""), "{line}");
    }
    let records = capture.logs();
    for record in &records {
        assert!(record.record.attributes.iter().all(|attribute| !attribute.key.is_empty()));
        assert_eq!(record.record.dropped_attributes_count, 2);
    }
    let span = capture.span("span").span;
    assert!(span.attributes.iter().all(|attribute| !attribute.key.is_empty()));
    assert_eq!(span.dropped_attributes_count, 1);
}

#[test]
fn a_redacted_error_is_not_the_exception() {
    let collector = Collector::start().unwrap();
    let lines = tempfile::NamedTempFile::new().unwrap();
    let (layer, guard) = init()
        .ignore_env()
        .endpoint(collector.endpoint())
        .redact(Redaction::keys(["error"]))
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::file(lines.path())))
        .build_local()
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        let (a, b) = (first(), Second);
        let (a, b) = (&a as &dyn Error, &b as &dyn Error);
        info_span!("before").in_scope(|| error!(error = a, cause = b, "event"));
        info_span!("after").in_scope(|| error!(cause = b, error = a, "event"));
    });
    guard.shutdown().unwrap();
    let text = std::fs::read_to_string(lines.path()).unwrap();
    assert!(!text.contains("first failed"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for (line, record) in lines.iter().zip(collector.logs()) {
        assert_eq!(
            (&line["exception.type"], &line["exception.message"]),
            (&"Second".into(), &"second failed".into())
        );
        assert_eq!(record.attribute_text("exception.message").as_deref(), Some("second failed"));
        assert_eq!(record.attribute_text("error").as_deref(), Some("[redacted]"));
    }
    for name in ["before", "after"] {
        let span = collector.received().span(name);
        let messages: Vec<_> =
            span.events("exception").map(|event| format!("{:?}", event.attributes)).collect();
        assert!(matches!(&messages[..], [one] if one.contains("second failed")), "{messages:?}");
    }
}

/// What all outputs of one event show: the message, and the other fields in the order of text for people.
struct Shown {
    message: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half")?;
        panic!("a value panics on purpose")
    }
}

/// Counts how often it is formatted.
struct Counted(&'static AtomicU32);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fetch_add(1, Ordering::Relaxed);
        f.write_str("counted")
    }
}

static REDACTED_RUNS: AtomicU32 = AtomicU32::new(0);
static RUNS: AtomicU32 = AtomicU32::new(0);

#[test]
fn odd_fields_mean_the_same_in_all_outputs() {
    let none = None::<i64>;
    let table: &[(&dyn Fn(), Shown)] = &[
        (
            &|| info!(message = "later", "first"),
            Shown { message: "first", fields: &[("field.message", "later")] },
        ),
        (&|| info!("r#type" = "raw", "event"), Shown { message: "event", fields: &[("type", "raw")] }),
        (&|| info!("" = 1, "r#" = 2, a = 3, "event"), Shown { message: "event", fields: &[("a", "3")] }),
        (
            &|| info!(a = 1, b = 2, a = 3, "event"),
            Shown { message: "event", fields: &[("b", "2"), ("a", "3")] },
        ),
        (&|| info!("r#a" = 1, a = 2, "event"), Shown { message: "event", fields: &[("a", "2")] }),
        (&|| info!(a = 1, a = none, "event"), Shown { message: "event", fields: &[("a", "1")] }),
        (
            &|| info!(a = ?Panics, b = 2, "event"),
            Shown { message: "event", fields: &[("a", "[panicked]"), ("b", "2")] },
        ),
        (
            &|| info!(token = ?Counted(&REDACTED_RUNS), a = ?Counted(&RUNS), "event"),
            Shown { message: "event", fields: &[("token", "[redacted]"), ("a", "counted")] },
        ),
        (
            &|| info!("r#token" = "hunter2", "event"),
            Shown { message: "event", fields: &[("token", "[redacted]")] },
        ),
        (
            &|| info!(token = &Second as &dyn Error, "event"),
            Shown { message: "event", fields: &[("token", "[redacted]")] },
        ),
        (
            &|| info!(wide = u128::MAX, large = u64::MAX, small = i64::MIN, "event"),
            Shown {
                message: "event",
                fields: &[
                    ("wide", "340282366920938463463374607431768211455"),
                    ("large", "18446744073709551615"),
                    ("small", "-9223372036854775808"),
                ],
            },
        ),
        (
            &|| info!(log.target = "own", "event"),
            Shown { message: "event", fields: &[("log.target", "own")] },
        ),
        (&|| log::info!(target: "event_fields", "a record"), Shown { message: "a record", fields: &[] }),
    ];
    for (event, shown) in table {
        let [json, text] = [LogFormat::Json, LogFormat::Pretty].map(|format| output_of(event, format));
        let (line, record) = json;
        let line: BTreeMap<String, Value> = serde_json::from_str(&line).unwrap();
        let expected: BTreeMap<_, _> =
            shown.fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!((&line["message"], record.body()), (&shown.message.into(), shown.message.to_owned()));
        assert_eq!(fields_of(&line), expected);
        for (key, value) in shown.fields {
            assert_eq!(record.attribute_text(key).as_deref(), Some(*value), "{key}");
        }
        let attributes = record.record.attributes.iter().filter(|field| !field.key.starts_with("code."));
        assert_eq!(attributes.count(), expected.len(), "{:?}", record.record.attributes);
        let fields: Vec<_> = shown.fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let gap = if fields.is_empty() { "" } else { "  " };
        let expected = format!(" INFO {}{gap}{}  event_fields", shown.message, fields.join(" "));
        assert!(text.0.contains(&expected), "{expected} in {}", text.0);
    }
    assert_eq!(REDACTED_RUNS.load(Ordering::Relaxed), 0);
    assert_eq!(RUNS.load(Ordering::Relaxed), 2, "once for line and record, in either format");
}

/// Returns the line of an event, in which `token` is redacted, and its record.
fn output_of(event: &dyn Fn(), format: LogFormat) -> (String, CollectedLog) {
    let collector = Collector::start().unwrap();
    let lines = tempfile::NamedTempFile::new().unwrap();
    let (layer, guard) = init()
        .ignore_env()
        .endpoint(collector.endpoint())
        .redact(Redaction::keys(["token"]))
        .log_output(|output| output.format(format).destination(LogDestination::file(lines.path())))
        .build_local()
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        let _ = tracing_log::LogTracer::init();
        event();
    });
    guard.shutdown().unwrap();
    (std::fs::read_to_string(lines.path()).unwrap(), collector.logs().remove(0))
}

/// The event's own fields of a line, as text.
fn fields_of(line: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let fixed = ["timestamp", "level", "message", "target"];
    let own = line.iter().filter(|(key, _)| !fixed.contains(&key.as_str()));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    own.map(|(key, value)| (key.clone(), text(value))).collect()
}
