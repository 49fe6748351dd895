//! Key-values of the `log` crate, in lines and records. One test, because the logger is a global.

#![expect(clippy::panic, reason = "a value of the program")]

use std::error::Error as _;
use std::fmt;

use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogDestination, LogFormat, Redaction, init, tracing};

struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("while it is formatted")
    }
}

#[test]
fn key_values_of_log_records_are_fields() {
    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines");
    let guard = init()
        .ignore_env()
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::file(&path)))
        .redact(Redaction::keys(["password"]))
        .traces(|traces| traces.events_on_spans())
        .build()
        .unwrap();
    let error = "x".parse::<i32>().unwrap_err();
    assert!(error.source().is_none());
    log::info!(
        user = 7, ratio = 0.5, cached = true, name = "acme", big = u64::MAX, password = "hunter2",
        reason:% = error, list:? = [1, 2], broken:% = Panics, level = "own", user = 8;
        "signed in"
    );
    log::info!("without");
    tracing::info_span!("work").in_scope(|| log::info!(target: "store::cache", "evicted"));
    let _ = guard.shutdown().unwrap();

    let lines = std::fs::read_to_string(&path).unwrap();
    let line = lines.lines().find(|line| line.contains("signed in")).unwrap();
    for field in [
        r#""user":8"#,
        r#""ratio":0.5"#,
        r#""cached":true"#,
        r#""name":"acme""#,
        r#""big":"18446744073709551615""#,
        r#""password":"[redacted]""#,
        r#""reason":"invalid digit found in string""#,
        r#""list":"[1, 2]""#,
        r#""broken":"[panicked]""#,
        r#""level":"INFO""#,
        r#""field.level":"own""#,
        r#""target":"log_key_values""#,
    ] {
        assert!(line.contains(field), "no {field} in {line}");
    }
    let without = lines.lines().find(|line| line.contains("without")).unwrap();
    assert!(!without.contains("user"), "{without}");
    let received = collector.received();
    let record = received.log("signed in");
    assert_eq!(record.attribute("user"), Some(8.into()));
    assert_eq!(record.attribute("name"), Some("acme".into()));
    assert_eq!(record.attribute("password"), Some("[redacted]".into()));
    // A span event has the target of the record as well.
    let work = received.span("work");
    let event = work.events("evicted").next().unwrap();
    let target = event.attributes.iter().find(|attribute| attribute.key == "target").unwrap();
    assert!(format!("{target:?}").contains("store::cache"), "{target:?}");
}
