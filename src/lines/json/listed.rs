//! Keys in a list of spans.
//!
//! Elasticsearch has one mapping per key for all elements of a list. A key that is a text in an outer
//! span and an object in an inner one, or first a number and then a text, makes it refuse the line. The field of the
//! inner span is renamed, as in the line itself:
//!
//! ```text
//! {"spans":[{"name":"outer","http":"GET"},{"name":"inner","field.http_method":"GET"}]}
//! ```

use super::fields::{Fields, is_member, write_field};
use super::reserved::{Reserved, hash, renamed};
use super::shape::Shape;

/// The keys of the spans that a list has so far.
#[derive(Debug)]
pub(super) struct ListedKeys {
    /// Escaped, with the type of the first value that has one.
    keys: Vec<(Vec<u8>, Option<Kind>)>,
    /// Values of one key must have one type.
    is_typed: bool,
}

/// The type that a value gives to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Takes every value as its text.
    Text,
    Boolean,
    /// Takes numbers in its range; a fraction is cut off.
    Integer,
    /// Takes all numbers.
    Float,
    /// A number beyond the range of integers, which makes a float.
    LargeFloat,
}

impl ListedKeys {
    /// Returns an empty set. If `is_typed`, values of one key must have one type.
    pub(super) fn new(is_typed: bool) -> Self {
        Self { keys: Vec::new(), is_typed }
    }

    /// Appends the fields of the next span to `out`, those that conflict with an earlier span under other keys.
    pub(super) fn write(&mut self, span: &Fields, reserved: &Reserved, out: &mut Vec<u8>) {
        let mut taken: Vec<Vec<u8>> = Vec::new();
        for (key, value) in span.iter() {
            let kind = Kind::from_value(value).filter(|_| self.is_typed);
            if !self.refuses(key, kind) {
                write_field(out, key, value);
                self.add(key, kind);
                continue;
            }
            let is_free = |key: &Vec<u8>| {
                let hash = hash(key);
                !self.refuses(key, kind)
                    && !reserved.refuses(hash, key, Shape::Other)
                    && !span.contains(hash, key)
                    && !span.is_related(key)
                    && !taken.contains(key)
            };
            if let Some(key) = (1..).map(|attempt| renamed(key, attempt, true)).find(is_free) {
                write_field(out, &key, value);
                self.add(&key, kind);
                taken.push(key);
            }
        }
    }

    /// Returns `true` if a value of this kind cannot have this key beside those that are there.
    fn refuses(&self, key: &[u8], kind: Option<Kind>) -> bool {
        self.keys.iter().any(|(other, known)| {
            is_member(key, other)
                || is_member(other, key)
                || (key == other && known.zip(kind).is_some_and(|(known, kind)| !known.admits(kind)))
        })
    }

    /// Adds a key, or the type of one that had none.
    fn add(&mut self, key: &[u8], kind: Option<Kind>) {
        match self.keys.iter_mut().find(|(other, _)| other == key) {
            Some((_, known)) => *known = known.or(kind),
            None => self.keys.push((key.to_vec(), kind)),
        }
    }
}

impl Kind {
    /// Returns the type of a value of a span, or `None` for `null`. The value has a quote and a colon before it.
    fn from_value(value: &[u8]) -> Option<Self> {
        let value = value.strip_prefix(b"\":").unwrap_or(value);
        match value.first()? {
            b'n' => None,
            b't' | b'f' => Some(Self::Boolean),
            b'-' | b'0'..=b'9' => Some(Self::from_number(std::str::from_utf8(value).ok()?)),
            _ => Some(Self::Text),
        }
    }

    fn from_number(text: &str) -> Self {
        match text.parse::<i64>() {
            Ok(_) => Self::Integer,
            Err(_) if text.parse().is_ok_and(|it: f64| it.abs() < Shape::BEYOND_INTEGERS) => Self::Float,
            Err(_) => Self::LargeFloat,
        }
    }

    /// Returns `true` if a key of this type takes a value of the type `other`.
    fn admits(self, other: Self) -> bool {
        match self {
            Self::Text => true,
            Self::Boolean => other == Self::Boolean,
            Self::Integer => matches!(other, Self::Integer | Self::Float),
            Self::Float | Self::LargeFloat => {
                matches!(other, Self::Integer | Self::Float | Self::LargeFloat)
            }
        }
    }
}
