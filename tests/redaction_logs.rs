//! A redaction rule that logs: its events are written, and the rule is not applied to them.
//!
//! One test, because a subscriber for one thread alone would keep such events away from us.

use opentelemetry::KeyValue;
use opentelemetry::baggage::BaggageExt as _;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogDestination, LogFormat, Redaction, init, opentelemetry, tracing};

#[test]
fn redaction_rule_is_not_applied_to_its_own_events() {
    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines");
    let rule = |key: &str| {
        tracing::error!(checked = key, "a rule at work");
        tracing::info_span!("within a rule", checked = key).in_scope(|| tracing::info!("deeper"));
        key == "password"
    };
    let guard = init()
        .ignore_env()
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::File(path.clone())))
        .redact(Redaction::matching(rule))
        .baggage_keys(["tenant"])
        .logs(|logs| logs.include_span_fields())
        .build()
        .unwrap();
    let baggage = opentelemetry::Context::current_with_baggage([KeyValue::new("tenant", "blue")]).attach();
    let span = tracing::info_span!("order", id = 7, late = tracing::field::Empty);
    span.record("late", true);
    let error: &dyn std::error::Error = &std::fmt::Error;
    span.in_scope(|| tracing::error!(password = "hunter2", error, "ordered"));
    drop((span, baggage));
    guard.shutdown().unwrap();

    let lines = std::fs::read_to_string(path).unwrap();
    let ordered: Vec<_> = lines.lines().filter(|line| line.contains("ordered")).collect();
    let [line] = ordered[..] else { panic!("{lines}") };
    for field in [r#""password":"[redacted]""#, r#""id":7"#, r#""late":true"#, r#""tenant":"blue""#] {
        assert!(line.contains(field), "no {field} in {line}");
    }
    assert!(lines.contains(r#""level":"ERROR","message":"[redacted]""#), "{lines}");
    assert!(!lines.contains("hunter2") && !lines.contains("a rule at work"), "{lines}");
    let received = collector.received();
    assert_eq!(received.log("ordered").attribute("password"), Some("[redacted]".into()));
}
