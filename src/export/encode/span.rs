//! `SpanData` as OTLP's `Span`.
//!
//! The SDK's spans come here if the user added span processors. Those of the bridge are encoded while they are recorded
//! (see `recorded_span`) with the same functions for events, links, status and flags.
//!
//! Rules that are kept here, from the trace specification:
//!
//! - `flags` has the W3C trace flags in its lowest eight bits, and says whether the parent is remote (bits 8 and 9).
//! - A root has no parent id. A link without context and attributes is left out.
//! - The end is never before the start.
//! - Only the status `Error` has a description.

use opentelemetry::SpanId;
use opentelemetry::trace::{Event, Link, SpanContext, SpanKind, Status, TraceState};
use opentelemetry_sdk::trace::SpanData;

use super::attributes::{attributes, key_values};
use super::value::truncated;
use super::wire::{bytes, fixed32, fixed64, message, nanos, uint};
use crate::settings::{AttributeLimits, SpanLimitSettings};

/// Appends the fields of a `Span`, within the limits. What the SDK dropped before and what is dropped here is counted
/// together.
/// Field numbers above 15 come last. An event or a link beyond the limits was dropped by the SDK already, so only its
/// attributes are limited here.
pub(crate) fn span(out: &mut Vec<u8>, span: &SpanData, limits: &SpanLimitSettings) {
    let context = &span.span_context;
    bytes(out, TRACE_ID, &context.trace_id().to_bytes());
    bytes(out, SPAN_ID, &context.span_id().to_bytes());
    trace_state(out, TRACE_STATE, context.trace_state());
    if span.parent_span_id != SpanId::INVALID {
        bytes(out, PARENT_SPAN_ID, &span.parent_span_id.to_bytes());
    }
    bytes(out, NAME, truncated(&span.name, None).as_bytes());
    uint(out, KIND, u64::from(kind(&span.span_kind)));
    fixed64(out, START_TIME, nanos(span.start_time));
    // The wall clock may have been set back meanwhile.
    fixed64(out, END_TIME, nanos(span.end_time.max(span.start_time)));
    let dropped = attributes(out, ATTRIBUTES, limits.attributes, || key_values(&span.attributes));
    uint(out, DROPPED_ATTRIBUTES, sum(span.dropped_attributes_count, dropped));
    let per_event = AttributeLimits { count: limits.attributes_per_event, ..limits.attributes };
    for recorded in span.events.iter() {
        message(out, EVENTS, |out| event(out, recorded, per_event));
    }
    uint(out, DROPPED_EVENTS, u64::from(span.events.dropped_count));
    let per_link = AttributeLimits { count: limits.attributes_per_link, ..limits.attributes };
    for recorded in span.links.iter().filter(|link| !is_empty_link(link)) {
        message(out, LINKS, |out| link(out, recorded, per_link));
    }
    uint(out, DROPPED_LINKS, u64::from(span.links.dropped_count));
    message(out, STATUS, |out| status(out, &span.status));
    fixed32(out, FLAGS, flags(context, span.parent_span_is_remote));
}

/// Appends the fields of a `Span.Event`.
/// The name is cut at the limit of any text, not at that of attribute values.
pub(super) fn event(out: &mut Vec<u8>, event: &Event, limits: AttributeLimits) {
    fixed64(out, EVENT_TIME, nanos(event.timestamp));
    bytes(out, EVENT_NAME, truncated(&event.name, None).as_bytes());
    let dropped = attributes(out, EVENT_ATTRIBUTES, limits, || key_values(&event.attributes));
    uint(out, EVENT_DROPPED_ATTRIBUTES, sum(event.dropped_attributes_count, dropped));
}

/// Appends the fields of a `Span.Link`.
pub(super) fn link(out: &mut Vec<u8>, link: &Link, limits: AttributeLimits) {
    let context = &link.span_context;
    bytes(out, TRACE_ID, &context.trace_id().to_bytes());
    bytes(out, SPAN_ID, &context.span_id().to_bytes());
    trace_state(out, TRACE_STATE, context.trace_state());
    let dropped = attributes(out, LINK_ATTRIBUTES, limits, || key_values(&link.attributes));
    uint(out, LINK_DROPPED_ATTRIBUTES, sum(link.dropped_attributes_count, dropped));
    fixed32(out, LINK_FLAGS, flags(context, context.is_remote()));
}

/// Returns `true` for a link without a span context and without attributes, which the specification ignores.
pub(crate) fn is_empty_link(link: &Link) -> bool {
    !link.span_context.is_valid()
        && link.attributes.is_empty()
        && *link.span_context.trace_state() == TraceState::NONE
}

/// Appends the fields of a `Status`. Only errors have a message.
pub(super) fn status(out: &mut Vec<u8>, status: &Status) {
    match status {
        Status::Unset => {}
        Status::Ok => uint(out, STATUS_CODE, 1),
        Status::Error { description } => {
            bytes(out, STATUS_MESSAGE, truncated(description, None).as_bytes());
            uint(out, STATUS_CODE, 2);
        }
    }
}

/// Appends the header form of a `tracestate`, if there is one.
pub(super) fn trace_state(out: &mut Vec<u8>, field: u8, state: &TraceState) {
    // Rendering it allocates, and most have none.
    if *state != TraceState::NONE {
        bytes(out, field, state.header().as_bytes());
    }
}

/// Returns the field `flags`: the W3C flags, and whether the parent (for a link: the other span) came from another
/// process.
pub(super) fn flags(context: &SpanContext, is_remote: bool) -> u32 {
    let remote = if is_remote { IS_REMOTE } else { 0 };
    u32::from(context.trace_flags().to_u8()) | HAS_IS_REMOTE | remote
}

/// Returns the number of `SpanKind` in OTLP, where 0 means unspecified.
pub(super) fn kind(kind: &SpanKind) -> u8 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// Returns the sum of the attributes that the SDK dropped and those that were dropped here.
fn sum(by_sdk: u32, by_us: u32) -> u64 {
    u64::from(by_sdk.saturating_add(by_us))
}

// Span; the first three are those of Link too
/// `trace_id`: 16 bytes, never all zero.
pub(super) const TRACE_ID: u8 = 1;
/// `span_id`: 8 bytes, never all zero.
pub(super) const SPAN_ID: u8 = 2;
/// `trace_state`: a text in the form of the W3C header.
pub(super) const TRACE_STATE: u8 = 3;
/// `parent_span_id`: 8 bytes; left out for a root.
pub(super) const PARENT_SPAN_ID: u8 = 4;
/// `name`: a text, which should not be empty.
pub(super) const NAME: u8 = 5;
/// `kind`: an enumeration, see [`kind`].
pub(super) const KIND: u8 = 6;
/// `start_time_unix_nano`: `fixed64`, nanoseconds since 1970.
pub(super) const START_TIME: u8 = 7;
/// `end_time_unix_nano`: `fixed64`, not before the start.
pub(super) const END_TIME: u8 = 8;
/// `attributes`: a `KeyValue` for each.
pub(super) const ATTRIBUTES: u8 = 9;
/// `dropped_attributes_count`: attributes beyond the limit, of the SDK and of this crate together.
pub(super) const DROPPED_ATTRIBUTES: u8 = 10;
/// `events`: a `Span.Event` for each, in the order in which they were added.
pub(super) const EVENTS: u8 = 11;
/// `dropped_events_count`: events beyond the limit.
pub(super) const DROPPED_EVENTS: u8 = 12;
/// `links`: a `Span.Link` for each.
pub(super) const LINKS: u8 = 13;
/// `dropped_links_count`: links beyond the limit. Empty links do not count: they are ignored, not dropped.
pub(super) const DROPPED_LINKS: u8 = 14;
/// `status`: a `Status`, empty if it is unset.
pub(super) const STATUS: u8 = 15;
/// `flags`: `fixed32`, see [`flags`]. Its tag takes two bytes, because the number is above 15.
pub(super) const FLAGS: u8 = 16;
// Span.Event
/// `time_unix_nano`: `fixed64`.
pub(super) const EVENT_TIME: u8 = 1;
/// `name`: `exception` for a recorded error.
pub(super) const EVENT_NAME: u8 = 2;
/// `attributes`, within the limit of attributes per event.
pub(super) const EVENT_ATTRIBUTES: u8 = 3;
/// `dropped_attributes_count`.
pub(super) const EVENT_DROPPED_ATTRIBUTES: u8 = 4;
// Span.Link
/// `attributes`, within the limit of attributes per link.
pub(super) const LINK_ATTRIBUTES: u8 = 4;
/// `dropped_attributes_count`.
pub(super) const LINK_DROPPED_ATTRIBUTES: u8 = 5;
/// `flags`: as those of a span, but bits 8 and 9 are about the linked span.
pub(super) const LINK_FLAGS: u8 = 6;
// Status
/// `message`: the description of an error.
pub(super) const STATUS_MESSAGE: u8 = 2;
/// `code`: 1 is `Ok`, 2 is `Error`; unset is 0 and left out.
pub(super) const STATUS_CODE: u8 = 3;
// SpanFlags
/// The bit that says whether [`IS_REMOTE`] is known. Here it always is.
pub(super) const HAS_IS_REMOTE: u32 = 0x100;
/// The bit that is set if the parent, or the other span of a link, is remote.
pub(super) const IS_REMOTE: u32 = 0x200;
