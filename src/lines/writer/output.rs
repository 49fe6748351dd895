//! Where lines go, and how a write is carried to its end.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::buffer::count_lines;

/// Where log lines go.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum LogDestination {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// The end of a file, which is created where there is none.
    File(PathBuf),
    /// Anything else. It is given many lines in one call.
    Writer(BoxMakeWriter),
}

impl LogDestination {
    /// The end of a file, which is created where there is none.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// What `make_writer` makes: a function that returns a writer, or any other `MakeWriter`. One is made for each
    /// group of lines, which it is given in one call where it takes them whole.
    pub fn writer(make_writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) -> Self {
        Self::Writer(BoxMakeWriter::new(make_writer))
    }

    /// Whether a person looks at it.
    pub(crate) fn is_terminal(&self) -> bool {
        match self {
            Self::Stderr => io::stderr().is_terminal(),
            Self::Stdout => io::stdout().is_terminal(),
            Self::File(_) | Self::Writer(_) => false,
        }
    }

    pub(super) fn open(self) -> io::Result<Sink> {
        let target = match self {
            Self::Stderr => Target::Stderr,
            Self::Stdout => Target::Stdout,
            Self::File(path) => Target::File(OpenOptions::new().append(true).create(true).open(path)?),
            Self::Writer(make_writer) => Target::Writer(make_writer),
        };
        Ok(Sink { target, mid_line: false })
    }
}

impl fmt::Display for LogDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("standard error"),
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
            Self::Writer(_) => f.write_str("a writer"),
        }
    }
}

/// What happens to a line when the buffer is full because the output does not keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverflowPolicy {
    /// It is dropped and counted; the program goes on.
    #[default]
    Drop,
    /// The caller waits for room: no line is lost, but an output that is stuck stops the program, until
    /// [`shutdown`](super::NonBlockingWriter::shutdown).
    Block,
}

/// An open output.
pub(super) struct Sink {
    target: Target,
    /// The last write failed inside a line: the next one must not be glued to its beginning.
    mid_line: bool,
}

enum Target {
    Stderr,
    Stdout,
    File(File),
    Writer(BoxMakeWriter),
}

impl Sink {
    /// Writes whole lines, in one call where the output takes them; returns how many were lost. While the output asks
    /// to come back later, `patient` says whether to.
    pub(super) fn write_lines(&mut self, lines: &[u8], patient: &mut dyn FnMut() -> bool) -> u64 {
        let mut rest = lines;
        let outcome = catch_unwind(AssertUnwindSafe(|| self.write_all(&mut rest, patient)));
        if matches!(outcome, Ok(Ok(()))) {
            return 0;
        }
        let written = lines.len() - rest.len();
        if written > 0 {
            self.mid_line = !lines[..written].ends_with(b"\n");
        }
        count_lines(rest)
    }

    /// The locks of standard output and error are those that `println!` takes: nothing of it gets into a line.
    fn write_all(&mut self, rest: &mut &[u8], patient: &mut dyn FnMut() -> bool) -> io::Result<()> {
        let mid_line = &mut self.mid_line;
        match &mut self.target {
            Target::Stderr => carry(&mut io::stderr().lock(), mid_line, rest, patient),
            Target::Stdout => carry(&mut io::stdout().lock(), mid_line, rest, patient),
            Target::File(file) => carry(file, mid_line, rest, patient),
            Target::Writer(make_writer) => carry(&mut make_writer.make_writer(), mid_line, rest, patient),
        }
    }
}

/// Writes all of `rest`, and takes from it what is written.
fn carry(
    out: &mut dyn Write,
    mid_line: &mut bool,
    rest: &mut &[u8],
    patient: &mut dyn FnMut() -> bool,
) -> io::Result<()> {
    if *mid_line {
        carry_bytes(out, &mut &b"\n"[..], patient)?;
        *mid_line = false;
    }
    carry_bytes(out, rest, patient)?;
    // Standard output may keep the end of a partial write back.
    insist(patient, || out.flush())
}

fn carry_bytes(out: &mut dyn Write, rest: &mut &[u8], patient: &mut dyn FnMut() -> bool) -> io::Result<()> {
    while !rest.is_empty() {
        match insist(patient, || out.write(rest))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => *rest = &rest[written.min(rest.len())..],
        }
    }
    Ok(())
}

/// Repeats what a signal interrupted, and what an output in non-blocking mode was not ready for.
fn insist<T>(patient: &mut dyn FnMut() -> bool, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && patient() => {
                thread::sleep(NOT_READY_PAUSE)
            }
            outcome => return outcome,
        }
    }
}

/// Between two attempts at an output that is not ready.
const NOT_READY_PAUSE: Duration = Duration::from_millis(1);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("mid_line", &self.mid_line).finish_non_exhaustive()
    }
}
