//! An event's fields, sorted into the parts of a log record.
//!
//! | field | part of the record |
//! |---|---|
//! | `message` | body |
//! | `otel.event.name`, `event.name` | event name |
//! | an error value | `exception.*`, once for each event; the message under its own key if it is one more |
//! | `log.*` of a record of the `log` crate | none: target, file and line are parts of their own |
//! | all others | attributes |
//!
//! Fields are visited in their order, and written as they are visited; what the callsite knows (name, file, line)
//! follows at the end. The limit of attributes therefore leaves out the last ones.
//!
//! A value of the user is formatted in place, between [`Record::begin`] and [`Record::undo`]: one that panics is taken
//! back, and [`PANICKED`] is written instead.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing_core::field::{Field, FieldSet};
use tracing_core::{Event, Metadata};

use super::LogOptions;
use super::value::{Value, Values, plain};
use crate::exception::{ErrorText, EventException, PANICKED, describe};
use crate::export::encode;
use crate::lines::event_context::EventContext;
use crate::lines::event_field::{LATER_MESSAGE, MESSAGE};
use crate::redaction::REDACTED;
use crate::semconv::{
    CODE_FILE_PATH, CODE_LINE_NUMBER, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE,
};

/// The output of a record.
pub(super) trait Record {
    /// Writes the body.
    fn body(&mut self, value: Value<'_>);
    /// Writes the event name.
    fn event_name(&mut self, value: Value<'_>);
    /// Writes an attribute.
    fn attribute(&mut self, key: &str, value: Value<'_>);
    /// An attribute with its frame.
    fn encoded_attribute(&mut self, attribute: &[u8]);
    /// Attributes left out for the limit.
    fn dropped_attributes(&mut self, count: u32);
    /// Starts a part that can be taken back.
    fn begin(&mut self) {}
    /// Takes back what was written since [`begin`](Self::begin), if it was not finished.
    fn undo(&mut self) {}
}

/// The names of an event's fields, as a set of hashes: that a name is not there is known without comparing any.
#[derive(Clone, Copy, Debug)]
struct FieldNames {
    hashes: u64,
    /// Two of them may be equal.
    may_repeat: bool,
}

impl FieldNames {
    fn new(fields: &FieldSet) -> Self {
        let mut names = Self { hashes: 0, may_repeat: false };
        for field in fields {
            let hash = Self::hash(field.name());
            names.may_repeat |= names.hashes & hash != 0;
            names.hashes |= hash;
        }
        names
    }

    /// Returns `false` if no field has this name.
    fn may_contain(self, name: &str) -> bool {
        self.hashes & Self::hash(name) != 0
    }

    /// One of 64 bits.
    #[inline]
    fn hash(name: &str) -> u64 {
        let (first, last) = (name.as_bytes().first(), name.as_bytes().last());
        let [first, last] = [first, last].map(|byte| u32::from(byte.copied().unwrap_or_default()));
        1 << ((name.len() as u32 * 23 + first * 5 + last * 11) % u64::BITS)
    }
}

const EVENT_NAME_FIELDS: [&str; 2] = ["otel.event.name", "event.name"];

/// Sorts the fields of an event into a record.
pub(super) struct EventFields<'a, R> {
    event: &'a Event<'a>,
    metadata: &'a Metadata<'a>,
    options: &'a LogOptions,
    record: &'a mut R,
    names: FieldNames,
    is_log: bool,
    has_message: bool,
    /// Attributes.
    written: u32,
    dropped: u32,
}

impl<'a, R: Record> EventFields<'a, R> {
    /// Begins a record of an event.
    pub(super) fn new(
        event: &'a Event<'a>,
        context: &EventContext<'a>,
        options: &'a LogOptions,
        record: &'a mut R,
    ) -> Self {
        Self {
            event,
            metadata: context.metadata,
            options,
            record,
            names: FieldNames::new(event.metadata().fields()),
            is_log: context.is_log_record,
            has_message: false,
            written: 0,
            dropped: 0,
        }
    }

    /// Adds what is not among the fields.
    pub(super) fn finish(mut self, extra: &[u8]) {
        self.extra(extra);
        if let Some(name) = self.given_name() {
            self.record.event_name(Value::Str(name));
        }
        // The place of a recorded error is that of the caller, which its event has as fields.
        if let Some(file) = self.metadata.file().filter(|_| !self.has_field(CODE_FILE_PATH)) {
            self.attribute(CODE_FILE_PATH, Value::Str(file));
        }
        if let Some(line) = self.metadata.line().filter(|_| !self.has_field(CODE_LINE_NUMBER)) {
            self.attribute(CODE_LINE_NUMBER, Value::I64(i64::from(line)));
        }
        if self.dropped > 0 {
            self.record.dropped_attributes(self.dropped);
        }
    }

    /// The name given to the macro, unless a field overrides it. Otherwise it is `event file:line`.
    fn given_name(&self) -> Option<&'static str> {
        let metadata = self.event.metadata();
        let is_made_up = |rest: &str| metadata.file().is_some_and(|file| rest.starts_with(file));
        let name = metadata.name();
        let is_given = !self.is_log && !name.strip_prefix("event ").is_some_and(is_made_up);
        (is_given && !EVENT_NAME_FIELDS.iter().any(|name| self.has_field(name))).then_some(name)
    }

    fn has_field(&self, name: &str) -> bool {
        self.names.may_contain(name) && self.event.metadata().fields().field(name).is_some()
    }

    /// Calls `write` for a field, unless a later one has its name. Of several messages the first is that of the event.
    fn last(&mut self, field: &Field, write: impl FnOnce(&mut Self, &'static str)) {
        let name = field.name();
        let is_message = name == MESSAGE;
        if is_message && !std::mem::replace(&mut self.has_message, true) {
            return write(self, MESSAGE);
        }
        if !self.names.may_repeat || !self.is_replaced(field) {
            write(self, if is_message { LATER_MESSAGE } else { plain(name) });
        }
    }

    #[inline(never)]
    fn is_replaced(&self, field: &Field) -> bool {
        let mut later = self.event.metadata().fields().iter().skip(field.index() + 1);
        later.any(|later| later.name() == field.name())
    }

    /// Writes a field, or the replacement of a redacted value.
    fn field(&mut self, name: &str, value: Value<'_>) {
        let is_later_message = name == LATER_MESSAGE && self.options.is_redacted(MESSAGE);
        let redacted = is_later_message || self.options.is_redacted(name);
        self.place(name, if redacted { Value::Str(REDACTED) } else { value });
    }

    /// Writes a value to the part of the record that its name stands for.
    fn place(&mut self, name: &str, value: Value<'_>) {
        match name {
            MESSAGE => self.guarded(value, R::body),
            "otel.event.name" | "event.name" => self.guarded(value, R::event_name),
            // These hold the origin of the record, which has fields of its own.
            "log.target" | "log.module_path" | "log.file" | "log.line" if self.is_log => {}
            _ => self.attribute(name, value),
        }
    }

    fn attribute(&mut self, key: &str, value: Value<'_>) {
        if key.is_empty() {
            self.dropped += 1;
        } else if self.has_room() {
            self.guarded(value, |record, value| record.attribute(key, value));
        }
    }

    /// Calls `write`, in which the value may be formatted by code of the user. If that panics, the rest of the record is
    /// not touched.
    fn guarded(&mut self, value: Value<'_>, write: impl Fn(&mut R, Value<'_>)) {
        if !matches!(value, Value::Debug(_) | Value::Display(_)) {
            return write(self.record, value);
        }
        self.record.begin();
        let record = &mut *self.record;
        if catch_unwind(AssertUnwindSafe(|| write(record, value))).is_err() {
            self.record.undo();
            write(self.record, Value::Str(PANICKED));
        }
    }

    /// Writes an error value. That of the event's exception becomes `exception.*`, beside the fields of these names that the
    /// event has itself.
    fn error(&mut self, field: &Field, name: &str, error: &ErrorText) {
        let exception = EventException::find(self.event, &|name| self.options.is_redacted(name));
        let is_exception = exception.is_in(field);
        if !is_exception || name == MESSAGE || exception.has_own(EXCEPTION_MESSAGE) {
            self.field(name, Value::Str(&error.message));
        }
        if !is_exception {
            return;
        }
        if let Some(name) = error.type_name().filter(|_| !exception.has_own(EXCEPTION_TYPE)) {
            self.field(EXCEPTION_TYPE, Value::Str(name));
        }
        if !exception.has_own(EXCEPTION_MESSAGE) {
            self.field(EXCEPTION_MESSAGE, Value::Str(&error.message));
        }
        if let Some(stacktrace) = error.stacktrace().filter(|_| !exception.has_own(EXCEPTION_STACKTRACE)) {
            self.field(EXCEPTION_STACKTRACE, Value::Str(&stacktrace));
        }
    }

    /// Writes encoded attributes of the context, those that the event does not have. Of repeated ones the first counts.
    fn extra(&mut self, extra: &[u8]) {
        for (place, (key, attribute)) in encode::encoded_attributes(extra).enumerate() {
            if key.is_empty() {
                self.dropped += 1;
                continue;
            }
            let is_repeated =
                || encode::encoded_attributes(extra).take(place).any(|(earlier, _)| earlier == key);
            if self.has_field(key) || is_repeated() {
                continue;
            }
            if self.options.is_redacted(key) {
                self.attribute(key, Value::Str(REDACTED));
            } else if self.has_room() {
                self.record.encoded_attribute(attribute);
            }
        }
    }

    /// Counts an attribute as written or as dropped.
    fn has_room(&mut self) -> bool {
        let has_room = self.written < self.options.limits.count;
        let count = if has_room { &mut self.written } else { &mut self.dropped };
        *count += 1;
        has_room
    }
}

impl<R: Record> Values for EventFields<'_, R> {
    fn value(&mut self, field: &Field, value: Value<'_>) {
        self.last(field, |fields, name| fields.field(name, value));
    }

    fn error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        self.last(field, |fields, name| fields.error(field, name, &describe(error)));
    }
}
