//! The attributes of a span, encoded as they are recorded.
//!
//! ```text
//! field 9, length, KeyValue │ field 9, length, KeyValue │ …      one run of bytes, copied into the span as it is
//! ```
//!
//! A span that ends needs no conversion: the rest of its message is appended to its attributes. Finding a key means walking over
//! the attributes, which is faster than a map for the few that a span has; it happens only for attributes that are set
//! through the API. Fields of a new span have distinct keys already and are appended without a search.
//!
//! Replacing encodes the new value first and removes the old one then, so the last position is the last value's.

use std::ops::Range;

use opentelemetry::KeyValue;

use super::fields::attributes;
use crate::export::encode::{self, SpanFields};
use crate::lines::event_field::FieldValue;
use crate::lines::kept_fields::KeptFields;
use crate::settings::AttributeLimits;
use crate::subscriber::thread_state::with_thread;

/// Encoded attributes, no key twice: the last value wins. The limit counts keys.
///
/// The buffer comes from a pool of the thread, and goes back there when it is dropped.
///
/// `count` is of keys that are there, `dropped` of those that did not fit: OTLP reports both, `dropped` as
/// `dropped_attributes_count`.
#[derive(Debug)]
pub(super) struct AttributeBuffer {
    bytes: Vec<u8>,
    count: u32,
    dropped: u32,
    /// The [marks](mark) of all keys that were added: a key without its mark is not there.
    marks: u64,
}

impl AttributeBuffer {
    /// Creates an empty set, in memory of the thread's pool.
    #[inline]
    pub(super) fn new() -> Self {
        Self { bytes: take_buffer(), count: 0, dropped: 0, marks: 0 }
    }

    /// The attributes as fields of a `Span`, to which its other fields are appended when it ends.
    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Returns the number of dropped attributes.
    pub(super) fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Adds the fields of a span, which has no other attributes yet.
    #[inline]
    pub(super) fn fill(&mut self, fields: &KeptFields, limits: AttributeLimits) {
        for (key, value) in attributes(fields) {
            self.add(key, limits, |out, limit| encode_field(out, key, value, limit));
        }
    }

    /// Adds the attributes of a span, which has no others yet. Of those with the same key the last wins.
    #[cfg(any(feature = "grpc", feature = "http"))]
    pub(super) fn fill_key_values(&mut self, attributes: &[KeyValue], limits: AttributeLimits) {
        if attributes.len() > limits.count as usize {
            // Which keys stay depends on the order of their first values.
            return attributes.iter().for_each(|attribute| self.set_key_value(attribute, limits));
        }
        for (place, attribute) in attributes.iter().enumerate() {
            let key = attribute.key.as_str();
            if attributes[place + 1..].iter().all(|later| later.key.as_str() != key) {
                self.add(key, limits, |out, limit| {
                    encode::attribute_value(out, SpanFields::ATTRIBUTE, key, &attribute.value, limit);
                });
            }
        }
    }

    /// Appends a text under a key that is not there.
    #[cfg(any(feature = "grpc", feature = "http"))]
    pub(super) fn push_str(&mut self, key: &str, text: &str, limits: AttributeLimits) {
        self.add(key, limits, |out, limit| {
            encode::attribute_str(out, SpanFields::ATTRIBUTE, key, text, limit);
        });
    }

    /// Appends a number under a key that is not there.
    #[cfg(any(feature = "grpc", feature = "http"))]
    pub(super) fn push_i64(&mut self, key: &str, number: i64, limits: AttributeLimits) {
        self.add(key, limits, |out, _| encode::attribute_i64(out, SpanFields::ATTRIBUTE, key, number));
    }

    /// Sets an attribute of the API.
    pub(super) fn set_key_value(&mut self, attribute: &KeyValue, limits: AttributeLimits) {
        let key = attribute.key.as_str();
        self.set(key, limits, |out, limit| {
            encode::attribute_value(out, SpanFields::ATTRIBUTE, key, &attribute.value, limit);
        });
    }

    /// Sets an attribute, in place of an earlier one of its key. `encode` gets the limit of a text's length, in
    /// characters.
    fn set(&mut self, key: &str, limits: AttributeLimits, encode: impl FnOnce(&mut Vec<u8>, Option<usize>)) {
        match self.position(key).filter(|_| !key.is_empty()) {
            Some(old) => {
                encode(&mut self.bytes, limits.value_length);
                self.bytes.drain(old);
            }
            None => self.add(key, limits, encode),
        }
    }

    /// Adds an attribute whose key is not there.
    #[inline]
    fn add(&mut self, key: &str, limits: AttributeLimits, encode: impl FnOnce(&mut Vec<u8>, Option<usize>)) {
        if key.is_empty() || self.count >= limits.count {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        encode(&mut self.bytes, limits.value_length);
        self.count += 1;
        self.marks |= mark(key);
    }

    /// Returns where the attribute of a key is.
    fn position(&self, key: &str) -> Option<Range<usize>> {
        if self.marks & mark(key) == 0 {
            return None;
        }
        let mut end = 0;
        encode::encoded_keys(&self.bytes).find_map(|(known, attribute)| {
            end += attribute.len();
            (known == key.as_bytes()).then(|| end - attribute.len()..end)
        })
    }
}

/// Returns one bit of a key, which few of the other keys of a span share.
#[inline]
fn mark(key: &str) -> u64 {
    let last = key.as_bytes().last().copied().unwrap_or_default();
    1 << ((key.len() ^ usize::from(last) << 1) % 64)
}

/// Encodes a value in the type that OTLP has for it. Bytes become hexadecimal text.
#[inline]
fn encode_field(out: &mut Vec<u8>, key: &str, value: FieldValue<'_>, limit: Option<usize>) {
    const FIELD: u8 = SpanFields::ATTRIBUTE;
    match value.in_otlp(&mut itoa::Buffer::new()) {
        FieldValue::Bool(value) => encode::attribute_bool(out, FIELD, key, value),
        FieldValue::I64(value) => encode::attribute_i64(out, FIELD, key, value),
        FieldValue::F64(value) => encode::attribute_f64(out, FIELD, key, value),
        other => encode::attribute_str(out, FIELD, key, &other.text(), limit),
    }
}

impl Drop for AttributeBuffer {
    fn drop(&mut self) {
        give_buffer(std::mem::take(&mut self.bytes));
    }
}

/// Takes a buffer of the thread's pool, or allocates one. The pool of a thread that ends may be gone.
#[inline]
fn take_buffer() -> Vec<u8> {
    let kept = with_thread(|thread| thread.buffers.borrow_mut().pop());
    kept.flatten().unwrap_or_else(|| Vec::with_capacity(USUAL_SIZE))
}

/// Gives a buffer to the pool of this thread, which may be another than it came from. Large ones are freed.
#[inline]
fn give_buffer(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > MAX_KEPT_SIZE {
        return;
    }
    buffer.clear();
    with_thread(|thread| {
        let mut buffers = thread.buffers.borrow_mut();
        if buffers.len() < MAX_KEPT {
            buffers.push(buffer);
        }
    });
}

/// Bytes of a new buffer.
const USUAL_SIZE: usize = 256;
/// One huge span must not hold its memory for as long as the thread lives.
const MAX_KEPT_SIZE: usize = 16 << 10;
/// Buffers in the pool of a thread.
const MAX_KEPT: usize = 16;

#[cfg(all(test, any(feature = "grpc", feature = "http")))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_keys_in_the_order_of_their_first_values() {
        let limits = AttributeLimits { count: 2, value_length: None };
        let attributes = ["a", "b", "c", "", "a"].map(|key| KeyValue::new(key, 1));
        let mut buffer = AttributeBuffer::new();
        buffer.fill_key_values(&attributes, limits);
        let keys: Vec<_> = encode::encoded_keys(buffer.bytes_mut()).map(|(key, _)| key.to_owned()).collect();
        assert_eq!((keys, buffer.dropped()), (vec![b"b".to_vec(), b"a".to_vec()], 2));
    }
}
