//! What can only be seen with a global subscriber: values that log while they are being logged, and the `log` crate.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::fmt;
use std::io;
use std::sync::{Mutex, OnceLock};

use serde_json::{Value, json};
use telemetry_bootstrap::json::JsonLayer;
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The lines that `work` logs. Tests take turns, because they share the subscriber.
fn lines(work: impl FnOnce()) -> Vec<Value> {
    static TURN: Mutex<()> = Mutex::new(());
    static OUTPUT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static INSTALLED: OnceLock<()> = OnceLock::new();

    struct Output;
    impl io::Write for Output {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            OUTPUT.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let _turn = TURN.lock().unwrap();
    INSTALLED.get_or_init(|| {
        // Takes in the records of the `log` crate, too.
        tracing_subscriber::registry().with(JsonLayer::new(|| Output)).init();
    });
    OUTPUT.lock().unwrap().clear();
    work();
    let output = OUTPUT.lock().unwrap();
    std::str::from_utf8(&output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A value that logs when it is formatted.
struct Talkative;

impl fmt::Display for Talkative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("before ")?;
        info!(inner = 1, "from inside");
        f.write_str("after")
    }
}

#[test]
fn value_that_logs_yields_two_complete_lines() {
    let lines = lines(|| info!(value = %Talkative, outer = 2, "message {}", Talkative));
    assert_eq!(lines.len(), 3);
    for line in &lines[..2] {
        assert_eq!(
            (&line["message"], &line["inner"], line.get("outer")),
            (&json!("from inside"), &json!(1), None)
        );
    }
    assert_eq!(lines[2]["message"], "message before after");
    assert_eq!((&lines[2]["value"], &lines[2]["outer"]), (&json!("before after"), &json!(2)));
}

#[test]
fn span_field_that_logs_does_not_deadlock() {
    let lines = lines(|| {
        let span = info_span!("span", first = %Talkative, late = tracing::field::Empty).entered();
        span.record("late", tracing::field::display(Talkative));
        info!("done");
    });
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[1]["message"], &lines[1]["first"]), (&json!("from inside"), &json!("before after")));
    assert_eq!((&lines[2]["first"], &lines[2]["late"]), (&json!("before after"), &json!("before after")));
}

#[test]
fn records_of_the_log_crate_have_their_own_target_and_no_metadata_fields() {
    let lines = lines(|| {
        let _span = info_span!("span", tenant = "acme").entered();
        log::warn!(target: "some_library", "disk is {}", "full");
    });
    let mut line = lines[0].clone();
    line.as_object_mut().unwrap().remove("timestamp");
    assert_eq!(
        line,
        json!({"level": "WARN", "message": "disk is full", "target": "some_library", "tenant": "acme"})
    );
}

#[test]
fn thread_can_log_until_its_end() {
    struct LogsAtTheEnd;
    impl Drop for LogsAtTheEnd {
        fn drop(&mut self) {
            info!("at the end");
        }
    }
    thread_local! {
        static FIRST: LogsAtTheEnd = const { LogsAtTheEnd };
        static LAST: LogsAtTheEnd = const { LogsAtTheEnd };
    }
    // What a thread touches first is destroyed last: one of them outlives the OpenTelemetry context.
    let lines = lines(|| {
        let thread = std::thread::spawn(|| {
            FIRST.with(|_| ());
            info!("in between");
            LAST.with(|_| ());
        });
        thread.join().unwrap();
    });
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["in between", "at the end", "at the end"]);
}
