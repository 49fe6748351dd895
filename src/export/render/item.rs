//! Spans and log records, as far as they are shown.
//!
//! Only the fields that a person is shown are kept, of a span at most [`MAX_DETAILS`] events and as many links. Tests that
//! need more decode the request with `opentelemetry-proto`.

use super::attributes::{self, Attribute, value_text};
use super::{messages, text};
use crate::export::encode::{WireValue, fields};

/// A span, decoded from its encoded form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Span {
    /// 16 bytes; anything else comes from a peer that is no exporter of ours.
    pub(crate) trace_id: Vec<u8>,
    /// 8 bytes.
    pub(crate) span_id: Vec<u8>,
    /// Empty for the root of a trace.
    pub(crate) parent_id: Vec<u8>,
    /// Not escaped, as every text here.
    pub(crate) name: String,
    /// The number of OTLP's `SpanKind`.
    pub(super) kind: u64,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    /// Nanoseconds since 1970.
    pub(super) end: u64,
    /// In the order of export.
    pub(super) attributes: Vec<Attribute>,
    /// `true` for the status `Error`.
    pub(super) is_error: bool,
    /// The description of the error; empty without one.
    pub(super) status_message: String,
    /// The first events, in the order of export.
    pub(super) events: Vec<SpanEvent>,
    /// The number of events that are not in `events`, with those that the program dropped.
    pub(super) more_events: usize,
    /// The first links, in the order of export.
    pub(super) links: Vec<SpanLink>,
    /// The number of links that are not in `links`, with those that the program dropped.
    pub(super) more_links: usize,
    /// The parent is a span of another process.
    is_parent_remote: bool,
    /// Length of its encoded form.
    pub(crate) size: usize,
}

impl Span {
    /// Reads an encoded `Span`.
    pub(crate) fn decode(span: &[u8]) -> Self {
        let mut decoded =
            Self { attributes: attributes::decode(span, 9), size: span.len(), ..Self::default() };
        for field in fields(span) {
            match field {
                (1, WireValue::Bytes(id)) => decoded.trace_id = id.to_vec(),
                (2, WireValue::Bytes(id)) => decoded.span_id = id.to_vec(),
                (4, WireValue::Bytes(id)) => decoded.parent_id = id.to_vec(),
                (5, WireValue::Bytes(name)) => decoded.name = text(name),
                (6, WireValue::Varint(kind)) => decoded.kind = kind,
                (7, WireValue::Fixed64(time)) => decoded.start = time,
                (8, WireValue::Fixed64(time)) => decoded.end = time,
                (12, WireValue::Varint(dropped)) => decoded.more_events = dropped as usize,
                (14, WireValue::Varint(dropped)) => decoded.more_links = dropped as usize,
                (15, WireValue::Bytes(status)) => decoded.set_status(status),
                (16, WireValue::Fixed32(flags)) => decoded.is_parent_remote = flags & PARENT_IS_REMOTE != 0,
                _ => {}
            }
        }
        decoded.add_details(span);
        decoded
    }

    /// Reads events and links. An exception whose message is the description of the status is shown by that already.
    fn add_details(&mut self, span: &[u8]) {
        for event in messages(span, 11) {
            match self.events.len() < MAX_DETAILS {
                true => self.events.push(SpanEvent::decode(event)),
                false => self.more_events = self.more_events.saturating_add(1),
            }
        }
        for link in messages(span, 13) {
            match self.links.len() < MAX_DETAILS {
                true => self.links.push(SpanLink::decode(link)),
                false => self.more_links = self.more_links.saturating_add(1),
            }
        }
        let Self { events, is_error, status_message, .. } = self;
        events.retain(|event| !(*is_error && event.is_exception(status_message)));
    }

    /// Reads an encoded `Status`.
    fn set_status(&mut self, status: &[u8]) {
        for field in fields(status) {
            match field {
                (2, WireValue::Bytes(message)) => self.status_message = text(message),
                (3, WireValue::Varint(code)) => self.is_error = code == STATUS_ERROR,
                _ => {}
            }
        }
    }

    /// Returns `true` if no other span of this process contains it.
    pub(crate) fn is_local_root(&self) -> bool {
        self.parent_id.is_empty() || self.is_parent_remote
    }
}

/// An event of a span, decoded from its encoded form.
#[derive(Clone, Debug, Default)]
pub(super) struct SpanEvent {
    /// Nanoseconds since 1970.
    pub(super) time: u64,
    /// `exception` for a recorded error.
    pub(super) name: String,
    /// In the order of export.
    pub(super) attributes: Vec<Attribute>,
}

impl SpanEvent {
    /// Reads an encoded `Span.Event`.
    fn decode(event: &[u8]) -> Self {
        let mut decoded = Self { attributes: attributes::decode(event, 3), ..Self::default() };
        for field in fields(event) {
            match field {
                (1, WireValue::Fixed64(time)) => decoded.time = time,
                (2, WireValue::Bytes(name)) => decoded.name = text(name),
                _ => {}
            }
        }
        decoded
    }

    /// Returns `true` for an exception with this message.
    fn is_exception(&self, message: &str) -> bool {
        let is_message = |(key, value): &Attribute| key == "exception.message" && value == message;
        self.name == "exception" && self.attributes.iter().any(is_message)
    }
}

/// A link of a span to another one, decoded from its encoded form.
#[derive(Clone, Debug, Default)]
pub(super) struct SpanLink {
    /// The trace id of the linked span; 16 bytes.
    pub(super) trace_id: Vec<u8>,
    /// The id of the linked span; 8 bytes.
    pub(super) span_id: Vec<u8>,
    /// In the order of export.
    pub(super) attributes: Vec<Attribute>,
}

impl SpanLink {
    /// Reads an encoded `Span.Link`.
    fn decode(link: &[u8]) -> Self {
        let id = |number| messages(link, number).last().unwrap_or_default().to_vec();
        Self { trace_id: id(1), span_id: id(2), attributes: attributes::decode(link, 4) }
    }
}

/// A log record, decoded from its encoded form.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogRecord {
    /// Empty outside of spans.
    pub(crate) trace_id: Vec<u8>,
    /// Empty outside of spans.
    pub(super) span_id: Vec<u8>,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// The number of OTLP's `SeverityNumber`: 1 is TRACE, 9 is INFO, 17 is ERROR.
    pub(super) severity: u64,
    /// The name of the level.
    pub(super) severity_text: String,
    /// The message, as text whatever its type was.
    pub(super) body: String,
    /// In the order of export.
    pub(super) attributes: Vec<Attribute>,
    /// Its span is exported too.
    pub(crate) is_sampled: bool,
    /// Length of its encoded form.
    pub(crate) size: usize,
}

impl LogRecord {
    /// Reads an encoded `LogRecord`. Without a time of its own, the time at which it was observed counts, as the data
    /// model advises.
    pub(crate) fn decode(record: &[u8]) -> Self {
        let mut decoded =
            Self { attributes: attributes::decode(record, 6), size: record.len(), ..Self::default() };
        let mut observed = 0;
        for field in fields(record) {
            match field {
                (1, WireValue::Fixed64(time)) => decoded.time = time,
                (2, WireValue::Varint(severity)) => decoded.severity = severity,
                (3, WireValue::Bytes(severity)) => decoded.severity_text = text(severity),
                (5, WireValue::Bytes(body)) => decoded.body = value_text(body),
                (8, WireValue::Fixed32(flags)) => decoded.is_sampled = flags & SAMPLED != 0,
                (9, WireValue::Bytes(id)) => decoded.trace_id = id.to_vec(),
                (10, WireValue::Bytes(id)) => decoded.span_id = id.to_vec(),
                (11, WireValue::Fixed64(time)) => observed = time,
                _ => {}
            }
        }
        if decoded.time == 0 {
            decoded.time = observed;
        }
        decoded
    }
}

/// The most events that are shown of a span, and the most links.
pub(super) const MAX_DETAILS: usize = 32;
/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: u64 = 2;
/// The W3C flag of sampled traces.
const SAMPLED: u32 = 1;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: the parent is in another process.
const PARENT_IS_REMOTE: u32 = 0x200;
