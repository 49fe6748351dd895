//! Where our own words go: the log output, never the network.
//!
//! What happens to the telemetry itself (a collector that is away, a wrong variable, items that were lost) must reach
//! a person, must not be exported by the very exporter it is about, and must be a valid line like any other. So it
//! does not pass through `tracing`: whoever assembles the log output hands down a function that writes one line.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tracing_core::Level;

/// Writes one line of our own. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Diagnostics {
    write: Arc<OnceLock<Box<Write>>>,
}

/// `level, message, fields`.
pub(crate) type Write = dyn Fn(Level, &str, &[Field<'_>]) + Send + Sync;

/// A field of a line of our own.
pub(crate) type Field<'a> = (&'static str, FieldValue<'a>);

/// Numbers stay numbers: alerts compare them.
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
    /// Says where lines go. Only the first call counts; before it, and without it, lines are not written.
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
