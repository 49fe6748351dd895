//! Conversion from protobuf to JSON.
//!
//! The bytes are those that would be sent as protobuf, so both encodings of a request hold the same. Fields are
//! written in the order of the schema, whatever their order on the wire.
//!
//! Text is escaped where JSON demands it, no more: a receiver reads it, not a person.
//!
//! The cost is one pass over the fields of each message for each field of its schema. That is quadratic in the number
//! of distinct fields, which is at most sixteen; repeated fields are only compared by their numbers.
//!
//! # Order and repetition
//!
//! | on the wire | in JSON |
//! |---|---|
//! | fields in any order | in the order of the schema |
//! | a single field twice | the last one, as decoders of protobuf do |
//! | a repeated field in several pieces, packed or not | one array with all elements in their order |
//! | a field that the schema does not have | left out |
//! | bytes after a malformed field | left out: `fields` ends there |
//! | a value of another wire type than the kind has | `null` |
//!
//! The output is therefore valid JSON for any bytes. It holds no line end, so a request is one line in a file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::schema::{Field, Kind, Message};
use crate::export::encode::{WireValue, fields};

/// Appends a message as an object. Fields that the schema does not have are left out.
/// The fields are collected once and searched for each field of the schema. `bytes` may be malformed; what was read
/// before the mistake is written.
pub(super) fn message(out: &mut Vec<u8>, schema: &Message, bytes: &[u8]) {
    let present: Vec<(u32, WireValue<'_>)> = fields(bytes).collect();
    out.push(b'{');
    let mut is_first = true;
    for field in schema.0 {
        let mut values =
            present.iter().filter(|(number, _)| *number == field.number).map(|(_, value)| *value);
        let Some(first) = values.next() else { continue };
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b"\":");
        match field.is_repeated {
            true => array(out, field, std::iter::once(first).chain(values)),
            // As protobuf has it: the last one wins.
            false => one(out, field.kind, values.next_back().unwrap_or(first)),
        }
    }
    out.push(b'}');
}

/// Appends a repeated field as an array, whether it was packed or not.
/// A packed field has one value that holds all numbers; an unpacked one has a value for each. Both can be mixed, as
/// protobuf allows.
fn array<'a>(out: &mut Vec<u8>, field: &Field, values: impl Iterator<Item = WireValue<'a>>) {
    out.push(b'[');
    let start = out.len();
    let push = |out: &mut Vec<u8>, value| {
        if out.len() > start {
            out.push(b',');
        }
        one(out, field.kind, value);
    };
    for value in values {
        match value {
            WireValue::Bytes(packed) if is_number(field.kind) => {
                unpacked(field.kind, packed).for_each(|value| push(out, value));
            }
            value => push(out, value),
        }
    }
    out.push(b']');
}

/// Returns `true` for kinds that protobuf may pack.
/// For all others, [`WireValue::Bytes`] is the value itself.
fn is_number(kind: Kind) -> bool {
    !matches!(kind, Kind::Message(_) | Kind::String | Kind::Id | Kind::Bytes)
}

/// Returns the numbers of a packed field, up to the first that is cut short.
/// Each number has the wire type of its kind, without a tag. `bool`, `int64` and `sint32` are varints.
fn unpacked(kind: Kind, mut packed: &[u8]) -> impl Iterator<Item = WireValue<'_>> {
    std::iter::from_fn(move || {
        let (value, rest) = match kind {
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
                let (bytes, rest) = packed.split_first_chunk()?;
                (WireValue::Fixed64(u64::from_le_bytes(*bytes)), rest)
            }
            Kind::Fixed32 => {
                let (bytes, rest) = packed.split_first_chunk()?;
                (WireValue::Fixed32(u32::from_le_bytes(*bytes)), rest)
            }
            _ => {
                let (value, rest) = crate::export::encode::read_varint(packed)?;
                (WireValue::Varint(value), rest)
            }
        };
        packed = rest;
        Some(value)
    })
}

/// Appends one value. It becomes `null` if its wire type does not belong to the kind, which no encoder of ours
/// produces.
fn one(out: &mut Vec<u8>, kind: Kind, value: WireValue<'_>) {
    match (kind, value) {
        (Kind::Message(schema), WireValue::Bytes(bytes)) => message(out, schema, bytes),
        (Kind::String, WireValue::Bytes(bytes)) => text(out, &String::from_utf8_lossy(bytes)),
        (Kind::Id, WireValue::Bytes(bytes)) => hexadecimal(out, bytes),
        (Kind::Bytes, WireValue::Bytes(bytes)) => text(out, &STANDARD.encode(bytes)),
        (Kind::Bool, WireValue::Varint(value)) => {
            out.extend_from_slice(if value == 0 { b"false" } else { b"true" });
        }
        (Kind::Uint32, WireValue::Varint(value)) => integer(out, value),
        (Kind::Sint32, WireValue::Varint(value)) => integer(out, (value >> 1) as i64 ^ -((value & 1) as i64)),
        (Kind::Int64, WireValue::Varint(value)) => quoted(out, value as i64),
        (Kind::Uint64, WireValue::Varint(value)) => quoted(out, value),
        (Kind::Fixed32, WireValue::Fixed32(value)) => integer(out, value),
        (Kind::Fixed64, WireValue::Fixed64(value)) => quoted(out, value),
        (Kind::Sfixed64, WireValue::Fixed64(value)) => quoted(out, value as i64),
        (Kind::Double, WireValue::Fixed64(value)) => double(out, f64::from_bits(value)),
        _ => out.extend_from_slice(b"null"),
    }
}

/// Appends a number of up to 32 bits.
fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a number of 64 bits as text: JSON readers lose digits beyond 2⁵³.
fn quoted(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.push(b'"');
    integer(out, value);
    out.push(b'"');
}

/// Appends a number. NaN and infinities are text, by the names of the protobuf mapping.
/// The shortest text that is read back as the same number, with a fraction or an exponent: `3.0`, `1e300`.
fn double(out: &mut Vec<u8>, value: f64) {
    let text = match value {
        value if value.is_finite() => {
            return out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
        }
        value if value.is_nan() => "\"NaN\"",
        value if value > 0.0 => "\"Infinity\"",
        _ => "\"-Infinity\"",
    };
    out.extend_from_slice(text.as_bytes());
}

/// Appends an id, in lower case.
/// An empty id gives an empty text.
fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for byte in bytes {
        out.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
    }
    out.push(b'"');
}

/// Appends a string with its quotes. Control characters and the quote are escaped, everything else is UTF-8 as it is.
/// `\u2028` and the slash stay as they are: JSON allows both. Invalid UTF-8 was replaced before.
fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Returns a string with its quotes.
#[cfg(feature = "testing")]
pub(super) fn quoted_text(value: &str) -> String {
    let mut out = Vec::new();
    text(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

/// The hexadecimal digits, in lower case.
const DIGITS: &[u8; 16] = b"0123456789abcdef";
