//! Protobuf's wire format, as far as OTLP needs it.
//!
//! A field is a tag (its number and wire type) and a value. Field numbers below 16 make a tag of one byte; all but
//! `Span.flags` are below, which is why most functions take the number as `u8` and write the tag without a loop.
//!
//! | wire type | value |
//! |---|---|
//! | 0 varint | seven bits a byte, the lowest first |
//! | 1, 5 fixed | 8 or 4 bytes, little-endian |
//! | 2 length-delimited | a varint of the length, then a message, string, bytes or packed list |
//!
//! Encoding appends to the caller's buffer and never fails. Decoding borrows from the message and ends at the first
//! byte that is no protobuf: it reads what was encoded here, or answers of a collector, where what is malformed is
//! counted as missing.
//!
//! # Messages whose length is not known yet
//!
//! The length of a message comes before its content. [`message`] keeps one byte for it, and patches it afterwards:
//!
//! ```text
//! length(out, field, 0)     … │ tag │ 0 │
//! content(out)              … │ tag │ 0 │ content ………………│
//! fewer than 128 bytes      … │ tag │ n │ content ………………│            the byte is written
//! 128 bytes or more         … │ tag │ n₁ n₂ │ content ………………│        the content is moved up
//! ```
//!
//! Moving costs a copy of the content for each level that is long, which is cheaper than a walk that measures
//! everything first: most messages are attributes and ids of a few bytes. Requests, which are long, are framed by their
//! known sizes instead.

use std::time::{SystemTime, UNIX_EPOCH};

/// Appends a varint: one byte for values below 128, ten at most.
#[inline]
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the number of bytes that `value` takes as a varint.
#[inline]
pub(super) fn varint_len(value: u64) -> usize {
    // Nearly all values are lengths of one byte.
    if value < SHORT as u64 {
        return 1;
    }
    (u64::BITS - value.leading_zeros()).div_ceil(7) as usize
}

/// Returns the one byte of a varint below 128. `None` for larger values.
#[inline]
fn short(value: usize) -> Option<u8> {
    (value < SHORT).then_some(value as u8)
}

/// Appends a field of a number type. Left out when it is zero, as protobuf's defaults are.
#[inline]
pub(super) fn uint(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        out.push(field << 3 | VARINT);
        varint(out, value);
    }
}

/// Appends a field of eight bytes, left out when it is zero.
pub(super) fn fixed64(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        let mut bytes = [field << 3 | FIXED64; 9];
        bytes[1..].copy_from_slice(&value.to_le_bytes());
        out.extend_from_slice(&bytes);
    }
}

/// Appends a field of four bytes, left out when it is zero. Its number may be 16 or more, which takes two bytes.
#[inline]
pub(super) fn fixed32(out: &mut Vec<u8>, field: u8, value: u32) {
    if value != 0 {
        varint(out, u64::from(field) << 3 | u64::from(FIXED32));
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a 64-bit field that is there even when it is zero, as inside a `oneof`.
pub(super) fn fixed64_value(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3 | FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a floating-point field that is there even when it is zero.
pub(super) fn double(out: &mut Vec<u8>, field: u8, value: f64) {
    fixed64_value(out, field, value.to_bits());
}

/// Appends a signed field in zigzag form, left out when it is zero.
pub(super) fn sint32(out: &mut Vec<u8>, field: u8, value: i32) {
    uint(out, field, u64::from((value << 1 ^ value >> 31) as u32));
}

/// Appends a packed list of 64-bit numbers.
pub(super) fn packed_fixed64(out: &mut Vec<u8>, field: u8, values: impl Iterator<Item = u64>) {
    packed(out, field, values, |out, value| out.extend_from_slice(&value.to_le_bytes()));
}

/// Appends a packed list of varints.
pub(super) fn packed_varints(out: &mut Vec<u8>, field: u8, values: impl Iterator<Item = u64>) {
    packed(out, field, values, varint);
}

/// Appends a packed list, left out when it is empty.
fn packed(out: &mut Vec<u8>, field: u8, values: impl Iterator<Item = u64>, one: impl Fn(&mut Vec<u8>, u64)) {
    let mut values = values.peekable();
    if values.peek().is_some() {
        message(out, field, |out| values.for_each(|value| one(out, value)));
    }
}

/// Appends a `string` or `bytes` field, left out when it is empty.
#[inline]
pub(super) fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    if !value.is_empty() {
        bytes_field(out, field, value);
    }
}

/// Appends a `string` or `bytes` field that is there even when it is empty, as inside a `oneof`.
#[inline]
pub(super) fn bytes_field(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    length(out, field, value.len());
    out.extend_from_slice(value);
}

/// Appends the head of a field whose content of `length` bytes follows.
#[inline]
pub(super) fn length(out: &mut Vec<u8>, field: u8, length: usize) {
    let tag = field << 3 | LENGTH;
    // Nearly all are short, and appending both bytes at once checks the capacity only once.
    match short(length) {
        Some(length) => out.extend_from_slice(&[tag, length]),
        None => {
            out.push(tag);
            varint(out, length as u64);
        }
    }
}

/// Returns the size of [`length`] and `content` bytes together, for fields below 16.
#[inline]
pub(super) fn framed_len(content: usize) -> usize {
    1 + varint_len(content as u64) + content
}

/// Appends a message, or a string, that `content` writes. Its length is known only afterwards: one byte is kept for it,
/// and content that needs more (from 128 bytes on) is moved up.
///
/// `content` must only append. A message without content is written too, with length 0.
#[inline]
pub(super) fn message(out: &mut Vec<u8>, field: u8, content: impl FnOnce(&mut Vec<u8>)) {
    length(out, field, 0);
    let start = out.len();
    content(out);
    match short(out.len() - start) {
        Some(length) => out[start - 1] = length,
        None => shift_for_length(out, start),
    }
}

/// Makes room for the length of the content from `start` on, which needs more than the one byte before it.
#[inline(never)]
fn shift_for_length(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    let more = varint_len(length as u64) - 1;
    out.resize(out.len() + more, 0);
    out.copy_within(start..start + length, start + more);
    let mut rest = length as u64;
    for byte in &mut out[start - 1..start + more] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[start - 1 + more] &= 0x7f;
}

/// Fields of fixed size, which are appended to a message together: that costs less than to append each.
///
/// A field that does not fit is left out; the capacity is enough for the fields that its users write.
pub(super) struct FixedFields {
    /// The encoded fields, in the first `len` bytes.
    bytes: [u8; Self::CAPACITY],
    /// The number of bytes in use.
    len: usize,
}

impl FixedFields {
    /// The fixed fields of a log record, which has most of them.
    const CAPACITY: usize = 64;

    /// Begins without fields.
    pub(super) fn new() -> Self {
        Self { bytes: [0; Self::CAPACITY], len: 0 }
    }

    /// Adds a 64-bit field, left out when it is zero. For fields below 16.
    #[inline]
    pub(super) fn fixed64(&mut self, field: u8, value: u64) {
        if value != 0 {
            let mut bytes = [field << 3 | FIXED64; 9];
            bytes[1..].copy_from_slice(&value.to_le_bytes());
            self.append(bytes);
        }
    }

    /// Adds a 32-bit field, left out when it is zero. For fields below 16.
    #[inline]
    pub(super) fn fixed32(&mut self, field: u8, value: u32) {
        if value != 0 {
            let mut bytes = [field << 3 | FIXED32; 5];
            bytes[1..].copy_from_slice(&value.to_le_bytes());
            self.append(bytes);
        }
    }

    /// Adds a field of `N` bytes, fewer than 128, such as an id.
    #[inline]
    pub(super) fn bytes<const N: usize>(&mut self, field: u8, value: [u8; N]) {
        self.append([field << 3 | LENGTH, N as u8]);
        self.append(value);
    }

    /// Appends the fields to the message.
    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes[..self.len]);
    }

    /// Adds bytes, if there is room for all of them.
    #[inline]
    fn append<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(place) = self.bytes[self.len..].first_chunk_mut() {
            *place = bytes;
            self.len += N;
        }
    }
}

/// Returns the nanoseconds since 1970: 0 for earlier times, and `u64::MAX` for times that do not fit (from the year
/// 2554 on).
pub(super) fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Returns the next field of a message that was written here: its number, its content, and all of it with the head.
///
/// Every field must be length-delimited and below 16, which lists of attributes and items are.
#[inline]
pub(super) fn next_length_delimited(message: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&head, rest) = message.split_first()?;
    let (length, rest) = read_varint(rest)?;
    let content = rest.get(..usize::try_from(length).ok()?)?;
    let whole = message.len() - rest.len() + content.len();
    Some((head >> 3, content, &message[..whole]))
}

/// The value of a field, by its wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum WireValue<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a message, a string, bytes or a packed list.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

/// Returns the fields of any message, with their numbers. Ends at the first byte that is not protobuf.
pub(in crate::export) fn fields(message: &[u8]) -> impl Iterator<Item = (u32, WireValue<'_>)> {
    message_fields(message).map(|field| (field.number, field.value))
}

/// All fields of a message, with their numbers. `None` if a byte of it is not protobuf.
#[cfg(feature = "grpc")]
pub(crate) fn all_fields(message: &[u8]) -> Option<Vec<(u32, WireValue<'_>)>> {
    let fields: Vec<_> = message_fields(message).collect();
    let read: usize = fields.iter().map(|field| field.whole.len()).sum();
    (read == message.len()).then(|| fields.into_iter().map(|field| (field.number, field.value)).collect())
}

/// A field of a message, and its bytes with the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageField<'a> {
    /// The field number.
    pub(super) number: u32,
    /// The value, borrowed from the message.
    pub(super) value: WireValue<'a>,
    /// Tag, length and value, to copy the field as it is.
    pub(super) whole: &'a [u8],
}

impl<'a> MessageField<'a> {
    /// Returns the content, if the field has one of these numbers and holds a message.
    pub(super) fn content_of(&self, numbers: &[u32]) -> Option<&'a [u8]> {
        match self.value {
            WireValue::Bytes(content) if numbers.contains(&self.number) => Some(content),
            _ => None,
        }
    }
}

/// Returns the fields of any message, in their order. Ends at the first byte that is not protobuf.
pub(super) fn message_fields(mut message: &[u8]) -> impl Iterator<Item = MessageField<'_>> {
    std::iter::from_fn(move || {
        let (tag, rest) = read_varint(message)?;
        let (value, rest) = match tag as u8 & 7 {
            VARINT => read_varint(rest).map(|(value, rest)| (WireValue::Varint(value), rest))?,
            FIXED64 => {
                let (bytes, rest) = rest.split_first_chunk()?;
                (WireValue::Fixed64(u64::from_le_bytes(*bytes)), rest)
            }
            LENGTH => {
                let (length, rest) = read_varint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (WireValue::Bytes(bytes), rest)
            }
            FIXED32 => {
                let (bytes, rest) = rest.split_first_chunk()?;
                (WireValue::Fixed32(u32::from_le_bytes(*bytes)), rest)
            }
            _ => return None,
        };
        let whole = &message[..message.len() - rest.len()];
        message = rest;
        Some(MessageField { number: u32::try_from(tag >> 3).ok()?, value, whole })
    })
}

/// Reads a varint, and returns it with the bytes after it. `None` if it does not end.
#[inline]
pub(in crate::export) fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match bytes {
        [byte @ ..0x80, rest @ ..] => Some((u64::from(*byte), rest)),
        _ => read_long_varint(bytes),
    }
}

/// Reads a varint of any length.
fn read_long_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(MAX_VARINT_LEN) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
        if byte < 0x80 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// Wire types, the lowest three bits of a tag.
pub(super) const VARINT: u8 = 0;
/// Eight bytes, little endian.
pub(super) const FIXED64: u8 = 1;
/// A varint with the length, then so many bytes. Wire types 3 and 4, groups, are obsolete.
pub(super) const LENGTH: u8 = 2;
/// Four bytes, little endian.
pub(super) const FIXED32: u8 = 5;
/// The longest varint: 64 bits in groups of seven.
const MAX_VARINT_LEN: usize = 10;
/// The numbers below this take one byte as a varint.
pub(super) const SHORT: usize = 0x80;
/// The most bytes of tag and length, for a field below 16.
pub(crate) const MAX_HEAD: usize = 1 + MAX_VARINT_LEN;
