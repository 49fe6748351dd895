//! The writer handed to layers.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use super::NonBlockingWriter;

/// Collects one line for a [`NonBlockingWriter`]: whatever is written in pieces becomes visible as a whole, with its line
/// feed or when this is dropped.
#[derive(Debug)]
pub struct LineWriter<'a> {
    writer: &'a NonBlockingWriter,
    pieces: Vec<u8>,
}

impl LineWriter<'_> {
    fn hand_over(&mut self) {
        if !self.pieces.is_empty() {
            self.writer.push(&self.pieces);
            self.pieces.clear();
        }
    }
}

impl io::Write for LineWriter<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.pieces.is_empty() && text.ends_with(b"\n") {
            self.writer.push(text);
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
        LineWriter { writer: self, pieces: Vec::new() }
    }
}
