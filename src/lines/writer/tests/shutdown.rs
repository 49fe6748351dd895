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
    // The first one does not count: it is as long as the buffer.
    log(&writer, "0123456789\n");
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

/// Starts a reader that has to wait for a processor first.
fn late_reader(buffer: &Arc<Buffer>) -> thread::JoinHandle<()> {
    let buffer = Arc::clone(buffer);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        let mut taken = Vec::new();
        assert!(buffer.take(&mut taken, 0));
        let written = taken.len();
        taken.clear();
        assert!(!buffer.take(&mut taken, written), "the buffer is closed");
    })
}

#[test]
fn last_lines_wait_for_a_thread_that_gets_no_processor() {
    for is_last in [true, false] {
        let buffer = Arc::new(Buffer::new(OverflowPolicy::Drop, 1024));
        assert_eq!(buffer.push(b"telemetry was lost\n"), Pushed::Taken);
        let reader = late_reader(&buffer);
        let now = Instant::now();
        let written = if is_last { buffer.flush_last(now) } else { buffer.flush(now) };
        assert_eq!(written, is_last);
        buffer.close();
        reader.join().unwrap();
    }
}

#[test]
fn last_lines_do_not_wait_for_an_output_that_has_stopped() {
    let buffer = Buffer::new(OverflowPolicy::Drop, 1024);
    assert_eq!(buffer.push(b"taken, and never written\n"), Pushed::Taken);
    let mut taken = Vec::new();
    assert!(buffer.take(&mut taken, 0));
    let begun = Instant::now();
    assert!(!buffer.flush_last(begun));
    assert!(begun.elapsed() < buffer::MAX_WAKE, "{:?}", begun.elapsed());
}
