//! When an event happened, and to which span it belongs.

use std::time::SystemTime;

use crate::trace_ids::TraceIds;

/// Computed once per event and given to every output, so that line and record agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventContext {
    pub(crate) time: SystemTime,
    pub(crate) ids: Option<TraceIds>,
}
