//! Log lines of this crate, which go to the log output and never to the network.
//!
//! A line about telemetry itself (an unreachable collector, an invalid variable, lost items) must be visible to an
//! operator, must not be exported by the exporter that it is about, and must be as well-formed as any other line. So
//! it does not pass through `tracing`: the assembler provides a function that writes one line.
//!
//! | level | lines |
//! |---|---|
//! | ERROR | panics, and failures that stop a part of telemetry |
//! | WARN | losses, outages, settings that are not used as given |
//! | INFO | the start line and hints, the end of an outage, a protocol switch, a reload |
//!
//! `log_level` of the configuration file and `OTEL_LOG_LEVEL` limit which of these are written. Filters of log lines
//! do not apply, except to the start line, and hints about destinations are only written if the start line is.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tracing_core::{Level, LevelFilter};

use self::shared_level::SharedLevel;

pub(crate) mod shared_level;

/// Writes log lines of this crate. Cheap to clone.
///
/// It exists before the log output: every component gets a clone, and the write function is set when the log output
/// is open.
#[derive(Clone)]
pub(crate) struct Diagnostics {
    /// Writes a line. Unset until the log output is open, or if there is none.
    write: Arc<OnceLock<Box<Write>>>,
    /// The lowest severity that is written; INFO unless set.
    level: SharedLevel,
}

/// Writes a line of this level, with a message and fields.
pub(crate) type Write = dyn Fn(Level, &str, &[Field<'_>]) + Send + Sync;

/// The name and the value of a field.
pub(crate) type Field<'a> = (&'static str, FieldValue<'a>);

/// The value of a field. Numbers remain numbers, so that alerts can compare them.
#[derive(Clone, Copy)]
pub(crate) enum FieldValue<'a> {
    /// A string, formatted only if the line is written.
    Text(&'a dyn fmt::Display),
    /// A number of items, lines or spans.
    Count(u64),
    /// A duration, in seconds.
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

impl Default for Diagnostics {
    fn default() -> Self {
        Self { write: Arc::default(), level: SharedLevel::new(LevelFilter::INFO) }
    }
}

impl Diagnostics {
    /// Sets the function that writes lines. Only the first call has an effect. Lines are discarded before it and
    /// without it.
    pub(crate) fn write_with(&self, write: Box<Write>) {
        let _ = self.write.set(write);
    }

    /// Discards less severe lines from now on.
    pub(crate) fn limit_to(&self, level: LevelFilter) {
        self.level.set(level);
    }

    /// Writes an ERROR line.
    pub(crate) fn error(&self, message: &str, fields: &[Field<'_>]) {
        self.write(Level::ERROR, message, fields);
    }

    /// Writes a WARN line.
    pub(crate) fn warn(&self, message: &str, fields: &[Field<'_>]) {
        self.write(Level::WARN, message, fields);
    }

    /// Writes an INFO line.
    pub(crate) fn info(&self, message: &str, fields: &[Field<'_>]) {
        self.write(Level::INFO, message, fields);
    }

    /// Writes a line, unless its level is off.
    fn write(&self, level: Level, message: &str, fields: &[Field<'_>]) {
        if !self.level.allows(level) {
            return;
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_below_the_limit_are_discarded() {
        let written = |limit: Option<LevelFilter>| {
            let lines = Arc::new(Mutex::new(Vec::new()));
            let diagnostics = Diagnostics::default();
            limit.into_iter().for_each(|limit| diagnostics.limit_to(limit));
            let out = Arc::clone(&lines);
            diagnostics
                .write_with(Box::new(move |_, message, _| out.lock().unwrap().push(message.to_owned())));
            diagnostics.info("info", &[]);
            diagnostics.warn("warn", &[]);
            diagnostics.error("error", &[]);
            lines.lock().unwrap().clone()
        };
        assert_eq!(written(None), ["info", "warn", "error"]);
        assert_eq!(written(Some(LevelFilter::INFO)), ["info", "warn", "error"]);
        assert_eq!(written(Some(LevelFilter::WARN)), ["warn", "error"]);
        assert_eq!(written(Some(LevelFilter::OFF)), [""; 0]);
    }

    #[test]
    fn the_last_limit_applies_to_all_clones() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let diagnostics = Diagnostics::default();
        let out = Arc::clone(&lines);
        diagnostics.write_with(Box::new(move |_, message, _| out.lock().unwrap().push(message.to_owned())));
        let clone = diagnostics.clone();
        for (limit, message) in [(LevelFilter::OFF, "first"), (LevelFilter::INFO, "second")] {
            diagnostics.limit_to(limit);
            clone.info(message, &[]);
        }
        assert_eq!(*lines.lock().unwrap(), ["second"]);
    }
}
