//! Scalars and their types by the core schema of YAML 1.2.
//!
//! The core schema is fixed by the specification of the configuration file. Its differences from YAML 1.1 matter: `no`,
//! `on` and `y` are text, `010` is ten, and `1_000` is text.
//!
//! | text | type here | type in YAML 1.1 |
//! |---|---|---|
//! | empty, `~`, `null` | null | null |
//! | `true`, `True`, `TRUE` | boolean | boolean |
//! | `yes`, `on`, `y` | text | boolean |
//! | `10`, `-3`, `+3` | integer | integer |
//! | `010` | integer 10 | integer 8 |
//! | `0o17`, `0x1F` | integer | text, integer |
//! | `1_000`, `1:30` | text | integer |
//! | `1.0`, `1e3`, `.5`, `.inf`, `.nan` | float | float |
//! | `5s`, `1.1.0` | text | text |
//! | any text in quotes or in a block | text | text |

/// The text of a scalar, and how its type is found.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings) struct Scalar {
    /// The content, without quotes and escapes.
    pub(in crate::settings) text: String,
    /// Whether the text decides on the type.
    ///
    /// A reference keeps the style of its scalar: `"${N}"` is text, `${N}` may be a number.
    pub(in crate::settings) style: ScalarStyle,
}

/// How a scalar was written, as far as it decides the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) enum ScalarStyle {
    /// The text decides the type.
    ///
    /// It has no quotes and no tag `!!str`.
    Plain,
    /// Quoted, a block, or tagged `!!str`: text, whatever it looks like.
    Text,
}

/// A scalar's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::settings) enum Typed<'a> {
    /// No text, `~` or `null`.
    Null,
    /// `true` or `false`, in lower case, upper case or capitalised.
    Bool(bool),
    /// Decimal, octal with `0o`, or hexadecimal with `0x`.
    ///
    /// Wider than any type of the schema, so that a number that is too large is reported as such and not as text.
    Int(i128),
    /// With a point or an exponent, `.inf` or `.nan`, or an integer beyond 128 bits.
    ///
    /// A hexadecimal or octal integer beyond 128 bits is infinite.
    Float(f64),
    /// Everything else.
    Text(&'a str),
}

impl Scalar {
    /// Returns the value. It is found anew at each call: references to variables may have changed the text.
    ///
    /// The text of a [`Typed::Text`] is borrowed from the scalar.
    pub(in crate::settings) fn typed(&self) -> Typed<'_> {
        match self.style {
            ScalarStyle::Text => Typed::Text(&self.text),
            ScalarStyle::Plain => plain(&self.text),
        }
    }
}

/// YAML 1.2.2, section 10.3.2. What YAML 1.1 also counted as boolean or number, such as `yes`, is text.
///
/// Never fails: text that is nothing else is [`Typed::Text`].
fn plain(text: &str) -> Typed<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Typed::Null,
        "true" | "True" | "TRUE" => Typed::Bool(true),
        "false" | "False" | "FALSE" => Typed::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Typed::Float(f64::NAN),
        _ => integer(text).or_else(|| float(text)).unwrap_or(Typed::Text(text)),
    }
}

/// `[-+]? [0-9]+`, `0o [0-7]+`, `0x [0-9a-fA-F]+`. An integer that no type holds is a number all the same.
///
/// `None` for anything else. Hexadecimal and octal numbers have no sign.
fn integer(text: &str) -> Option<Typed<'_>> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'o', ..] => (&text[2..], 8),
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'-' | b'+', ..] => (&text[1..], 10),
        _ => (text, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let parsed = match radix {
        10 => text.parse(),
        _ => i128::from_str_radix(digits, radix),
    };
    match (parsed, radix) {
        (Ok(number), _) => Some(Typed::Int(number)),
        (Err(_), 10) => text.parse().ok().map(Typed::Float),
        (Err(_), _) => Some(Typed::Float(f64::INFINITY)),
    }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, and `[-+]? \.inf`.
///
/// `None` for anything else, such as `.`, `1e` and `e5`.
fn float(text: &str) -> Option<Typed<'_>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".Inf", ".INF"].contains(&unsigned) {
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        return Some(Typed::Float(sign * f64::INFINITY));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    if !has_digits || exponent.is_empty() || ![whole, fraction, exponent].into_iter().all(is_decimal) {
        return None;
    }
    text.parse().ok().map(Typed::Float)
}

/// Returns `true` for ASCII digits, and for an empty text, which a part of a number may be.
fn is_decimal(digits: &str) -> bool {
    digits.bytes().all(|digit| digit.is_ascii_digit())
}
