//! The smallest example, in a process of its own: what it prints, and what it exports.

#![expect(clippy::unwrap_used, reason = "a test")]

mod child_process;

use std::process::Output;

use telemetry_bootstrap::testing::Collector;

mod minimal {
    include!("minimal/program.rs");

    #[test]
    #[ignore = "run by the tests below, in a process of its own"]
    fn child() -> Result<(), Box<dyn std::error::Error>> {
        main()
    }
}

#[test]
fn the_example_is_the_program_that_is_tested_here() {
    let example = include_str!("../examples/minimal.rs");
    assert!(example.ends_with(include_str!("minimal/program.rs")), "the code of both differs");
}

#[test]
fn without_an_endpoint_it_prints_lines_with_the_ids_of_its_span() {
    let output = run("");
    let lines = lines(&output);
    assert_eq!(
        lines.iter().map(|line| line["message"].as_str().unwrap()).collect::<Vec<_>>(),
        ["telemetry started, nothing is exported", "adding", "done",]
    );
    let adding = &lines[1];
    assert_eq!((adding["left"].as_i64(), adding["right"].as_i64()), (Some(40), Some(2)), "{adding}");
    assert_eq!(adding["trace_id"].as_str().map(str::len), Some(32), "{adding}");
    assert_eq!(lines[2]["answer"], 42);
}

#[test]
fn with_an_endpoint_it_exports_its_span_and_its_records() {
    let collector = Collector::start().unwrap();
    let _ = run(&collector.endpoint());
    let received = collector.received();
    let span = received.span("add");
    assert_eq!(span.attribute("left"), Some(40.into()));
    assert_eq!(span.resource_attribute("service.name"), Some("minimal".into()));
    assert_eq!(received.log("adding").span_id(), Some(span.span_id()));
    assert_eq!(received.log("done").attribute("answer"), Some(42.into()));
}

fn run(endpoint: &str) -> Output {
    let output = child_process::ended("minimal::child", &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]);
    assert!(output.status.success(), "{output:?}");
    output
}

fn lines(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
