//! A hook belongs to the whole process, so each case runs in its own process, which is this test program again.

use std::fmt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use opentelemetry::trace::Status;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::subscriber::filter::{Filter, FilterHandle};
use crate::subscriber::tests::rig::{Rig, Written, lines_into, texts};
use crate::subscriber::{LayerParts, Marks};

/// Runs the ignored test `child` alone and returns what it wrote to its two outputs, and whether it succeeded.
fn run(child: &str, backtrace: &str) -> (String, String, bool) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1"])
        .arg(format!("{}::{child}", module_path!().split_once("::").unwrap().1))
        .env("RUST_BACKTRACE", backtrace)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let stdout = text(output.stdout);
    assert!(stdout.contains("\nrunning 1 test\n"), "the child ran no test: {stdout}");
    (stdout, text(output.stderr), output.status.success())
}

/// Installs a hook and a subscriber that print their input.
fn install_printing(previous: PreviousHook) -> Written {
    let diagnostics = Diagnostics::default();
    diagnostics.write_with(Box::new(|level, message, fields| {
        let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
        println!("\nown {level} {message} {}", fields.join(" "));
    }));
    install(PanicHook {
        has_user_code: false,
        diagnostics,
        previous,
        flush_lines: Box::new(|| println!("lines flushed")),
        flush_telemetry: Box::new(|_| println!("telemetry flushed")),
        abort_timeout: Duration::from_secs(1),
    });
    let written = Written::default();
    let parts = LayerParts {
        // The filter does not name the target: the panic is written anyway.
        lines: Some((lines_into(&written), FilterHandle::new(Filter::parse("some_crate=info").0))),
        records: None,
        has_span_fields_in_records: false,
        spans: None,
        marks: Marks::default(),
    };
    tracing::subscriber::set_global_default(Registry::default().with(parts.into_only_layer())).unwrap();
    written
}

fn panicked(action: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("worker".to_owned()).spawn(action).unwrap();
    thread.join().unwrap_err();
}

#[test]
fn a_panic_is_an_event_and_lines_are_flushed() {
    let (out, err, success) = run("child_panics", "0");
    assert!(success, "{out}{err}");
    assert!(out.contains("event thread 'worker' panicked: boom\n"), "{out}");
    assert!(out.contains("lines flushed\n"), "{out}");
    assert!(!out.contains("telemetry flushed"), "panics unwind here: {out}");
    assert_eq!(err, "", "no second text beside the line");
}

#[test]
#[ignore = "a child of another test"]
fn child_panics() {
    let written = install_printing(PreviousHook::CallUnlessDefault);
    panicked(|| panic!("boom"));
    texts(&written).iter().for_each(|text| println!("event {text}"));
}

#[test]
fn the_previous_hook_is_called_on_request() {
    let (out, err, _) = run("child_calls_previous", "0");
    assert!(err.contains("boom"), "{out}{err}");
}

#[test]
#[ignore = "a child of another test"]
fn child_calls_previous() {
    install_printing(PreviousHook::Call);
    panicked(|| panic!("boom"));
}

#[test]
fn a_panic_inside_a_logged_value_is_a_line_without_tracing() {
    let (out, err, success) = run("child_panics_while_logging", "1");
    assert!(success, "{out}{err}");
    let line = out.lines().find(|line| line.starts_with("own ")).unwrap_or_else(|| panic!("{out}{err}"));
    assert!(
        line.starts_with(concat!("own ERROR thread 'worker' panicked: in Debug location=", file!(), ":")),
        "{line}"
    );
    assert!(line.contains("exception.stacktrace="), "{line}");
    assert!(!out.contains("event thread"), "{out}");
}

#[test]
#[ignore = "a child of another test"]
fn child_panics_while_logging() {
    struct Hostile;
    impl fmt::Debug for Hostile {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in Debug")
        }
    }
    let written = install_printing(PreviousHook::CallUnlessDefault);
    panicked(|| tracing::error!(target: "some_crate", "{:?}", Hostile));
    texts(&written).iter().for_each(|text| println!("event {text}"));
}

#[test]
fn a_panic_on_the_io_thread_is_a_line_without_tracing() {
    let (out, err, success) = run("child_panics_on_the_io_thread", "0");
    assert!(success, "{out}{err}");
    assert!(out.contains("\nown ERROR thread 'worker' panicked: boom location="), "{out}");
    assert!(!out.contains("event thread"), "{out}");
    let names = " error.type=panic exception.type=panic exception.message=boom";
    assert!(out.contains(names), "{out}");
}

#[test]
#[ignore = "a child of another test"]
fn child_panics_on_the_io_thread() {
    let written = install_printing(PreviousHook::CallUnlessDefault);
    panicked(|| crate::export::own_threads::as_io_thread(|| panic!("boom")));
    texts(&written).iter().for_each(|text| println!("event {text}"));
}

#[test]
fn a_panic_is_recorded_on_the_current_span() {
    let (out, err, success) = run("child_panics_in_a_span", "0");
    assert!(success, "{out}{err}");
    assert!(
        out.contains("\nstatus thread 'worker' panicked: boom, 1 exception of type panic: boom\n"),
        "{out}"
    );
}

#[test]
#[ignore = "a child of another test"]
fn child_panics_in_a_span() {
    install(PanicHook {
        has_user_code: false,
        diagnostics: Diagnostics::default(),
        previous: PreviousHook::CallUnlessDefault,
        flush_lines: Box::new(|| {}),
        flush_telemetry: Box::new(|_| {}),
        abort_timeout: Duration::from_secs(1),
    });
    let (sender, receiver) = std::sync::mpsc::channel();
    panicked(move || {
        let rig = Rig::new();
        sender.send(rig.spans).unwrap();
        tracing::info_span!("work").in_scope(|| panic!("boom"));
    });
    let span = receiver.recv().unwrap().named("work");
    let exceptions = &span.events.events;
    let attribute =
        |key| exceptions[0].attributes.iter().find(|kv| kv.key.as_str() == key).unwrap().value.to_string();
    let Status::Error { description } = span.status else { panic!("{:?}", span.status) };
    println!(
        "\nstatus {description}, {} exception of type {}: {}",
        exceptions.len(),
        attribute("exception.type"),
        attribute("exception.message")
    );
}

#[test]
fn panics_on_many_threads_at_once_are_all_logged() {
    let (out, err, success) = run("child_panics_on_threads", "0");
    assert!(success, "{out}{err}");
    assert_eq!(out.matches("event thread 'worker' panicked: boom\n").count(), 8, "{out}");
}

#[test]
#[ignore = "a child of another test"]
fn child_panics_on_threads() {
    let written = install_printing(PreviousHook::CallUnlessDefault);
    let start = Arc::new(std::sync::Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let start = Arc::clone(&start);
            std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
                start.wait();
                panic!("boom");
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.unwrap().join().unwrap_err()));
    texts(&written).iter().for_each(|text| println!("event {text}"));
}
