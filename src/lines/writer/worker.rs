//! The writer's thread.
//!
//! It owns the [`Sink`] and its buffer. It is marked as a thread of this crate: what the user's output logs there is
//! not recorded by the telemetry that it is the output of, but for one line (see [`buffer`](super::buffer)).
//!
//! It ends when the last handle on the writer is dropped and everything is written, or a second later if the output is
//! not ready.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Shared;
use super::sink::Sink;
use crate::export::own_threads::become_line_writer;

/// Starts the thread. It takes the sink out of `sink` when it runs, so the sink is still there when it does not.
pub(super) fn spawn(shared: Arc<Shared>, sink: Arc<Mutex<Option<Sink>>>) -> io::Result<()> {
    let run = move || {
        let sink = sink.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sink) = sink {
            run(&shared, sink);
        }
    };
    thread::Builder::new().name(THREAD_NAME.into()).spawn(run).map(drop)
}

/// The thread's function.
fn run(shared: &Shared, mut sink: Sink) {
    become_line_writer();
    let mut lines = Vec::new();
    let mut written = 0;
    // When the last handle is gone, an output that is not ready is not waited for much longer.
    let mut given_up_at = None;
    let mut keep_waiting = || {
        !shared.buffer.is_closed()
            || Instant::now() < *given_up_at.get_or_insert_with(|| Instant::now() + PATIENCE_AFTER_CLOSE)
    };
    while shared.buffer.take(&mut lines, written) {
        shared.buffer.count_dropped(sink.write_lines(&lines, &mut keep_waiting));
        written = lines.len();
        lines.clear();
        // One burst must not keep its memory, nor a steady flood grow it again each time.
        if written < lines.capacity() / 4 {
            lines.shrink_to(MAX_KEPT_BYTES);
        }
    }
}

const THREAD_NAME: &str = "otel-log-writer";
const PATIENCE_AFTER_CLOSE: Duration = Duration::from_secs(1);
/// Bytes of memory that are kept after a burst.
const MAX_KEPT_BYTES: usize = 512 * 1024;
