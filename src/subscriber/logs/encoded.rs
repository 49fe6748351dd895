//! A record that is encoded as OTLP bytes.
//!
//! Fields are appended to the message `LogRecord` in the order in which they come; protobuf allows any order. A field
//! whose formatting panics is taken back ([`Record::undo`]) before its replacement is written.

use std::fmt::Write;

use super::fields::Record;
use super::value::Value;
use crate::bounded_text::{MAX_TEXT, beginning, room_beside};
use crate::export::encode::{self, LogFields};

/// A record that is written to a buffer of the thread.
pub(super) struct EncodedRecord<'a> {
    /// The message `LogRecord` so far.
    out: &'a mut Vec<u8>,
    /// Longest value of an attribute, in characters.
    limit: Option<usize>,
    /// Where the field begins that is being written.
    begun: usize,
    /// Bytes of its attributes.
    attributes: usize,
}

impl<'a> EncodedRecord<'a> {
    /// Continues a record whose header was written.
    pub(super) fn new(out: &'a mut Vec<u8>, limit: Option<usize>) -> Self {
        let begun = out.len();
        Self { out, limit, begun, attributes: 0 }
    }
}

impl Record for EncodedRecord<'_> {
    fn body(&mut self, value: Value<'_>) {
        if let Value::Str(text) = value {
            return LogFields::body_str(self.out, text);
        }
        LogFields::body(self.out, |text| {
            // The text that a failing implementation has written until then is kept.
            let _ = write!(text, "{value}");
        });
    }

    fn event_name(&mut self, value: Value<'_>) {
        LogFields::event_name(self.out, |text| {
            let _ = write!(text, "{value}");
        });
    }

    fn attribute(&mut self, key: &str, value: Value<'_>) {
        let (out, field, limit) = (&mut *self.out, LogFields::ATTRIBUTE, self.limit);
        let start = out.len();
        let room = room_beside(self.attributes, MAX_TEXT);
        match value {
            Value::Str(value) => encode::attribute_str(out, field, key, beginning(value, room), limit),
            Value::Bool(value) => encode::attribute_bool(out, field, key, value),
            Value::I64(value) => encode::attribute_i64(out, field, key, value),
            Value::F64(value) => encode::attribute_f64(out, field, key, value),
            Value::Bytes(value) => {
                encode::attribute_bytes(out, field, key, &value[..value.len().min(room)], limit);
            }
            Value::Debug(_) | Value::Display(_) => {
                let limit = Some(limit.unwrap_or(room).min(room));
                encode::attribute_text(out, field, key, limit, |text| _ = write!(text, "{value}"));
            }
        }
        self.attributes += out.len() - start;
    }

    fn encoded_attribute(&mut self, attribute: &[u8]) {
        self.out.extend_from_slice(attribute);
    }

    fn dropped_attributes(&mut self, count: u32) {
        LogFields::dropped_attributes(self.out, count);
    }

    fn begin(&mut self) {
        self.begun = self.out.len();
    }

    fn undo(&mut self) {
        self.out.truncate(self.begun);
    }
}
