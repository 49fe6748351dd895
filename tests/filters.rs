//! Filters of a running program, seen at the collector and in the lines.

mod child_process;

use std::time::Duration;

use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogDestination, LogFormat, tracing};
use tracing_subscriber::layer::SubscriberExt as _;

fn work(round: u32) {
    tracing::info_span!("coarse", round).in_scope(|| {
        tracing::debug_span!("fine", round).in_scope(|| {
            tracing::debug!("detail {round}");
            tracing::warn!("warning {round}");
        });
    });
}

/// The variables of spans and of exported records, each beside `RUST_LOG`, in a process of its own.
#[test]
fn each_output_has_a_variable_of_its_own() {
    for (variable, value, spans, records, warning) in [
        ("OTEL_RUST_SPAN_FILTER", "debug", &["coarse", "fine"][..], &["warning 1"][..], None),
        ("OTEL_RUST_SPAN_FILTER", "debu", &["coarse", "fine"], &["warning 1"], Some("\"debug\" is used")),
        ("OTEL_RUST_SPAN_FILTER", "10", &["coarse"], &["warning 1"], Some("\"info\" is used")),
        ("OTEL_RUST_SPAN_FILTER", ":", &["coarse"], &["warning 1"], Some("\"info\" is used")),
        ("OTEL_RUST_OTLP_LOG_FILTER", "[]", &["coarse"], &["warning 1"], Some("\"info\" is used")),
        ("OTEL_RUST_OTLP_LOG_FILTER", "debug", &["coarse"], &["detail 1", "warning 1"], None),
        ("OTEL_RUST_OTLP_LOG_FILTER", "of", &["coarse"], &[], Some("\"off\" is used")),
    ] {
        let collector = Collector::start().unwrap();
        let endpoint = collector.endpoint();
        let variables =
            [("RUST_LOG", "warn"), ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), (variable, value)];
        let (_, lines) = child_process::passed("child", &variables);
        let received = collector.received();
        let mut names: Vec<_> = received.spans().iter().map(|span| span.name().to_owned()).collect();
        names.sort();
        assert_eq!(names, spans, "{variable}={value}");
        let bodies: Vec<_> = received.logs().iter().map(|log| log.body()).collect();
        assert_eq!(bodies, records, "{variable}={value}");
        assert!(lines.contains("warning 1") && !lines.contains("detail 1"), "{lines}");
        let report = lines.lines().find(|line| line.contains("filter directive"));
        assert_eq!(report.is_some(), warning.is_some(), "{lines}");
        let is_named =
            |line: &str| line.contains(variable) && line.replace('\\', "").contains(warning.unwrap());
        assert!(report.is_none_or(is_named), "{lines}");
    }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn child() {
    let guard =
        telemetry_bootstrap::init().log_output(|output| output.format(LogFormat::Json)).build().unwrap();
    work(1);
    guard.shutdown().unwrap();
}

/// One test: the filters belong to the process.
#[test]
fn filters_are_replaced_while_the_program_runs() {
    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines");
    let guard = telemetry_bootstrap::init()
        .service_name("filters")
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::File(path.clone())))
        .log_filter("info")
        .ignore_env()
        .build()
        .unwrap();

    work(1);
    guard.set_log_filter("debug").unwrap();
    work(2);
    guard.set_span_filter("debug").unwrap();
    work(3);
    let error = guard.set_log_filter("warn,filters=loud").unwrap_err();
    assert!(error.to_string().contains("\"loud\" is not a level"), "{error}");
    work(4);
    for nothing in [":", "::", "=", "[]", "{}", "::a=debug", "=debug"] {
        guard.set_log_filter(nothing).unwrap_err();
        guard.set_span_filter(nothing).unwrap_err();
    }
    // Valid, but of no use.
    guard.set_log_filter("error,[coarse]=error").unwrap();
    guard.set_span_filter("off,[request*]=info").unwrap();
    guard.set_span_filter("off").unwrap();
    work(5);
    guard.force_flush(Duration::from_secs(5)).unwrap();
    guard.shutdown().unwrap();

    let expected = ["warning 1", "detail 2", "warning 2", "detail 3", "warning 3", "detail 4", "warning 4"];
    let received = collector.received();
    let bodies: Vec<_> = received.logs().iter().map(|log| log.body()).collect();
    assert_eq!(bodies, expected);
    let (lines, own): (Vec<serde_json::Value>, Vec<_>) = std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .partition(|line: &serde_json::Value| line["target"] == "filters");
    let hints: Vec<_> = own.iter().filter(|line| line["level"] == "WARN").collect();
    let [log, span] = &hints[..] else { panic!("{own:#?}") };
    assert!(log["message"].as_str().unwrap().contains("\"[coarse]=error\" (set by set_log_filter)"), "{log}");
    assert!(span["message"].as_str().unwrap().contains("(set by set_span_filter)"), "{span}");
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, expected);
    assert_eq!(received.spans_named("coarse").len(), 4);
    assert_eq!(received.spans_named("fine").len(), 2);
    // A line inside a span that is none for OpenTelemetry has the ids of the one around it.
    assert_eq!(lines[1]["span_id"], received.spans_named("coarse")[1].span_id().as_str());
}

#[test]
fn a_filter_that_belongs_to_no_subscriber_leaves_those_of_other_threads_alone() {
    for subscriber in ["none yet", "dropped"] {
        child_process::passed("child_beside_another_subscriber", &[("SUBSCRIBER", subscriber)]);
    }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn child_beside_another_subscriber() {
    let collector = Collector::start().unwrap();
    let builder = telemetry_bootstrap::init().ignore_env().endpoint(collector.endpoint());
    let (layer, guard) = builder.build_local().unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    if std::env::var("SUBSCRIBER").unwrap() == "dropped" {
        drop(tracing::Dispatch::new(subscriber));
    }
    let telemetry = telemetry_bootstrap::testing::capture();
    work(1);
    std::thread::scope(|scope| {
        scope.spawn(|| guard.set_log_filter("debug").unwrap());
    });
    work(2);
    assert_eq!((telemetry.spans().len(), telemetry.logs().len()), (2, 2));
}
