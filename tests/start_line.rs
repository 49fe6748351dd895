//! The line at start, and the warning about a guard that is dropped at once: each case in a process of its own.

#![expect(clippy::unwrap_used, reason = "test code")]

mod child_process;

use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogDestination, LogFormat, TelemetryGuard};

fn start() -> TelemetryGuard {
    telemetry_bootstrap::init()
        .service_name("greeter")
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::Stdout))
        .build()
        .unwrap()
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    println!();
    match std::env::var("CASE").as_deref() {
        Ok("drop") => drop(start()),
        _ => {
            let telemetry = start();
            telemetry_bootstrap::tracing::error!("working");
            telemetry.shutdown().unwrap();
        }
    }
}

/// Runs `child` with these variables and returns its log lines.
fn lines(variables: &[(&str, &str)]) -> Vec<serde_json::Value> {
    let (text, _) = child_process::passed("child", variables);
    text.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn messages(lines: &[serde_json::Value]) -> Vec<&str> {
    lines.iter().map(|line| line["message"].as_str().unwrap()).collect()
}

#[test]
fn unsupported_data_is_reported_once_with_the_setting_that_the_destination_needs() {
    let lines = lines(&[
        ("CASE", "drop"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://abc.live.dynatrace.com/api/v2/otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Api-Token%20hunter2"),
    ]);
    let hints: Vec<_> = lines.iter().filter(|line| line["destination"] == "Dynatrace").collect();
    let messages: Vec<_> = hints.iter().map(|line| line["message"].as_str().unwrap()).collect();
    let expected = [
        "this destination takes protobuf over HTTP only, no gRPC and no JSON",
        "this destination takes metrics of delta temporality only",
    ];
    assert_eq!(messages, expected);
    assert_eq!((&hints[0]["level"], &hints[0]["signals"]), (&"INFO".into(), &"traces, metrics, logs".into()));
    assert_eq!(hints[1]["set"], "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta");
    assert!(lines.iter().all(|line| !line.to_string().contains("hunter2")));
}

#[test]
fn first_line_names_the_destination_of_each_signal() {
    let collector = Collector::start().unwrap();
    let endpoint = collector.endpoint();
    let lines = lines(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ]);
    assert_eq!(messages(&lines), ["telemetry started", "working"]);
    let line = &lines[0];
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], "telemetry_bootstrap");
    assert!(line["traces"].as_str().unwrap().starts_with(&endpoint), "{line}");
    assert!(line["logs"].as_str().unwrap().starts_with(&endpoint), "{line}");
    assert_eq!(line["metrics"], "off");
    assert_eq!(line["sampler"], "parentbased_traceidratio 0.25");
    assert_eq!(line["log_output"], "JSON to standard output");
    let origins = line["settings_from"].as_str().unwrap();
    for origin in [
        ".service_name()",
        ".log_output(|o| o.format())",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_METRICS_EXPORTER",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
    ] {
        assert!(origins.contains(origin), "{origin} is not in {origins}");
    }
    // The line is about exporting and is not exported.
    assert_eq!(collector.logs().len(), 1);
}

#[test]
fn first_line_names_the_protocol_and_the_proxy() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "http://192.0.2.1:4317 (grpc at first)"),
        (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "http://192.0.2.1:4317 (grpc)"),
        (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")], "http://192.0.2.1:4317 (http/json)"),
        (
            &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://192.0.2.1:4318/v1/logs")],
            "http://192.0.2.1:4318 (http/protobuf at first)",
        ),
        (
            &[("OTEL_LOGS_EXPORTER", "otlp,console"), ("HTTP_PROXY", "http://user:hunter2@192.0.2.2:3128")],
            "http://192.0.2.1:4317 (grpc at first, via http://192.0.2.2:3128), console",
        ),
    ];
    for (variables, expected) in cases {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://192.0.2.1:4317");
        let timeout = ("OTEL_RUST_SHUTDOWN_TIMEOUT", "1");
        let variables: Vec<_> =
            [("CASE", "drop"), endpoint, timeout].iter().chain(*variables).copied().collect();
        let lines = lines(&variables);
        let line = lines.iter().find(|line| line["message"] == "telemetry started").unwrap();
        assert_eq!(line["logs"], *expected);
        assert!(lines.iter().all(|line| !line.to_string().contains("hunter2")), "{lines:?}");
    }
}

#[test]
fn first_line_names_the_reason_why_nothing_is_exported() {
    let off =
        ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"].map(|name| (name, "none"));
    for (variables, expected) in [
        (&[][..], "no endpoint is set: set OTEL_EXPORTER_OTLP_ENDPOINT, or call .endpoint()"),
        (&off[..], "every exporter is turned off"),
        (&[("OTEL_SDK_DISABLED", "true")][..], "OTEL_SDK_DISABLED is true"),
    ] {
        let lines = lines(variables);
        assert_eq!(messages(&lines), ["telemetry started, nothing is exported", "working"]);
        assert_eq!(lines[0]["reason"], expected);
    }
}

#[cfg(feature = "config-file")]
#[test]
fn first_line_names_what_in_a_file_exports_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    for (text, expected) in [
        ("file_format: '1.1'", "the configuration file names no exporter"),
        ("{file_format: '1.1', disabled: true}", "the configuration file says `disabled: true`"),
    ] {
        std::fs::write(&path, text).unwrap();
        let lines = lines(&[("OTEL_CONFIG_FILE", path.to_str().unwrap())]);
        assert_eq!(lines[0]["reason"], expected);
    }
}

#[test]
fn the_filter_turns_the_first_line_off() {
    for filter in ["warn", "telemetry_bootstrap=off,info", "warn,[request]=debug"] {
        assert_eq!(messages(&lines(&[("RUST_LOG", filter)])), ["working"], "{filter}");
    }
}

#[test]
fn a_guard_that_is_dropped_at_once_is_reported() {
    let lines = lines(&[("CASE", "drop")]);
    let [_, warning] = &messages(&lines)[..] else { panic!("{lines:?}") };
    assert!(warning.starts_with("telemetry was shut down right after its start"), "{warning}");
}
