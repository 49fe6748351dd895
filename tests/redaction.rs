//! Values of redacted fields are in no line, no record, and no event or error of a span. The attributes of spans are
//! exported as they are.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::error::Error;

use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogDestination, LogFormat, Redaction, init, tracing};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

const SECRET: &str = "hunter2";

/// Everything that is written and sent.
fn output_of(redaction: Redaction, events: impl FnOnce()) -> String {
    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines");
    let (layer, guard) = init()
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::File(path.clone())))
        .redact(redaction)
        .logs(|logs| logs.include_span_fields())
        .traces(|traces| traces.events_on_spans())
        .ignore_env()
        .build_local::<Registry>()
        .unwrap();
    tracing::subscriber::with_default(Registry::default().with(layer), events);
    guard.shutdown().unwrap();
    let received = collector.received();
    let (spans, logs) = (received.spans(), received.logs());
    assert!(!spans.is_empty() && !logs.is_empty());
    let spans: Vec<_> = spans.iter().map(|span| &span.span).collect();
    let logs: Vec<_> = logs.iter().map(|log| &log.record).collect();
    format!("{}{spans:?}{logs:?}", std::fs::read_to_string(path).unwrap())
}

fn failure() -> Box<dyn Error> {
    format!("the password is {SECRET}").into()
}

#[test]
fn error_in_a_redacted_field_is_logged_without_its_text() {
    let events = || {
        let error = failure();
        tracing::info_span!("value").in_scope(|| tracing::error!(error = &*error, "failed"));
        tracing::info_span!("alone").in_scope(|| tracing::error!(error = &*error));
        tracing::info_span!("text").in_scope(|| tracing::error!(error = %error));
    };
    assert!(output_of(Redaction::default(), events).contains(SECRET));
    let output = output_of(Redaction::keys(["error"]), events);
    assert!(!output.contains(SECRET), "{output}");
    assert!(output.contains("[redacted]") && output.contains("failed"));
}

#[test]
fn messages_of_exceptions_can_be_redacted_everywhere() {
    let redaction = Redaction::keys(["error", "exception.message", "exception.stacktrace"]);
    let output = output_of(redaction, || {
        let error = failure();
        tracing::info_span!("value").in_scope(|| tracing::error!(cause = &*error, "failed"));
    });
    // The field's own name is not redacted: its value is what the user needs to see.
    let exception = output.split("exception").skip(1).collect::<String>();
    assert!(exception.contains("[redacted]"), "{output}");
    assert_eq!(output.matches(SECRET).count(), output.matches("cause").count(), "{output}");
}

#[test]
fn attributes_of_spans_are_exported_as_they_are() {
    let output = output_of(Redaction::keys(["password"]), || {
        tracing::info_span!("span", password = SECRET).in_scope(|| tracing::info!("signed in"));
    });
    assert_eq!(output.matches(SECRET).count(), 1, "the attribute: {output}");
    assert_eq!(output.matches("[redacted]").count(), 2, "line and record: {output}");
}

#[test]
fn events_on_spans_are_redacted() {
    let output = output_of(Redaction::keys(["password"]), || {
        tracing::info_span!("span").in_scope(|| tracing::info!(password = SECRET, "signed in"));
    });
    assert!(!output.contains(SECRET), "{output}");
    assert_eq!(output.matches("[redacted]").count(), 3, "line, record and span event: {output}");
}
