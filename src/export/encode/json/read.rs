//! Conversion from JSON to protobuf, for responses of receivers and for requests in tests.
//!
//! Reading is lenient, as the specification asks: numbers may be text, unknown fields are passed over, `null` is
//! absent. It ends at the first mistake and at a fixed depth.
//!
//! This is not a general JSON parser: it converts JSON described by a schema directly to protobuf. What it accepts is
//! therefore bounded by the size of the text, and its recursion by [`MAX_DEPTH`].
//!
//! | text | read as |
//! |---|---|
//! | `"intValue": "42"` or `42` | 42 |
//! | `"doubleValue": "NaN"` | NaN |
//! | `null` | the field is absent |
//! | an unknown field, of any form | passed over |
//! | `3.0` or `3e2` for an integer | 3, 300, as in the mapping of protobuf |
//! | another number with a fraction for an integer | a mistake |
//! | half of a surrogate pair | the replacement character |
//! | a byte order mark before the object | passed over |
//! | anything after the object | a mistake |
//!
//! # From text to bytes
//!
//! ```text
//! {"name":"checkout","status":{"code":2}}          JSON
//!    │                  │
//!    │ find "name"      │ find "status", then "code" in its schema
//!    ▼                  ▼
//! 2a 08 checkout     7a 02 18 02                   protobuf: tag, length, content
//! ```
//!
//! A message inside a message is read into its own buffer, because its length comes before it. Depth is at most
//! [`MAX_DEPTH`], so there are at most as many buffers at a time.
//!
//! # What it does not check
//!
//! Two fields of one name are both written; a decoder of protobuf takes the last one. The length of an id is not
//! checked, and a number is checked for the range of 64 bits even where the field has 32. Enumerations must be numbers,
//! as the specification demands: `"SPAN_KIND_SERVER"` is a mistake. Control characters inside of strings are accepted.
//! None of these can make reading fail later: the result is always well-formed protobuf.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::schema::{Field, Kind, Message};
use crate::export::encode::wire::{FIXED32, FIXED64, LENGTH, VARINT, varint};

/// The text, as protobuf. Returns `None` if it is not JSON, or a field has the wrong form.
/// Used for answers of receivers, which come from the network, and for requests in tests. Takes time and memory in
/// proportion to the length of the text.
pub(super) fn message(schema: &Message, json: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(json).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text, depth: 0 };
    let mut out = Vec::new();
    reader.object(schema, &mut out)?;
    reader.rest.trim_start().is_empty().then_some(out)
}

/// A position in a JSON text. Every method reads what it is named after, with blanks before it, and returns `None` at
/// a mistake; the position is then of no use.
struct Reader<'a> {
    /// The remaining input.
    rest: &'a str,
    /// Objects and arrays that are open.
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads an object and appends its fields, in the order of the text. A key that occurs in `schema` decides how
    /// its value is read. The value of any other key is passed over, so a newer receiver can add fields.
    fn object(&mut self, schema: &Message, out: &mut Vec<u8>) -> Option<()> {
        self.members(|reader, key| match schema.0.iter().find(|field| field.name == key) {
            Some(field) => reader.field(field, out),
            None => reader.skip(),
        })
    }

    /// Reads the value of a field, or an array of values.
    /// `null` writes nothing, also for repeated fields. `null` within an array is a mistake, as in the mapping of
    /// protobuf.
    fn field(&mut self, field: &Field, out: &mut Vec<u8>) -> Option<()> {
        if self.take("null") {
            return Some(());
        }
        match field.is_repeated {
            true => self.elements(|reader| reader.value(field, out)),
            false => self.value(field, out),
        }
    }

    /// Reads one value, and appends it as a field of its number.
    /// Default values are written as well: inside of a `oneof` they choose the variant, and elsewhere they do no harm.
    fn value(&mut self, field: &Field, out: &mut Vec<u8>) -> Option<()> {
        let number = field.number;
        match field.kind {
            Kind::Message(schema) => {
                let mut content = Vec::new();
                self.object(schema, &mut content)?;
                bytes_field(out, number, &content);
            }
            Kind::String => bytes_field(out, number, self.string()?.as_bytes()),
            Kind::Id => bytes_field(out, number, &from_hexadecimal(&self.string()?)?),
            Kind::Bytes => bytes_field(out, number, &STANDARD.decode(self.string()?).ok()?),
            Kind::Bool => varint_field(out, number, u64::from(self.boolean()?)),
            Kind::Uint32 => varint_field(out, number, self.integer::<u32>()?.into()),
            Kind::Uint64 => varint_field(out, number, self.integer()?),
            Kind::Int64 => varint_field(out, number, self.integer::<i64>()? as u64),
            Kind::Sint32 => {
                let value = i64::from(self.integer::<i32>()?);
                varint_field(out, number, (value << 1 ^ value >> 63) as u64);
            }
            Kind::Fixed32 => fixed32_field(out, number, self.integer()?),
            Kind::Fixed64 => fixed64_field(out, number, self.integer()?),
            Kind::Sfixed64 => fixed64_field(out, number, self.integer::<i64>()? as u64),
            // The names of NaN and the infinities are those that `f64` reads.
            Kind::Double => fixed64_field(out, number, self.number()?.parse::<f64>().ok()?.to_bits()),
        }
        Some(())
    }

    /// Reads `true` or `false`.
    fn boolean(&mut self) -> Option<bool> {
        match self.take("true") {
            true => Some(true),
            false => self.take("false").then_some(false),
        }
    }

    /// Reads an integer, which may have an exponent, or a fraction of zeros.
    fn integer<T: FromStr + TryFrom<i128>>(&mut self) -> Option<T> {
        let text = self.number()?;
        if let Ok(integer) = text.parse() {
            return Some(integer);
        }
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0).then(|| T::try_from(number as i128).ok()).flatten()
    }

    /// Reads the text of a number, which may stand in quotes. What it may be is decided by the kind of its field.
    /// The text is not checked here: `1.5` is a number for a `double` field and a mistake for an integer.
    /// `None` if there is no number.
    fn number(&mut self) -> Option<String> {
        if self.peek()? == b'"' {
            return self.string();
        }
        let end = self
            .rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!number.is_empty()).then(|| number.to_owned())
    }

    /// Reads a text in quotes.
    /// Whole runs between escapes are copied at once. `None` if the closing quote is missing.
    fn string(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            let end = self.rest.find(['"', '\\'])?;
            text.push_str(&self.rest[..end]);
            let is_end = self.rest.as_bytes()[end] == b'"';
            self.rest = &self.rest[end + 1..];
            if is_end {
                return Some(text);
            }
            text.push(self.escape()?);
        }
    }

    /// Reads an escape, after its backslash. An unknown one stands for its character.
    /// `None` only at the end of the text, or after an invalid `\u`.
    fn escape(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = match characters.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                self.rest = characters.as_str();
                return self.unicode_escape();
            }
            other => other,
        };
        self.rest = characters.as_str();
        Some(character)
    }

    /// Reads the digits after `\u`. A character beyond the basic plane comes as two escapes; half of such a pair alone
    /// is replaced.
    fn unicode_escape(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_first = self.rest;
        if let Some(rest) = self.rest.strip_prefix("\\u") {
            self.rest = rest;
            let second = self.four_digits()?;
            if let Some(low) = second.checked_sub(0xdc00).filter(|low| *low < 0x400) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + low);
            }
        }
        self.rest = after_first;
        Some(char::REPLACEMENT_CHARACTER)
    }

    /// Reads four hexadecimal digits.
    /// `None` if fewer than four bytes are left, or if the fourth one is inside of a character.
    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4)?;
        self.rest = &self.rest[4..];
        // The parser of numbers takes a sign as well.
        let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hexadecimal.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    }

    /// Passes over a value of any form. Strings in it are decoded and dropped, so a malformed value is a mistake in
    /// an unknown field as well.
    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.members(|reader, _| reader.skip()),
            b'[' => self.elements(Self::skip),
            b'"' => self.string().map(drop),
            _ if self.take("true") || self.take("false") || self.take("null") => Some(()),
            _ => self.number().map(drop),
        }
    }

    /// Reads an object, and calls `member` after each key.
    /// A key may occur twice; `member` is called for both. It must read the value completely.
    fn members(&mut self, mut member: impl FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
        self.expect('{')?;
        self.list('}', |reader| {
            let key = reader.string()?;
            reader.expect(':')?;
            member(reader, &key)
        })
    }

    /// Reads an array, and calls `element` for each element.
    fn elements(&mut self, element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect('[')?;
        self.list(']', element)
    }

    /// Reads what object and array have in common: commas, the end, and the limit of depth.
    /// `depth` is not restored after a mistake: the reader is of no use then. A comma before the end is a mistake.
    fn list(&mut self, end: char, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        if self.expect(end).is_none() {
            loop {
                element(self)?;
                if self.expect(',').is_none() {
                    break self.expect(end)?;
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// Returns the next byte that is not a blank, without reading it.
    /// `None` at the end of the text.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start();
        self.rest.bytes().next()
    }

    /// Reads the word if it comes next.
    /// `false` leaves the position where it was, apart from blanks. What follows the word is not checked: `nullx` fails
    /// at the `x`, where a comma or an end is expected.
    fn take(&mut self, word: &str) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.strip_prefix(word).map(|rest| self.rest = rest).is_some()
    }

    /// Reads the character if it comes next.
    fn expect(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.trim_start();
        self.rest = self.rest.strip_prefix(character)?;
        Some(())
    }
}

/// Appends number and wire type. Unlike those of `wire`, these functions take any field number and write default
/// values too.
fn tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Appends a length-delimited field.
fn bytes_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    tag(out, number, LENGTH);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a varint field.
fn varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    tag(out, number, VARINT);
    varint(out, value);
}

/// Appends a field of eight bytes.
fn fixed64_field(out: &mut Vec<u8>, number: u32, value: u64) {
    tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of four bytes.
fn fixed32_field(out: &mut Vec<u8>, number: u32, value: u32) {
    tag(out, number, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Decodes pairs of hexadecimal digits, in either case. `None` for anything else.
/// An odd number of digits is `None` as well. An empty text is an empty id, which OTLP allows for the parent of a root.
fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// The deepest nesting of objects and arrays. OTLP's messages nest less than twenty deep, but for values in values.
/// Each level takes one frame of [`Reader::object`] and its helpers on the stack, a few hundred bytes.
const MAX_DEPTH: usize = 128;
