//! The fields of a span or an event as an output of JSON.
//!
//! Fields come classified and redacted ([`EventField`]); those of a span are redacted here.
//!
//! | step | function | ends the field if |
//! |---|---|---|
//! | the message goes into the line itself | `value` | lines have no message |
//! | name of the preset for errors | `renamed` | – |
//! | unique key | [`Fields::begin_shaped`] | – : a later key replaces an earlier one |
//! | value | `encode_value` | – : it is cut at the limit of the line |

use std::error::Error;

use tracing_core::Event;

use super::encode;
use super::fields::Fields;
use super::format::{FieldKeys, Format};
use super::shape::Shape;
use crate::exception::{ERROR_FIELD, ErrorText, EventException};
use crate::lines::event_field::{EventField, FieldOutput, FieldValue, exception_of};
use crate::lines::redaction::Redaction;
use crate::semconv::{EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE, RECORDED_ERROR_TARGET};
use crate::settings::secrets::REDACTED;
use crate::user_code::bounded_text::{MAX_LINE_TEXT, room_beside};

/// Encodes the values that it is shown.
pub(super) struct Values<'a> {
    /// Names and limits of the layer.
    pub(super) format: &'a Format,
    /// The rule for the values to replace.
    pub(super) redaction: &'a Redaction,
    /// The keys of the fields.
    pub(super) keys: &'a FieldKeys,
    /// The text written so far.
    pub(super) fields: &'a mut Fields,
    /// For an event, the line that its message goes to, and the event, whose exception is described by fields of its own,
    /// `exception.*`.
    pub(super) event: Option<(&'a mut Vec<u8>, &'a Event<'a>)>,
}

impl FieldOutput for Values<'_> {
    #[inline(always)]
    fn value(&mut self, field: &EventField, value: &FieldValue<'_>) {
        if let Some((line, _)) = &mut self.event
            && field.is_message
        {
            // It stands in the line itself.
            if self.format.message(line) {
                encode_value(line, value, self.format, self.fields.text().len());
            }
        } else if !self.has_known_key(field.name, value) {
            self.unknown_key(field, value);
        }
    }

    fn error(&mut self, field: &EventField, _error: &(dyn Error + 'static), text: &ErrorText) {
        let exception = self.exception().filter(|exception| exception.is_at(field.index));
        // There the message of the line is the text of the error as well.
        if exception.is_none() || !self.is_recorded_error() {
            self.value(field, &FieldValue::Text(&text.message));
        }
        if let Some(exception) = exception {
            self.add_exception(text, exception);
        }
    }
}

impl Values<'_> {
    /// Encodes a field of a span that was kept.
    pub(super) fn kept(&mut self, name: &'static str, value: FieldValue<'_>) {
        let value = if self.redaction.is_redacted(name) { FieldValue::Text(REDACTED) } else { value };
        if !self.has_known_key(name, &value) {
            self.field(name, &value);
        }
    }

    /// Encodes a field whose key is not the same in every line.
    #[inline(never)]
    fn unknown_key(&mut self, field: &EventField, value: &FieldValue<'_>) {
        let is_shown = self.event.is_some() && !field.is_redacted;
        match is_shown.then(|| self.renamed(field.name, value)).flatten() {
            Some(key) => self.unless_redacted(key, value),
            None => self.field(field.name, value),
        }
    }

    /// Encodes a field, or the replacement of a redacted value.
    fn unless_redacted(&mut self, key: &'static str, value: &FieldValue<'_>) {
        self.field(key, if self.redaction.is_redacted(key) { &FieldValue::Text(REDACTED) } else { value });
    }

    /// Encodes a field if its key was rendered before.
    #[inline(always)]
    fn has_known_key(&mut self, name: &'static str, value: &FieldValue<'_>) -> bool {
        let Some(key) = self.keys.known(name) else { return false };
        let before = self.fields.text().len();
        encode_value(self.fields.begin_known(key), value, self.format, before);
        true
    }

    /// Encodes a field, unless it has no name.
    #[inline(never)]
    fn field(&mut self, key: &'static str, value: &FieldValue<'_>) {
        if key.is_empty() {
            return;
        }
        let before = self.fields.text().len();
        let shape = Shape::from_field(value, self.format.preset.numbers, max_length(self.format, before));
        let out = self.fields.begin_shaped(key, shape, &self.keys.reserved);
        encode_value(out, value, self.format, before);
    }

    /// Returns the preset's name for a field of an event that describes an error.
    fn renamed(&self, name: &str, value: &FieldValue<'_>) -> Option<&'static str> {
        let is_text = matches!(value, FieldValue::Text(_));
        let is_message = is_text && name == ERROR_FIELD && self.is_exception_message();
        self.format.preset.error_field(name, is_message)
    }

    /// Returns `true` if the field `error` is the message of the event's exception.
    fn is_exception_message(&self) -> bool {
        let Some((_, event)) = &self.event else { return false };
        let exception = exception_of(event, self.redaction);
        let is_in_field =
            event.metadata().fields().field(ERROR_FIELD).is_some_and(|it| exception.is_at(it.index()));
        !exception.has_own(EXCEPTION_MESSAGE) && (is_in_field || !exception.is_some())
    }

    /// Returns which error of the event is its exception.
    fn exception(&self) -> Option<EventException> {
        self.event.as_ref().map(|(_, event)| exception_of(event, self.redaction))
    }

    /// Returns `true` for an event of [`record_error`](crate::record_error).
    fn is_recorded_error(&self) -> bool {
        self.event.as_ref().is_some_and(|(_, event)| event.metadata().target() == RECORDED_ERROR_TARGET)
    }

    /// Adds a part of `exception.*`, unless the event has a field of that name itself.
    fn exception_part(&mut self, key: &'static str, text: &str) {
        if !self.fields.has(key) {
            self.unless_redacted(key, &FieldValue::Text(text));
        }
    }

    /// Adds what is known of the event's exception, beside the fields `exception.*` of the event itself: type, message, and
    /// the chain of its causes with the backtrace, if it has any.
    fn add_exception(&mut self, error: &ErrorText, exception: EventException) {
        let [type_key, message_key, stacktrace_key] = self.format.preset.exception;
        if let Some(name) = error.type_name().filter(|_| !exception.has_own(EXCEPTION_TYPE)) {
            self.exception_part(type_key, name);
        }
        if !exception.has_own(EXCEPTION_MESSAGE) {
            self.exception_part(message_key, &error.message);
        }
        if let Some(stacktrace) = error.stacktrace().filter(|_| !exception.has_own(EXCEPTION_STACKTRACE)) {
            self.exception_part(stacktrace_key, &stacktrace);
        }
    }
}

/// Returns how long the next text may be beside fields of so many bytes.
#[inline]
fn max_length(format: &Format, fields: usize) -> usize {
    format.max_field_length.min(room_beside(fields, MAX_LINE_TEXT))
}

/// Appends a value. `fields` are the bytes of the fields before it.
#[inline(always)]
fn encode_value(out: &mut Vec<u8>, value: &FieldValue<'_>, format: &Format, fields: usize) {
    let numbers = format.preset.numbers;
    match *value {
        FieldValue::Bool(value) => encode::bool(out, value),
        FieldValue::I64(value) => numbers.signed(out, value),
        FieldValue::U64(value) => numbers.unsigned(out, value),
        FieldValue::F64(value) => numbers.float(out, value),
        FieldValue::Text(text) | FieldValue::Error { message: text, .. } => {
            encode::string_up_to(out, text, max_length(format, fields));
        }
        // Base64 makes four bytes of three.
        FieldValue::Bytes(value) => {
            encode::bytes(out, &value[..value.len().min(max_length(format, fields) / 4 * 3)]);
        }
    }
}
