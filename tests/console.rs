//! The exporter `console`, chosen by the environment: each case in a process of its own.

mod child_process;

use std::time::Duration;

use telemetry_bootstrap::opentelemetry::{KeyValue, global};
use telemetry_bootstrap::tracing::{Span, info, info_span};
use telemetry_bootstrap::tracing_subscriber::Registry;
use telemetry_bootstrap::{LogFormat, SignalStats, SpanExt as _};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use child_process::passed;

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    println!();
    let telemetry = telemetry_bootstrap::init().service_name("shop").build().unwrap();
    let checkout = info_span!("checkout", basket = "b1");
    checkout.in_scope(|| {
        info!(items = 3, "paid");
        info_span!("ship").in_scope(|| Span::current().add_event("packed", vec![KeyValue::new("box", 7)]));
    });
    drop(checkout);
    info!("outside");
    global::meter("shop").u64_counter("shop.orders").build().add(2, &[KeyValue::new("kind", "book")]);
    let stats = telemetry.shutdown().unwrap();
    for SignalStats { accepted, delivered, .. } in [stats.traces, stats.metrics, stats.logs] {
        assert!(accepted > 0 && accepted == delivered);
    }
}

/// Runs `child` with these variables and JSON lines. Returns what it wrote to standard output and to standard error.
fn run(variables: &[(&str, &str)]) -> (String, String) {
    passed("child", &[variables, &[("OTEL_RUST_LOG_FORMAT", "json")]].concat())
}

const CONSOLE: [(&str, &str); 3] = [
    ("OTEL_TRACES_EXPORTER", "console"),
    ("OTEL_METRICS_EXPORTER", "console"),
    ("OTEL_LOGS_EXPORTER", "console"),
];

#[test]
fn all_signals_are_printed_to_standard_output() {
    let (stdout, stderr) = run(&CONSOLE);
    let trace = stdout.split("── trace ").nth(1).unwrap();
    let lines: Vec<_> = trace.lines().skip(1).take(4).collect();
    assert!(lines[0].starts_with("checkout  ") && lines[0].contains("  basket=b1"), "{stdout}");
    assert!(lines[1].starts_with("├─ · INFO paid  items=3"), "{stdout}");
    assert!(lines[2].starts_with("└─ ship  "), "{stdout}");
    assert_eq!(lines[3], "   └─ · event packed  box=7", "{stdout}");
    assert!(stdout.lines().any(|line| line.contains("Z · INFO outside")), "{stdout}");
    assert!(stdout.contains("\nshop.orders\n   2  kind=book\n"), "{stdout}");
    // It is no terminal.
    assert!(!stdout.contains('\u{1b}'), "{stdout}");
    let start = stderr.lines().find(|line| line.contains("telemetry started")).unwrap();
    assert!(start.contains("\"traces\":\"console\""), "{start}");
}

#[test]
fn former_exporter_name_is_accepted_with_a_warning() {
    let (stdout, stderr) = run(&[CONSOLE[1], CONSOLE[2], ("OTEL_TRACES_EXPORTER", "Logging")]);
    assert!(stdout.contains("── trace "), "{stdout}");
    let warning = "OTEL_TRACES_EXPORTER: logging is the former name of console; console is used";
    assert!(stderr.contains(warning), "{stderr}");
}

#[test]
fn spans_of_a_trace_that_has_not_ended_are_pending() {
    let builder = telemetry_bootstrap::init()
        .ignore_env()
        .log_output(|output| output.format(LogFormat::Off))
        .traces(|traces| traces.destination(telemetry_bootstrap::Destination::console()));
    let (subscriber, telemetry) = builder.build_local::<Registry>().unwrap();
    let _default = tracing_subscriber::registry().with(subscriber).set_default();
    let parent = info_span!("parent");
    parent.in_scope(|| info_span!("child").in_scope(|| ()));
    telemetry.force_flush(Duration::from_secs(10)).unwrap();
    let SignalStats { accepted, delivered, pending, .. } = telemetry.stats().traces;
    assert_eq!((accepted, delivered, pending), (1, 0, 1));
    drop(parent);
    let SignalStats { accepted, delivered, pending, .. } = telemetry.shutdown().unwrap().traces;
    assert_eq!((accepted, delivered, pending), (2, 2, 0));
}

#[test]
fn a_destination_in_code_prints_too() {
    let builder = telemetry_bootstrap::init()
        .ignore_env()
        .log_output(|output| output.format(LogFormat::Off))
        .destination(telemetry_bootstrap::Destination::console());
    let (_, telemetry) = builder.build_local::<Registry>().unwrap();
    let stats = telemetry.shutdown().unwrap();
    let names: Vec<_> = stats.destinations.iter().map(|destination| &*destination.name).collect();
    assert_eq!(names, ["console"; 3]);
}
