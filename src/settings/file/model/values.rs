//! Scalars and lists of the schema.
//!
//! | type | accepts | null |
//! |---|---|---|
//! | `bool`, `String`, [`Int`], [`Ratio`], [`Secret`] | one scalar of that type | like an absent property |
//! | [`Number`] | an integer or a float | refused |
//! | [`List`] | a list with enough items, all of which are read even if one is wrong | refused |
//! | [`Located`] | what its content accepts; keeps the position for later mistakes | as its content |
//! | [`Raw`], [`Named`] | mappings that a later step reads | refused |
//!
//! Text that YAML reads as a number or a boolean is not text: `version: 1.0` is refused where text is required, with
//! the advice to quote it.
//!
//! # How YAML values are read
//!
//! | in the file | `bool` | `String` | [`Int`] | [`Number`], [`Ratio`] |
//! |---|---|---|---|---|
//! | `true` | yes | – | – | – |
//! | `"true"` | – | yes | – | – |
//! | `5` | – | – | yes | yes |
//! | `0x1F` | – | – | 31 | 31 |
//! | `5.0` | – | – | 5 | yes |
//! | `5.5` | – | – | – | yes |
//! | `.inf`, `.nan` | – | – | – | – |
//! | `yes`, `5s` | – | yes | – | – |
//!
//! Bounds are parts of the types, [`Unsigned`] and [`Positive`] among them, and are compared with the official schema
//! by a test. Values that the schema bounds less than the settings do (a time of more than a year) are checked later,
//! by the kind of the setting.

use std::fmt;

use super::read::{At, Null, Property, Read, Reader};
#[cfg(test)]
use super::shape::Shapes;
use crate::settings::file::yaml::{Node, Typed, Value};

/// Returns the text of a scalar that is text.
///
/// `None` for a list, a mapping, and a scalar that YAML reads as null, a boolean or a number. Quoted scalars are always
/// text.
pub(in crate::settings::file) fn text_of(node: &Node) -> Option<&str> {
    match typed(node)? {
        Typed::Text(text) => Some(text),
        _ => None,
    }
}

/// Returns the value of a scalar by YAML's core schema.
///
/// `None` for lists and mappings.
fn typed(node: &Node) -> Option<Typed<'_>> {
    match &node.value {
        Value::Scalar(scalar) => Some(scalar.typed()),
        _ => None,
    }
}

impl Read for bool {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match typed(node) {
            Some(Typed::Bool(value)) => Some(value),
            _ => reader.unexpected(node, "true or false"),
        }
    }

    fn null() -> Null {
        Null::Absent
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        "boolean".to_owned()
    }
}

impl Read for String {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match text_of(node) {
            Some(text) => Some(text.to_owned()),
            None => reader.unexpected(node, "text (quote what looks like a number, true, false or null)"),
        }
    }

    fn null() -> Null {
        Null::Absent
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        "string".to_owned()
    }
}

/// An integer from `MIN` to `MAX`.
///
/// Read from an integer, or from a float without a fraction that a float holds exactly. The message names both bounds,
/// or only `MIN` if there is no upper one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings::file) struct Int<const MIN: i64, const MAX: i64 = { i64::MAX }>(i64);

/// A number of milliseconds or items, from zero.
///
/// What 0 means depends on the key: no limit for times of exports, no delay for delays, nothing kept for limits.
pub(in crate::settings::file) type Unsigned = Int<0>;
/// A number of items, from one.
///
/// For sizes of queues, batches and sets of attributes, where 0 would keep or send nothing.
pub(in crate::settings::file) type Positive = Int<1>;

impl<const MIN: i64, const MAX: i64> Int<MIN, MAX> {
    /// Returns the number, which is within its bounds.
    pub(in crate::settings::file) fn get(self) -> i64 {
        self.0
    }
}

impl<const MIN: i64> Int<MIN> {
    /// Returns the number, which is not negative.
    pub(in crate::settings::file) fn unsigned(self) -> u64 {
        self.0.unsigned_abs()
    }
}

impl<const MIN: i64, const MAX: i64> Read for Int<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let number = typed(node).and_then(|typed| match typed {
            Typed::Int(number) => i64::try_from(number).ok(),
            // For the schema 1.0 is an integer.
            Typed::Float(number) if number.fract() == 0.0 && number.abs() < EXACT => Some(number as i64),
            _ => None,
        });
        match number {
            Some(number) if (MIN..=MAX).contains(&number) => Some(Self(number)),
            _ if MAX == i64::MAX => reader.unexpected(node, format_args!("an integer of at least {MIN}")),
            _ => reader.unexpected(node, format_args!("an integer from {MIN} to {MAX}")),
        }
    }

    fn null() -> Null {
        Null::Absent
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        match MAX {
            i64::MAX => format!("integer >={MIN}"),
            _ => format!("integer >={MIN} <={MAX}"),
        }
    }
}

/// A finite number.
///
/// Infinity and NaN are refused: boundaries of histograms are the only use, and cannot be either.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::settings::file) struct Number(pub(in crate::settings::file) f64);

impl Read for Number {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match typed(node) {
            Some(Typed::Int(number)) => Some(Self(number as f64)),
            Some(Typed::Float(number)) if number.is_finite() => Some(Self(number)),
            _ => reader.unexpected(node, "a number"),
        }
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        "number".to_owned()
    }
}

/// A number from 0 to 1.
///
/// Both bounds are allowed: 0 records no root spans, 1 all of them. NaN is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::settings::file) struct Ratio(pub(in crate::settings::file) f64);

impl Read for Ratio {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let number = match typed(node) {
            Some(Typed::Int(number)) => number as f64,
            Some(Typed::Float(number)) => number,
            _ => return reader.unexpected(node, "a number from 0.0 to 1.0"),
        };
        match number {
            0.0..=1.0 => Some(Self(number)),
            _ => reader.unexpected(node, "a number from 0.0 to 1.0"),
        }
    }

    fn null() -> Null {
        Null::Absent
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        "number >=0 <=1".to_owned()
    }
}

/// A list of at least `MIN` items.
///
/// The schema requires one item in nearly all lists: an empty list is more likely a mistake than intended.
/// `MIN` is 0 for `boundaries`, `known_methods` and `sensitive_query_parameters`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings::file) struct List<T, const MIN: usize = 1>(pub(in crate::settings::file) Vec<T>);

impl<T: Property, const MIN: usize> Read for List<T, MIN> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let items = reader.items(node, MIN)?;
        let read = |(index, item)| reader.item(index, |reader| T::read_property(item, reader));
        // All are read before the first mistake ends it.
        let items: Vec<_> = items.iter().enumerate().map(read).collect();
        items.into_iter().collect::<Option<_>>().map(Self)
    }

    #[cfg(test)]
    fn shape(shapes: &mut Shapes) -> String {
        format!("list >={MIN} of {}", T::property_shape(shapes))
    }
}

/// A value that knows its place.
///
/// The position of a scalar is kept only where a later step can find a mistake in it. `PartialEq` compares the place as
/// well.
#[derive(Clone, PartialEq)]
pub(in crate::settings::file) struct Located<T> {
    /// Where the value begins.
    pub(in crate::settings::file) at: At,
    /// The value itself. `Debug` shows it alone.
    pub(in crate::settings::file) value: T,
}

impl<T: fmt::Debug> fmt::Debug for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: Read> Read for Located<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let at = reader.at(node);
        T::read(node, reader).map(|value| Self { at, value })
    }

    fn null() -> Null {
        T::null()
    }

    #[cfg(test)]
    fn shape(shapes: &mut Shapes) -> String {
        T::shape(shapes)
    }
}

/// Text that is not shown.
///
/// `Debug` writes `[redacted]`, and messages about it show neither the value nor its length.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::settings::file) struct Secret(pub(in crate::settings::file) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Read for Secret {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match text_of(node) {
            Some(text) => Some(Self(text.to_owned())),
            None => {
                // Not even what it looks like: a token may be a number.
                reader.mistake(node.at, "must be text (quote what looks like a number, true, false or null)");
                None
            }
        }
    }

    fn null() -> Null {
        Null::Absent
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        "string".to_owned()
    }
}

impl<T: Read> Read for Box<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::read(node, reader).map(Self::new)
    }

    fn null() -> Null {
        T::null()
    }

    #[cfg(test)]
    fn shape(shapes: &mut Shapes) -> String {
        T::shape(shapes)
    }
}

/// A mapping of any form, read elsewhere.
///
/// A scalar or a list is a mistake. The content is not checked: it is this crate's section below `distribution`, which
/// `apply` reads, or one of another vendor or language, which nothing reads.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings::file) struct Raw(pub(in crate::settings::file) Node);

impl Read for Raw {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        reader.entries(node)?;
        Some(Self(node.clone()))
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        "object".to_owned()
    }
}

/// Mappings of any form, each under a name.
///
/// In the order of the file. Each value must be a mapping; null is a mistake.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings::file) struct Named<const MIN: usize = 0>(
    pub(in crate::settings::file) Vec<(String, Raw)>,
);

impl<const MIN: usize> Read for Named<MIN> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let entries = reader.entries(node)?;
        if entries.len() < MIN {
            return reader.unexpected(node, "a mapping with at least one key");
        }
        let read = |entry: &crate::settings::file::yaml::Entry| {
            let raw = reader.below(&entry.key, |reader| Raw::read_property(&entry.value, reader));
            raw.map(|raw| (entry.key.clone(), raw))
        };
        let named: Vec<_> = entries.iter().map(read).collect();
        named.into_iter().collect::<Option<_>>().map(Self)
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        format!("map >={MIN} of object")
    }
}

/// Larger numbers are not exact in a `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;
