//! Values as JSON text, straight to bytes: valid whatever the value is.
//!
//! | value | text |
//! |---|---|
//! | string | escaped; U+2028 and U+2029 as well, because some readers take them for line ends |
//! | integer up to 64 bit | a number, exact |
//! | `i128`, `u128` | always a string: hardly any reader keeps such a number, and one key should have one type |
//! | float | the shortest number that reads back equal; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | bytes | base64 |
//! | `Display`, `Debug` | what it writes, as a string; `"[panicked]"` when it panics |

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry::{Array, Value};

pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

pub(crate) fn bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(crate) fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(crate) fn wide_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.push(b'"');
    integer(out, value);
    out.push(b'"');
}

/// The strings of the values JSON has no number for are those of the OpenTelemetry mapping.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    let text: &[u8] = match value {
        finite if finite.is_finite() => {
            out.extend_from_slice(zmij::Buffer::new().format_finite(finite).as_bytes());
            return;
        }
        nan if nan.is_nan() => b"\"NaN\"",
        infinite if infinite > 0.0 => b"\"Infinity\"",
        _ => b"\"-Infinity\"",
    };
    out.extend_from_slice(text);
}

pub(crate) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + value.len().div_ceil(3) * 4, b'=');
    // The room is exactly what the encoding needs, so this cannot fail.
    let written = BASE64.encode_slice(value, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
    out.push(b'"');
}

/// Both are code of the program, which may panic: that must neither leave half a line nor unwind into the caller,
/// who only wanted to log.
pub(crate) fn debug(out: &mut Vec<u8>, value: &dyn fmt::Debug) {
    formatted(out, |text| fmt::Write::write_fmt(text, format_args!("{value:?}")));
}

/// See [`debug`].
pub(crate) fn display(out: &mut Vec<u8>, value: &dyn fmt::Display) {
    formatted(out, |text| fmt::Write::write_fmt(text, format_args!("{value}")));
}

/// A string of whatever `write` writes.
pub(crate) fn formatted(out: &mut Vec<u8>, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) {
    let start = out.len();
    out.push(b'"');
    // What an implementation has written before it returns an error stays.
    let outcome = catch_unwind(AssertUnwindSafe(|| write(&mut Escaped(out))));
    if outcome.is_err() {
        out.truncate(start);
        out.push(b'"');
        out.extend_from_slice(PANICKED.as_bytes());
    }
    out.push(b'"');
}

pub(crate) fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(value) => bool(out, *value),
        Value::I64(value) => integer(out, *value),
        Value::F64(value) => float(out, *value),
        Value::String(value) => string(out, value.as_str()),
        Value::Array(Array::Bool(values)) => list(out, values, |out, value| bool(out, *value)),
        Value::Array(Array::I64(values)) => list(out, values, |out, value| integer(out, *value)),
        Value::Array(Array::F64(values)) => list(out, values, |out, value| float(out, *value)),
        Value::Array(Array::String(values)) => list(out, values, |out, value| string(out, value.as_str())),
        other => display(out, other),
    }
}

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
    let pairs = bytes.map(|byte| HEX_PAIRS[usize::from(byte)]);
    out.extend_from_slice(pairs.as_flattened());
}

/// Escapes what is written to it, for the inside of a JSON string.
#[derive(Debug)]
pub(crate) struct Escaped<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(self.0, text);
        Ok(())
    }
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
        escape_each(out, bytes);
    }
}

/// Whether none of eight bytes is a control character, a quote, a backslash or the first byte of U+2028.
fn all_plain(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = ONES << 7;
    // The high bit of each byte that is zero; borrows only make false alarms, above a byte that is one already.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let quotes = zeros(word ^ (ONES * u64::from(b'"')));
    let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
    let separators = zeros(word ^ (ONES * u64::from(SEPARATOR_LEAD)));
    (controls | quotes | backslashes | separators) & HIGH_BITS == 0
}

#[cold]
#[inline(never)]
fn escape_each(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut copied = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(byte)];
        if escape == PLAIN {
            continue;
        }
        let separator =
            bytes[index..].starts_with(LINE_SEPARATOR) || bytes[index..].starts_with(PARAGRAPH_SEPARATOR);
        if byte == SEPARATOR_LEAD && !separator {
            continue;
        }
        out.extend_from_slice(&bytes[copied..index]);
        copied = index + 1;
        match escape {
            UNICODE => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&HEX_PAIRS[usize::from(byte)]);
            }
            SEPARATOR_LEAD => {
                out.extend_from_slice(if bytes[index + 2] == LINE_SEPARATOR[2] {
                    b"\\u2028"
                } else {
                    b"\\u2029"
                });
                copied = index + LINE_SEPARATOR.len();
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// What stands in place of a value that panics when it is formatted.
pub(crate) use crate::exception::PANICKED;

/// Entry of [`ESCAPES`] for a byte that stands for itself.
const PLAIN: u8 = 0;
/// Entry for a byte that is written as `\u00XX`.
const UNICODE: u8 = b'u';
/// First byte of U+2028 and U+2029, and of thousands of other characters.
const SEPARATOR_LEAD: u8 = 0xe2;
const LINE_SEPARATOR: &[u8] = "\u{2028}".as_bytes();
const PARAGRAPH_SEPARATOR: &[u8] = "\u{2029}".as_bytes();

/// What follows the backslash, for each byte.
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
    table[SEPARATOR_LEAD as usize] = SEPARATOR_LEAD;
    table
};

static HEX_PAIRS: [[u8; 2]; 256] = {
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
