//! The attributes of a span, encoded as they are recorded.

use std::cell::Cell;
use std::fmt::Write as _;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::KeyValue;

use super::fields::FieldValue;
use crate::exception::PANICKED;
use crate::export::encode::{self, SpanFields};
use crate::settings::AttributeLimits;

/// Encoded attributes, no key twice: the last value counts. The limit counts keys.
///
/// The buffer comes from a pool of the thread, and goes back there when it is dropped.
#[derive(Debug)]
pub(super) struct AttributeBuffer {
    bytes: Vec<u8>,
    count: u32,
    dropped: u32,
    limits: AttributeLimits,
}

impl AttributeBuffer {
    pub(super) fn new(limits: AttributeLimits) -> Self {
        Self { bytes: take_buffer(), count: 0, dropped: 0, limits }
    }

    /// The attributes as fields of a `Span`.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many attributes were dropped because of the limit, or because they have no key.
    pub(super) fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Sets a field. Formatting its value is user code, which may panic.
    pub(super) fn set_field(&mut self, key: &str, value: &FieldValue<'_>) {
        match *value {
            FieldValue::Str(text) => self.set_str(key, text),
            FieldValue::Bool(value) => self.set(key, |out, key, _| {
                encode::attribute_bool(out, SpanFields::ATTRIBUTE, key, value);
            }),
            FieldValue::I64(value) => self.set(key, |out, key, _| {
                encode::attribute_i64(out, SpanFields::ATTRIBUTE, key, value);
            }),
            FieldValue::F64(value) => self.set(key, |out, key, _| {
                encode::attribute_f64(out, SpanFields::ATTRIBUTE, key, value);
            }),
            FieldValue::Text(value) => self.set(key, |out, key, limit| {
                let start = out.len();
                let write = || {
                    encode::attribute_text(out, SpanFields::ATTRIBUTE, key, limit, |text| {
                        // The text that a failing implementation has written until then is kept.
                        let _ = write!(text, "{value}");
                    });
                };
                if catch_unwind(AssertUnwindSafe(write)).is_err() {
                    out.truncate(start);
                    encode::attribute_str(out, SpanFields::ATTRIBUTE, key, PANICKED, limit);
                }
            }),
        }
    }

    pub(super) fn set_str(&mut self, key: &str, text: &str) {
        self.set(key, |out, key, limit| encode::attribute_str(out, SpanFields::ATTRIBUTE, key, text, limit));
    }

    pub(super) fn set_key_value(&mut self, attribute: &KeyValue) {
        self.set(attribute.key.as_str(), |out, key, limit| {
            encode::attribute_value(out, SpanFields::ATTRIBUTE, key, &attribute.value, limit);
        });
    }

    /// Adds the attributes of another buffer. Its values count.
    pub(super) fn append(&mut self, later: &Self) {
        for (key, attribute) in encode::encoded_attributes(&later.bytes) {
            self.set(key, |out, _, _| out.extend_from_slice(attribute));
        }
        self.dropped = self.dropped.saturating_add(later.dropped);
    }

    /// Each attribute with its key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        encode::encoded_attributes(&self.bytes)
    }

    fn set(&mut self, key: &str, encode: impl FnOnce(&mut Vec<u8>, &str, Option<usize>)) {
        if key.is_empty() {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        match self.position(key) {
            Some(old) => {
                encode(&mut self.bytes, key, self.limits.value_length);
                self.bytes.drain(old);
            }
            None if self.count >= self.limits.count => self.dropped = self.dropped.saturating_add(1),
            None => {
                encode(&mut self.bytes, key, self.limits.value_length);
                self.count += 1;
            }
        }
    }

    fn position(&self, key: &str) -> Option<Range<usize>> {
        let mut end = 0;
        self.iter().find_map(|(known, attribute)| {
            end += attribute.len();
            (known == key).then(|| end - attribute.len()..end)
        })
    }
}

impl Drop for AttributeBuffer {
    fn drop(&mut self) {
        give_buffer(std::mem::take(&mut self.bytes));
    }
}

fn take_buffer() -> Vec<u8> {
    let with_pool = |pool: &Cell<Vec<Vec<u8>>>| {
        let mut buffers = pool.take();
        let buffer = buffers.pop();
        pool.set(buffers);
        buffer
    };
    BUFFERS.try_with(with_pool).ok().flatten().unwrap_or_else(|| Vec::with_capacity(USUAL_SIZE))
}

fn give_buffer(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > MAX_KEPT_SIZE {
        return;
    }
    buffer.clear();
    let _ = BUFFERS.try_with(|pool| {
        let mut buffers = pool.take();
        if buffers.len() < MAX_KEPT {
            buffers.push(buffer);
        }
        pool.set(buffers);
    });
}

thread_local! {
    static BUFFERS: Cell<Vec<Vec<u8>>> = const { Cell::new(Vec::new()) };
}

const USUAL_SIZE: usize = 256;
/// One huge span must not hold its memory for as long as the thread lives.
const MAX_KEPT_SIZE: usize = 16 << 10;
const MAX_KEPT: usize = 16;
