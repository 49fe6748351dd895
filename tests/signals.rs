//! Signals concern a whole process: each case runs in a process of its own, which is this test program again.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test code")]

mod child_process;

use std::io::Write;
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use child_process::Running;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{opentelemetry, tracing};
use telemetry_bootstrap::{shutdown_signal, shutdown_signal_blocking};

/// A process that runs one ignored test of this file.
struct Program {
    process: Running,
    output: Receiver<String>,
}

impl Program {
    fn start(test: &str) -> Self {
        Self::start_with(test, "")
    }

    fn start_with(test: &str, endpoint: &str) -> Self {
        let mut process = Running::start(
            child_process::command(test).env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).stdout(Stdio::piped()),
        );
        let output = child_process::read_lines(process.stdout.take().unwrap());
        let program = Self { process, output };
        program.wait_for("running 1 test");
        program
    }

    fn wait_for(&self, expected: &str) {
        while let Ok(line) = self.output.recv_timeout(LIMIT) {
            if line == expected {
                return;
            }
        }
        panic!("the program does not print {expected:?}, or has ended");
    }

    fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    fn wait(self) -> ExitStatus {
        self.process.end_within(LIMIT)
    }
}

/// The limit of every wait.
const LIMIT: Duration = Duration::from_secs(10);

fn print_line(text: &str) {
    // The test harness has written half a line before.
    print!("\n{text}\n");
    std::io::stdout().flush().unwrap();
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn the_first_signal_resolves_and_the_program_ends_by_itself() {
    for signal in ["TERM", "INT"] {
        for test in ["child_awaits", "child_blocks"] {
            let program = Program::start(test);
            program.wait_for("ready");
            program.signal(signal);
            program.wait_for("requested");
            assert!(program.wait().success(), "{test} {signal}");
        }
    }
}

#[test]
fn the_second_signal_ends_a_blocked_program_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let program = Program::start("child_hangs_after_the_first");
        program.wait_for("ready");
        program.signal(signal);
        program.wait_for("requested");
        program.signal(signal);
        assert_eq!(program.wait().code(), Some(code), "{signal}");
    }
}

#[test]
fn second_signal_counts_although_the_only_thread_is_blocked() {
    let program = Program::start("child_is_blocked_from_the_start");
    program.wait_for("ready");
    // Equal signals in quick succession are one to the kernel.
    program.signal("TERM");
    program.signal("INT");
    let code = program.wait().code();
    assert!(matches!(code, Some(143 | 130)), "{code:?}");
}

#[test]
fn the_first_signal_flushes_while_the_program_still_drains() {
    let collector = Collector::start().unwrap();
    let program = Program::start_with("child_never_finishes_draining", &collector.endpoint());
    program.wait_for("ready");
    program.signal("TERM");
    let arrived = collector.wait_for(Duration::from_secs(10), |received| {
        received.span_count() == 1 && received.log_count() == 1 && received.point_count() == 1
    });
    arrived.unwrap();
    program.signal("INT");
    assert_eq!(program.wait().code(), Some(130));
}

#[test]
#[ignore = "a child of another test"]
fn child_never_finishes_draining() {
    let _telemetry = telemetry_bootstrap::init()
        .traces(|traces| traces.scheduled_delay(Duration::from_secs(600)))
        .logs(|logs| logs.scheduled_delay(Duration::from_secs(600)))
        .metrics(|metrics| metrics.interval(Duration::from_secs(600)))
        .build()
        .unwrap();
    let signal = shutdown_signal();
    opentelemetry::global::meter("child").u64_counter("calls").build().add(1, &[]);
    tracing::info_span!("work").in_scope(|| tracing::info!("working"));
    print_line("ready");
    current_thread().block_on(signal);
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "a child of another test"]
fn child_awaits() {
    let signal = shutdown_signal();
    print_line("ready");
    current_thread().block_on(signal);
    // Later calls resolve at once.
    current_thread().block_on(shutdown_signal());
    print_line("requested");
}

#[test]
#[ignore = "a child of another test"]
fn child_blocks() {
    drop(shutdown_signal());
    print_line("ready");
    shutdown_signal_blocking();
    print_line("requested");
}

#[test]
#[ignore = "a child of another test"]
fn child_hangs_after_the_first() {
    current_thread().block_on(async {
        let signal = shutdown_signal();
        print_line("ready");
        signal.await;
        print_line("requested");
        loop {
            std::thread::park();
        }
    });
}

#[test]
#[ignore = "a child of another test"]
fn child_is_blocked_from_the_start() {
    current_thread().block_on(async {
        let _signal = shutdown_signal();
        print_line("ready");
        loop {
            std::thread::park();
        }
    });
}
