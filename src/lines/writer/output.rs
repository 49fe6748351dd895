//! Destinations of log lines.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::settings::secrets::shown_path;

/// Destination of log lines.
#[derive(Default)]
#[non_exhaustive]
pub enum LogDestination {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// The end of a file; see [`LogDestination::file`].
    File(PathBuf),
    /// Anything else; see [`LogDestination::writer`].
    Writer(BoxMakeWriter),
}

impl LogDestination {
    /// The end of a file, which is created if it does not exist.
    ///
    /// On Unix a file that is moved away or deleted is noticed before the next lines are written, and the path is
    /// opened again: `logrotate` works with `create` as with `copytruncate`, and needs no signal. A path that leads to
    /// a FIFO is opened by the writer's thread, which waits for a reader; lines wait in the buffer meanwhile.
    ///
    /// ```
    /// use telemetry_bootstrap::LogDestination;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().log_output(|output| output.destination(LogDestination::file("/var/log/shop.log")));
    /// ```
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// Creates a destination from a `MakeWriter`, such as a closure that returns a writer. One is made for each group
    /// of lines, which it is given in one call where it takes them whole.
    ///
    /// It is called on the writer's thread. Events and spans that it makes there are not recorded, because an output
    /// that logs would feed itself. Events from other threads that it passes lines to are recorded; those threads
    /// must not log at levels that reach this output. If it panics, its lines are counted as dropped and the next
    /// ones are tried again.
    ///
    /// ```
    /// use telemetry_bootstrap::LogDestination;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().log_output(|output| output.destination(LogDestination::writer(std::io::sink)));
    /// ```
    pub fn writer(make_writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) -> Self {
        Self::Writer(BoxMakeWriter::new(make_writer))
    }

    /// `true` if the output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        match self {
            Self::Stderr => io::stderr().is_terminal(),
            Self::Stdout => io::stdout().is_terminal(),
            Self::File(_) | Self::Writer(_) => false,
        }
    }

    /// The same output, wherever the current directory is later.
    pub(super) fn absolute(self) -> io::Result<Self> {
        match self {
            Self::File(path) => std::path::absolute(path).map(Self::File),
            other => Ok(other),
        }
    }
}

impl fmt::Display for LogDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("standard error"),
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => f.write_str(&shown_path(path)),
            Self::Writer(_) => f.write_str("a writer"),
        }
    }
}

impl fmt::Debug for LogDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogDestination({self})")
    }
}

/// Policy for lines that arrive while the buffer is full.
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
