//! Required properties whose value may be null.
//!
//! The schema writes `value:` with nothing behind it for a header or attribute that is to be left out, mostly because a
//! variable is not set: `value: ${API_KEY}`.
//!
//! | type | used for | null | other values than text |
//! |---|---|---|---|
//! | [`NullableSecret`] | a header | the header is left out | a mistake, which does not show the value |
//! | [`AttributeValue`] | a resource attribute | the attribute is left out | numbers, booleans and lists are allowed |
//!
//! The key itself is required: a header without `value` is a mistake, while one with `value:` is left out. Other
//! required properties refuse null, see [`Null`].

use super::read::{Null, Read, Reader};
#[cfg(test)]
use super::shape::Shapes;
use super::values::Secret;
use crate::settings::file::yaml::{Node, Scalar, Typed, Value};

/// The value of a header, or null.
///
/// `None` removes a header of the same name that `headers_list` gives, too.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings::file) struct NullableSecret(pub(in crate::settings::file) Option<Secret>);

impl Read for NullableSecret {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.is_null() {
            true => Some(Self(None)),
            false => Secret::read(node, reader).map(|secret| Self(Some(secret))),
        }
    }

    fn null() -> Null {
        Null::Read
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        "string".to_owned()
    }
}

/// The value of an attribute.
///
/// The type is the one that YAML gives the value. An explicit `type` is compared with it later, in
/// [`apply`](crate::settings::file::apply): `value: 1` with `type: string` is a mistake there.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings::file) enum AttributeValue {
    /// The attribute is left out.
    Null,
    /// A value that is no list.
    One(AttributeScalar),
    /// Not empty; all of one type.
    ///
    /// Integers and floats count as one type. An empty list, a list of lists and a list with null are mistakes.
    List(Vec<AttributeScalar>),
}

/// One value of an attribute, with the type that YAML gives it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings::file) enum AttributeScalar {
    /// Quoted, or nothing that YAML has another type for.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// An integer within 64 bits.
    Int(i64),
    /// A number with a point or an exponent, or an integer beyond 64 bits.
    Float(f64),
}

impl Read for AttributeValue {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let items = match &node.value {
            Value::Map(_) => return reader.unexpected(node, EXPECTED),
            Value::List(items) => items,
            Value::Scalar(scalar) => {
                return match attribute_scalar(scalar) {
                    None if node.is_null() => Some(Self::Null),
                    Some(scalar) => Some(Self::One(scalar)),
                    None => reader.unexpected(node, EXPECTED),
                };
            }
        };
        let scalars: Option<Vec<_>> = items
            .iter()
            .map(|item| match &item.value {
                Value::Scalar(scalar) => attribute_scalar(scalar),
                _ => None,
            })
            .collect();
        match scalars {
            Some(scalars)
                if !scalars.is_empty() && scalars.windows(2).all(|two| same_type(&two[0], &two[1])) =>
            {
                Some(Self::List(scalars))
            }
            _ => reader.unexpected(node, EXPECTED),
        }
    }

    fn null() -> Null {
        Null::Read
    }

    #[cfg(test)]
    fn shape(_: &mut Shapes) -> String {
        "attribute value".to_owned()
    }
}

/// Returns the value of a scalar, or `None` for null. An integer beyond 64 bits becomes a float.
///
/// A float loses digits of such an integer: OpenTelemetry has no larger integers.
fn attribute_scalar(scalar: &Scalar) -> Option<AttributeScalar> {
    Some(match scalar.typed() {
        Typed::Null => return None,
        Typed::Bool(value) => AttributeScalar::Bool(value),
        Typed::Int(number) => match i64::try_from(number) {
            Ok(number) => AttributeScalar::Int(number),
            Err(_) => AttributeScalar::Float(number as f64),
        },
        Typed::Float(number) => AttributeScalar::Float(number),
        Typed::Text(text) => AttributeScalar::Text(text.to_owned()),
    })
}

/// Integers and floats are numbers.
///
/// A list such as `[1, 2.5]` is therefore allowed, and becomes an array of floats.
fn same_type(a: &AttributeScalar, b: &AttributeScalar) -> bool {
    let kind = |scalar: &AttributeScalar| match scalar {
        AttributeScalar::Text(_) => 0,
        AttributeScalar::Bool(_) => 1,
        AttributeScalar::Int(_) | AttributeScalar::Float(_) => 2,
    };
    kind(a) == kind(b)
}

/// The end of "must be …".
///
/// One message for all mistakes in a value, also for those in the items of a list.
const EXPECTED: &str = "text, a number, true or false, or a list of one of them that is not empty";
