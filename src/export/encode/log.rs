//! Log records as OTLP's `LogRecord`.
//!
//! | record | source | written by |
//! |---|---|---|
//! | of a `tracing` or `log` event | the event itself, field by field, while it is logged | [`LogFields`] |
//! | of the OpenTelemetry Logs API | an [`SdkLogRecord`] that its processors have seen | [`log_record`] |
//!
//! Both write the same fields. Their order on the wire differs, which protobuf allows: a record of an event begins with
//! the fields of fixed size, and ends with what is the same in all events of its callsite.

use std::time::SystemTime;

use opentelemetry::TraceId;
use opentelemetry::logs::Severity;
use opentelemetry_sdk::logs::SdkLogRecord;

use super::attributes::attributes;
use super::value::{Encode, str, truncated};
use super::wire::{FixedFields, bytes, fixed32, fixed64, framed_len, length, message, nanos, uint};
use crate::settings::AttributeLimits;
use crate::trace_ids::TraceIds;

/// Appends a record that was made with the OpenTelemetry API. Records of `tracing` events are written with
/// [`LogFields`], without one of the SDK.
///
/// `limits` apply to the attributes. Those beyond the limit are counted in `dropped_attributes_count`.
pub(crate) fn log_record(out: &mut Vec<u8>, record: &SdkLogRecord, limits: AttributeLimits) {
    fixed64(out, TIME, record.timestamp().map_or(0, nanos));
    uint(out, SEVERITY_NUMBER, record.severity_number().map_or(0, |severity| severity as u64));
    bytes(out, SEVERITY_TEXT, record.severity_text().unwrap_or_default().as_bytes());
    if let Some(body) = record.body() {
        // The limits are those of attributes: a message is never cut.
        message(out, BODY, |out| body.encode(out, None));
    }
    let dropped = attributes(out, ATTRIBUTES, limits, || {
        record.attributes_iter().map(|(key, value)| (key.as_str(), value))
    });
    uint(out, DROPPED_ATTRIBUTES, u64::from(dropped));
    // Ids of zeros are none, by their definition.
    if let Some(context) = record.trace_context().filter(|context| context.trace_id != TraceId::INVALID) {
        fixed32(out, FLAGS, context.trace_flags.map_or(0, |flags| u32::from(flags.to_u8())));
        bytes(out, TRACE_ID, &context.trace_id.to_bytes());
        bytes(out, SPAN_ID, &context.span_id.to_bytes());
    }
    fixed64(out, OBSERVED_TIME, record.observed_timestamp().map_or(0, nanos));
    bytes(out, EVENT_NAME, record.event_name().unwrap_or_default().as_bytes());
}

/// The fields of a record that is written without one of the SDK.
///
/// A caller writes the header first, then the attributes while it visits the fields of the event, and the body when it
/// comes to the message. The order after the header is free.
pub(crate) struct LogFields;

impl LogFields {
    /// Field number of an attribute.
    pub(crate) const ATTRIBUTE: u8 = ATTRIBUTES;

    /// Appends the first fields of every record. The observed time equals the time: the event is observed where it
    /// happens.
    ///
    /// Without `ids` the record belongs to no trace.
    pub(crate) fn write_header(out: &mut Vec<u8>, time: SystemTime, ids: Option<TraceIds>) {
        let time = nanos(time);
        let mut fields = FixedFields::new();
        fields.fixed64(TIME, time);
        fields.fixed64(OBSERVED_TIME, time);
        if let Some(ids) = ids {
            fields.fixed32(FLAGS, u32::from(ids.flags.to_u8()));
            fields.bytes(TRACE_ID, ids.trace_id.to_bytes());
            fields.bytes(SPAN_ID, ids.span_id.to_bytes());
        }
        fields.write(out);
    }

    /// Appends the severity: its number and its name.
    pub(crate) fn severity(out: &mut Vec<u8>, severity: Severity) {
        uint(out, SEVERITY_NUMBER, severity as u64);
        bytes(out, SEVERITY_TEXT, severity.name().as_bytes());
    }

    /// Appends the message as the body. It is not cut at the limit of attributes, only at the limit of any text.
    #[inline]
    pub(crate) fn body(out: &mut Vec<u8>, text: &str) {
        let text = truncated(text, None);
        length(out, BODY, framed_len(text.len()));
        str(out, text, None);
    }

    /// Appends the name of the event.
    pub(crate) fn event_name(out: &mut Vec<u8>, name: &str) {
        bytes(out, EVENT_NAME, truncated(name, None).as_bytes());
    }

    /// Appends the number of fields beyond the limit. Writes nothing for 0.
    pub(crate) fn dropped_attributes(out: &mut Vec<u8>, dropped: u32) {
        uint(out, DROPPED_ATTRIBUTES, u64::from(dropped));
    }
}

/// `time_unix_nano`: `fixed64`, when the event happened; left out if it is unknown.
const TIME: u8 = 1;
/// `severity_number`: 1 to 24; a level of `tracing` has 1, 5, 9, 13 or 17.
const SEVERITY_NUMBER: u8 = 2;
/// `severity_text`: the name of the level.
const SEVERITY_TEXT: u8 = 3;
/// `body`: an `AnyValue`; of a `tracing` event, its message as text.
const BODY: u8 = 5;
/// `attributes`: a `KeyValue` for each.
const ATTRIBUTES: u8 = 6;
/// `dropped_attributes_count`.
const DROPPED_ATTRIBUTES: u8 = 7;
/// `flags`: `fixed32`, the W3C trace flags in the lowest eight bits. Receivers read "sampled" from it.
const FLAGS: u8 = 8;
/// `trace_id`: 16 bytes; left out outside of traces.
const TRACE_ID: u8 = 9;
/// `span_id`: 8 bytes; never without a trace id.
const SPAN_ID: u8 = 10;
/// `observed_time_unix_nano`: `fixed64`, when this process saw the record.
const OBSERVED_TIME: u8 = 11;
/// `event_name`: a text that makes the record an event of this type.
const EVENT_NAME: u8 = 12;
