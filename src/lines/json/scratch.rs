//! The buffers of a thread, so a line costs no allocation.
//!
//! ```text
//! line:   ,"timestamp":…,"level":…,"message":…      ─┐
//! fields: ,"items":3,"paid":true                     ├─▶ {…}\n  one write
//! spans:  ,"tenant":"acme"                          ─┘
//! ```
//!
//! A thread has one set. It is taken out while a line is written, so there is no borrow that a nested event could
//! meet.

use super::fields::Fields;
use super::spans::SpanScratch;
use crate::lines::thread_buffers::ThreadBuffers;
use crate::time::clock::Clock;

/// The buffers for encoding one line.
#[derive(Debug, Default)]
pub(in crate::lines) struct Scratch {
    /// The line so far.
    pub(super) line: Vec<u8>,
    /// Fields of the event, which are written behind its message.
    pub(super) fields: Fields,
    /// Merged fields of the spans around it.
    pub(super) spans: Fields,
    /// For encoding the fields of one span.
    pub(super) kept: SpanScratch,
    /// The rendered second of the last line.
    pub(super) clock: Clock,
}

impl Scratch {
    /// Runs `work` with this thread's buffers. While it runs they are away: a value that logs while it is being
    /// formatted gets fresh ones, so neither line tears the other.
    pub(super) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut scratch = ThreadBuffers::take(|buffers| &buffers.line).unwrap_or_default();
        let outcome = work(&mut scratch);
        scratch.clear();
        ThreadBuffers::put(|buffers| &buffers.line, Some(scratch));
        outcome
    }

    /// Empties the buffers and keeps their memory, unless it is unusually much.
    fn clear(&mut self) {
        self.line.clear();
        self.fields.clear();
        self.spans.clear();
        self.kept.clear();
        // The memory of one huge line must not be kept for the thread's life.
        let fields = self.fields.capacity() + self.spans.capacity() + self.kept.capacity();
        if self.line.capacity() + fields > MAX_KEPT_BYTES {
            *self = Self::default();
        }
    }
}

/// Bytes of all buffers together.
const MAX_KEPT_BYTES: usize = 64 * 1024;
