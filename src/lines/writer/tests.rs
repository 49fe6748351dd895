mod errors;
mod shutdown;

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use tracing_subscriber::fmt::MakeWriter;

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// An output with prepared results, one for each write; without one it accepts everything.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<io::Result<usize>>>>,
    written: Arc<Mutex<Vec<u8>>>,
    writes: Arc<AtomicUsize>,
}

impl Scripted {
    fn answering(answers: impl IntoIterator<Item = io::Result<usize>>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() }
    }

    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }

    fn start(&self) -> NonBlockingWriter {
        start(self.clone(), OverflowPolicy::Drop, NonBlockingWriter::DEFAULT_MAX_BYTES)
    }
}

impl<'a> MakeWriter<'a> for Scripted {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Scripted {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let taken = self.answers.lock().unwrap().pop_front().unwrap_or(Ok(text.len()))?.min(text.len());
        self.written.lock().unwrap().extend_from_slice(&text[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output that stands still until it is let go on, and tells when it is asked to write.
struct Gate {
    asked: mpsc::SyncSender<usize>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Gate {
    fn new() -> (Arc<Self>, mpsc::Receiver<usize>, mpsc::Sender<()>) {
        let (asked, asks) = mpsc::sync_channel(1000);
        let (open, go_on) = mpsc::channel();
        (Arc::new(Self { asked, go_on: Mutex::new(go_on) }), asks, open)
    }
}

impl io::Write for &Gate {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let _ = self.asked.send(text.len());
        // An error means that nobody will open it any more: then it stands open.
        let _ = self.go_on.lock().unwrap().recv();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(
    output: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    overflow: OverflowPolicy,
    max_bytes: usize,
) -> NonBlockingWriter {
    NonBlockingWriter::new(LogDestination::writer(output), overflow, max_bytes).unwrap()
}

fn log(writer: &NonBlockingWriter, line: &str) {
    writer.make_writer().write_all(line.as_bytes()).unwrap();
}

fn error(kind: io::ErrorKind) -> io::Result<usize> {
    Err(kind.into())
}

#[test]
fn lines_arrive_in_their_order() {
    let output = Scripted::default();
    let writer = output.start();
    (0..1000).for_each(|number| log(&writer, &format!("{number}\n")));
    assert!(writer.flush(LONG));
    assert_eq!(output.text(), (0..1000).map(|number| format!("{number}\n")).collect::<String>());
    assert_eq!(writer.dropped(), 0);
}

#[test]
fn lines_queued_during_a_write_are_written_together() {
    let (gate, asks, open) = Gate::new();
    let writer = start(gate, OverflowPolicy::Drop, 1 << 20);
    log(&writer, "first\n");
    assert_eq!(asks.recv_timeout(LONG).unwrap(), 6);
    (0..1000).for_each(|_| log(&writer, "more\n"));
    open.send(()).unwrap();
    assert_eq!(asks.recv_timeout(LONG).unwrap(), 5000);
}

#[test]
fn a_full_buffer_drops_the_newest_lines_and_counts_them() {
    let (gate, asks, open) = Gate::new();
    let writer = start(gate, OverflowPolicy::Drop, 100);
    log(&writer, "0123456789\n");
    asks.recv_timeout(LONG).unwrap();
    (0..20).for_each(|_| log(&writer, "0123456789\n"));
    assert_eq!(writer.dropped(), 20 - 8, "8 lines of 11 bytes fit beside the one in flight");
    assert!(!writer.flush(Duration::from_millis(20)));
    drop(open);
    assert!(writer.flush(LONG));
    assert_eq!(writer.dropped(), 12);
}

#[test]
fn line_longer_than_the_buffer_is_accepted_when_the_buffer_is_empty() {
    let output = Scripted::default();
    let writer = start(output.clone(), OverflowPolicy::Drop, 10);
    let line = format!("{}\n", "x".repeat(1 << 20));
    log(&writer, &line);
    assert!(writer.flush(LONG));
    assert_eq!((output.text() == line, writer.dropped()), (true, 0));
}

#[test]
fn blocking_waits_for_room_and_loses_nothing() {
    let (gate, asks, open) = Gate::new();
    let writer = start(gate, OverflowPolicy::Block, 50);
    let logging = {
        let writer = writer.clone();
        thread::spawn(move || (0..100).for_each(|_| log(&writer, "0123456789\n")))
    };
    let mut bytes = 0;
    while bytes < 1100 {
        bytes += asks.recv_timeout(LONG).unwrap();
        assert!(!logging.is_finished() || bytes + 50 >= 1100);
        open.send(()).unwrap();
    }
    logging.join().unwrap();
    assert_eq!((bytes, writer.dropped()), (1100, 0));
}

#[test]
fn interrupted_partial_and_would_block_writes_are_completed() {
    use io::ErrorKind::{Interrupted, WouldBlock};
    let answers =
        [error(Interrupted), Ok(3), error(WouldBlock), error(WouldBlock), Ok(1), error(Interrupted), Ok(4)];
    let output = Scripted::answering(answers);
    let writer = output.start();
    log(&writer, "first line\n");
    assert!(writer.flush(LONG));
    assert_eq!((output.text().as_str(), writer.dropped()), ("first line\n", 0));
}

#[test]
fn lines_that_the_output_refuses_are_counted() {
    let output = Scripted::answering([error(io::ErrorKind::BrokenPipe), Ok(0)]);
    let writer = output.start();
    log(&writer, "refused\n");
    assert!(writer.flush(LONG));
    log(&writer, "not taken\n");
    assert!(writer.flush(LONG));
    log(&writer, "taken\n");
    assert!(writer.flush(LONG));
    assert_eq!((output.text().as_str(), writer.dropped()), ("taken\n", 2));
}

#[test]
fn line_after_a_partial_line_starts_on_a_new_line() {
    let output = Scripted::answering([Ok(4), error(io::ErrorKind::StorageFull)]);
    let writer = output.start();
    log(&writer, "lost in the middle\n");
    assert!(writer.flush(LONG));
    log(&writer, "whole\n");
    assert!(writer.flush(LONG));
    assert_eq!((output.text().as_str(), writer.dropped()), ("lost\nwhole\n", 1));
}

#[test]
fn an_output_that_panics_is_an_output_that_fails() {
    struct Panics;
    impl io::Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("in write")
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let writer = start(|| Panics, OverflowPolicy::Drop, 100);
    log(&writer, "a\n");
    log(&writer, "b\n");
    assert!(writer.flush(LONG));
    assert_eq!(writer.dropped(), 2);
}

#[test]
fn partial_writes_become_one_line() {
    let output = Scripted::default();
    let writer = output.start();
    let mut line = writer.make_writer();
    line.write_all(b"one ").unwrap();
    log(&writer, "another\n");
    line.write_all(b"line\n").unwrap();
    line.write_all(b"unfinished").unwrap();
    drop(line);
    assert!(writer.flush(LONG));
    assert_eq!(output.text(), "another\none line\nunfinished\n");
}

#[test]
fn unread_pipe_does_not_stop_the_program() {
    let (mut reader, pipe) = io::pipe().unwrap();
    let pipe = Arc::new(pipe);
    let writer = start(move || pipe.try_clone().unwrap(), OverflowPolicy::Drop, 100_000);
    let line = format!("{}\n", "x".repeat(999));
    (0..1000).for_each(|_| log(&writer, &line));
    assert!(!writer.flush(Duration::from_millis(50)), "the pipe is full");
    assert!(writer.dropped() > 500);
    let begun = Instant::now();
    assert!(!writer.shutdown(begun + Duration::from_millis(50)));
    (0..1000).for_each(|_| log(&writer, &line));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let dropped = writer.dropped();
    let reading = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    assert!(writer.flush(LONG), "the reader came back");
    drop(writer);
    let text = reading.join().unwrap();
    assert_eq!(text.lines().count() as u64, 2000 - dropped);
    assert!(text.lines().all(|read| read.len() == 999));
}

#[test]
fn a_closed_pipe_is_counted() {
    let (reader, pipe) = io::pipe().unwrap();
    drop(reader);
    let pipe = Arc::new(pipe);
    let writer = start(move || pipe.try_clone().unwrap(), OverflowPolicy::Drop, 100_000);
    (0..100).for_each(|_| log(&writer, "into the void\n"));
    assert!(writer.flush(LONG));
    assert_eq!(writer.dropped(), 100);
}

#[test]
fn threads_do_not_tear_each_others_lines() {
    const LINES: usize = 5_000;
    let (reader, pipe) = io::pipe().unwrap();
    let pipe = Arc::new(pipe);
    let writer = start(move || pipe.try_clone().unwrap(), OverflowPolicy::Block, 10_000);
    let threads: Vec<_> = ["a", "b"]
        .map(|name| {
            let writer = writer.clone();
            thread::spawn(move || {
                (0..LINES).for_each(|number| log(&writer, &format!("{}{number}\n", name.repeat(50))))
            })
        })
        .into();
    drop(writer);
    let mut next = [0, 0];
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap();
        let thread = usize::from(line.starts_with('b'));
        assert_eq!(line, format!("{}{}", ["a", "b"][thread].repeat(50), next[thread]));
        next[thread] += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(next, [LINES, LINES]);
}

#[test]
fn without_a_thread_the_caller_writes() {
    let output = Scripted::answering([Ok(100), error(io::ErrorKind::BrokenPipe)]);
    let writer = NonBlockingWriter::without_thread(LogDestination::writer(output.clone()));
    log(&writer, "written\n");
    assert_eq!(output.text(), "written\n");
    log(&writer, "refused\n");
    assert_eq!(writer.dropped(), 1);
    assert!(writer.flush(Duration::ZERO));
}

#[test]
fn a_file_is_appended_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("service.log");
    for line in ["first\n", "second\n"] {
        let output = LogDestination::file(&path);
        let writer =
            NonBlockingWriter::new(output, OverflowPolicy::Drop, NonBlockingWriter::DEFAULT_MAX_BYTES)
                .unwrap();
        log(&writer, line);
        assert!(writer.flush(LONG));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\n");
    let nowhere = LogDestination::file(directory.path().join("no/such/service.log"));
    assert!(NonBlockingWriter::new(nowhere, OverflowPolicy::Drop, 1).is_err());
}

#[test]
fn output_that_logs_does_not_deadlock() {
    #[derive(Clone, Default)]
    struct Logs(Arc<std::sync::OnceLock<NonBlockingWriter>>);
    impl io::Write for Logs {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let writer = self.0.get().unwrap();
            (0..10).for_each(|_| log(writer, "from inside\n"));
            writer.flush(LONG);
            Ok(text.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let output = Logs::default();
    let writer = start(
        {
            let output = output.clone();
            move || output.clone()
        },
        OverflowPolicy::Block,
        20,
    );
    output.0.set(writer.clone()).unwrap();
    let begun = Instant::now();
    log(&writer, "0123456789\n");
    assert!(writer.flush(LONG));
    assert!(begun.elapsed() < LONG, "nobody waited");
    assert!(writer.dropped() > 0);
}

#[test]
fn a_line_that_nearly_fills_the_buffer_evicts_no_other_line() {
    let (gate, asks, open) = Gate::new();
    let writer = start(gate, OverflowPolicy::Drop, 100);
    let line = |length: usize| format!("{}\n", "x".repeat(length - 1));
    log(&writer, &line(90));
    asks.recv_timeout(LONG).unwrap();
    for length in [40, 40, 20] {
        log(&writer, &line(length));
    }
    assert_eq!(writer.dropped(), 0, "100 bytes fit beside the long line");
    log(&writer, &line(1));
    assert_eq!(writer.dropped(), 1);
    drop(open);
    assert!(writer.flush(LONG));
}

#[test]
fn line_longer_than_the_buffer_evicts_no_other_line() {
    let (gate, asks, open) = Gate::new();
    let writer = start(gate, OverflowPolicy::Drop, 100);
    let long = format!("{}\n", "x".repeat(1000));
    log(&writer, &long);
    asks.recv_timeout(LONG).unwrap();
    (0..9).for_each(|_| log(&writer, "0123456789\n"));
    assert_eq!(writer.dropped(), 0, "99 bytes fit beside the long line");
    log(&writer, &long);
    assert_eq!(writer.dropped(), 1, "there is one long line already");
    drop(open);
    assert!(writer.flush(LONG));
    log(&writer, &long);
    assert!(writer.flush(LONG));
    assert_eq!(writer.dropped(), 1);
}
