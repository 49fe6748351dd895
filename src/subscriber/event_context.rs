//! The time of an event, and the span it belongs to.

use std::time::SystemTime;

use crate::trace_ids::TraceIds;

/// Computed once per event and passed to every output, so that line and record agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventContext {
    pub(crate) time: SystemTime,
    pub(crate) ids: Option<TraceIds>,
}
