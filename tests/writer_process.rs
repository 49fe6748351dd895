//! Standard output and error as the operating system has them: full, closed, shared with `println!`.
//!
//! Each test runs `child` in a process of its own, with the task in a variable.

#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "test code")]
#![expect(clippy::exit, reason = "the exit code is the result")]

mod child_process;

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use child_process::Running;
use telemetry_bootstrap::json::JsonLayer;
use telemetry_bootstrap::{LogDestination, LogFormat, NonBlockingWriter, OverflowPolicy};
use tracing::info;
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt as _;

const TASK: &str = "WRITER_PROCESS_TASK";
/// The exit code of a child whose expectations hold.
const HOLDS: i32 = 42;
const LONG: Duration = Duration::from_secs(20);

fn start(task: &str, stdout: Stdio, stderr: Stdio) -> Running {
    Running::start(child_process::command("child").env(TASK, task).stdout(stdout).stderr(stderr))
}

/// Ends with [`HOLDS`] if its expectations hold: a harness that runs no test ends with 0.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    let max_bytes = 1 << 20;
    match std::env::var(TASK).unwrap().as_str() {
        "fill stdout" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stdout, OverflowPolicy::Drop, max_bytes).unwrap();
            let begun = Instant::now();
            log_lines(&writer, 20_000);
            assert!(!writer.shutdown(Instant::now() + Duration::from_millis(100)));
            assert!(writer.dropped() > 0);
            log_lines(&writer, 20_000);
            assert!(begun.elapsed() < LONG);
            std::process::exit(HOLDS);
        }
        "closed stderr" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stderr, OverflowPolicy::Block, max_bytes).unwrap();
            log_lines(&writer, 100);
            assert!(writer.flush(LONG));
            assert_eq!(writer.dropped(), 100);
            std::process::exit(HOLDS);
        }
        "share stderr" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stderr, OverflowPolicy::Block, max_bytes).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| (0..2_000).for_each(|_| eprintln!("plain {}", "x".repeat(300))));
                scope.spawn(|| log_lines(&writer, 2_000));
            });
            assert!(writer.shutdown(Instant::now() + LONG));
            std::process::exit(HOLDS);
        }
        "share a pipe" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stderr, OverflowPolicy::Block, max_bytes).unwrap();
            log_lines_of_any_length(&writer, LINES_OF_EACH);
            assert!(writer.shutdown(Instant::now() + LONG));
            assert_eq!(writer.dropped(), 0);
            std::process::exit(HOLDS);
        }
        "error and exit" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stderr, OverflowPolicy::Drop, max_bytes).unwrap();
            with_default(tracing_subscriber::registry().with(JsonLayer::new(writer)), || {
                info!("starting");
                tracing::error!("giving up");
                std::process::exit(HOLDS);
            });
        }
        "errors" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stderr, OverflowPolicy::Drop, max_bytes).unwrap();
            with_default(tracing_subscriber::registry().with(JsonLayer::new(writer)), || {
                (0..MEASURED).for_each(|number| tracing::error!(number, "cannot go on"));
            });
            std::process::exit(HOLDS);
        }
        "errors without a reader" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stderr, OverflowPolicy::Drop, max_bytes).unwrap();
            let begun = Instant::now();
            with_default(tracing_subscriber::registry().with(JsonLayer::new(writer)), || {
                (0..20_000).for_each(|number| tracing::error!(number, "cannot go on"));
            });
            assert!(begun.elapsed() < LONG);
            std::process::exit(HOLDS);
        }
        "output that logs" => {
            let guard = telemetry_bootstrap::init()
                .ignore_env()
                .log_filter("trace")
                .log_output(|output| {
                    output
                        .format(LogFormat::Json)
                        .destination(LogDestination::writer(|| Troublesome { panics: false }))
                })
                .build()
                .unwrap();
            info!("one");
            assert!(guard.force_flush(LONG).is_ok());
            let writes = WRITES.load(Ordering::Relaxed);
            // A line that a write had made would be written by the next flush.
            for _ in 0..10 {
                assert!(guard.force_flush(LONG).is_ok());
            }
            assert_eq!(WRITES.load(Ordering::Relaxed), writes);
            std::process::exit(HOLDS);
        }
        "output that panics" => {
            let guard = telemetry_bootstrap::init()
                .ignore_env()
                .log_output(|output| {
                    output
                        .format(LogFormat::Json)
                        .destination(LogDestination::writer(|| Troublesome { panics: true }))
                })
                .build()
                .unwrap();
            assert!(guard.force_flush(LONG).is_ok());
            info!("costs itself");
            assert!(guard.force_flush(LONG).is_ok());
            info!("is written");
            let stats = guard.stats();
            drop(guard);
            assert_eq!(stats.log_lines_dropped, 1);
            std::process::exit(HOLDS);
        }
        task => panic!("unknown task {task}"),
    }
}

/// Writes to standard error, and logs or panics on the way.
struct Troublesome {
    panics: bool,
}

static WRITES: AtomicUsize = AtomicUsize::new(0);

impl io::Write for Troublesome {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        WRITES.fetch_add(1, Ordering::Relaxed);
        if self.panics && text.windows(12).any(|part| part == b"costs itself") {
            panic!("no connection");
        }
        tracing::error!("writing");
        log::error!("writing");
        io::stderr().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log_lines(writer: &NonBlockingWriter, count: usize) {
    with_default(tracing_subscriber::registry().with(JsonLayer::new(writer.clone())), || {
        (0..count).for_each(|number| {
            info!(number, padding = "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy")
        });
    });
}

/// Up to 4 KiB, line feed included.
fn log_lines_of_any_length(writer: &NonBlockingWriter, count: usize) {
    let padding = "z".repeat(4096);
    with_default(tracing_subscriber::registry().with(JsonLayer::new(writer.clone())), || {
        for number in 0..count {
            // Most are short, some are as long as can be.
            let length = if number % 50 == 0 { 4096 - OTHER_BYTES } else { number * 37 % 400 };
            info!(number = 1_000_000 + number, padding = &padding[..length]);
        }
    });
}

/// Of a line of [`log_lines_of_any_length`], without its padding.
const OTHER_BYTES: usize = 115;
const LINES_OF_EACH: usize = 25_000;

/// Waits for the end of a process that may hang.
fn ends_well(child: Running) -> bool {
    child.end_within(LONG * 2).code() == Some(HOLDS)
}

#[test]
fn unread_stdout_does_not_stop_the_program() {
    // The pipe stays open, and is never read.
    let (_unread, stdout) = io::pipe().unwrap();
    assert!(ends_well(start("fill stdout", stdout.into(), Stdio::inherit())));
}

#[test]
fn a_closed_stderr_is_counted() {
    let (reader, stderr) = io::pipe().unwrap();
    drop(reader);
    assert!(ends_well(start("closed stderr", Stdio::null(), stderr.into())));
}

#[test]
fn lines_and_eprintln_do_not_tear_each_other() {
    let mut child = start("share stderr", Stdio::null(), Stdio::piped());
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(ends_well(child));
    let (plain, json): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("plain "));
    assert!(plain.iter().all(|line| line.len() == 306));
    let valid = json.iter().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
    assert_eq!((plain.len(), valid), (2_000, 2_000));
}

#[test]
fn processes_that_share_a_pipe_do_not_tear_each_others_lines() {
    let (reader, pipe) = io::pipe().unwrap();
    let children: Vec<_> =
        (0..4).map(|_| start("share a pipe", Stdio::null(), pipe.try_clone().unwrap().into())).collect();
    drop(pipe);
    let mut lines = 0;
    let mut longest = 0;
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap();
        assert!(line.starts_with('{') && line.ends_with("\"}") && line.matches('{').count() == 1, "{line}");
        assert_eq!(line.matches("\"timestamp\"").count(), 1, "{line}");
        longest = longest.max(line.len() + 1);
        lines += 1;
    }
    assert!(children.into_iter().all(ends_well));
    assert_eq!((lines, longest), (4 * LINES_OF_EACH, 4096));
}

#[test]
fn an_error_right_before_the_exit_is_in_the_output() {
    for run in 0..25 {
        let mut child = start("error and exit", Stdio::null(), Stdio::piped());
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(ends_well(child));
        assert!(text.contains("starting") && text.contains("giving up"), "run {run}: {text:?}");
    }
}

/// An odd number, so that there is a median.
const MEASURED: usize = 101;
const PROMISED: Duration = Duration::from_millis(5);

#[test]
fn the_median_error_reaches_the_output_within_five_milliseconds() {
    holds_once("of one process", || {
        let mut child = start("errors", Stdio::null(), Stdio::piped());
        let latencies = latencies(&mut child);
        assert!(ends_well(child));
        latencies
    });
}

#[test]
fn the_median_error_right_before_the_exit_reaches_the_output_within_five_milliseconds() {
    holds_once("of one process each", || {
        let last = |_| {
            let mut child = start("error and exit", Stdio::null(), Stdio::piped());
            let latencies = latencies(&mut child);
            assert!(ends_well(child));
            latencies[0]
        };
        (0..MEASURED).map(last).collect()
    });
}

/// Measures until the median is as promised: other processes may take the processor meanwhile.
fn holds_once(what: &str, measure: impl Fn() -> Vec<Duration>) {
    let medians = (0..5).map(|_| {
        let mut latencies = measure();
        assert_eq!(latencies.len(), MEASURED, "{what}");
        latencies.sort();
        println!("{what}: median {:?}, longest {:?}", latencies[MEASURED / 2], latencies[MEASURED - 1]);
        latencies[MEASURED / 2]
    });
    assert!(medians.into_iter().any(|median| median <= PROMISED), "{what}");
}

/// How long each line of the level `ERROR` took from its event to this process.
fn latencies(child: &mut Running) -> Vec<Duration> {
    let mut latencies = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        if line.contains("\"level\":\"ERROR\"") {
            latencies.push(since(&line, now));
        }
    }
    latencies
}

/// The time from the timestamp of a line until `now`, if both are of one day or of two that follow each other.
fn since(line: &str, now: Duration) -> Duration {
    const DAY: u64 = 86_400;
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let time = line["timestamp"].as_str().unwrap().split_once('T').unwrap().1.trim_end_matches('Z');
    let (seconds, micros) = time.split_once('.').unwrap();
    let seconds = seconds.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap());
    let event = Duration::new(seconds, 1000 * micros.parse::<u32>().unwrap());
    let now = Duration::new(now.as_secs() % DAY, now.subsec_nanos());
    now.checked_sub(event).unwrap_or_else(|| now + Duration::from_secs(DAY) - event)
}

#[test]
fn an_output_that_logs_does_not_feed_itself() {
    let mut child = start("output that logs", Stdio::null(), Stdio::piped());
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(ends_well(child));
    assert!(text.contains("one") && !text.contains("writing"), "{text}");
}

#[test]
fn panicking_output_loses_its_lines_and_is_reported_once() {
    let mut child = start("output that panics", Stdio::null(), Stdio::piped());
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(ends_well(child));
    assert!(text.contains("is written") && !text.contains("costs itself"), "{text}");
    assert_eq!(text.matches("panicked: no connection").count(), 1, "{text}");
}

#[test]
fn errors_do_not_wait_for_an_output_without_a_reader() {
    let (_unread, stderr) = io::pipe().unwrap();
    assert!(ends_well(start("errors without a reader", Stdio::null(), stderr.into())));
}
