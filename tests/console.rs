//! The exporters that write to standard output, chosen by the environment: each case in a process of its own.

mod child_process;

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use telemetry_bootstrap::opentelemetry::{KeyValue, global};
use telemetry_bootstrap::tracing::{Span, info, info_span};
use telemetry_bootstrap::tracing_subscriber::Registry;
use telemetry_bootstrap::{LogFormat, SignalStats, SpanExt as _};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use child_process::{Running, command, passed, read_lines};

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

#[test]
#[ignore = "run by the tests below, in a process of its own"]
#[expect(clippy::exit, reason = "the test harness could not write that the test has passed")]
fn child_without_reader() {
    let telemetry = telemetry_bootstrap::init().service_name("shop").build().unwrap();
    println!("\nstarted");
    // The parent has closed the pipe when standard input ends.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let orders = global::meter("shop").u64_counter("shop.orders").build();
    orders.add(1, &[]);
    let flushes = std::env::var("FLUSHES").unwrap().parse().unwrap();
    for order in 0..flushes {
        info_span!("order", order).in_scope(|| info!("paid"));
        telemetry.force_flush(Duration::from_secs(10)).unwrap_err();
    }
    info_span!("order").in_scope(|| info!("paid"));
    let begin = Instant::now();
    let stats = telemetry.shutdown().unwrap_err().stats();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    for SignalStats { accepted, failed, .. } in [stats.traces, stats.metrics, stats.logs] {
        assert!(accepted > flushes && accepted == failed, "{stats:?}");
    }
    std::process::exit(0);
}

#[test]
fn reader_of_standard_output_that_is_gone_is_final() {
    for (exporter, flushes) in
        [("console", "0"), ("console", "3"), ("otlp/stdout", "0"), ("otlp/stdout", "3")]
    {
        let mut command = command("child_without_reader");
        for signal in ["TRACES", "METRICS", "LOGS"] {
            command.env(format!("OTEL_{signal}_EXPORTER"), exporter);
        }
        command.env("OTEL_RUST_SHUTDOWN_TIMEOUT", "20000").env("FLUSHES", flushes);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running::start(command.env("OTEL_RUST_LOG_FORMAT", "json"));
        let lines = read_lines(child.stderr.take().unwrap());
        let mut stdout = child.stdout.take().unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"started\n") {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            text.extend(byte);
        }
        drop(stdout);
        drop(child.stdin.take());
        let status = child.end_within(Duration::from_secs(60));
        let lines: Vec<_> = lines.iter().collect();
        assert!(status.success(), "{exporter} {flushes}: {lines:#?}");
        // One line reports it, and the last one what it has cost.
        let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(warnings.len(), 2, "{exporter} {flushes}: {warnings:#?}");
        assert!(warnings[0].contains("nothing reads standard output any more"), "{}", warnings[0]);
        assert!(warnings[1].contains("telemetry was lost"), "{}", warnings[1]);
    }
}
