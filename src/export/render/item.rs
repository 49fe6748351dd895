//! Spans and log records, as far as they are shown.
//!
//! Only the fields that a person is shown are kept. Events, links and limits of a span are not among them; tests that
//! need these decode the request with `opentelemetry-proto`.

use super::attributes::{self, Attribute, value_text};
use super::text;
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
    pub(crate) name: String,
    /// The number of OTLP's `SpanKind`.
    pub(super) kind: u64,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    /// Nanoseconds since 1970.
    pub(super) end: u64,
    pub(super) attributes: Vec<Attribute>,
    /// `true` for the status `Error`.
    pub(super) is_error: bool,
    /// The description of the error; empty without one.
    pub(super) status_message: String,
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
                (15, WireValue::Bytes(status)) => decoded.set_status(status),
                (16, WireValue::Fixed32(flags)) => decoded.is_parent_remote = flags & PARENT_IS_REMOTE != 0,
                _ => {}
            }
        }
        decoded
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

/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: u64 = 2;
/// The W3C flag of sampled traces.
const SAMPLED: u32 = 1;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: the parent is in another process.
const PARENT_IS_REMOTE: u32 = 0x200;
