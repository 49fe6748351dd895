//! The values of fields, in the forms that a log record has.
//!
//! OTLP knows text, booleans, integers of 64 bits with a sign, floats and bytes. Other numbers become text, so that no
//! digit is lost. Values that are formatted by code of the program stay unformatted until their attribute is known to
//! be kept.

use std::error::Error;
use std::fmt;

use tracing_core::field::{Field, Visit};

/// The value of a field.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Str(&'a str),
    Bool(bool),
    I64(i64),
    F64(f64),
    /// Bytes, which OTLP has a type for.
    Bytes(&'a [u8]),
    /// Formatted where it is written, straight into the record.
    Debug(&'a dyn fmt::Debug),
    /// The same for `Display`.
    Display(&'a dyn fmt::Display),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(value) => f.write_str(value),
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Bytes(value) => fmt::Debug::fmt(value, f),
            Self::Debug(value) => value.fmt(f),
            Self::Display(value) => value.fmt(f),
        }
    }
}

/// A visitor of values, for [`Each`].
pub(super) trait Values {
    /// Takes the value of a field.
    fn value(&mut self, field: &Field, value: Value<'_>);

    /// Takes an error value; its text by default.
    fn error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        self.value(field, Value::Display(&error));
    }
}

/// Passes on each value that it visits. Numbers that OTLP has no type for are passed on as text.
pub(super) struct Each<'a, V>(pub(super) &'a mut V);

impl<V: Values> Visit for Each<'_, V> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.value(field, Value::Str(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.value(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.value(field, Value::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.0.value(field, Value::I64(value)),
            Err(_) => self.0.value(field, Value::Display(&value)),
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.0.value(field, Value::Display(&value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.0.value(field, Value::Display(&value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.value(field, Value::F64(value));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.0.value(field, Value::Bytes(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.0.error(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.value(field, Value::Debug(value));
    }
}

/// A raw identifier stands for the name without its prefix.
pub(super) fn plain(name: &'static str) -> &'static str {
    name.strip_prefix("r#").unwrap_or(name)
}
