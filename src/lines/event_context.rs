//! The context of an event that outputs need in addition to its fields.

use std::time::SystemTime;

use opentelemetry::Context;
use tracing_core::{Event, Metadata};
use tracing_log::NormalizeEvent as _;

use super::context_fields;
use crate::trace_ids::{TraceIds, with_current};

/// Computed once per event and passed to every output, so line and record agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventContext<'a> {
    pub(crate) time: SystemTime,
    pub(crate) ids: Option<TraceIds>,
    /// The OpenTelemetry context has fields for lines and records.
    pub(crate) has_context_fields: bool,
    /// For a record of the `log` crate its own, not those of the callsite that all of its level share.
    pub(crate) metadata: &'a Metadata<'a>,
    pub(crate) is_log_record: bool,
}

/// What an event needs to know of the current OpenTelemetry context.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Current {
    /// Telemetry is suppressed.
    pub(crate) is_suppressed: bool,
    /// `None` outside of spans.
    pub(crate) ids: Option<TraceIds>,
    /// It has fields for lines and records.
    pub(crate) has_fields: bool,
}

impl Current {
    /// Reads the current context, unless the thread has lost it.
    pub(crate) fn read() -> Self {
        let read = |context: &Context| Self {
            is_suppressed: context.is_telemetry_suppressed(),
            ids: TraceIds::from_context(context),
            has_fields: context_fields::are_in(context),
        };
        with_current(read).unwrap_or_default()
    }
}

/// Returns the metadata of the record of the `log` crate that an event was made from; `None` for other events.
#[inline]
pub(crate) fn log_record_metadata<'a>(event: &'a Event<'_>) -> Option<Metadata<'a>> {
    // The callsites that records share have this target, which costs less to compare than they do.
    if event.metadata().target() == LOG_RECORD_TARGET { event.normalized_metadata() } else { None }
}

/// The target of events that `tracing-log` makes of records.
const LOG_RECORD_TARGET: &str = "log";
