//! The filters that the guard can replace.

use super::filter::{FilterHandle, InvalidFilter};

/// The handles of those outputs that are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    pub(crate) lines: Option<FilterHandle>,
    pub(crate) records: Option<FilterHandle>,
    pub(crate) spans: Option<FilterHandle>,
}

impl Filters {
    pub(crate) fn set_log_filter(&self, directives: &str) -> Result<(), InvalidFilter> {
        set(self.lines.iter().chain(&self.records), directives)
    }

    pub(crate) fn set_span_filter(&self, directives: &str) -> Result<(), InvalidFilter> {
        set(self.spans.iter(), directives)
    }
}

fn set<'a>(
    mut handles: impl Iterator<Item = &'a FilterHandle>,
    directives: &str,
) -> Result<(), InvalidFilter> {
    handles.try_for_each(|handle| handle.set(directives))
}
