//! The filters that the guard can replace.
//!
//! | method of the guard | filters |
//! |---|---|
//! | `set_log_filter` | `lines` and `records`, with the same directives |
//! | `set_span_filter` | `spans` |
//! | none: a configuration file is reloaded | those whose directives have changed |
//! | none: telemetry is installed again in this process | all, and the level of records, from those of the new settings |
//!
//! Handles are shared with the layer: a change takes effect for the next event of any thread.

use super::filter::{BadDirective, FilterError, FilterHandle};
use crate::diagnostics::shared_level::SharedLevel;

/// One for each output.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    /// The filter of the log output.
    pub(crate) lines: FilterHandle,
    /// The filter of log records.
    pub(crate) records: FilterHandle,
    /// The filter of spans.
    pub(crate) spans: FilterHandle,
    /// The most verbose level of records, of what their filter lets pass.
    pub(crate) record_level: SharedLevel,
}

impl Filters {
    /// Replaces the filters of lines and of records. Returns hints about the directives.
    ///
    /// # Errors
    ///
    /// The directives that cannot be used. If the first filter accepts them, so does the second.
    pub(crate) fn set_log_filter(&self, directives: &str) -> Result<Vec<BadDirective>, FilterError> {
        self.lines.set(directives)?;
        // The same as those for lines.
        self.records.set(directives)
    }

    /// Makes the filters those of `others`.
    /// Each filter is replaced at once, but not all four together: an event between two of them sees a mixture.
    pub(crate) fn take_over(&self, others: &Self) {
        self.lines.take_over(&others.lines);
        self.records.take_over(&others.records);
        self.spans.take_over(&others.spans);
        self.record_level.take_over(&others.record_level);
    }

    /// Replaces the filter of spans; spans that are open keep the verdict that they have. Returns hints about
    /// the directives.
    ///
    /// # Errors
    ///
    /// The directives that cannot be used.
    pub(crate) fn set_span_filter(&self, directives: &str) -> Result<Vec<BadDirective>, FilterError> {
        self.spans.set(directives)
    }
}
