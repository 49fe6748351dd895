//! Attributes and their values.
//!
//! | API | OTLP |
//! |---|---|
//! | `Value`, `AnyValue` | `AnyValue` |
//! | `KeyValue` | `KeyValue` |
//! | a list of either | repeated fields, each key once |
//!
//! Values are also read back here: [`encoded_attributes`] and its siblings serve the code that keeps a span's attributes
//! encoded and must show one of them to a user, and the collector of tests.
//!
//! | function | for |
//! |---|---|
//! | [`attribute_str`] and its siblings | one attribute of a known type, as fields of events come |
//! | [`attribute_value`] | one attribute of the API |
//! | [`attributes`](super::attributes) | all attributes of an item of the SDK, each key once, within the limit |
//!
//! # Sizes
//!
//! An attribute is a message in a message in a message, each with its length before it. For the usual types the lengths
//! are known before anything is written ([`attribute_head`]); only for nested values is the content written first, and
//! moved if its length needs more than one byte ([`message`]).
//!
//! # Limits
//!
//! `value_length` counts characters, as the specification says, and applies to strings, to strings in arrays and maps,
//! and to bytes. The number of attributes counts keys: a repeated one takes no further place. An attribute without a
//! key is dropped and counted, since the specification does not allow it.

use std::collections::HashMap;

use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, Key, Value};

use super::wire::{
    LENGTH, SHORT, WireValue, bytes, bytes_field, fields, framed_len, length as message_head, message,
    next_length_delimited, varint, varint_len,
};
use crate::user_code::bounded_text::{MAX_TEXT, beginning};

/// A type with a place in OTLP's `AnyValue`: [`Value`] of spans and metrics, [`AnyValue`] of log records.
pub(super) trait Encode {
    /// Appends the one field of `AnyValue` that holds it. `limit` is the longest string, in characters.
    fn encode(&self, out: &mut Vec<u8>, limit: Option<usize>);
}

impl Encode for Value {
    fn encode(&self, out: &mut Vec<u8>, limit: Option<usize>) {
        match self {
            Self::Bool(value) => bool(out, *value),
            Self::I64(value) => i64(out, *value),
            Self::F64(value) => f64(out, *value),
            Self::String(value) => str(out, value.as_str(), limit),
            Self::Array(Array::Bool(values)) => array(out, values, |out, value| bool(out, *value)),
            Self::Array(Array::I64(values)) => array(out, values, |out, value| i64(out, *value)),
            Self::Array(Array::F64(values)) => array(out, values, |out, value| f64(out, *value)),
            Self::Array(Array::String(values)) => {
                array(out, values, |out, value| str(out, value.as_str(), limit))
            }
            // A kind that a later version adds becomes text.
            other => str(out, &other.as_str(), limit),
        }
    }
}

impl Encode for AnyValue {
    fn encode(&self, out: &mut Vec<u8>, limit: Option<usize>) {
        any_value(out, self, limit, MAX_DEPTH);
    }
}

/// Appends a value that may contain others, at most `depth` levels of them. Deeper ones become [`TOO_DEEP`].
fn any_value(out: &mut Vec<u8>, value: &AnyValue, limit: Option<usize>, depth: u32) {
    match value {
        AnyValue::Boolean(value) => bool(out, *value),
        AnyValue::Int(value) => i64(out, *value),
        AnyValue::Double(value) => f64(out, *value),
        AnyValue::String(value) => str(out, value.as_str(), limit),
        AnyValue::Bytes(value) => bytes_value(out, value, limit),
        AnyValue::ListAny(_) | AnyValue::Map(_) if depth <= 1 => str(out, TOO_DEEP, None),
        AnyValue::ListAny(values) => {
            array(out, values, |out, value| any_value(out, value, limit, depth - 1));
        }
        AnyValue::Map(values) => map(out, values, limit, depth - 1),
        other => str(out, &format!("{other:?}"), limit),
    }
}

/// Appends one attribute as `field` of the message that is being written.
pub(super) fn attribute(out: &mut Vec<u8>, field: u8, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
    message(out, field, |out| {
        bytes(out, KEY, key.as_bytes());
        message(out, VALUE, value);
    });
}

/// Appends an attribute of the API, as contexts and spans hold them.
pub(crate) fn attribute_value(out: &mut Vec<u8>, field: u8, key: &str, value: &Value, limit: Option<usize>) {
    match value {
        Value::Bool(value) => attribute_bool(out, field, key, *value),
        Value::I64(value) => attribute_i64(out, field, key, *value),
        Value::F64(value) => attribute_f64(out, field, key, *value),
        Value::String(value) => attribute_str(out, field, key, value.as_str(), limit),
        other => attribute(out, field, key, |out| other.encode(out, limit)),
    }
}

/// Appends an attribute with a string, cut after `limit` characters.
#[inline]
pub(crate) fn attribute_str(out: &mut Vec<u8>, field: u8, key: &str, value: &str, limit: Option<usize>) {
    let text = truncated(value, limit).as_bytes();
    let length = text.len() as u8;
    let head = [VALUE << 3 | LENGTH, length.wrapping_add(2), STRING << 3 | LENGTH, length];
    if !short_attribute(out, field, key, head, text) {
        attribute_head(out, field, key, framed_len(text.len()));
        bytes_field(out, STRING, text);
    }
}

/// Appends an attribute with an integer.
#[inline]
pub(crate) fn attribute_i64(out: &mut Vec<u8>, field: u8, key: &str, value: i64) {
    let head = [VALUE << 3 | LENGTH, 2, INT << 3, value as u8];
    if (0..SHORT as i64).contains(&value) && short_attribute(out, field, key, head, &[]) {
        return;
    }
    attribute_head(out, field, key, 1 + varint_len(value as u64));
    i64(out, value);
}

/// Appends an attribute with a double, which may be NaN or infinite.
pub(crate) fn attribute_f64(out: &mut Vec<u8>, field: u8, key: &str, value: f64) {
    attribute_head(out, field, key, 1 + size_of::<f64>());
    f64(out, value);
}

/// Appends an attribute with a boolean.
pub(crate) fn attribute_bool(out: &mut Vec<u8>, field: u8, key: &str, value: bool) {
    attribute_head(out, field, key, 2);
    bool(out, value);
}

/// Appends an attribute with bytes, cut after `limit` of them.
pub(crate) fn attribute_bytes(out: &mut Vec<u8>, field: u8, key: &str, value: &[u8], limit: Option<usize>) {
    attribute(out, field, key, |out| bytes_value(out, value, limit));
}

/// Appends an attribute of less than 128 bytes. Its value is `head`, with the frame, and `text`. Returns `false`, and
/// appends nothing, if it is longer or has no key.
#[inline]
fn short_attribute<const N: usize>(
    out: &mut Vec<u8>,
    field: u8,
    key: &str,
    head: [u8; N],
    text: &[u8],
) -> bool {
    let key = key.as_bytes();
    let whole = key.len().saturating_add(text.len()).saturating_add(2 + N);
    if whole >= SHORT || key.is_empty() {
        return false;
    }
    out.extend_from_slice(&[field << 3 | LENGTH, whole as u8, KEY << 3 | LENGTH, key.len() as u8]);
    out.extend_from_slice(key);
    out.extend_from_slice(&head);
    out.extend_from_slice(text);
    true
}

/// Appends everything of an attribute up to the content of its value, which has `length` bytes.
#[inline]
fn attribute_head(out: &mut Vec<u8>, field: u8, key: &str, length: usize) {
    let key = key.as_bytes();
    // Key and value have a tag and a length each. If all of it is short, they are too.
    let whole = key.len().saturating_add(length).saturating_add(4);
    if whole < SHORT && !key.is_empty() {
        let [tag, key_tag, value_tag] = [field, KEY, VALUE].map(|field| field << 3 | LENGTH);
        out.extend_from_slice(&[tag, whole as u8, key_tag, key.len() as u8]);
        out.extend_from_slice(key);
        out.extend_from_slice(&[value_tag, length as u8]);
        return;
    }
    long_attribute_head(out, field, key, length);
}

/// The long form: an attribute of 128 bytes or more, or one without a key. Kept out of line, because it is rare.
#[inline(never)]
fn long_attribute_head(out: &mut Vec<u8>, field: u8, key: &[u8], length: usize) {
    let whole = framed_len(key.len()) + framed_len(length);
    message_head(out, field, if key.is_empty() { framed_len(length) } else { whole });
    bytes(out, KEY, key);
    message_head(out, VALUE, length);
}

/// Returns the attributes that were encoded here, as fields of some message: their keys, and themselves with their
/// frames.
pub(crate) fn encoded_attributes(attributes: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    encoded_keys(attributes).map(|(key, whole)| (std::str::from_utf8(key).unwrap_or_default(), whole))
}

/// Returns the same, with keys that are only compared: that they are text need not be checked.
#[inline]
pub(crate) fn encoded_keys(mut attributes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (_, content, whole) = next_length_delimited(attributes)?;
        attributes = &attributes[whole.len()..];
        // An empty key is left out.
        let key = next_length_delimited(content)
            .filter(|(field, ..)| *field == KEY)
            .map_or(&[][..], |(_, key, _)| key);
        Some((key, whole))
    })
}

/// Returns one of [`encoded_attributes`] as the API has it. `None` if its value is empty.
pub(crate) fn decoded_attribute(attribute: &[u8]) -> Option<(String, AnyValue)> {
    let (_, content, _) = next_length_delimited(attribute)?;
    decoded_pair(content)
}

/// Returns the value of an encoded `AnyValue`, or `None` if it is empty.
pub(crate) fn decoded_value(value: &[u8]) -> Option<AnyValue> {
    let value = fields(value).find_map(|(field, value)| Some((u8::try_from(field).ok()?, value)))?;
    Some(match value {
        (STRING, WireValue::Bytes(text)) => {
            AnyValue::String(String::from_utf8_lossy(text).into_owned().into())
        }
        (BOOL, WireValue::Varint(value)) => AnyValue::Boolean(value != 0),
        (INT, WireValue::Varint(value)) => AnyValue::Int(value as i64),
        (DOUBLE, WireValue::Fixed64(bits)) => AnyValue::Double(f64::from_bits(bits)),
        (BYTES, WireValue::Bytes(value)) => AnyValue::Bytes(Box::new(value.to_vec())),
        (ARRAY, WireValue::Bytes(values)) => {
            AnyValue::ListAny(Box::new(elements(values).filter_map(decoded_value).collect()))
        }
        (MAP, WireValue::Bytes(pairs)) => {
            let pairs = elements(pairs).filter_map(decoded_pair);
            AnyValue::Map(Box::new(pairs.map(|(key, value)| (key.into(), value)).collect()))
        }
        _ => return None,
    })
}

/// Returns the key and the value of an encoded `KeyValue`.
fn decoded_pair(pair: &[u8]) -> Option<(String, AnyValue)> {
    let (mut key, mut value) = (String::new(), None);
    for field in fields(pair) {
        match field {
            (1, WireValue::Bytes(text)) => key = String::from_utf8_lossy(text).into_owned(),
            (2, WireValue::Bytes(encoded)) => value = decoded_value(encoded),
            _ => {}
        }
    }
    Some((key, value?))
}

/// Returns the messages in a list of either kind.
fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    fields(list).filter_map(|(_, element)| match element {
        WireValue::Bytes(element) => Some(element),
        _ => None,
    })
}

/// Returns the first `limit` characters, and in any case at most [`MAX_TEXT`] bytes.
#[inline]
pub(super) fn truncated(text: &str, limit: Option<usize>) -> &str {
    let text = beginning(text, MAX_TEXT);
    match limit {
        // Text of so few bytes has no more characters than that.
        Some(limit) if text.len() > limit => {
            let end = text.char_indices().nth(limit).map_or(text.len(), |(end, _)| end);
            &text[..end]
        }
        _ => text,
    }
}

/// Appends the string variant of `AnyValue`.
pub(super) fn str(out: &mut Vec<u8>, value: &str, limit: Option<usize>) {
    bytes_field(out, STRING, truncated(value, limit).as_bytes());
}

/// Appends the boolean variant of `AnyValue`, also for `false`.
fn bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(&[BOOL << 3, u8::from(value)]);
}

/// Appends the integer variant of `AnyValue`. Negative numbers take ten bytes.
#[inline]
fn i64(out: &mut Vec<u8>, value: i64) {
    match u8::try_from(value) {
        Ok(byte) if byte < SHORT as u8 => out.extend_from_slice(&[INT << 3, byte]),
        _ => {
            out.push(INT << 3);
            varint(out, value as u64);
        }
    }
}

/// Appends the double variant of `AnyValue`.
fn f64(out: &mut Vec<u8>, value: f64) {
    out.push(DOUBLE << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends the bytes variant of `AnyValue`.
fn bytes_value(out: &mut Vec<u8>, value: &[u8], limit: Option<usize>) {
    let end = limit.unwrap_or(MAX_TEXT).min(MAX_TEXT).min(value.len());
    bytes_field(out, BYTES, &value[..end]);
}

/// Appends the array variant of `AnyValue`. What comes after [`MAX_TEXT`] bytes is left out.
fn array<T>(out: &mut Vec<u8>, values: &[T], element: impl Fn(&mut Vec<u8>, &T)) {
    message(out, ARRAY, |out| {
        let start = out.len();
        for value in values {
            message(out, VALUES, |out| element(out, value));
            if out.len() - start > MAX_TEXT {
                break;
            }
        }
    });
}

/// Appends the variant of `AnyValue` for maps, whose values may be maps again.
fn map(out: &mut Vec<u8>, values: &HashMap<Key, AnyValue>, limit: Option<usize>, depth: u32) {
    message(out, MAP, |out| {
        for (key, value) in values {
            attribute(out, VALUES, key.as_str(), |out| any_value(out, value, limit, depth));
        }
    });
}

/// Levels of a nested value. Receivers read messages that are nested 100 levels deep: a map takes three of them, and the
/// request around it five.
const MAX_DEPTH: u32 = 32;

/// The text that takes the place of a list or a map at the last level.
const TOO_DEEP: &str = "[nested too deep]";

// KeyValue
/// `key`: a text, not empty.
const KEY: u8 = 1;
/// `value`: an `AnyValue`.
const VALUE: u8 = 2;
// AnyValue
/// `string_value`. UTF-8, cut at the configured length.
const STRING: u8 = 1;
/// `bool_value`: a varint of 0 or 1, written for `false` as well.
const BOOL: u8 = 2;
/// `int_value`: a varint; a negative number takes ten bytes.
const INT: u8 = 3;
/// `double_value`: eight bytes.
const DOUBLE: u8 = 4;
/// `array_value`: an `ArrayValue`.
const ARRAY: u8 = 5;
/// `kvlist_value`: a `KeyValueList`.
const MAP: u8 = 6;
/// `bytes_value`.
const BYTES: u8 = 7;
// ArrayValue and KeyValueList
/// `values`: the elements of the array, or the pairs of the map.
const VALUES: u8 = 1;
