//! The value types that a backend accepts for a name.

use std::net::IpAddr;

use opentelemetry::{Array, StringValue, Value};

use super::encode::Numbers;
use crate::diagnostics;
use crate::lines::event_field::FieldValue;

/// Value types accepted by a reserved key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// None of the program's. Where dotted keys are unfolded it has no members either.
    Owned,
    /// No value, but members: `key.member`.
    Object,
    /// All values, each as its text. It has no members, like all roles below.
    Text,
    /// Numbers in the range of an integer of 64 bits; a fraction is cut off.
    Integer,
    /// Numbers.
    Float,
    /// Booleans.
    Boolean,
    /// Texts that hold a date, with or without a time and its offset.
    Date,
    /// Texts that are an IP address.
    Address,
}

/// Type of a value, compared with [`Role`]. Texts are looked at only if the key has a role.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape<'a> {
    /// A number in the range of an integer of 64 bits.
    Number,
    /// A number beyond that.
    LargeNumber,
    /// A boolean.
    Boolean,
    /// A text.
    Text(&'a str),
    /// A list of texts.
    Texts(&'a [StringValue]),
    /// Everything else.
    Other,
}

impl Role {
    /// Returns `true` if a value of this shape may have a key of this role.
    pub(super) fn admits(self, shape: Shape<'_>) -> bool {
        match self {
            Self::Owned | Self::Object => false,
            Self::Text => true,
            Self::Integer => matches!(shape, Shape::Number),
            Self::Float => matches!(shape, Shape::Number | Shape::LargeNumber),
            Self::Boolean => matches!(shape, Shape::Boolean),
            Self::Date => shape.is_all(is_date),
            Self::Address => shape.is_all(is_address),
        }
    }
}

impl<'a> Shape<'a> {
    /// The least power of two that an integer of 64 bits with a sign cannot hold.
    pub(super) const BEYOND_INTEGERS: f64 = 9_223_372_036_854_775_808.0;

    /// Returns the shape of a field's value, of which a text has at most `max` bytes.
    #[inline]
    pub(super) fn from_field(value: &FieldValue<'a>, numbers: Numbers, max: usize) -> Self {
        match *value {
            FieldValue::Bool(_) => Self::Boolean,
            FieldValue::I64(value) => Self::from_flag(numbers.holds_signed(value)),
            FieldValue::U64(value) => Self::from_flag(numbers.holds_integer(value)),
            FieldValue::F64(value) => Self::from_float(value, numbers),
            FieldValue::Text(text) | FieldValue::Error { message: text, .. } => Self::from_text(text, max),
            FieldValue::Bytes(_) => Self::Other,
        }
    }

    /// The same for a value of the OpenTelemetry API. A list has the shape of its elements.
    pub(super) fn from_value(value: &'a Value, numbers: Numbers, max: usize) -> Self {
        match value {
            Value::Bool(_) | Value::Array(Array::Bool(_)) => Self::Boolean,
            Value::I64(value) => Self::from_flag(numbers.holds_signed(*value)),
            Value::F64(value) => Self::from_float(*value, numbers),
            Value::String(text) => Self::from_text(text.as_str(), max),
            Value::Array(Array::I64(values)) => {
                Self::from_flag(values.iter().all(|&value| numbers.holds_signed(value)))
            }
            Value::Array(Array::F64(values)) => {
                values.iter().fold(Self::Number, |shape, &value| match Self::from_float(value, numbers) {
                    Self::Number => shape,
                    Self::LargeNumber if matches!(shape, Self::Number) => Self::LargeNumber,
                    Self::LargeNumber => shape,
                    other => other,
                })
            }
            Value::Array(Array::String(texts)) if texts.iter().all(|text| text.as_str().len() <= max) => {
                Self::Texts(texts)
            }
            _ => Self::Other,
        }
    }

    /// The same for a value in a line of this crate's own.
    pub(super) fn from_own_field(value: &diagnostics::FieldValue<'_>, numbers: Numbers) -> Self {
        match *value {
            diagnostics::FieldValue::Text(_) => Self::Other,
            diagnostics::FieldValue::Count(count) => Self::from_flag(numbers.holds_integer(count)),
            diagnostics::FieldValue::Seconds(seconds) => Self::from_float(seconds, numbers),
        }
    }

    /// An integer is written as a number only if the backend can hold it.
    fn from_flag(is_held: bool) -> Self {
        if is_held { Self::Number } else { Self::Other }
    }

    /// A value that is not finite is not written as a number.
    fn from_float(value: f64, numbers: Numbers) -> Self {
        match value.abs() {
            size if !size.is_finite() || !numbers.holds_float(size) => Self::Other,
            size if size < Self::BEYOND_INTEGERS => Self::Number,
            _ => Self::LargeNumber,
        }
    }

    /// A text that is cut is no longer what it was.
    fn from_text(text: &'a str, max: usize) -> Self {
        if text.len() <= max { Self::Text(text) } else { Self::Other }
    }

    /// Returns `true` if this is a text, or a list of texts, for which `test` is true.
    fn is_all(self, test: fn(&str) -> bool) -> bool {
        match self {
            Self::Text(text) => test(text),
            Self::Texts(texts) => texts.iter().all(|text| test(text.as_str())),
            _ => false,
        }
    }
}

/// Returns `true` for an IPv4 or IPv6 address.
fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Returns `true` for what each reader of ISO 8601 accepts: `2026-11-27`, and `2026-11-27T23:17:01.5+01:00` with up to
/// nine digits of a second, and `Z` in place of an offset.
fn is_date(text: &str) -> bool {
    let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
    is_day(day) && time.is_none_or(is_time_with_offset)
}

/// `2026-11-27`
fn is_day(text: &str) -> bool {
    let [Some(year), Some(month), Some(day)] = numbers(text, '-', [4, 2, 2]) else { return false };
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap_year => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// `23:17:01.5Z`
fn is_time_with_offset(text: &str) -> bool {
    let (time, offset) = match (text.strip_suffix('Z'), text.rfind(['+', '-'])) {
        (Some(time), _) => (time, "00:00"),
        (None, Some(sign)) => (&text[..sign], &text[sign + 1..]),
        (None, None) => return false,
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let is_within = |number: Option<u32>, end| number.is_some_and(|number| number < end);
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2]);
    let [offset_hour, offset_minute] = numbers(offset, ':', [2, 2]);
    is_within(hour, 24)
        && is_within(minute, 60)
        && is_within(second, 60)
        && (1..=9).contains(&fraction.len())
        && is_digits(fraction)
        && is_within(offset_hour, 18)
        && is_within(offset_minute, 60)
}

/// Returns the numbers between separators, each of exactly so many digits. The last is `None` if more text follows.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> [Option<u32>; N] {
    let mut parts = text.splitn(N, separator);
    digits.map(|digits| parts.next().filter(|part| part.len() == digits && is_digits(part))?.parse().ok())
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_or_days_with_time_and_offset() {
        for date in [
            "2026-11-27",
            "2024-02-29",
            "2026-11-27T23:17:01Z",
            "2026-11-27T23:17:01.123456789Z",
            "2026-11-27T23:17:01.5-02:30",
        ] {
            assert!(is_date(date), "{date}");
        }
        for text in [
            "",
            "now",
            "2026",
            "2026-11",
            "2026-13-01",
            "2023-02-29",
            "2026-00-01",
            "+026-11-27",
            "2026-11-27T",
            "2026-11-27 23:17:01Z",
            "2026-11-27T23:17:01",
            "2026-11-27T23:17:60Z",
            "2026-11-27T24:00:00Z",
            "2026-11-27T23:17:01.Z",
            "2026-11-27T23:17:01.1234567890Z",
            "2026-11-27T23:17:01+19:00",
            "2026-11-27T23:17:01+0100",
            "2026-11-27-01",
            "２０26-11-27",
        ] {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn a_list_has_the_shape_of_all_its_elements() {
        let shape = |values: &[f64]| {
            let value = Value::Array(Array::F64(values.to_vec()));
            let shape = Shape::from_value(&value, Numbers::FLOAT_32, 9);
            [Role::Integer, Role::Float, Role::Text].map(|role| role.admits(shape))
        };
        assert_eq!(shape(&[1.0, -2.5]), [true, true, true]);
        assert_eq!(shape(&[1.0, 1e30, 2.0]), [false, true, true]);
        assert_eq!(shape(&[1e30, f64::MAX, 2.0]), [false, false, true]);
        assert_eq!(shape(&[f64::NAN, 1.0]), [false, false, true]);
        let texts = |texts: &[&'static str], max| {
            let value = Value::Array(Array::String(texts.iter().map(|&text| text.into()).collect()));
            Role::Address.admits(Shape::from_value(&value, Numbers::FLOAT_32, max))
        };
        assert!(texts(&["10.0.0.1", "::1"], 8));
        assert!(!texts(&["10.0.0.1", "::1"], 7), "a text that is cut is no address");
        assert!(!texts(&["10.0.0.1", "localhost"], 99));
    }
}
