//! A span that the bridge from `tracing` recorded in encoded form.
//!
//! Its attributes, events and links are encoded at the moment in which they are recorded, with [`SpanFields`]. When the
//! span ends, [`RecordedSpan`] writes the fields that are known only then behind the attributes, so ending a span
//! costs little and needs no second walk over its data. Protobuf allows fields in any order.

use std::time::SystemTime;

use opentelemetry::SpanId;
use opentelemetry::trace::{Event, Link, SpanContext, SpanKind, Status};

use super::span::{
    ATTRIBUTES, DROPPED_ATTRIBUTES, DROPPED_EVENTS, DROPPED_LINKS, END_TIME, EVENTS, FLAGS, KIND, LINKS,
    NAME, PARENT_SPAN_ID, SPAN_ID, START_TIME, STATUS, TRACE_ID, TRACE_STATE, event, flags, kind, link,
    status, trace_state,
};
use super::value::truncated;
use super::wire::{FIXED64, FixedFields, VARINT, bytes, bytes_field, fixed32, message, nanos, uint};
use crate::settings::{AttributeLimits, SpanLimitSettings};

/// A finished span without its attributes. These, its events and its links are encoded already, by [`SpanFields`].
#[derive(Debug)]
pub(crate) struct RecordedSpan<'a> {
    /// Ids, flags and `tracestate`.
    pub(crate) context: &'a SpanContext,
    /// Invalid for a root.
    pub(crate) parent: SpanId,
    /// The parent is a span of another process.
    pub(crate) parent_is_remote: bool,
    /// Not cut at the limit of attributes.
    pub(crate) name: &'a str,
    /// Client, server, internal and so on.
    pub(crate) kind: &'a SpanKind,
    /// The time by the wall clock.
    pub(crate) start: SystemTime,
    /// The start and the measured duration. Unaffected by steps of the wall clock.
    pub(crate) end: SystemTime,
    /// Attributes beyond the limit.
    pub(crate) dropped_attributes: u32,
    /// Events and links. `None` if there are none, as in most spans.
    pub(crate) items: Option<SpanItems<'a>>,
    /// Unset, ok, or an error with its description.
    pub(crate) status: &'a Status,
}

/// Events and links: fields of `Span` with their frames, ready to be copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanItems<'a> {
    /// Encoded with [`SpanFields::event`].
    pub(crate) events: &'a [u8],
    /// Events beyond the limit.
    pub(crate) dropped_events: u32,
    /// Encoded with [`SpanFields::link`].
    pub(crate) links: &'a [u8],
    /// Links beyond the limit.
    pub(crate) dropped_links: u32,
}

impl SpanItems<'_> {
    /// Appends both lists with their counts of dropped items.
    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.events);
        uint(out, DROPPED_EVENTS, u64::from(self.dropped_events));
        out.extend_from_slice(self.links);
        uint(out, DROPPED_LINKS, u64::from(self.dropped_links));
    }
}

impl RecordedSpan<'_> {
    /// Appends the span to its attributes, which are all that is in `out`.
    ///
    /// An end before the start becomes the start.
    #[inline]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut ids = FixedFields::new();
        ids.bytes(TRACE_ID, self.context.trace_id().to_bytes());
        ids.bytes(SPAN_ID, self.context.span_id().to_bytes());
        ids.write(out);
        trace_state(out, TRACE_STATE, self.context.trace_state());
        if self.parent != SpanId::INVALID {
            let mut parent = FixedFields::new();
            parent.bytes(PARENT_SPAN_ID, self.parent.to_bytes());
            parent.write(out);
        }
        bytes(out, NAME, truncated(self.name, None).as_bytes());
        out.extend_from_slice(&[KIND << 3 | VARINT, kind(self.kind)]);
        time(out, START_TIME, self.start);
        time(out, END_TIME, self.end.max(self.start));
        uint(out, DROPPED_ATTRIBUTES, u64::from(self.dropped_attributes));
        if let Some(items) = self.items {
            items.encode(out);
        }
        match self.status {
            Status::Unset => bytes_field(out, STATUS, &[]),
            set => message(out, STATUS, |out| status(out, set)),
        }
        fixed32(out, FLAGS, flags(self.context, self.parent_is_remote));
    }
}

/// Appends a time, also one that is zero.
#[inline]
fn time(out: &mut Vec<u8>, field: u8, time: SystemTime) {
    let mut bytes = [field << 3 | FIXED64; 9];
    bytes[1..].copy_from_slice(&nanos(time).to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// The fields of a span that are encoded while it is recorded.
pub(crate) struct SpanFields;

impl SpanFields {
    /// Field number of an attribute.
    pub(crate) const ATTRIBUTE: u8 = ATTRIBUTES;

    /// Appends an event. Its attributes beyond `limits` are counted.
    pub(crate) fn event(out: &mut Vec<u8>, recorded: &Event, limits: &SpanLimitSettings) {
        let limits = AttributeLimits { count: limits.attributes_per_event, ..limits.attributes };
        message(out, EVENTS, |out| event(out, recorded, limits));
    }

    /// Appends a link. Its attributes beyond `limits` are counted.
    pub(crate) fn link(out: &mut Vec<u8>, recorded: &Link, limits: &SpanLimitSettings) {
        let limits = AttributeLimits { count: limits.attributes_per_link, ..limits.attributes };
        message(out, LINKS, |out| link(out, recorded, limits));
    }
}
