//! Values as JSON text, straight to bytes: valid whatever the value is.
//!
//! | value | text |
//! |---|---|
//! | string | escaped; so are characters that act on a terminal or hide text, wherever the line is read |
//! | integer up to 64 bit | a number, exact; a string if the backend cannot hold it ([`Numbers`]) |
//! | `i128`, `u128` | always a string: hardly any reader keeps such a number, and one key should have one type |
//! | float | the shortest number that reads back equal; `"NaN"`, `"Infinity"`, `"-Infinity"`, or `null` |
//! | bytes | base64 |
//! | `Display`, `Debug` | what it writes, as a string; `"[panicked]"` when it panics |
//!
//! # Escaping
//!
//! Text is tested in words of eight bytes: a word without control characters, quotes, backslashes and bytes beyond
//! ASCII needs no escape, and a text that consists of such words is copied. Otherwise each byte is looked up in a table
//! of 256 entries. JSON demands escapes for quotes, backslashes and characters below U+0020; here characters that hide
//! text or act on a terminal are escaped as well (see [`is_harmful`]), because lines are read in terminals.
//!
//! Encoding never fails and never panics.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry::{Array, Value};

use crate::export::render::terminal::is_harmful;
use crate::user_code::bounded_text::{append_caught, beginning};

/// Writes a string with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Writes `true` or `false`.
pub(crate) fn bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Writes an integer as a number.
pub(crate) fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes an integer as a string.
pub(crate) fn wide_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.push(b'"');
    integer(out, value);
    out.push(b'"');
}

/// The numbers that a backend can hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    /// The greatest integer. The least one is its negative, less one.
    max: u64,
    /// The greatest finite float.
    max_float: f64,
    /// `true` if `NaN` and the infinities are text. Otherwise they are `null`.
    non_finite_as_text: bool,
}

impl Numbers {
    /// The numbers that JSON can express.
    pub(crate) const ALL: Self = Self { max: u64::MAX, max_float: f64::MAX, non_finite_as_text: true };
    /// Integers of 64 bits with a sign, floats of 64 bits; what is not finite is `null`.
    pub(crate) const SIGNED_64: Self =
        Self { max: i64::MAX as u64, max_float: f64::MAX, non_finite_as_text: false };
    /// Integers of 64 bits, and floats of 32 bits (in whatever precision they are written).
    pub(crate) const FLOAT_32: Self = Self { max_float: f32::MAX as f64, ..Self::SIGNED_64 };
    /// Integers that a double holds exactly.
    pub(crate) const FLOAT_64: Self = Self { max: (1 << 53) - 1, ..Self::SIGNED_64 };

    /// Returns `true` if the integer is written as a number.
    pub(crate) fn holds_integer(self, value: u64) -> bool {
        value <= self.max
    }

    /// Returns `true` if the integer is written as a number.
    pub(crate) fn holds_signed(self, value: i64) -> bool {
        value.unsigned_abs().saturating_sub(u64::from(value < 0)) <= self.max
    }

    /// Returns `true` if the float is written as a number.
    pub(crate) fn holds_float(self, value: f64) -> bool {
        value.abs() <= self.max_float
    }

    /// Writes an integer as a number, or as a string if the backend cannot hold it.
    pub(crate) fn signed(self, out: &mut Vec<u8>, value: i64) {
        if self.holds_signed(value) { integer(out, value) } else { wide_integer(out, value) }
    }

    /// Writes an integer as a number, or as a string if the backend cannot hold it.
    pub(crate) fn unsigned(self, out: &mut Vec<u8>, value: u64) {
        if self.holds_integer(value) { integer(out, value) } else { wide_integer(out, value) }
    }

    /// The strings of values for which JSON has no number are those of the OpenTelemetry mapping.
    pub(crate) fn float(self, out: &mut Vec<u8>, value: f64) {
        if self.holds_float(value) {
            return float(out, value);
        }
        self.float_as_text(out, value);
    }

    /// Writes a float as a string. What is not finite is a string or `null`, as the backend needs it.
    fn float_as_text(self, out: &mut Vec<u8>, value: f64) {
        let text: &[u8] = match value {
            finite if finite.is_finite() => {
                out.push(b'"');
                float(out, finite);
                b"\""
            }
            _ if !self.non_finite_as_text => b"null",
            nan if nan.is_nan() => b"\"NaN\"",
            infinite if infinite > 0.0 => b"\"Infinity\"",
            _ => b"\"-Infinity\"",
        };
        out.extend_from_slice(text);
    }

    /// Writes a value of the API, of which each text has at most `max` bytes. Kinds that a later version of it may add are
    /// written as text.
    pub(crate) fn value(self, out: &mut Vec<u8>, value: &Value, max: usize) {
        match value {
            Value::Bool(value) => bool(out, *value),
            Value::I64(value) => self.signed(out, *value),
            Value::F64(value) => self.float(out, *value),
            Value::String(value) => string_up_to(out, value.as_str(), max),
            Value::Array(Array::Bool(values)) => list(out, values, |out, value| bool(out, *value)),
            // All elements of a list have one type.
            Value::Array(Array::I64(values)) if values.iter().all(|value| self.holds_signed(*value)) => {
                list(out, values, |out, value| integer(out, *value));
            }
            Value::Array(Array::I64(values)) => list(out, values, |out, value| wide_integer(out, *value)),
            Value::Array(Array::F64(values))
                if values.iter().all(|value| self.holds_float(*value) || !value.is_finite()) =>
            {
                list(out, values, |out, value| self.float(out, *value));
            }
            Value::Array(Array::F64(values)) => {
                list(out, values, |out, value| self.float_as_text(out, *value))
            }
            Value::Array(Array::String(values)) => {
                list(out, values, |out, value| string_up_to(out, value.as_str(), max));
            }
            other => display(out, other, max),
        }
    }
}

/// A finite float.
fn float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
}

/// A string of at most `max` bytes of `text`, followed by an ellipsis if it was longer.
pub(crate) fn string_up_to(out: &mut Vec<u8>, text: &str, max: usize) {
    if text.len() <= max {
        return string(out, text);
    }
    out.push(b'"');
    escaped(out, beginning(text, max));
    out.extend_from_slice(ELLIPSIS.as_bytes());
    out.push(b'"');
}

/// Writes bytes as base64 with padding.
pub(crate) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + value.len().div_ceil(3) * 4, b'=');
    // The room is exactly what the encoding needs, so this cannot fail.
    let written = BASE64.encode_slice(value, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
    out.push(b'"');
}

/// Encodes the output of `value` as a string of at most `max` bytes.
pub(crate) fn display(out: &mut Vec<u8>, value: &dyn fmt::Display, max: usize) {
    let mut text = String::new();
    // A few bytes more than fit show that the text was cut.
    append_caught(&mut text, max.saturating_add(MAX_UTF8), |text| write!(text, "{value}"));
    string_up_to(out, &text, max);
}

/// Writes an array.
fn list<T>(out: &mut Vec<u8>, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, value);
    }
    out.push(b']');
}

/// Lower-case hexadecimal digits, two for each byte.
pub(crate) fn hex<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    let mut pairs = [[0; 2]; N];
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
    }
    out.extend_from_slice(pairs.as_flattened());
}

/// Returns a digit from a number below 16. Computed rather than looked up, since that is done for all bytes at once.
#[inline(always)]
fn hex_digit(number: u8) -> u8 {
    number + if number < 10 { b'0' } else { b'a' - 10 }
}

/// Appends `text` for the inside of a JSON string. Nearly all text needs no escape: eight bytes are tested at once.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let plain = match bytes.last_chunk::<8>() {
        // The last eight may overlap those before.
        Some(last) => {
            bytes.as_chunks::<8>().0.iter().chain([last]).all(|word| all_plain(u64::from_le_bytes(*word)))
        }
        None => bytes.iter().all(|&byte| ESCAPES[usize::from(byte)] == PLAIN),
    };
    if plain {
        out.extend_from_slice(bytes);
    } else {
        escape_each(out, text);
    }
}

/// Returns `true` if none of eight bytes is a control character, a quote, a backslash or a part of a character beyond
/// ASCII.
fn all_plain(word: u64) -> bool {
    /// A one in each byte.
    const ONES: u64 = 0x0101_0101_0101_0101;
    /// The highest bit of each byte.
    const HIGH_BITS: u64 = ONES << 7;
    // The high bit of each byte that is zero; borrows only make false alarms, above a byte that is one already.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let quotes = zeros(word ^ (ONES * u64::from(b'"')));
    let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
    let deletes = zeros(word ^ (ONES * 0x7f));
    (controls | quotes | backslashes | deletes | word) & HIGH_BITS == 0
}

/// Escapes a text of which some byte needs it, or begins a character that might.
#[inline(never)]
fn escape_each(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(byte)];
        if escape == PLAIN {
            continue;
        }
        let harmful = match escape {
            LEAD => text[index..].chars().next().filter(|&character| is_harmful(character)),
            _ => None,
        };
        if escape == LEAD && harmful.is_none() {
            continue;
        }
        out.extend_from_slice(&bytes[copied..index]);
        copied = index + harmful.map_or(1, char::len_utf8);
        match (escape, harmful) {
            (_, Some(character)) => escape_units(out, character),
            (UNICODE, None) => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&HEX_PAIRS[usize::from(byte)]);
            }
            (letter, None) => out.extend_from_slice(&[b'\\', letter]),
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// `\u2028`; two such units for a character beyond the basic plane.
fn escape_units(out: &mut Vec<u8>, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        hex(out, unit.to_be_bytes());
    }
}

/// Bytes of the longest character.
const MAX_UTF8: usize = 4;
/// The mark at the end of a text that was cut.
const ELLIPSIS: &str = "…";

/// Entry of [`ESCAPES`] for a byte without an escape.
const PLAIN: u8 = 0;
/// Entry for a byte that is written as `\u00XX`.
const UNICODE: u8 = b'u';
/// Entry for the first byte of harmful characters, and of thousands of others.
const LEAD: u8 = 1;

/// The characters after the backslash, for each byte.
static ESCAPES: [u8; 256] = {
    let mut table = [PLAIN; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = UNICODE;
        control += 1;
    }
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table[0x08] = b'b';
    table[0x0c] = b'f';
    table[0x7f] = UNICODE;
    let leads = [0xc2, 0xd8, 0xe1, 0xe2, 0xef, 0xf3];
    let mut lead = 0;
    while lead < leads.len() {
        table[leads[lead]] = LEAD;
        lead += 1;
    }
    table
};

/// Both digits of each byte.
static HEX_PAIRS: [[u8; 2]; 256] = {
    /// The hexadecimal digits, in lower case.
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests;
