//! An open output, and how a write is carried to its end.
//!
//! | what happens | result |
//! |---|---|
//! | the output takes a part | the rest is written |
//! | a signal interrupts, or the output is not ready | tried again, while `keep_waiting` allows it |
//! | an error | the rest is counted as lost |
//! | an error inside a line | the next line begins with a line feed |
//! | a panic of the user's output | as an error |
//!
//! Lines to a pipe go out in pieces of at most `PIPE_BUF` bytes, which the system does not mix with what other
//! processes write to the same pipe. A longer line is written alone.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter as _;

use super::buffer::count_lines;
use super::file::LogFile;
use super::output::LogDestination;
use crate::settings::is_fifo;
use crate::user_code::catch_panic;

/// An open output.
pub(super) struct Sink {
    /// The destination that the user has chosen.
    destination: Arc<LogDestination>,
    /// The file that lines are written to instead of the destination itself: its file, or a copy of a standard
    /// stream.
    file: Option<OpenFile>,
    /// The longest write of several lines. Other processes can write to a pipe as well, and only writes up to
    /// `PIPE_BUF` bytes are not mixed with theirs.
    max_write: usize,
    /// The last write failed inside a line: the next line must not be appended to it.
    mid_line: bool,
}

/// An output that is written without the lock of a standard stream.
enum OpenFile {
    /// A file by its path, which rotation may replace.
    Log(LogFile),
    /// A copy of a standard stream, in a forked child.
    Stream(File),
}

impl Sink {
    /// Opens the output.
    ///
    /// # Errors
    ///
    /// Those of opening a file.
    pub(super) fn open(destination: Arc<LogDestination>) -> io::Result<Self> {
        let (file, is_pipe) = match &*destination {
            LogDestination::File(path) => {
                let file = LogFile::open(path)?;
                let is_fifo = file.is_fifo();
                (Some(OpenFile::Log(file)), is_fifo)
            }
            LogDestination::Writer(_) => (None, false),
            stream => (None, stream_copy(stream).is_ok_and(|copy| is_pipe(&copy))),
        };
        let max_write = if is_pipe { PIPE_BUF } else { usize::MAX };
        Ok(Self { destination, file, max_write, mid_line: false })
    }

    /// Opens the output in a child process. The locks of the standard streams may be held there by a thread that does
    /// not exist, so copies of them are written to.
    pub(super) fn open_in_child(destination: Arc<LogDestination>) -> io::Result<Self> {
        let stream = stream_copy(&destination).ok();
        let sink = Self::open(destination)?;
        Ok(Self { file: stream.map(OpenFile::Stream).or(sink.file), ..sink })
    }

    /// Writes whole lines, in one call where the output takes them; returns how many were lost. While the output is not
    /// ready, `keep_waiting` decides whether to try again.
    pub(super) fn write_lines(&mut self, lines: &[u8], keep_waiting: &mut dyn FnMut() -> bool) -> u64 {
        let mut rest = lines;
        if let Some(Ok(())) = catch_panic(|| self.write_all(&mut rest, keep_waiting)) {
            return 0;
        }
        if let Some(OpenFile::Log(file)) = &mut self.file {
            file.after_failure();
        }
        let written = lines.len() - rest.len();
        if written > 0 {
            self.mid_line = !lines[..written].ends_with(b"\n");
        }
        count_lines(rest)
    }

    /// The locks of standard output and error are those that `println!` takes: nothing of it gets into a line.
    fn write_all(&mut self, rest: &mut &[u8], keep_waiting: &mut dyn FnMut() -> bool) -> io::Result<()> {
        let mut write_to =
            |out: &mut dyn Write| write_to(out, &mut self.mid_line, self.max_write, rest, keep_waiting);
        match (&mut self.file, &*self.destination) {
            (Some(OpenFile::Log(file)), _) => write_to(file.current()?),
            (Some(OpenFile::Stream(file)), _) => write_to(file),
            (None, LogDestination::Stdout) => write_to(&mut io::stdout().lock()),
            (None, LogDestination::Writer(make_writer)) => write_to(&mut make_writer.make_writer()),
            (None, _) => write_to(&mut io::stderr().lock()),
        }
    }
}

/// Returns another handle on a standard stream, without its lock.
#[cfg(unix)]
fn stream_copy(destination: &LogDestination) -> io::Result<File> {
    use std::os::fd::AsFd as _;
    match destination {
        LogDestination::Stderr => Ok(io::stderr().as_fd().try_clone_to_owned()?.into()),
        LogDestination::Stdout => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(not(unix))]
fn stream_copy(_: &LogDestination) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns `true` for a pipe or FIFO.
fn is_pipe(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| is_fifo(&metadata))
}

/// Writes all of `rest`, and takes from it what is written.
fn write_to(
    out: &mut dyn Write,
    mid_line: &mut bool,
    max_write: usize,
    rest: &mut &[u8],
    keep_waiting: &mut dyn FnMut() -> bool,
) -> io::Result<()> {
    if *mid_line {
        write_pieces(out, &mut &b"\n"[..], max_write, keep_waiting)?;
        *mid_line = false;
    }
    write_pieces(out, rest, max_write, keep_waiting)?;
    // Standard output may hold back the end of a partial write.
    retry_interrupted(keep_waiting, || out.flush())
}

/// Writes bytes in pieces of whole lines.
fn write_pieces(
    out: &mut dyn Write,
    rest: &mut &[u8],
    max_write: usize,
    keep_waiting: &mut dyn FnMut() -> bool,
) -> io::Result<()> {
    while !rest.is_empty() {
        let piece = whole_lines(rest, max_write);
        match retry_interrupted(keep_waiting, || out.write(piece))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => *rest = &rest[written.min(piece.len())..],
        }
    }
    Ok(())
}

/// Returns as many whole lines as fit into `max` bytes, or one line that is longer.
fn whole_lines(lines: &[u8], max: usize) -> &[u8] {
    if lines.len() <= max {
        return lines;
    }
    let is_feed = |byte: &u8| *byte == b'\n';
    let end = lines[..max].iter().rposition(is_feed).or_else(|| lines.iter().position(is_feed));
    end.map_or(lines, |end| &lines[..=end])
}

/// Repeats writes that a signal interrupted, or that a non-blocking output was not ready for.
fn retry_interrupted<T>(
    keep_waiting: &mut dyn FnMut() -> bool,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && keep_waiting() => {
                thread::sleep(NOT_READY_PAUSE)
            }
            outcome => return outcome,
        }
    }
}

/// Between two attempts at an output that is not ready.
const NOT_READY_PAUSE: Duration = Duration::from_millis(1);

/// The longest write to a pipe that no other process can interrupt. POSIX guarantees 512.
const PIPE_BUF: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 4096 } else { 512 };

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("mid_line", &self.mid_line).finish_non_exhaustive()
    }
}
