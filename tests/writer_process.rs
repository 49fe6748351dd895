//! Standard output and error as the operating system has them: full, closed, shared with `println!`.
//!
//! Each test starts this program again, for the one test `child`, with the task in a variable.

#![expect(clippy::unwrap_used, reason = "test code")]
#![expect(clippy::exit, reason = "the exit code is the result")]

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use telemetry_bootstrap::json::JsonLayer;
use telemetry_bootstrap::{LogDestination, NonBlockingWriter, OverflowPolicy};
use tracing::info;
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt as _;

const TASK: &str = "WRITER_PROCESS_TASK";
const LONG: Duration = Duration::from_secs(20);

fn start(task: &str, stdout: Stdio, stderr: Stdio) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(TASK, task)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap()
}

/// What the other tests start. Ends with code 0 when its expectations hold.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let max_bytes = 1 << 20;
    match task.as_str() {
        "fill stdout" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stdout, OverflowPolicy::Drop, max_bytes).unwrap();
            let begun = Instant::now();
            log_lines(&writer, 20_000);
            assert!(!writer.shutdown(Instant::now() + Duration::from_millis(100)));
            assert!(writer.dropped() > 0);
            log_lines(&writer, 20_000);
            assert!(begun.elapsed() < LONG);
            std::process::exit(0);
        }
        "closed stderr" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stderr, OverflowPolicy::Block, max_bytes).unwrap();
            log_lines(&writer, 100);
            assert!(writer.flush(LONG));
            std::process::exit(i32::from(writer.dropped() != 100));
        }
        "share stderr" => {
            let writer =
                NonBlockingWriter::new(LogDestination::Stderr, OverflowPolicy::Block, max_bytes).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| (0..2_000).for_each(|_| eprintln!("plain {}", "x".repeat(300))));
                scope.spawn(|| log_lines(&writer, 2_000));
            });
            assert!(writer.shutdown(Instant::now() + LONG));
            std::process::exit(0);
        }
        task => panic!("unknown task {task}"),
    }
}

fn log_lines(writer: &NonBlockingWriter, count: usize) {
    with_default(tracing_subscriber::registry().with(JsonLayer::new(writer.clone())), || {
        (0..count).for_each(|number| {
            info!(number, padding = "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy")
        });
    });
}

/// Waits for the end of a process that may hang.
fn ends_well(mut child: Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LONG * 2 {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    false
}

#[test]
fn unread_stdout_does_not_stop_the_program() {
    // The pipe stays open, and is never read.
    let (_unread, stdout) = std::io::pipe().unwrap();
    assert!(ends_well(start("fill stdout", stdout.into(), Stdio::inherit())));
}

#[test]
fn a_closed_stderr_is_counted() {
    let (reader, stderr) = std::io::pipe().unwrap();
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
