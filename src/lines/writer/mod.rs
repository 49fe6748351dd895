//! A line writer that never blocks the caller.
//!
//! A line is appended to a buffer under a short lock. A thread takes the whole buffer and writes it in one call, so
//! that under load many lines share a system call. A reader that stops reading stops that thread, never the program:
//! lines wait until the buffer is full, and then are dropped and counted ([`OverflowPolicy`]).
//!
//! # When a line is written
//!
//! | | |
//! |---|---|
//! | after a pause | at once: the thread is woken |
//! | soon after another one | within a millisecond, together with all that came meanwhile |
//! | on [`NonBlockingWriter::flush`], and when the last handle is dropped | at once, and the caller waits, for a limited time |
//! | after [`NonBlockingWriter::shutdown`] | at once, and the caller waits for a moment, because the program may end |
//! | when the program ends without one of these, or is killed | not: what was logged in the last millisecond is lost |
//!
//! # What never happens
//!
//! - A line is never torn: not by another thread, not by an interrupted or partial write, not by `println!` or
//!   `eprintln!` elsewhere in the program.
//! - An output that fails (a closed pipe, a full disk) is not a panic. What it did not take is counted as dropped, and
//!   the next lines are tried again.

mod buffer;
mod line;
mod output;
mod worker;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::buffer::{Buffer, Pushed};
pub use self::line::LineWriter;
use self::output::Sink;
pub use self::output::{LogDestination, OverflowPolicy};
use crate::settings::deadline_after;

/// Writes lines on its own thread. Cheap to clone; all clones share one buffer and one thread.
///
/// It is a [`MakeWriter`](tracing_subscriber::fmt::MakeWriter), for [`JsonLayer`](crate::lines::json::JsonLayer) as for the
/// layers of `tracing_subscriber::fmt`:
///
/// ```
/// use telemetry_bootstrap::json::JsonLayer;
/// use telemetry_bootstrap::{LogDestination, NonBlockingWriter, OverflowPolicy};
///
/// let writer = NonBlockingWriter::new(LogDestination::Stderr, OverflowPolicy::Drop, NonBlockingWriter::DEFAULT_MAX_BYTES)?;
/// let layer = JsonLayer::new(writer.clone());
/// // … install the layer, run the program …
/// # drop(layer);
/// writer.flush(std::time::Duration::from_secs(1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct NonBlockingWriter {
    handle: Arc<Handle>,
}

/// What all clones share, and the thread does not: it is dropped with the last writer.
struct Handle {
    shared: Arc<Shared>,
}

/// What the thread and all who log share.
struct Shared {
    buffer: Buffer,
    /// `Some` if there is no thread: the caller writes.
    direct: Option<Mutex<Sink>>,
}

impl NonBlockingWriter {
    /// Bytes that may wait for the output by default: 4 MiB, some ten thousand lines.
    pub const DEFAULT_MAX_BYTES: usize = 4 * 1024 * 1024;

    /// Opens the output and starts the thread. At most `max_bytes` wait; a single line that is longer is let through
    /// when nothing else waits.
    ///
    /// If the thread cannot be spawned, lines are written synchronously.
    ///
    /// # Errors
    ///
    /// When a file cannot be opened.
    pub fn new(output: LogDestination, overflow: OverflowPolicy, max_bytes: usize) -> io::Result<Self> {
        Ok(Self::with_sink(output.open()?, overflow, max_bytes))
    }

    fn with_sink(sink: Sink, overflow: OverflowPolicy, max_bytes: usize) -> Self {
        let sink = Arc::new(Mutex::new(Some(sink)));
        let threaded = Arc::new(Shared::new(Buffer::new(overflow, max_bytes), None));
        let shared = match worker::spawn(Arc::clone(&threaded), Arc::clone(&sink)) {
            Ok(()) => threaded,
            Err(_) => {
                let sink = sink.lock().unwrap_or_else(PoisonError::into_inner).take();
                Arc::new(Shared::new(Buffer::new(overflow, max_bytes), sink))
            }
        };
        Self { handle: Arc::new(Handle { shared }) }
    }

    #[cfg(test)]
    fn without_thread(sink: Sink) -> Self {
        let shared = Shared::new(Buffer::new(OverflowPolicy::Drop, 0), Some(sink));
        Self { handle: Arc::new(Handle { shared: Arc::new(shared) }) }
    }

    /// Waits until everything logged before has left for the output, or was counted as dropped; `false` when `timeout`
    /// is over before.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.shared().buffer.flush(deadline_after(timeout))
    }

    /// Flushes until `deadline`, and from now on makes callers wait for a moment until the line is written:
    /// the program is ending, and no later flush may come. [`OverflowPolicy::Block`] becomes [`OverflowPolicy::Drop`]. `false` when
    /// lines still wait.
    pub fn shutdown(&self, deadline: Instant) -> bool {
        self.shared().buffer.end();
        self.shared().buffer.flush(deadline)
    }

    /// Lines that were not written: the buffer was full, or the output refused them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared().buffer.dropped()
    }

    /// Bytes of lines accepted so far; 0 if there is no thread.
    pub(crate) fn accepted_bytes(&self) -> u64 {
        self.shared().buffer.accepted()
    }

    /// Lines that the output has not taken so far.
    pub(crate) fn unwritten(&self) -> u64 {
        self.shared().buffer.unwritten()
    }

    /// Takes whole lines, each with its line feed.
    fn push(&self, lines: &[u8]) {
        let shared = self.shared();
        if let Some(sink) = &shared.direct {
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            shared.buffer.count_dropped(sink.write_lines(lines, &mut || true));
            return;
        }
        if shared.buffer.push(lines) == Pushed::AtTheEnd {
            shared.buffer.flush_if_moving(PATIENCE_AT_THE_END);
        }
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

impl Shared {
    fn new(buffer: Buffer, direct: Option<Sink>) -> Self {
        Self { buffer, direct: direct.map(Mutex::new) }
    }
}

impl Drop for Handle {
    /// What waits is still written; the thread ends by itself.
    fn drop(&mut self) {
        self.shared.buffer.close();
        self.shared.buffer.flush_if_moving(PATIENCE_AT_THE_END);
    }
}

impl fmt::Debug for NonBlockingWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonBlockingWriter").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// How long the end of a program waits for an output that may be stuck, where no other limit was given.
const PATIENCE_AT_THE_END: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
