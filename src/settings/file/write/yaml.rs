//! Writes trees as YAML that reads back as the same tree.
//!
//! A scalar is written plain only if it is text for YAML 1.2 and for YAML 1.1 alike, which some readers still follow;
//! all other text is quoted. `$` is doubled, so that nothing becomes a reference to a variable by accident.
//!
//! Only block style is written: one key or item a line, two columns deeper at each level. A mapping in a list begins on
//! the line of its dash. Comments stand behind the key whose value they explain, and never on lines of their own.
//!
//! | value | written as |
//! |---|---|
//! | text of letters, digits and ``_./:@%+=-,`` that begins with a letter or `/` | itself |
//! | `true`, `null`, `yes`, `on` as text | in double quotes |
//! | other text, and the empty one | in double quotes |
//! | `$` in text | `$$` |
//! | a reference | in double quotes, with `$` as it is |
//! | line ends and tabs | `\n`, `\t` |
//! | other characters that are not printable | `\U` and eight digits |
//! | a number | as Rust shows it; a float has a point or an exponent |
//! | a time | milliseconds, rounded up |
//! | null | nothing behind the colon |
//!
//! A reference in quotes is text when it is read. That is right for all secrets: they are texts in the schema.

use std::fmt::Write as _;
use std::time::Duration;

use crate::settings::file::yaml::{Scalar, ScalarStyle, Typed};

/// A value to be written.
///
/// Made by `From` of the types that settings have.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings::file) enum Yaml {
    /// What has no settings of its own: `console:`.
    Null,
    /// A number, `true` or `false`, as it is written.
    Plain(String),
    /// Text that stands for itself: a `$` in it is doubled.
    ///
    /// Quoted if it would be read as anything else.
    Text(String),
    /// Text with references to variables, which take effect.
    ///
    /// The rest of the text must have no `$`.
    Reference(String),
    /// Items of any kind, each behind a dash. Without items it is written `[]`, which the schema takes for a value.
    List(Vec<Self>),
    /// Keys with their values. Without keys it is written `{}`.
    Map(Map),
}

/// A mapping, in the order in which its keys are set.
///
/// Keys are not compared: the functions of this module set each one once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::settings::file) struct Map(Vec<Entry>);

/// One key of a mapping.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    /// Quoted if it would not be read as a text.
    key: String,
    /// What is written behind the colon, or on the lines below.
    value: Yaml,
    /// Written at the end of the key's line.
    ///
    /// Characters that are not printable are left out, so that a comment cannot end its line.
    comment: Option<String>,
}

impl Map {
    /// Returns a mapping with one key, as components are named.
    ///
    /// Further keys follow by [`with`](Self::with) or [`set`](Self::set).
    pub(super) fn from_entry(key: &str, value: impl Into<Yaml>) -> Self {
        Self::default().with(key, value)
    }

    /// Returns the mapping with one more key at the end.
    #[must_use]
    pub(in crate::settings::file) fn with(mut self, key: &str, value: impl Into<Yaml>) -> Self {
        self.set(key, value);
        self
    }

    /// Adds a key at the end. The caller sets each key once.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Yaml>) {
        self.0.push(Entry { key: key.to_owned(), value: value.into(), comment: None });
    }

    /// Sets a key with a comment on the origin of its value.
    ///
    /// The comment is behind the key for lists and mappings, too.
    pub(super) fn set_from(&mut self, key: &str, value: impl Into<Yaml>, comment: impl Into<String>) {
        self.0.push(Entry { key: key.to_owned(), value: value.into(), comment: Some(comment.into()) });
    }

    /// Sets a key, unless there is no value or nothing in it.
    ///
    /// An empty text and null are set.
    pub(super) fn set_some<T: Into<Yaml>>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value.map(Into::into).filter(|value| !value.is_empty()) {
            self.set(key, value);
        }
    }

    /// Returns `true` if there are no keys, as for a section whose settings all have their defaults.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the document.
    ///
    /// The last line ends with a line end; a document without keys is empty.
    pub(in crate::settings::file) fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    /// Writes the entries, each on lines of its own. The place for the first key is there already.
    ///
    /// `indent` is the column of the keys, counted from 0.
    fn write(&self, text: &mut String, indent: usize) {
        for (index, Entry { key, value, comment }) in self.0.iter().enumerate() {
            if index > 0 {
                pad(text, indent);
            }
            text.push_str(&scalar(key));
            text.push(':');
            value.write(text, indent, comment.as_deref());
        }
    }
}

impl Yaml {
    /// Returns `true` for a list or a mapping with nothing in it. An empty text, and null, are values.
    fn is_empty(&self) -> bool {
        match self {
            Self::List(items) => items.is_empty(),
            Self::Map(map) => map.is_empty(),
            _ => false,
        }
    }

    /// Writes the value after a key or a dash at `indent`, and ends the line.
    ///
    /// A list or a mapping with content follows on lines of its own, two columns deeper.
    fn write(&self, text: &mut String, indent: usize, comment: Option<&str>) {
        match self {
            Self::Null => {}
            Self::Plain(plain) => text.extend([" ", plain]),
            Self::Text(content) => text.extend([" ", &*scalar(&content.replace('$', "$$"))]),
            Self::Reference(content) => text.extend([" ", &*quoted(content)]),
            Self::List(items) if items.is_empty() => text.push_str(" []"),
            Self::Map(map) if map.is_empty() => text.push_str(" {}"),
            Self::List(_) | Self::Map(_) => {}
        }
        if let Some(comment) = comment {
            text.push_str("  # ");
            text.extend(comment.chars().filter(|character| is_printable(*character)));
        }
        text.push('\n');
        match self {
            Self::List(items) => items.iter().for_each(|item| {
                pad(text, indent + 2);
                text.push('-');
                item.write_item(text, indent + 2);
            }),
            Self::Map(map) if !map.is_empty() => {
                pad(text, indent + 2);
                map.write(text, indent + 2);
            }
            _ => {}
        }
    }

    /// Writes the value after a dash: a mapping begins on its line.
    ///
    /// `indent` is the column of the dash.
    fn write_item(&self, text: &mut String, indent: usize) {
        match self {
            Self::Map(map) if !map.is_empty() => {
                text.push(' ');
                map.write(text, indent + 2);
            }
            value => value.write(text, indent, None),
        }
    }
}

/// Adds the blanks before a key or a dash.
fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

/// Returns a key or a text as it is written.
///
/// A `$` must have been doubled before.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Returns `true` for text that no reader takes for anything else.
///
/// The set of characters is smaller than YAML's: a text that only might be read differently is quoted.
///
/// `false` for the empty text.
fn is_plain(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+=-,".contains(&byte);
    let is_text = || {
        let scalar = Scalar { text: text.to_owned(), style: ScalarStyle::Plain };
        matches!(scalar.typed(), Typed::Text(_))
    };
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.bytes().all(is_allowed)
        && !text.ends_with(':')
        && !YAML_1_1.iter().any(|word| word.eq_ignore_ascii_case(text))
        && is_text()
}

/// Returns a text in double quotes. What is not printable is escaped by its code point, with eight digits, which YAML
/// 1.1 and 1.2 both read.
///
/// The result is one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            character if is_printable(character) => quoted.push(character),
            // Writing to a `String` cannot fail.
            _ => _ = write!(quoted, "\\U{:08X}", u32::from(character)),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns `true` for what may stand in a line as it is. YAML 1.1 takes some of the others for the end of a line.
fn is_printable(character: char) -> bool {
    matches!(character, ' '..='\u{7e}' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{10000}'..)
}

/// Implements the conversion for values whose `Display` is a YAML scalar of their type.
macro_rules! plain {
    ($($type:ty),*) => {$(
        impl From<$type> for Yaml {
            fn from(value: $type) -> Self {
                Self::Plain(value.to_string())
            }
        }
    )*};
}

plain!(bool, u16, u32, usize, i8, i64);

impl From<f64> for Yaml {
    fn from(number: f64) -> Self {
        Self::Plain(match number {
            _ if number.is_nan() => ".nan".to_owned(),
            f64::INFINITY => ".inf".to_owned(),
            f64::NEG_INFINITY => "-.inf".to_owned(),
            // With a point or an exponent, so that it does not become an integer.
            number => format!("{number:?}"),
        })
    }
}

/// Milliseconds, as the schema has all times. What is shorter than one must not become none.
impl From<Duration> for Yaml {
    fn from(duration: Duration) -> Self {
        Self::Plain(duration.as_micros().div_ceil(1000).to_string())
    }
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Map> for Yaml {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Yaml {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// Words that are no text in YAML 1.1.
///
/// `true`, `false` and `null` are words in both versions, and are found by their type.
const YAML_1_1: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];

#[cfg(test)]
mod tests;
