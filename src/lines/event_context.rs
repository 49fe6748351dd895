//! The context of an event that outputs need in addition to its fields.

use std::time::SystemTime;

use tracing_core::Metadata;

use crate::trace_ids::TraceIds;

/// Computed once per event and passed to every output, so line and record agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventContext<'a> {
    pub(crate) time: SystemTime,
    pub(crate) ids: Option<TraceIds>,
    /// For a record of the `log` crate its own, not those of the callsite that all of its level share.
    pub(crate) metadata: &'a Metadata<'a>,
    pub(crate) is_log_record: bool,
}
