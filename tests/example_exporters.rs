//! The example `exporters` in each of the environments that it describes, in a process of its own: what it prints, writes
//! and answers.

#![cfg(feature = "prometheus")]
#![expect(clippy::unwrap_used, reason = "test code")]

mod child_process;
#[path = "../examples/exporters.rs"]
#[expect(dead_code, reason = "its `main`")]
mod exporters;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use child_process::passed;
use serde_json::Value;

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    println!();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(exporters::run()).unwrap();
}

/// The variables that send all signals to this exporter.
fn all(exporter: &str) -> [(&str, &str); 3] {
    [
        ("OTEL_TRACES_EXPORTER", exporter),
        ("OTEL_LOGS_EXPORTER", exporter),
        ("OTEL_METRICS_EXPORTER", exporter),
    ]
}

/// Runs the example with these variables, and returns what it wrote to standard output.
fn run(variables: &[(&str, &str)]) -> String {
    passed("child", variables).0
}

/// The lines of OTLP in a text.
fn otlp(text: &str) -> Vec<Value> {
    text.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// All strings that have this key in a document.
fn strings(document: &[Value], key: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Value> = document.iter().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Array(values) => open.extend(values),
            Value::Object(members) => {
                found.extend(members.get(key).and_then(Value::as_str).map(str::to_owned));
                open.extend(members.values());
            }
            _ => {}
        }
    }
    found
}

#[track_caller]
fn assert_has(found: &BTreeSet<String>, expected: &[&str]) {
    let missing: Vec<_> = expected.iter().filter(|name| !found.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?} not in {found:?}");
}

#[test]
fn without_variables_there_are_log_lines_only() {
    let (stdout, stderr) = passed("child", &[]);
    assert!(!stdout.contains("trace ") && otlp(&stdout).is_empty(), "{stdout}");
    let messages = strings(&otlp(&stderr), "message");
    assert_has(&messages, &["paid", "telemetry started, nothing is exported"]);
}

#[test]
fn the_console_shows_trees_and_a_table() {
    let text = run(&all("console"));
    assert_eq!(text.matches("── trace ").count(), 3, "{text}");
    assert!(text.contains("\ncheckout  ") && text.contains("  basket=1"), "{text}");
    assert!(text.contains("\n├─ · INFO paid  items=1\n└─ ship [producer]  "), "{text}");
    assert!(text.contains("\nshop.orders\n   3  kind=book\n"), "{text}");
    assert!(text.contains("\nshop.basket.size in {item}\n   3 measured"), "{text}");
}

#[test]
fn otlp_is_printed_as_lines_of_json() {
    let lines = otlp(&run(&all("otlp/stdout")));
    assert_has(&strings(&lines, "name"), &["checkout", "ship", "shop.orders", "shop.basket.size"]);
    assert_has(&strings(&lines, "stringValue"), &["paid", "shop"]);
}

#[test]
fn otlp_is_appended_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("telemetry.jsonl");
    for _ in 0..2 {
        let path = ("OTEL_RUST_EXPORTER_OTLP_FILE_PATH", path.to_str().unwrap());
        run(&[&all("otlp_file")[..], &[path]].concat());
    }
    let lines = otlp(&std::fs::read_to_string(path).unwrap());
    assert_has(&strings(&lines, "name"), &["checkout", "ship", "shop.orders"]);
    for kind in ["resourceSpans", "resourceLogs", "resourceMetrics"] {
        assert!(lines.iter().filter(|line| line.get(kind).is_some()).count() >= 2, "{kind}");
    }
}

#[cfg(unix)]
#[test]
fn prometheus_can_scrape_until_the_program_is_ended() {
    let mut program = child_process::command("child")
        .envs([
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| Some(line.split_once("http://")?.1.split_once('/')?.0.to_owned()));
    let mut scrape = TcpStream::connect(address.unwrap()).unwrap();
    scrape.write_all(b"GET /metrics HTTP/1.1\r\nhost: shop\r\n\r\n").unwrap();
    let mut text = String::new();
    scrape.read_to_string(&mut text).unwrap();
    assert!(text.contains("\nshop_orders_total{kind=\"book\",otel_scope_name=\"shop\"} 3\n"), "{text}");
    assert!(text.contains("\nshop_basket_size_count{"), "{text}");
    let id = program.id();
    assert!(Command::new("sh").arg("-c").arg(format!("kill -TERM {id}")).status().unwrap().success());
    assert!(program.wait().unwrap().success());
}

#[test]
fn messages_have_the_headers_of_the_propagators() {
    for (propagators, expected) in [
        ("tracecontext", &["traceparent"][..]),
        ("b3", &["b3"]),
        ("b3multi", &["x-b3-sampled", "x-b3-spanid", "x-b3-traceid"]),
        ("jaeger", &["uber-trace-id"]),
        ("xray", &["x-amzn-trace-id"]),
        ("b3,tracecontext,B3,b3", &["b3", "traceparent"]),
        ("none", &[]),
    ] {
        let text = run(&[("OTEL_PROPAGATORS", propagators)]);
        let headers = text.lines().filter_map(|line| line.strip_prefix("header ")?.split_once(": "));
        let names: Vec<_> = headers.map(|(name, _)| name).collect();
        // Of three messages, without a header twice.
        assert_eq!(names.len(), 3 * expected.len(), "{propagators}: {text}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>(), expected.iter().collect(), "{propagators}");
    }
}

#[test]
fn detectors_describe_the_process_and_the_machine() {
    let traces = ("OTEL_TRACES_EXPORTER", "otlp/stdout");
    let without = strings(&otlp(&run(&[traces])), "key");
    assert!(!without.contains("process.pid"), "{without:?}");
    let found = strings(&otlp(&run(&[traces, ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "all")])), "key");
    assert_has(&found, &["process.pid", "process.executable.name", "host.arch", "os.type"]);
}

#[test]
fn built_in_metrics_are_about_the_program_itself() {
    let text = run(&[("OTEL_METRICS_EXPORTER", "otlp/stdout"), ("OTEL_RUST_BUILT_IN_METRICS", "all")]);
    let names = strings(&otlp(&text), "name");
    assert_has(&names, &["otel.sdk.exporter.metric_data_point.exported", "tokio.runtime.worker.count"]);
    if cfg!(target_os = "linux") {
        assert_has(&names, &["process.cpu.time", "process.memory.usage"]);
    }
    let without = strings(&otlp(&run(&[("OTEL_METRICS_EXPORTER", "otlp/stdout")])), "name");
    assert!(without.iter().all(|name| !name.starts_with("otel.sdk")), "{without:?}");
}
