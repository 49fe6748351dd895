//! The vocabulary of fields that all outputs share: JSON lines, text for people, OTLP records, and spans.
//!
//! | field | what every output gets |
//! |---|---|
//! | the first `message` of an event | the text of the event |
//! | a further `message` of an event | the field `field.message` |
//! | `log.target`, `log.module_path`, `log.file`, `log.line` of a record of the `log` crate | nothing: the event's metadata has them |
//! | `r#name` | the field `name` |
//! | without a name | the field with an empty name, which is dropped, and counted where drops are |
//! | redacted | `[redacted]`; the value is not formatted unless another output shows it |
//! | `?value`, `%value` | its text, formatted once; `[panicked]` if that panics |
//! | an error value | its texts, formatted once |
//!
//! If a name is repeated, the last value wins. Each output enforces this itself, because outputs add fields of their
//! own.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};

use tracing_core::Event;
use tracing_core::field::Field;

use crate::exception::{ErrorText, EventException};
use crate::lines::redaction::Redaction;
use crate::settings::secrets::REDACTED;
use crate::user_code::bounded_text::to_text;

/// A field, classified by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventField {
    /// Without the prefix of a raw identifier; empty for a field without a name.
    pub(crate) name: &'static str,
    /// The place of the field in its callsite.
    pub(crate) index: usize,
    /// `true` if this is the text of the event.
    pub(crate) is_message: bool,
    /// `true` if the value is the replacement of a redacted one.
    pub(crate) is_redacted: bool,
}

impl EventField {
    /// Classifies a field of a span, where no name is special.
    #[inline(always)]
    pub(crate) fn from_span(field: &Field) -> Self {
        Self { name: plain(field.name()), index: field.index(), is_message: false, is_redacted: false }
    }

    /// Classifies a field of an event; `None` if the metadata of the event has it already. `is_log_record` is `true`
    /// for events that were records of the `log` crate, `has_message` if the text of the event was visited.
    #[inline(always)]
    pub(crate) fn from_event(field: &Field, is_log_record: bool, has_message: bool) -> Option<Self> {
        let mut classified = Self::from_span(field);
        if classified.name == MESSAGE {
            classified.is_message = !has_message;
            if has_message {
                classified.name = LATER_MESSAGE;
            }
        } else if is_log_record && LOG_METADATA.contains(&classified.name) {
            return None;
        }
        Some(classified)
    }

    /// Returns `true` if the value must not be shown.
    #[inline]
    pub(crate) fn is_hidden_by(&self, redaction: &Redaction) -> bool {
        redaction.is_some()
            && (redaction.is_redacted(self.name)
                || self.name == LATER_MESSAGE && redaction.is_redacted(MESSAGE))
    }
}

/// Returns the name of a field without the prefix of a raw identifier.
#[inline]
pub(crate) fn plain(name: &str) -> &str {
    name.strip_prefix(RAW_IDENTIFIER).unwrap_or(name)
}

/// Returns which error of the event is its exception, for an output with this redaction.
pub(crate) fn exception_of(event: &Event<'_>, redaction: &Redaction) -> EventException {
    EventException::find(event, &|name| redaction.is_redacted(plain(name)))
}

/// The value of a field. Integers of more than 64 bits are texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FieldValue<'a> {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// An error as `Display` shows it, and the message that stands in log lines.
    Error {
        display: &'a str,
        message: &'a str,
    },
}

impl<'a> FieldValue<'a> {
    /// Returns the value in a type that OTLP has: integers above those of 64 bits with a sign are texts.
    #[inline]
    pub(crate) fn in_otlp(self, digits: &'a mut itoa::Buffer) -> Self {
        match self {
            Self::U64(value) => match i64::try_from(value) {
                Ok(value) => Self::I64(value),
                Err(_) => Self::Text(digits.format(value)),
            },
            other => other,
        }
    }

    /// Returns the value as text: of an error what `Display` shows. Bytes are cut.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) | Self::Error { display: text, .. } => text.into(),
            other => to_text(&other).into(),
        }
    }
}

impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::F64(value) => write!(f, "{value:?}"),
            Self::Text(text) | Self::Error { display: text, .. } => f.write_str(text),
            Self::Bytes(bytes) => hexadecimal(f, bytes),
        }
    }
}

/// Bytes as `tracing` shows them to visitors that have no form of their own: `[0a ff]`.
fn hexadecimal(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_char('[')?;
    for (index, byte) in bytes.iter().enumerate() {
        let separator = if index == 0 { "" } else { " " };
        write!(f, "{separator}{byte:02x}")?;
    }
    f.write_char(']')
}

/// An output that is shown the fields of an event or of a span, one after the other.
pub(crate) trait FieldOutput {
    /// Takes a field.
    fn value(&mut self, field: &EventField, value: &FieldValue<'_>);

    /// Takes a field that is an error value, and not redacted.
    fn error(&mut self, field: &EventField, _error: &(dyn Error + 'static), text: &ErrorText) {
        let display = text.display.as_deref().unwrap_or(&text.message);
        self.value(field, &FieldValue::Error { display, message: &text.message });
    }

    /// Takes a field whose value must not be shown.
    #[cold]
    #[inline(never)]
    fn hidden(&mut self, field: &EventField) {
        self.value(&EventField { is_redacted: true, ..*field }, &FieldValue::Text(REDACTED));
    }
}

/// The field that the text of an event arrives in.
pub(crate) const MESSAGE: &str = "message";

/// The name of a further field `message`: the first one is the text of the event.
pub(crate) const LATER_MESSAGE: &str = "field.message";

/// The fields in which `tracing-log` passes on metadata.
const LOG_METADATA: [&str; 4] = ["log.target", "log.module_path", "log.file", "log.line"];

/// `r#type = …` is a field called `type`.
const RAW_IDENTIFIER: &str = "r#";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_texts() {
        let table = [
            (FieldValue::Bool(true), "true"),
            (FieldValue::U64(u64::MAX), "18446744073709551615"),
            (FieldValue::F64(1.0), "1.0"),
            (FieldValue::Bytes(&[10, 255]), "[0a ff]"),
            (FieldValue::Error { display: "shown", message: "written" }, "shown"),
        ];
        for (value, text) in table {
            assert_eq!((value.text(), value.to_string()), (text.into(), text.to_owned()));
        }
        let mut digits = itoa::Buffer::new();
        assert_eq!(FieldValue::U64(7).in_otlp(&mut digits), FieldValue::I64(7));
        assert_eq!(FieldValue::U64(1 << 63).in_otlp(&mut digits), FieldValue::Text("9223372036854775808"));
    }
}
