//! The writer that layers receive.
//!
//! Layers of `tracing-subscriber` write a line in one call; writers of users may do it in pieces. A line that comes
//! whole is passed on without a copy. Lines never mix: what a piece belongs to is known only when its line feed comes.

use std::io;

use tracing_core::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::{NonBlockingWriter, Urgency};
use crate::export::own_threads::on_line_writer;

/// Collects one line for a [`NonBlockingWriter`]: pieces become visible as a whole, with the line
/// feed or when this is dropped.
#[derive(Debug)]
pub struct LineWriter<'a> {
    /// `None`: the line is discarded.
    writer: Option<&'a NonBlockingWriter>,
    /// `true` if the caller waits until the line is written.
    urgency: Urgency,
    /// The beginning of a line that is not complete.
    pieces: Vec<u8>,
}

impl LineWriter<'_> {
    /// Passes the collected pieces on as one line.
    fn hand_over(&mut self) {
        if !self.pieces.is_empty() {
            self.push(&self.pieces);
            self.pieces.clear();
        }
    }

    /// Gives whole lines to the writer's buffer.
    fn push(&self, lines: &[u8]) {
        if let Some(writer) = self.writer {
            writer.push(lines, self.urgency);
        }
    }
}

impl io::Write for LineWriter<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.pieces.is_empty() && text.ends_with(b"\n") {
            self.push(text);
            return Ok(text.len());
        }
        self.pieces.extend_from_slice(text);
        if self.pieces.ends_with(b"\n") {
            self.hand_over();
        }
        Ok(text.len())
    }

    /// Nothing to do: see [`NonBlockingWriter::flush`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter<'_> {
    fn drop(&mut self) {
        if !self.pieces.is_empty() {
            self.pieces.push(b'\n');
            self.hand_over();
        }
    }
}

impl<'a> MakeWriter<'a> for NonBlockingWriter {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter { writer: Some(self), urgency: Urgency::None, pieces: Vec::new() }
    }

    /// Returns a writer that waits for a moment until a line of the level `ERROR` is written. Events of a line
    /// writer's own thread are discarded.
    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        let urgency = if *metadata.level() == Level::ERROR { Urgency::Immediate } else { Urgency::None };
        LineWriter { writer: (!on_line_writer()).then_some(self), urgency, pieces: Vec::new() }
    }
}
