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

use std::error::Error;
use std::fmt;

use tracing_core::field::{Field, FieldSet, Visit};
use tracing_core::{Event, Metadata};

use super::LogOptions;
use crate::exception::ErrorText;
use crate::export::encode;
use crate::lines::event_field::{EventField, FieldOutput, FieldValue, MESSAGE, exception_of, plain};
use crate::semconv::{
    CODE_FILE_PATH, CODE_LINE_NUMBER, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE,
};
use crate::settings::secrets::REDACTED;

/// The output of a record.
pub(super) trait Record {
    /// Writes the body.
    fn body(&mut self, text: &str);
    /// Writes the event name.
    fn event_name(&mut self, name: &str);
    /// Writes an attribute, whose value has a type that OTLP has.
    fn attribute(&mut self, key: &str, value: FieldValue<'_>);
    /// Writes an attribute with its frame, or what else is encoded in this form of a record.
    fn encoded(&mut self, fields: &[u8]);
    /// Attributes left out for the limit.
    fn dropped_attributes(&mut self, count: u32);
}

/// Hash set of field names, for fast negative lookups.
#[derive(Clone, Copy, Debug)]
struct FieldNames {
    /// The bits of all names, see [`hash`](Self::hash).
    hashes: u64,
    /// Two of them may be equal.
    may_repeat: bool,
    /// One bit for each of the first 64 fields that is an attribute under its own name, and no other has that name.
    plain: u64,
}

impl FieldNames {
    /// Hashes the names of a callsite, without the prefix of raw identifiers.
    fn new(fields: &FieldSet) -> Self {
        let mut names = Self { hashes: 0, may_repeat: false, plain: 0 };
        for (index, field) in fields.iter().enumerate() {
            let name = plain(field.name());
            let hash = Self::hash(name);
            names.may_repeat |= names.hashes & hash != 0;
            names.hashes |= hash;
            if index < 64 && !name.is_empty() && name != MESSAGE && !EVENT_NAME_FIELDS.contains(&name) {
                names.plain |= 1 << index;
            }
        }
        if names.may_repeat {
            names.plain = 0;
        }
        names
    }

    /// Returns `true` if this field is an attribute under its own name, as nearly all are.
    #[inline]
    fn is_plain(self, index: usize) -> bool {
        self.plain.checked_shr(index as u32).is_some_and(|bits| bits & 1 == 1)
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

/// Looks for a field behind another one of its name. Formats no value.
struct Later {
    /// The field whose name is searched for.
    field: EventField,
    /// The event was a record of the `log` crate, whose metadata fields have no name of their own.
    is_log_record: bool,
    /// A field `message` was visited, so a further one has another name.
    has_message: bool,
    /// A later field of this name has a value.
    is_found: bool,
}

impl Visit for Later {
    fn record_debug(&mut self, field: &Field, _: &dyn fmt::Debug) {
        if let Some(field) = EventField::from_event(field, self.is_log_record, self.has_message) {
            self.has_message |= field.is_message;
            self.is_found |= field.index > self.field.index && field.name == self.field.name;
        }
    }
}

/// What is the same in all records of a callsite, as fields of `LogRecord`: severity, event name, and the place of the macro
/// as attributes.
#[derive(Debug, Default)]
pub(super) struct EncodedParts {
    /// Each with its tag and length.
    pub(super) fields: Vec<u8>,
    /// Where the attributes begin.
    pub(super) place_start: usize,
    /// Their number: 0 to 2.
    pub(super) place_count: u32,
}

/// Fields that become the name of the event, the specified one first. Of both the later field counts.
const EVENT_NAME_FIELDS: [&str; 2] = ["otel.event.name", "event.name"];

/// Data shared by all records of a callsite.
#[derive(Debug)]
pub(super) struct CallsiteRecord {
    /// Answers most questions for a name without a search.
    names: FieldNames,
    /// The name given to the macro, unless a field overrides it.
    name: Option<&'static str>,
    /// `true` if the location of the macro is an attribute, because no field has that key.
    has_file: bool,
    has_line: bool,
}

impl CallsiteRecord {
    /// `is_log_record` is `true` for the callsites that all records of the `log` crate share.
    pub(super) fn new(metadata: &'static Metadata<'static>, is_log_record: bool) -> Self {
        let names = FieldNames::new(metadata.fields());
        let has = |name: &str| names.may_contain(name) && metadata.fields().field(name).is_some();
        // Otherwise it is `event file:line`.
        let is_made_up = |rest: &str| metadata.file().is_some_and(|file| rest.starts_with(file));
        let name = metadata.name();
        let is_given = !is_log_record && !name.strip_prefix("event ").is_some_and(is_made_up);
        Self {
            names,
            name: (is_given && !EVENT_NAME_FIELDS.iter().any(|name| has(name))).then_some(name),
            // The place of a recorded error is that of the caller, which its event has as fields.
            has_file: !has(CODE_FILE_PATH),
            has_line: !has(CODE_LINE_NUMBER),
        }
    }

    /// Returns the name given to the macro, unless a field overrides it.
    pub(super) fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// Writes the place of the macro: the file and the line that are no fields of the event.
    pub(super) fn write_place(&self, metadata: &Metadata<'_>, mut write: impl FnMut(&str, FieldValue<'_>)) {
        if let Some(file) = metadata.file().filter(|_| self.has_file) {
            write(CODE_FILE_PATH, FieldValue::Text(file));
        }
        if let Some(line) = metadata.line().filter(|_| self.has_line) {
            write(CODE_LINE_NUMBER, FieldValue::I64(i64::from(line)));
        }
    }
}

/// Sorts the fields of an event into a record.
pub(super) struct EventFields<'a, R> {
    /// Searched again for repeated names and for its exception.
    event: &'a Event<'a>,
    /// The data of the event's callsite.
    callsite: &'a CallsiteRecord,
    /// Limits and redaction.
    options: &'a LogOptions,
    /// Gets the sorted fields.
    record: &'a mut R,
    is_log_record: bool,
    /// Attributes.
    written: u32,
    /// Attributes beyond the limit, and those without a name.
    dropped: u32,
}

impl<'a, R: Record> EventFields<'a, R> {
    /// Begins a record of an event.
    pub(super) fn new(
        event: &'a Event<'a>,
        is_log_record: bool,
        callsite: &'a CallsiteRecord,
        options: &'a LogOptions,
        record: &'a mut R,
    ) -> Self {
        Self { event, callsite, options, record, is_log_record, written: 0, dropped: 0 }
    }

    /// Adds what is not among the fields: attributes of the context, and what the callsite knows, which `parts` has encoded
    /// if it is the same in each event.
    #[inline]
    pub(super) fn finish(mut self, extra: &[u8], metadata: &Metadata<'_>, parts: Option<&EncodedParts>) {
        if !extra.is_empty() {
            self.extra(extra);
        }
        match parts {
            Some(parts) if self.written + parts.place_count <= self.options.limits.count => {
                self.record.encoded(&parts.fields);
            }
            parts => self.write_parts(metadata, parts),
        }
        if self.dropped > 0 {
            self.record.dropped_attributes(self.dropped);
        }
    }

    /// Writes what the callsite knows: of the place as much as there is room for.
    #[inline(never)]
    fn write_parts(&mut self, metadata: &Metadata<'_>, parts: Option<&EncodedParts>) {
        let callsite = self.callsite;
        match parts {
            Some(parts) => self.record.encoded(&parts.fields[..parts.place_start]),
            None => callsite.name.into_iter().for_each(|name| self.record.event_name(name)),
        }
        callsite.write_place(metadata, |key, value| self.attribute(key, value));
    }

    /// Returns `true` if the callsite has a field of this name, with a value or without.
    fn has_field(&self, name: &str) -> bool {
        self.callsite.names.may_contain(name) && self.event.metadata().fields().field(name).is_some()
    }

    /// Returns `true` if a later field of the event has the same name, and a value.
    fn is_replaced(&self, field: &EventField) -> bool {
        self.callsite.names.may_repeat && !field.is_message && {
            let is_log_record = self.is_log_record;
            let mut search = Later { field: *field, is_log_record, has_message: false, is_found: false };
            self.event.record(&mut search);
            search.is_found
        }
    }

    /// Writes a field that may have another meaning than an attribute, or a later value.
    #[inline(never)]
    fn field(&mut self, field: &EventField, value: FieldValue<'_>) {
        if self.is_replaced(field) {
            return;
        }
        let name = field.name;
        if EVENT_NAME_FIELDS.contains(&name) {
            return self.record.event_name(&value.text());
        }
        self.attribute(name, value);
    }

    /// Writes an attribute if there is room. One without a name is dropped and counted.
    fn attribute(&mut self, key: &str, value: FieldValue<'_>) {
        if key.is_empty() {
            self.dropped += 1;
        } else if self.has_room() {
            self.record.attribute(key, value.in_otlp(&mut itoa::Buffer::new()));
        }
    }

    /// Writes a part of `exception.*`, which may be redacted.
    fn exception_part(&mut self, key: &'static str, text: &str) {
        let is_redacted = self.options.redaction.is_redacted(key);
        self.attribute(key, FieldValue::Text(if is_redacted { REDACTED } else { text }));
    }

    /// Writes encoded attributes of the context, those that the event does not have. Of repeated ones the first wins.
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
            if self.options.redaction.is_redacted(key) {
                self.attribute(key, FieldValue::Text(REDACTED));
            } else if self.has_room() {
                self.record.encoded(attribute);
            }
        }
    }

    /// Counts an attribute as written or as dropped.
    #[inline]
    fn has_room(&mut self) -> bool {
        let has_room = self.written < self.options.limits.count;
        let count = if has_room { &mut self.written } else { &mut self.dropped };
        *count += 1;
        has_room
    }
}

impl<R: Record> FieldOutput for EventFields<'_, R> {
    #[inline(always)]
    fn value(&mut self, field: &EventField, value: &FieldValue<'_>) {
        if field.is_message {
            self.record.body(&value.text());
        } else if !self.callsite.names.is_plain(field.index) {
            self.field(field, *value);
        } else if self.has_room() {
            self.record.attribute(field.name, value.in_otlp(&mut itoa::Buffer::new()));
        }
    }

    /// Writes an error value. That of the event's exception becomes `exception.*`, beside the fields of these names that the
    /// event has itself.
    fn error(&mut self, field: &EventField, _error: &(dyn Error + 'static), text: &ErrorText) {
        if self.is_replaced(field) {
            return;
        }
        let exception = exception_of(self.event, &self.options.redaction);
        let is_exception = exception.is_at(field.index);
        if !is_exception || field.is_message || exception.has_own(EXCEPTION_MESSAGE) {
            self.value(field, &FieldValue::Text(&text.message));
        }
        if !is_exception {
            return;
        }
        if let Some(name) = text.type_name().filter(|_| !exception.has_own(EXCEPTION_TYPE)) {
            self.exception_part(EXCEPTION_TYPE, name);
        }
        if !exception.has_own(EXCEPTION_MESSAGE) {
            self.exception_part(EXCEPTION_MESSAGE, &text.message);
        }
        if let Some(stacktrace) = text.stacktrace().filter(|_| !exception.has_own(EXCEPTION_STACKTRACE)) {
            self.exception_part(EXCEPTION_STACKTRACE, &stacktrace);
        }
    }
}
