//! Log lines of this crate: they go to the log output, never to the network.
//!
//! A line about telemetry itself (a collector that is down, an invalid variable, items that were lost) must reach a
//! person, must not be exported by the exporter that it is about, and must be as valid as any other line. So it does not
//! pass through `tracing`: the assembler hands down a function that writes one line.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tracing_core::Level;

/// Writes log lines of this crate. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Diagnostics {
    write: Arc<OnceLock<Box<Write>>>,
}

/// `level, message, fields`.
pub(crate) type Write = dyn Fn(Level, &str, &[Field<'_>]) + Send + Sync;

/// A field of such a line.
pub(crate) type Field<'a> = (&'static str, FieldValue<'a>);

/// The value of a field. Numbers stay numbers, so that alerts can compare them.
#[derive(Clone, Copy)]
pub(crate) enum FieldValue<'a> {
    Text(&'a dyn fmt::Display),
    Count(u64),
    Seconds(f64),
}

impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Seconds(seconds) => seconds.fmt(f),
        }
    }
}

impl Diagnostics {
    /// Sets the function that writes lines. Only the first call counts; before it, and without it, lines are discarded.
    pub(crate) fn write_with(&self, write: Box<Write>) {
        let _ = self.write.set(write);
    }

    pub(crate) fn error(&self, message: &str, fields: &[Field<'_>]) {
        self.write(Level::ERROR, message, fields);
    }

    pub(crate) fn warn(&self, message: &str, fields: &[Field<'_>]) {
        self.write(Level::WARN, message, fields);
    }

    pub(crate) fn info(&self, message: &str, fields: &[Field<'_>]) {
        self.write(Level::INFO, message, fields);
    }

    fn write(&self, level: Level, message: &str, fields: &[Field<'_>]) {
        if let Some(write) = self.write.get() {
            write(level, message, fields);
        }
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnostics").finish_non_exhaustive()
    }
}
