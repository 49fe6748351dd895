//! A record that is encoded as OTLP bytes.
//!
//! Fields are appended to the message `LogRecord` in the order in which they come; protobuf allows any order.
//!
//! Two limits apply to a text: the configured length of attribute values, in characters, and [`MAX_TEXT`] for all
//! attributes of a record together, in bytes. The second one keeps an event with many huge values from filling the
//! queue.

use super::fields::Record;
use crate::export::encode::{self, LogFields};
use crate::lines::event_field::FieldValue;
use crate::user_code::bounded_text::{MAX_TEXT, beginning, room_beside};

/// A record that is written to a buffer of the thread.
pub(super) struct EncodedRecord<'a> {
    /// The message `LogRecord` so far.
    out: &'a mut Vec<u8>,
    /// Longest value of an attribute, in characters.
    limit: Option<usize>,
    /// Bytes of its attributes.
    attributes: usize,
}

impl<'a> EncodedRecord<'a> {
    /// Continues a record whose header was written.
    pub(super) fn new(out: &'a mut Vec<u8>, limit: Option<usize>) -> Self {
        Self { out, limit, attributes: 0 }
    }
}

impl Record for EncodedRecord<'_> {
    fn body(&mut self, text: &str) {
        LogFields::body(self.out, text);
    }

    fn event_name(&mut self, name: &str) {
        LogFields::event_name(self.out, name);
    }

    #[inline(always)]
    fn attribute(&mut self, key: &str, value: FieldValue<'_>) {
        let (out, field, limit) = (&mut *self.out, LogFields::ATTRIBUTE, self.limit);
        let start = out.len();
        let room = room_beside(self.attributes, MAX_TEXT);
        match value {
            FieldValue::Text(text) => encode::attribute_str(out, field, key, beginning(text, room), limit),
            FieldValue::Bool(value) => encode::attribute_bool(out, field, key, value),
            FieldValue::I64(value) => encode::attribute_i64(out, field, key, value),
            FieldValue::F64(value) => encode::attribute_f64(out, field, key, value),
            FieldValue::Bytes(value) => {
                encode::attribute_bytes(out, field, key, &value[..value.len().min(room)], limit);
            }
            other => encode::attribute_str(out, field, key, beginning(&other.text(), room), limit),
        }
        self.attributes += out.len() - start;
    }

    fn encoded(&mut self, fields: &[u8]) {
        self.out.extend_from_slice(fields);
    }

    fn dropped_attributes(&mut self, count: u32) {
        LogFields::dropped_attributes(self.out, count);
    }
}
