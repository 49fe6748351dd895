//! A panic in a program with telemetry, seen from outside: at the collector and on standard error.
//!
//! The program is this test program again, for one ignored test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod child_process;

use std::process::Output;

use serde_json::Value;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogDestination, LogFormat, tracing};

fn run(child: &str, collector: &Collector) -> Output {
    let endpoint = collector.endpoint();
    child_process::ended(child, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("RUST_BACKTRACE", "1")])
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stderr).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {text}")))
        .collect()
}

#[test]
fn a_panic_is_one_line_one_record_and_marks_its_span() {
    let collector = Collector::start().unwrap();
    let output = run("child_panics_in_a_span", &collector);
    assert!(output.status.success(), "{output:?}");

    let lines = lines(&output);
    let [line] = lines.iter().filter(|line| line["target"] == "panic").collect::<Vec<_>>()[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["message"], "thread 'worker' panicked: boom");
    assert!(line["location"].as_str().unwrap().starts_with("tests/panic_hook.rs:"), "{line}");
    assert_eq!(line["exception.type"], "panic");
    assert!(line["exception.stacktrace"].as_str().unwrap().contains("panic_hook"), "{line}");

    let received = collector.received();
    let span = received.span("work");
    assert_eq!(line["span_id"], span.span_id().as_str());
    let status = span.span.status.as_ref().unwrap();
    assert_eq!(status.message, "thread 'worker' panicked: boom");
    assert_eq!(span.span.events.len(), 1);
    let record = received.log("thread 'worker' panicked: boom");
    assert_eq!(record.span_id(), Some(span.span_id()));
    assert_eq!(record.attribute_text("code.file.path").as_deref(), Some("tests/panic_hook.rs"));
    assert_eq!(received.log_count(), 1);
}

#[test]
#[ignore = "a child of another test"]
fn child_panics_in_a_span() {
    let _telemetry = telemetry_bootstrap::init().service_name("child").build().unwrap();
    let work = || tracing::info_span!("work").in_scope(|| panic!("boom"));
    let worker = std::thread::Builder::new().name("worker".to_owned()).spawn(work).unwrap();
    drop(worker.join().unwrap_err());
}

#[test]
fn a_panic_inside_a_logged_value_is_a_valid_line_and_ends_nothing() {
    let collector = Collector::start().unwrap();
    let output = run("child_logs_a_hostile_value", &collector);
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output);
    let message = |text: &str| lines.iter().filter(|line| line["message"] == text).count();
    assert!(message("thread 'child_logs_a_hostile_value' panicked: in Debug") >= 1, "{lines:?}");
    assert_eq!(message("after"), 1);
}

#[test]
#[ignore = "a child of another test"]
fn child_logs_a_hostile_value() {
    struct Hostile;
    impl std::fmt::Debug for Hostile {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("in Debug")
        }
    }
    let _telemetry = telemetry_bootstrap::init().service_name("child").build().unwrap();
    tracing::info_span!("work").in_scope(|| {
        tracing::error!(value = ?Hostile, error = ?Hostile, "hostile");
        tracing::info!("after");
    });
}

/// Returns what the child writes to standard error and standard output.
fn texts(child: &str) -> (String, String) {
    let output = run(child, &Collector::start().unwrap());
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_hook_that_was_set_before_is_called_and_the_default_one_is_not() {
    for child in ["child_with_own_hook", "child_with_own_hook_without_state"] {
        let (stderr, stdout) = texts(child);
        assert!(stderr.contains("thread 'worker' panicked: boom"), "{stderr}");
        assert!(stdout.contains("own hook: boom"), "{child}: {stdout}");
        assert!(!stderr.contains("RUST_BACKTRACE") && !stderr.contains("stack backtrace"), "{stderr}");
    }
}

#[test]
#[ignore = "a child of another test"]
fn child_with_own_hook() {
    let prefix = String::from("own hook");
    std::panic::set_hook(Box::new(move |info| println!("{prefix}: {}", info.payload_as_str().unwrap())));
    panic_on_a_thread(LogDestination::Stderr);
}

#[test]
#[ignore = "a child of another test"]
fn child_with_own_hook_without_state() {
    std::panic::set_hook(Box::new(|info| println!("own hook: {}", info.payload_as_str().unwrap())));
    panic_on_a_thread(LogDestination::Stderr);
}

#[test]
fn a_panic_is_one_text_where_lines_go_to_standard_output() {
    let (stderr, stdout) = texts("child_with_lines_on_stdout");
    assert!(stdout.contains("thread 'worker' panicked: boom"), "{stdout}");
    assert_eq!(stderr, "");
}

#[test]
#[ignore = "a child of another test"]
fn child_with_lines_on_stdout() {
    panic_on_a_thread(LogDestination::Stdout);
}

#[test]
fn a_panic_is_on_standard_error_where_lines_go_elsewhere() {
    let (stderr, _) = texts("child_with_lines_elsewhere");
    assert!(stderr.contains("boom"), "{stderr}");
}

#[test]
#[ignore = "a child of another test"]
fn child_with_lines_elsewhere() {
    panic_on_a_thread(LogDestination::writer(std::io::sink));
}

fn panic_on_a_thread(destination: LogDestination) {
    let _telemetry = telemetry_bootstrap::init()
        .service_name("child")
        .log_output(|output| output.format(LogFormat::Json).destination(destination))
        .build()
        .unwrap();
    let worker = std::thread::Builder::new().name("worker".to_owned()).spawn(|| panic!("boom")).unwrap();
    drop(worker.join().unwrap_err());
}

#[test]
fn a_layer_that_panics_while_it_holds_a_span_does_not_hang() {
    let collector = Collector::start().unwrap();
    let output = run("child_with_a_layer_that_panics", &collector);
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output);
    assert!(
        lines.iter().any(|line| line["message"].as_str().unwrap().ends_with("panicked: holding a span")),
        "{lines:?}"
    );
    let inside = lines.iter().find(|line| line["message"] == "inside").unwrap();
    assert_eq!(inside["field"], 2);
    assert_eq!(collector.received().spans_named("after").len(), 1);
}

#[test]
#[ignore = "a child of another test"]
fn child_with_a_layer_that_panics() {
    use tracing_subscriber::registry::LookupSpan;

    struct Holding;
    impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Holding {
        fn on_event(&self, event: &tracing::Event<'_>, ctx: tracing_subscriber::layer::Context<'_, S>) {
            if event.metadata().name() == "hold" {
                let span = ctx.lookup_current().unwrap();
                let _extensions = span.extensions_mut();
                panic!("holding a span");
            }
        }
    }
    let _telemetry = telemetry_bootstrap::init().service_name("child").layer(Holding).build().unwrap();
    let hold =
        || tracing::info_span!("work", field = 1).in_scope(|| tracing::info!(name: "hold", "never written"));
    std::panic::catch_unwind(hold).unwrap_err();
    // Its lock is poisoned, and the registry uses its place again.
    tracing::info_span!("after", field = 2).in_scope(|| tracing::info!("inside"));
}

/// A panic in a hook aborts at once, and a hook may end the process itself: what is pending is delivered before.
#[test]
fn a_hook_that_ends_the_process_is_called_after_everything_is_delivered() {
    for child in ["child_with_a_hook_that_panics", "child_with_a_hook_that_exits"] {
        let collector = Collector::start().unwrap();
        let output = run(child, &collector);
        assert!(!output.status.success(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("thread 'worker' panicked: boom"), "{child}: {stderr}");
        let received = collector.received();
        assert_eq!(received.spans_named("before").len(), 1, "{child}");
        assert_eq!(received.log("thread 'worker' panicked: boom").severity(), "ERROR", "{child}");
    }
}

#[test]
#[ignore = "a child of another test"]
fn child_with_a_hook_that_panics() {
    std::panic::set_hook(Box::new(|_| panic!("in the hook")));
    panic_after_a_span();
}

#[test]
#[ignore = "a child of another test"]
#[expect(clippy::exit, reason = "what hooks do")]
fn child_with_a_hook_that_exits() {
    std::panic::set_hook(Box::new(|_| std::process::exit(3)));
    panic_after_a_span();
}

/// With a reader of metrics and a queue that would wait for more.
fn panic_after_a_span() {
    let _telemetry = telemetry_bootstrap::init().service_name("child").build().unwrap();
    tracing::info_span!("before").in_scope(|| {});
    let worker = std::thread::Builder::new().name("worker".to_owned()).spawn(|| panic!("boom")).unwrap();
    drop(worker.join());
}

/// Panics while it is formatted.
struct Boom;

impl std::fmt::Debug for Boom {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("in Debug")
    }
}

/// Panics at each event outside of spans.
struct Unwraps;

impl<S> tracing_subscriber::Layer<S> for Unwraps
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_event(&self, event: &tracing::Event<'_>, context: tracing_subscriber::layer::Context<'_, S>) {
        assert!(context.event_span(event).is_some(), "outside of spans");
    }
}

/// Panics once, with a lock that it needs for each event.
#[derive(Default)]
struct Locks(std::sync::Mutex<bool>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Locks {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut has_panicked = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        assert!(std::mem::replace(&mut *has_panicked, true), "with the lock");
    }
}

/// Panics for each record.
#[derive(Debug)]
struct Emits;

impl opentelemetry_sdk::logs::LogProcessor for Emits {
    fn emit(&self, _: &mut opentelemetry_sdk::logs::SdkLogRecord, _: &opentelemetry::InstrumentationScope) {
        panic!("in a processor")
    }

    fn force_flush(&self) -> opentelemetry_sdk::error::OTelSdkResult {
        Ok(())
    }
}

#[test]
fn code_of_the_user_that_takes_part_in_a_panic_neither_hangs_nor_aborts_the_process() {
    for child in [
        "child_with_a_text_layer",
        "child_with_a_layer_that_unwraps",
        "child_with_its_own_subscriber",
        "child_with_a_layer_that_locks",
        "child_with_a_log_processor_that_panics",
        "child_with_a_redaction_rule_that_panics",
    ] {
        let output = run(child, &Collector::start().unwrap());
        assert!(output.status.success(), "{child}: {output:?}");
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(stdout.contains("went on"), "{child}: {stdout}");
        let lines = lines(&output);
        let booms = lines.iter().filter(|line| line["message"].as_str().unwrap().ends_with("panicked: boom"));
        let expected = usize::from(!child.contains("redaction"));
        assert_eq!(booms.count(), expected, "{child}: {lines:?}");
    }
}

/// Panics elsewhere, after `work`, and goes on.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn panic_after(builder: telemetry_bootstrap::Builder, work: impl FnOnce()) {
    let _telemetry = builder.service_name("child").build().unwrap();
    work();
    std::thread::spawn(|| tracing::info_span!("boom").in_scope(|| panic!("boom"))).join().unwrap_err();
    println!("went on");
}

#[test]
#[ignore = "a child of another test"]
fn child_with_a_text_layer() {
    panic_after(telemetry_bootstrap::init().layer(tracing_subscriber::fmt::layer()), || {
        let span =
            tracing::info_span!("work", x = tracing::field::Empty, y = tracing::field::Empty).entered();
        span.record("x", 1);
        // The layer formats the value with the span's extensions locked.
        let record = || {
            span.record("y", tracing::field::debug(Boom));
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(record)).unwrap_err();
    });
}

#[test]
#[ignore = "a child of another test"]
fn child_with_a_layer_that_unwraps() {
    panic_after(telemetry_bootstrap::init().layer(Unwraps), || {
        std::panic::catch_unwind(|| tracing::info!("outside")).unwrap_err();
        std::thread::spawn(|| panic!("outside")).join().unwrap_err();
    });
}

#[test]
#[ignore = "a child of another test"]
fn child_with_its_own_subscriber() {
    use tracing_subscriber::layer::SubscriberExt as _;
    let subscriber = |telemetry| tracing_subscriber::registry().with(telemetry).with(Unwraps);
    let _telemetry = telemetry_bootstrap::init().service_name("child").build_with(subscriber).unwrap();
    std::panic::catch_unwind(|| tracing::info!("outside")).unwrap_err();
    std::thread::spawn(|| panic!("boom")).join().unwrap_err();
    println!("went on");
}

#[test]
#[ignore = "a child of another test"]
fn child_with_a_layer_that_locks() {
    panic_after(telemetry_bootstrap::init().layer(Locks::default()), || {
        std::panic::catch_unwind(|| tracing::info!("first")).unwrap_err();
    });
}

#[test]
#[ignore = "a child of another test"]
fn child_with_a_log_processor_that_panics() {
    panic_after(telemetry_bootstrap::init().logs(|logs| logs.log_processor(Emits)), || ());
}

#[test]
#[ignore = "a child of another test"]
fn child_with_a_redaction_rule_that_panics() {
    let rule = telemetry_bootstrap::Redaction::matching(|_| panic!("in a rule"));
    panic_after(telemetry_bootstrap::init().redact(rule), || ());
}
