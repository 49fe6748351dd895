//! OTLP as lines of JSON, in a file or on standard output: one export request a line, as the OpenTelemetry Collector
//! reads it (`otlpjsonfile`).

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::outcome::{Cause, Failure, Outcome};
use crate::export::encode::json;
use crate::settings::{OutputTarget, Signal};

/// One signal's way to a file or to standard output.
///
/// A write can take long, for example to a pipe that is full. So it runs on a thread beside the I/O thread, which other
/// destinations need. There is one at a time, and requests that wait for it need no thread.
pub(in crate::export) struct JsonLines {
    signal: Signal,
    output: Arc<Mutex<Output>>,
    name: String,
}

struct Output {
    target: OutputTarget,
    /// The last write has failed, and may have left a part of a line.
    may_be_torn: bool,
}

impl JsonLines {
    pub(super) fn new(signal: Signal, target: OutputTarget) -> Self {
        let name = target.name();
        Self { signal, output: Arc::new(Mutex::new(Output { target, may_be_torn: false })), name }
    }

    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// Writes one request, which is protobuf.
    pub(super) async fn send(
        &self,
        request: Bytes,
        timeout: Duration,
        is_unanswered: Arc<AtomicBool>,
    ) -> Outcome {
        let (signal, has_started) = (self.signal, Arc::new(AtomicBool::new(false)));
        let (output, started) = (Arc::clone(&self.output), Arc::clone(&has_started));
        let writing = async move {
            let mut output = output.lock_owned().await;
            started.store(true, Ordering::Relaxed);
            tokio::task::spawn_blocking(move || write(signal, &request, &mut output)).await
        };
        match tokio::time::timeout(timeout, writing).await {
            Ok(Ok(Ok(()))) => Outcome::Delivered { rejected: 0, message: String::new() },
            Ok(Ok(Err(error))) => Outcome::Retry(Failure::new(Cause::OutputFailed, error.to_string())),
            Ok(Err(_)) => Outcome::Retry(Failure::new(Cause::Unexpected, "the write ended with a panic")),
            Err(_) => {
                if has_started.load(Ordering::Relaxed) {
                    is_unanswered.store(true, Ordering::Relaxed);
                }
                Outcome::Retry(Failure::new(Cause::OutputFailed, "the write did not end in time"))
            }
        }
    }
}

fn write(signal: Signal, request: &[u8], output: &mut Output) -> io::Result<()> {
    let mut line = Vec::new();
    if output.may_be_torn {
        // What is left of the last line does not spoil this one.
        line.push(b'\n');
    }
    line.extend(json::request(signal, request));
    line.push(b'\n');
    let written = match &output.target {
        OutputTarget::Stdout => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&line).and_then(|()| stdout.flush())
        }
        // Opened each time: it may have been moved away, as log rotation does.
        OutputTarget::File(path) => {
            let mut file = OpenOptions::new().append(true).create(true).open(path)?;
            file.write_all(&line)
        }
    };
    output.may_be_torn = written.is_err();
    written
}

/// The limit for one write.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
