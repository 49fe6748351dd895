//! The end of a writer.

use super::*;

#[test]
fn after_shutdown_lines_are_written_synchronously() {
    let output = Scripted::default();
    let writer = output.start();
    log(&writer, "before\n");
    assert!(writer.shutdown(Instant::now() + LONG));
    assert_eq!(output.text(), "before\n");
    log(&writer, "after\n");
    assert_eq!(output.text(), "before\nafter\n");
}

#[test]
fn dropping_the_last_handle_writes_pending_lines() {
    let output = Scripted::default();
    let writer = output.start();
    let other = writer.clone();
    log(&writer, "first\n");
    drop(writer);
    log(&other, "second\n");
    drop(other);
    assert_eq!(output.text(), "first\nsecond\n");
}

#[test]
fn longest_timeout_does_not_panic() {
    let writer = Scripted::default().start();
    assert!(writer.flush(Duration::MAX));
}

#[test]
fn shutdown_releases_callers_that_wait_for_a_stuck_output() {
    let (gate, asks, open) = Gate::new();
    let writer = start(gate, OverflowPolicy::Block, 11);
    log(&writer, "0123456789\n");
    asks.recv_timeout(LONG).unwrap();
    let waiting = {
        let writer = writer.clone();
        thread::spawn(move || log(&writer, "0123456789\n"))
    };
    assert!(!writer.shutdown(Instant::now() + Duration::from_millis(20)));
    waiting.join().unwrap();
    log(&writer, "0123456789\n");
    assert_eq!(writer.dropped(), 2);
    drop(open);
}
