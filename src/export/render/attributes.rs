//! Attributes as text.
//!
//! Values are shown as they would be written in code, without quotes around strings. This is for people: the form
//! cannot be read back, because a string may look like a number.

use std::fmt::Write as _;

use super::{messages, text};
use crate::export::encode::{WireValue, fields};
use crate::export::render::terminal::escape;

/// A key, and the text of its value. Neither is escaped yet.
pub(crate) type Attribute = (String, String);

/// Reads the attributes that a message has in the fields of this number, in their order.
pub(in crate::export) fn decode(message: &[u8], number: u32) -> Vec<Attribute> {
    messages(message, number).map(pair).collect()
}

/// Reads one encoded `KeyValue`.
pub(super) fn pair(encoded: &[u8]) -> Attribute {
    let key = messages(encoded, 1).last().map(text).unwrap_or_default();
    (key, messages(encoded, 2).last().map(value_text).unwrap_or_default())
}

/// Returns `key=value key=value`, in the order of export.
#[cfg(feature = "testing")]
pub(crate) fn line(attributes: &[Attribute]) -> String {
    line_of(attributes.iter())
}

/// Returns `key=value key=value`, in the order of the keys.
///
/// It identifies a set of attributes: the order in which those of a series are exported may change.
pub(super) fn sorted_line(attributes: &[Attribute]) -> String {
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort();
    line_of(sorted.into_iter())
}

/// Returns `key=value key=value`, without what adds nothing to the title of a span or record: the title again, the
/// method, addresses, source code locations, stack traces.
pub(super) fn short_line(attributes: &[Attribute], title: &str) -> String {
    let is_quiet = |key: &str| QUIET.iter().any(|prefix| key.starts_with(prefix));
    line_of(attributes.iter().filter(|(key, value)| !is_quiet(key) && value != title))
}

/// Joins attributes to one line. Keys and values are escaped: both can come from a peer.
fn line_of<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> String {
    attributes.map(|(key, value)| format!("{}={}", shown(key), shown(value))).collect::<Vec<_>>().join(" ")
}

/// Returns the text in one line that cannot act on a terminal.
pub(super) fn shown(text: &str) -> String {
    escape(text, "\\n")
}

/// Returns the printed form of an encoded `AnyValue`: `text`, `42`, `true`, `[1, 2]`, `{a: 1}`, bytes in hexadecimal.
/// Empty if there is no value.
pub(crate) fn value_text(value: &[u8]) -> String {
    let list = |values: &[u8]| messages(values, 1).map(value_text).collect::<Vec<_>>().join(", ");
    let map = |pairs: &[u8]| {
        let pairs = messages(pairs, 1).map(pair).map(|(key, value)| format!("{key}: {value}"));
        pairs.collect::<Vec<_>>().join(", ")
    };
    match fields(value).next() {
        Some((1, WireValue::Bytes(value))) => text(value),
        Some((2, WireValue::Varint(value))) => (value != 0).to_string(),
        Some((3, WireValue::Varint(value))) => (value as i64).to_string(),
        Some((4, WireValue::Fixed64(bits))) => f64::from_bits(bits).to_string(),
        Some((5, WireValue::Bytes(values))) => format!("[{}]", list(values)),
        Some((6, WireValue::Bytes(pairs))) => format!("{{{}}}", map(pairs)),
        Some((7, WireValue::Bytes(bytes))) => hex(bytes),
        _ => String::new(),
    }
}

/// Returns the bytes as hexadecimal digits in lower case, as ids are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The prefixes of keys that [`short_line`] leaves out. Attributes that the user requested, such as captured headers,
/// are not among them.
const QUIET: [&str; 8] = [
    "rpc.system",
    "rpc.service",
    "rpc.method",
    "server.",
    "network.",
    "code.",
    "thread.",
    "exception.stacktrace",
];
