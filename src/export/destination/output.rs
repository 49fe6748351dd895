//! Files and standard output as destinations.
//!
//! OTLP is written as lines of JSON, one export request a line, as the OpenTelemetry Collector reads it
//! (`otlpjsonfile`).
//!
//! | trouble | outcome |
//! |---|---|
//! | the disk is full, no permission, a FIFO instead of a file | retry, as with a collector that is away |
//! | the reader of standard output is gone | refused for good: a pipe gets no other reader |
//! | the pipe is full, and the write does not end within 10 s | retry, unanswered: the line may have been written in part |
//! | such a write succeeds after all | the retry of its request is delivered, without another write |
//! | a write failed in the middle of a line | the next one begins on a new line |
//!
//! A file is opened for each request. It may be rotated at any time: the next request creates it again.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex, oneshot};

use super::outcome::{Cause, Failure, Outcome};
use crate::export::encode::json;
use crate::settings::{OutputTarget, Signal, open_to_append};

/// The path of one signal to a file or to standard output, as OTLP in JSON.
pub(in crate::export) struct JsonLines {
    /// Decides on the message of each line.
    signal: Signal,
    /// The file or standard output.
    output: Output,
}

impl JsonLines {
    /// Prepares the way. The file is not opened yet. Signals with one target share its `output`.
    pub(super) fn new(signal: Signal, output: Output) -> Self {
        Self { signal, output }
    }

    /// Returns the signal that is written.
    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    /// Writes one request, which is protobuf. It is converted on the thread that writes.
    pub(super) async fn send(
        &self,
        request: Bytes,
        timeout: Duration,
        is_unanswered: Arc<AtomicBool>,
    ) -> Outcome {
        let (signal, id) = (self.signal, request.clone());
        let line = move || {
            let mut line = json::request(signal, &request);
            line.push(b'\n');
            line
        };
        self.output.write(id, line, timeout, &is_unanswered).await
    }
}

/// A file or standard output, to which whole lines are written. Cheap to clone.
///
/// A write can take long, for example to a pipe that is full. So it runs on a thread beside the I/O thread, which other
/// destinations need. There is one at a time, and requests that wait for it need no thread.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<State>>);

/// State that is used by one write at a time.
struct State {
    /// The target of writes.
    target: OutputTarget,
    /// `true` if the last write has failed, and may have left a part of a line.
    may_be_torn: bool,
    /// `true` if the reader of standard output is gone. No further write is tried.
    is_reader_gone: bool,
    /// Set by tests that hold up writes.
    #[cfg(test)]
    is_held_up: Arc<AtomicBool>,
    /// Requests that were written after their caller had given up, oldest first. They are not written again. At most
    /// [`MAX_LATE`].
    late: VecDeque<Bytes>,
}

impl Output {
    /// Prepares an output that nothing was written to.
    pub(super) fn new(target: OutputTarget) -> Self {
        Self(Arc::new(Mutex::new(State {
            target,
            may_be_torn: false,
            is_reader_gone: false,
            #[cfg(test)]
            is_held_up: Arc::default(),
            late: VecDeque::new(),
        })))
    }

    /// Returns a flag that lets a test block writes.
    #[cfg(test)]
    pub(super) async fn is_held_up(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.lock().await.is_held_up)
    }

    /// Writes the lines that `lines` returns, on the thread that writes. `is_unanswered` becomes `true` if they may have
    /// been written in part.
    ///
    /// A write that exceeds `timeout` goes on, and keeps later ones waiting until it has ended. If it succeeds then, the
    /// next write with an equal `id` returns its outcome.
    pub(super) async fn write(
        &self,
        id: Bytes,
        lines: impl FnOnce() -> Vec<u8> + Send + 'static,
        timeout: Duration,
        is_unanswered: &AtomicBool,
    ) -> Outcome {
        let (ended, mut outcome) = oneshot::channel();
        let mut has_started = false;
        let writing = async {
            let mut state = Arc::clone(&self.0).lock_owned().await;
            if state.take_late(&id) {
                return Ok(Outcome::delivered());
            }
            has_started = true;
            tokio::task::spawn_blocking(move || {
                let outcome = state.write(lines);
                // An error is the outcome: its caller has given up.
                if let Err(Outcome::Delivered { .. }) = ended.send(outcome) {
                    state.keep_late(id);
                }
            });
            (&mut outcome).await
        };
        match tokio::time::timeout(timeout, writing).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(_)) => {
                return Outcome::Retry(Failure::new(Cause::Unexpected, "the write ended with a panic"));
            }
            Err(_) => {}
        }
        // From now on, a write that ends is late.
        outcome.close();
        if let Ok(outcome) = outcome.try_recv() {
            return outcome;
        }
        is_unanswered.fetch_or(has_started, Ordering::Relaxed);
        Outcome::Retry(Failure::new(Cause::OutputFailed, "the write did not end in time"))
    }
}

impl State {
    /// Keeps what a write was about whose caller has given up.
    fn keep_late(&mut self, id: Bytes) {
        if self.late.len() == MAX_LATE {
            self.late.pop_front();
        }
        self.late.push_back(id);
    }

    /// Returns `true`, once, if this was written after its caller had given up.
    fn take_late(&mut self, id: &Bytes) -> bool {
        let place = self.late.iter().position(|late| late == id);
        place.and_then(|place| self.late.remove(place)).is_some()
    }

    /// Writes whole lines, unless the reader is gone. Runs on the thread that writes.
    fn write(&mut self, lines: impl FnOnce() -> Vec<u8>) -> Outcome {
        let written = match self.is_reader_gone {
            true => Err(io::ErrorKind::BrokenPipe.into()),
            false => self.try_write(&lines()),
        };
        let Err(error) = written else { return Outcome::delivered() };
        // No reader comes to a pipe again. A file is opened for each request, and another one may be there then.
        if matches!(self.target, OutputTarget::Stdout) && error.kind() == io::ErrorKind::BrokenPipe {
            self.is_reader_gone = true;
            return Outcome::Refused(Failure::new(Cause::ReaderGone, error.to_string()));
        }
        Outcome::Retry(Failure::new(Cause::OutputFailed, error.to_string()))
    }

    /// Writes the lines after the end of a torn one. A file is opened, written and closed; standard output is locked
    /// meanwhile, so lines of the program do not mix with these.
    fn try_write(&mut self, lines: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        while self.is_held_up.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        // What is left of the last line does not spoil these.
        let end_of_torn: &[u8] = if self.may_be_torn { b"\n" } else { b"" };
        let text = [end_of_torn, lines].concat();
        let written = match &self.target {
            OutputTarget::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&text).and_then(|()| stdout.flush())
            }
            // Opened each time: it may have been moved away, as log rotation does.
            OutputTarget::File(path) => {
                let mut file = open_to_append(path)?;
                file.write_all(&text)
            }
        };
        self.may_be_torn = written.is_err();
        written
    }
}

/// The limit for one write to a file, a pipe or a terminal.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The most writes that are remembered: some more than signals, which retry one batch at a time.
const MAX_LATE: usize = 8;

#[cfg(test)]
mod tests;
