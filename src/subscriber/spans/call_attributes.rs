//! The attributes that the span of a call starts with.
//!
//! | the span | its attributes |
//! |---|---|
//! | is one of this crate, and nothing else needs values | are encoded as they are made |
//! | is one of the SDK; or a sampler or a closure of the user gets them | are values of the API |

use std::sync::Arc;

use opentelemetry::{KeyValue, StringValue, Value};

use super::attributes::AttributeBuffer;
use crate::settings::AttributeLimits;

/// Attributes of one span, while it starts.
///
/// The keys of `push_…` are distinct, which is not checked. [`set`](Self::set) replaces an attribute of the same key.
pub(crate) struct CallAttributes(Form);

/// What the attributes are kept as.
enum Form {
    /// As they are exported.
    Encoded(AttributeBuffer, AttributeLimits),
    /// As values of the API; of a repeated key the last counts.
    Values(Vec<KeyValue>),
}

impl CallAttributes {
    /// Creates an empty list of values.
    pub(crate) fn values() -> Self {
        Self::from_values(Vec::with_capacity(USUAL_COUNT))
    }

    /// Takes values that were made before.
    pub(super) fn from_values(values: Vec<KeyValue>) -> Self {
        Self(Form::Values(values))
    }

    /// Creates an empty buffer.
    pub(super) fn encoded(limits: AttributeLimits) -> Self {
        Self(Form::Encoded(AttributeBuffer::new(), limits))
    }

    /// Appends an attribute whose text is copied.
    #[inline]
    pub(crate) fn push_text(&mut self, key: &'static str, text: &str) {
        self.push_str(key, text, || text.to_owned().into());
    }

    /// Appends an attribute whose text is part of the program.
    #[inline]
    pub(crate) fn push_static(&mut self, key: &'static str, text: &'static str) {
        self.push_str(key, text, || text.into());
    }

    /// Appends an attribute whose text others have, too.
    #[inline]
    pub(crate) fn push_shared(&mut self, key: &'static str, text: &Arc<str>) {
        self.push_str(key, text, || Arc::clone(text).into());
    }

    /// Appends an attribute with a number.
    #[inline]
    pub(crate) fn push_number(&mut self, key: &'static str, number: impl Into<i64>) {
        match &mut self.0 {
            Form::Encoded(buffer, limits) => buffer.push_i64(key, number.into(), *limits),
            Form::Values(values) => values.push(KeyValue::new(key, number.into())),
        }
    }

    #[inline]
    fn push_str(&mut self, key: &'static str, text: &str, value: impl FnOnce() -> StringValue) {
        match &mut self.0 {
            Form::Encoded(buffer, limits) => buffer.push_str(key, text, *limits),
            Form::Values(values) => values.push(KeyValue::new(key, Value::String(value()))),
        }
    }

    /// Sets an attribute, in place of an earlier one of its key.
    pub(crate) fn set(&mut self, attribute: KeyValue) {
        match &mut self.0 {
            Form::Encoded(buffer, limits) => buffer.set_key_value(&attribute, *limits),
            Form::Values(values) => values.push(attribute),
        }
    }

    /// Lets a closure of the user change the attributes. Its layer has the tracer keep values.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Vec<KeyValue>)) {
        if let Form::Values(values) = &mut self.0 {
            change(values);
        }
    }

    /// Returns the values; none if they were encoded.
    pub(super) fn into_values(self) -> Vec<KeyValue> {
        match self.0 {
            Form::Encoded(..) => Vec::new(),
            Form::Values(values) => values,
        }
    }

    /// Returns the encoded attributes.
    pub(super) fn into_encoded(self, limits: AttributeLimits) -> AttributeBuffer {
        match self.0 {
            Form::Encoded(buffer, _) => buffer,
            Form::Values(values) => {
                let mut buffer = AttributeBuffer::new();
                buffer.fill_key_values(&values, limits);
                buffer
            }
        }
    }
}

/// The capacity that a span without captured headers needs.
const USUAL_COUNT: usize = 14;
