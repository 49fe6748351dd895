//! A visitor that encodes the values of a span or an event.
//!
//! Each value takes the same way: the role of the field decides where it goes ([`EventField`]), the preset may rename
//! it, redaction may replace it, and [`Fields`] makes its key unique. Only then is the value encoded, in place.
//!
//! Fields of a span have no roles: `message` is a field there, and errors add no `exception.*`.
//!
//! | step | function | ends the field if |
//! |---|---|---|
//! | role: message, metadata of `log`, named | [`EventField::new`] | it is metadata, which the line has elsewhere |
//! | name of the preset for errors | `error_field` | – |
//! | redaction | [`Redaction::is_redacted`] | it is redacted: `"[redacted]"` is written |
//! | unique key | [`Fields::begin_shaped`] | – : a later key replaces an earlier one |
//! | value | `encode` | – : it is cut at the limit of the line |

use std::error::Error;
use std::fmt;

use tracing_core::field::Visit;
use tracing_core::{Event, Field};

use super::encode;
use super::fields::Fields;
use super::format::Format;
use super::reserved::{Reserved, Shape};
use crate::bounded_text::{MAX_LINE_TEXT, room_beside};
use crate::exception::{ERROR_FIELD, ErrorText, EventException, describe};
use crate::lines::event_field::{EventField, MESSAGE};
use crate::lines::kept_fields::KeptValue;
use crate::redaction::{REDACTED, Redaction};
use crate::semconv::{EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE};

/// Encodes the values that it visits.
pub(super) struct Values<'a> {
    /// Names and limits of the layer.
    pub(super) format: &'a Format,
    /// Which values are replaced.
    pub(super) redaction: &'a Redaction,
    /// Keys that are taken: those of the line for events, fewer inside of the list of spans.
    pub(super) reserved: &'a Reserved,
    /// What was written so far.
    pub(super) fields: &'a mut Fields,
    /// For an event, the line that its message goes to; afterwards, and for a span, nothing.
    pub(super) message: Option<&'a mut Vec<u8>>,
    /// The event, whose exception is described by fields of its own, `exception.*`; `None` for a span.
    pub(super) event: Option<&'a Event<'a>>,
    /// Whether the event was a record of the `log` crate.
    pub(super) log_record: bool,
}

impl Values<'_> {
    /// Writes the key and returns the place for the value; `None` if the value must not be written.
    fn begin(&mut self, name: &str, shape: Shape, is_text: bool) -> Option<&mut Vec<u8>> {
        match EventField::new(name, self.log_record) {
            EventField::LogMetadata => None,
            EventField::Message if self.message.is_some() => self.begin_message(),
            EventField::Message => self.begin_key(MESSAGE, shape),
            EventField::Named(name) => {
                let renamed = self.event.and_then(|event| {
                    let is_message = is_text && name == ERROR_FIELD && self.is_exception_message(event);
                    self.format.preset.error_field(name, is_message)
                });
                match renamed {
                    Some(renamed) if !self.redaction.is_redacted(name) => self.begin_key(renamed, shape),
                    _ => self.begin_key(name, shape),
                }
            }
        }
    }

    /// Returns `true` if the field `error` is the message of the event's exception.
    fn is_exception_message(&self, event: &Event<'_>) -> bool {
        let exception = self.exception(event);
        let is_in_field = event.metadata().fields().field(ERROR_FIELD).is_some_and(|it| exception.is_in(&it));
        !exception.has_own(EXCEPTION_MESSAGE) && (is_in_field || !exception.is_some())
    }

    /// Returns which error of the event is its exception.
    fn exception(&self, event: &Event<'_>) -> EventException {
        EventException::find(event, &|name| self.redaction.is_redacted(name))
    }

    /// [`begin`](Self::begin) for a text.
    fn begin_text(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        self.begin(name, Shape::Other, true)
    }

    /// Begins the message, which stands in the line itself. A second one is a field.
    fn begin_message(&mut self) -> Option<&mut Vec<u8>> {
        let line = self.message.take()?;
        if !self.format.message(line) {
            return None;
        }
        if self.redaction.is_redacted(MESSAGE) {
            encode::string(line, REDACTED);
            return None;
        }
        Some(line)
    }

    /// Writes a key, and the replacement of a redacted value.
    fn begin_key(&mut self, key: &str, shape: Shape) -> Option<&mut Vec<u8>> {
        if key.is_empty() {
            return None;
        }
        let is_redacted = self.redaction.is_redacted(key);
        let out =
            self.fields.begin_shaped(key, if is_redacted { Shape::Other } else { shape }, self.reserved);
        if is_redacted {
            encode::string(out, REDACTED);
            return None;
        }
        Some(out)
    }

    /// The place for a part of `exception.*`, unless the event has a field of that name itself.
    fn begin_exception(&mut self, key: &'static str) -> Option<&mut Vec<u8>> {
        if self.fields.has(key) { None } else { self.begin_key(key, Shape::Other) }
    }

    /// Returns how long the next text may be, in bytes.
    fn max_length(&self) -> usize {
        self.format.max_field_length.min(room_beside(self.fields.text().len(), MAX_LINE_TEXT))
    }

    /// Adds what is known of the event's exception, beside the fields `exception.*` of the event itself: type, message, and
    /// the chain of its causes with the backtrace, if it has any.
    fn add_exception(&mut self, error: &ErrorText, exception: EventException) {
        let max = self.max_length();
        let [type_key, message_key, stacktrace_key] = self.format.preset.exception;
        if let Some(name) = error.type_name().filter(|_| !exception.has_own(EXCEPTION_TYPE))
            && let Some(out) = self.begin_exception(type_key)
        {
            encode::string(out, name);
        }
        if !exception.has_own(EXCEPTION_MESSAGE)
            && let Some(out) = self.begin_exception(message_key)
        {
            encode::string_up_to(out, &error.message, max);
        }
        if error.has_stacktrace()
            && !exception.has_own(EXCEPTION_STACKTRACE)
            && let Some(out) = self.begin_exception(stacktrace_key)
        {
            encode::formatted(out, max, |text| error.write_stacktrace(text));
        }
    }
}

impl Values<'_> {
    /// Encodes a field that was kept.
    pub(super) fn kept(&mut self, name: &str, value: KeptValue<'_>) {
        match value {
            KeptValue::Bool(value) => self.bool(name, value),
            KeptValue::I64(value) => self.signed(name, value),
            KeptValue::U64(value) => self.unsigned(name, value),
            KeptValue::F64(value) => self.float(name, value),
            KeptValue::Text(text) | KeptValue::Error { message: text, .. } => self.text(name, text),
            KeptValue::Bytes(value) => self.bytes(name, value),
        }
    }

    /// Writes `true` or `false`.
    fn bool(&mut self, name: &str, value: bool) {
        if let Some(out) = self.begin(name, Shape::Other, false) {
            encode::bool(out, value);
        }
    }

    /// Writes a number, as text where the backend cannot hold it.
    fn signed(&mut self, name: &str, value: i64) {
        let numbers = self.format.preset.numbers;
        if let Some(out) = self.begin(name, Shape::Number, false) {
            numbers.signed(out, value);
        }
    }

    /// Writes a number. Its shape tells fields for numbers of the backend whether they can have it.
    fn unsigned(&mut self, name: &str, value: u64) {
        let numbers = self.format.preset.numbers;
        let shape = if numbers.holds_integer(value) { Shape::Number } else { Shape::Other };
        if let Some(out) = self.begin(name, shape, false) {
            numbers.unsigned(out, value);
        }
    }

    /// Writes a number; `null` for one that is not finite.
    fn float(&mut self, name: &str, value: f64) {
        let numbers = self.format.preset.numbers;
        let shape = if numbers.holds_float(value) { Shape::Number } else { Shape::Other };
        if let Some(out) = self.begin(name, shape, false) {
            numbers.float(out, value);
        }
    }

    /// Writes a text, cut at the limit for one value.
    fn text(&mut self, name: &str, value: &str) {
        let max = self.max_length();
        let shape = if self.format.is_address(value) { Shape::Address } else { Shape::Other };
        if let Some(out) = self.begin(name, shape, true) {
            encode::string_up_to(out, value, max);
        }
    }

    /// Writes bytes in Base64, so many that the text keeps to the limit.
    fn bytes(&mut self, name: &str, value: &[u8]) {
        // Base64 makes four bytes of three.
        let max = self.max_length() / 4 * 3;
        if let Some(out) = self.begin(name, Shape::Other, false) {
            encode::bytes(out, &value[..value.len().min(max)]);
        }
    }
}

impl Visit for Values<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.float(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.signed(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.unsigned(field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        if let Some(out) = self.begin(field.name(), Shape::Other, false) {
            encode::wide_integer(out, value);
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        if let Some(out) = self.begin(field.name(), Shape::Other, false) {
            encode::wide_integer(out, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bool(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.bytes(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let max = self.max_length();
        let Some(out) = self.begin_text(field.name()) else { return };
        let text = describe(value);
        encode::string_up_to(out, &text.message, max);
        let exception = self.event.map(|event| self.exception(event));
        if let Some(exception) = exception.filter(|exception| exception.is_in(field)) {
            self.add_exception(&text, exception);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let max = self.max_length();
        if let Some(out) = self.begin_text(field.name()) {
            encode::debug(out, value, max);
        }
    }
}
