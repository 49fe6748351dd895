//! The filters that the guard can replace.

use super::filter::{FilterError, FilterHandle};

/// One for each output.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    pub(crate) lines: FilterHandle,
    pub(crate) records: FilterHandle,
    pub(crate) spans: FilterHandle,
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
    }

    pub(crate) fn set_span_filter(&self, directives: &str) -> Result<(), FilterError> {
        self.spans.set(directives)
    }
}
