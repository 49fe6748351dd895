//! The filters that the guard can replace.

use super::filter::{FilterError, FilterHandle};
use crate::diagnostics::shared_level::SharedLevel;

/// One for each output.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    pub(crate) lines: FilterHandle,
    pub(crate) records: FilterHandle,
    pub(crate) spans: FilterHandle,
    /// The most verbose level of records, of what their filter lets pass.
    pub(crate) record_level: SharedLevel,
}

impl Filters {
    pub(crate) fn set_log_filter(&self, directives: &str) -> Result<(), FilterError> {
        self.lines.set(directives)?;
        self.records.set(directives)
    }

    /// Makes the filters those of `others`.
    pub(crate) fn take_over(&self, others: &Self) {
        self.lines.take_over(&others.lines);
        self.records.take_over(&others.records);
        self.spans.take_over(&others.spans);
        self.record_level.take_over(&others.record_level);
    }

    pub(crate) fn set_span_filter(&self, directives: &str) -> Result<(), FilterError> {
        self.spans.set(directives)
    }
}
