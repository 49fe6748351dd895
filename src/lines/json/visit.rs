//! From the values of a span or an event to encoded fields.

use std::error::Error;
use std::fmt;

use tracing_core::Field;
use tracing_core::field::Visit;

use super::encode;
use super::fields::{Fields, Reserved};
use super::format::Format;
use crate::exception::{ErrorText, describe};
use crate::redaction::{REDACTED, Redaction};

/// Encodes the values it is shown.
pub(super) struct Values<'a> {
    pub(super) format: &'a Format,
    pub(super) redaction: &'a Redaction,
    pub(super) reserved: &'a Reserved,
    pub(super) fields: &'a mut Fields,
    /// For an event, the line that its message goes to; afterwards, and for a span, nothing.
    pub(super) message: Option<&'a mut Vec<u8>>,
    /// Whether an error adds `exception.*`.
    pub(super) exceptions: bool,
    /// Whether the event was a record of the `log` crate, whose fields `log.*` are its metadata.
    pub(super) log_record: bool,
}

impl Values<'_> {
    /// Writes the key and hands out the place for the value; nothing when the value must not be written.
    fn begin(&mut self, field: &Field) -> Option<&mut Vec<u8>> {
        let name = field.name();
        if name == MESSAGE && self.message.is_some() {
            return self.begin_message();
        }
        if self.log_record && name.starts_with(LOG_METADATA) {
            return None;
        }
        self.begin_key(name.strip_prefix(RAW_IDENTIFIER).unwrap_or(name))
    }

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

    fn begin_key(&mut self, key: &str) -> Option<&mut Vec<u8>> {
        let out = self.fields.begin(key, self.reserved);
        if self.redaction.is_redacted(key) {
            encode::string(out, REDACTED);
            return None;
        }
        Some(out)
    }

    fn exception(&mut self, error: &ErrorText) {
        let [type_key, message_key, stacktrace_key] = self.format.exception;
        if let Some(name) = error.type_name()
            && let Some(out) = self.begin_key(type_key)
        {
            encode::string(out, name);
        }
        if let Some(out) = self.begin_key(message_key) {
            encode::string(out, &error.message);
        }
        if !error.causes.is_empty()
            && let Some(out) = self.begin_key(stacktrace_key)
        {
            encode::formatted(out, |text| error.write_chain(text));
        }
    }
}

impl Visit for Values<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if let Some(out) = self.begin(field) {
            encode::float(out, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Some(out) = self.begin(field) {
            encode::integer(out, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Some(out) = self.begin(field) {
            encode::integer(out, value);
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        if let Some(out) = self.begin(field) {
            encode::wide_integer(out, value);
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        if let Some(out) = self.begin(field) {
            encode::wide_integer(out, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if let Some(out) = self.begin(field) {
            encode::bool(out, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(out) = self.begin(field) {
            encode::string(out, value);
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        if let Some(out) = self.begin(field) {
            encode::bytes(out, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let Some(out) = self.begin(field) else { return };
        let text = describe(value);
        encode::string(out, &text.message);
        if self.exceptions {
            self.exception(&text);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(out) = self.begin(field) {
            encode::debug(out, value);
        }
    }
}

/// The field that the text of an event arrives in.
const MESSAGE: &str = "message";
/// What the fields begin with in which `tracing-log` hands over target, file and line of a record.
const LOG_METADATA: &str = "log.";
/// `r#type = …` is a field called `type`.
const RAW_IDENTIFIER: &str = "r#";
