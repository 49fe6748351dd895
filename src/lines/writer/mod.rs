//! A line writer that does not hold the caller up.
//!
//! A line is appended to a buffer under a short lock. A thread takes the whole buffer and writes it in one call, so
//! under load many lines share a system call. A reader that stops reading stops that thread, never the program: lines
//! wait until the buffer is full, and then are dropped and counted ([`OverflowPolicy`]).
//!
//! # When a line is written
//!
//! | | |
//! |---|---|
//! | after a pause | at once: the thread is woken |
//! | soon after another one | within a millisecond, together with all that came meanwhile |
//! | a line of the level `ERROR` | at once, and the caller waits until it is written: 50 ms at most, a tenth of the time in a flood of such lines, and not again while the output does not move |
//! | on [`NonBlockingWriter::flush`], and when the last handle is dropped | at once, and the caller waits, for a limited time |
//! | after [`NonBlockingWriter::shutdown`] | at once, and the caller waits for a moment, because the program may end |
//! | when the program ends without one of these, or is killed | not: what was logged in the last millisecond is lost |
//!
//! # What never happens
//!
//! - Lines are not torn: not by another thread, not by an interrupted or partial write, not by `println!` or
//!   `eprintln!` elsewhere in the program.
//! - Lines of several processes that share a pipe are not torn either: to a pipe, whole lines are written in pieces of
//!   at most `PIPE_BUF` bytes (4 096 on Linux), which the operating system keeps together. This does not hold for a
//!   single line that is longer: limit texts with
//!   [`JsonLayer::max_field_length`](crate::lines::json::JsonLayer::max_field_length). Nor does it hold for sockets and
//!   outputs of the program, which get a group of lines in one write.
//! - An output that fails (a closed pipe, a full disk) or panics does not end the writer. What it did not take is
//!   counted as dropped, and the next lines are tried again.
//!
//! # After a fork
//!
//! A child process has no copy of the thread. There, each line is written by the caller, and
//! [`flush`](NonBlockingWriter::flush) and [`shutdown`](NonBlockingWriter::shutdown) return at once. Lines that waited when
//! the process was forked are written by the parent alone.

mod buffer;
mod file;
mod line;
mod output;
mod sink;
mod worker;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::buffer::{Buffer, Pushed, count_lines};
pub use self::line::LineWriter;
pub use self::output::{LogDestination, OverflowPolicy};
use self::sink::Sink;
use crate::export::own_threads::Fork;
use crate::settings::deadline_after;

/// Writes lines on its own thread. Cheap to clone; all clones share one buffer and one thread.
///
/// It is a [`MakeWriter`](tracing_subscriber::fmt::MakeWriter), for [`JsonLayer`](crate::lines::json::JsonLayer) as for
/// the layers of `tracing_subscriber::fmt`:
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

/// The part that all clones share without the thread: it is dropped with the last writer.
struct Handle {
    shared: Arc<Shared>,
}

/// State shared by the thread and all handles.
struct Shared {
    buffer: Buffer,
    /// `Some` if there is no thread: the caller writes.
    direct: Option<Mutex<Sink>>,
    destination: Arc<LogDestination>,
    /// A child process has no thread either, and no use of the locks that are here.
    fork: Fork,
}

/// Waiting behaviour of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    None,
    /// For a moment.
    Immediate,
}

impl NonBlockingWriter {
    /// Bytes that may wait for the output by default: 4 MiB, about ten thousand lines.
    pub const DEFAULT_MAX_BYTES: usize = 4 * 1024 * 1024;

    /// Opens the output and starts the thread. At most `max_bytes` wait, and beside them one line that is longer.
    ///
    /// If the thread cannot be spawned, lines are written synchronously.
    ///
    /// # Errors
    ///
    /// If a file cannot be opened.
    pub fn new(output: LogDestination, overflow: OverflowPolicy, max_bytes: usize) -> io::Result<Self> {
        let destination = Arc::new(output.absolute()?);
        let sink = Sink::open(Arc::clone(&destination))?;
        let shared = |direct| Arc::new(Shared::new(Buffer::new(overflow, max_bytes), direct, &destination));
        let sink = Arc::new(Mutex::new(Some(sink)));
        let threaded = shared(None);
        let shared = match worker::spawn(Arc::clone(&threaded), Arc::clone(&sink)) {
            Ok(()) => threaded,
            Err(_) => shared(sink.lock().unwrap_or_else(PoisonError::into_inner).take()),
        };
        Ok(Self { handle: Arc::new(Handle { shared }) })
    }

    #[cfg(test)]
    fn without_thread(output: LogDestination) -> Self {
        let destination = Arc::new(output);
        let sink = Sink::open(Arc::clone(&destination)).ok();
        let shared = Shared::new(Buffer::new(OverflowPolicy::Drop, 0), sink, &destination);
        Self { handle: Arc::new(Handle { shared: Arc::new(shared) }) }
    }

    /// Waits until everything logged before has left for the output, or was counted as dropped; `false` when `timeout`
    /// is over before.
    pub fn flush(&self, timeout: Duration) -> bool {
        let shared = self.shared();
        shared.fork.is_child() || shared.buffer.flush(deadline_after(timeout))
    }

    /// Flushes until `deadline`, and from now on makes callers wait for a moment until the line is written: the program
    /// is ending, and no later flush may come. [`OverflowPolicy::Block`] becomes [`OverflowPolicy::Drop`]. `false` when
    /// lines still wait.
    pub fn shutdown(&self, deadline: Instant) -> bool {
        let shared = self.shared();
        if shared.fork.is_child() {
            return true;
        }
        shared.buffer.end();
        shared.buffer.flush_last(deadline)
    }

    /// Lines that were not written: the buffer was full, or the output refused them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared().buffer.dropped()
    }

    /// Bytes of lines accepted so far; 0 if there is no thread.
    pub(crate) fn accepted_bytes(&self) -> u64 {
        let shared = self.shared();
        if shared.fork.is_child() { 0 } else { shared.buffer.accepted() }
    }

    /// Lines that the output has not taken so far.
    pub(crate) fn unwritten(&self) -> u64 {
        let shared = self.shared();
        if shared.fork.is_child() { 0 } else { shared.buffer.unwritten() }
    }

    /// Takes whole lines, each with its line feed.
    fn push(&self, lines: &[u8], urgency: Urgency) {
        let shared = self.shared();
        if shared.fork.is_child() {
            return shared.write_in_child(lines);
        }
        if let Some(sink) = &shared.direct {
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            shared.buffer.count_dropped(sink.write_lines(lines, &mut || true));
            return;
        }
        match shared.buffer.push(lines) {
            Pushed::Draining => shared.buffer.flush_if_moving(PATIENCE_AT_THE_END),
            Pushed::Taken if urgency == Urgency::Immediate => shared.buffer.flush_urgent(),
            Pushed::Taken | Pushed::Dropped => {}
        }
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

impl Shared {
    fn new(buffer: Buffer, direct: Option<Sink>, destination: &Arc<LogDestination>) -> Self {
        let destination = Arc::clone(destination);
        Self { buffer, direct: direct.map(Mutex::new), destination, fork: Fork::new() }
    }

    /// Opens the output for these lines alone: no state is shared, so no lock is needed.
    #[cold]
    fn write_in_child(&self, lines: &[u8]) {
        let deadline = deadline_after(PATIENCE_AT_THE_END);
        let lost = match Sink::open_in_child(Arc::clone(&self.destination)) {
            Ok(mut sink) => sink.write_lines(lines, &mut || Instant::now() < deadline),
            Err(_) => count_lines(lines),
        };
        self.buffer.count_dropped(lost);
    }
}

impl Drop for Handle {
    /// Waiting lines are still written; then the thread ends.
    fn drop(&mut self) {
        if !self.shared.fork.is_child() {
            self.shared.buffer.close();
            self.shared.buffer.flush_if_moving(PATIENCE_AT_THE_END);
        }
    }
}

impl fmt::Debug for NonBlockingWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonBlockingWriter").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// The time that the end of a program waits for an output that may be stuck, without another limit.
const PATIENCE_AT_THE_END: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
