//! From nodes to types: one trait for values, one for the presence of a property.
//!
//! [`Read`] says how a value of a type is read, [`Property`] what it means that a key is missing or null. The macros of
//! `macros` implement the first for each type of the schema; the second is implemented here, for `T` and `Option<T>`.
//!
//! Reading goes on after a mistake, so that all of them are reported at once; a type whose part is wrong is `None`.
//!
//! | the property is | required | optional |
//! |---|---|---|
//! | missing | mistake | `None` |
//! | null, and null is `Absent` | mistake | `None` |
//! | null, and null is `Empty` | read as `{}` | read as `{}` |
//! | null, and null is `Refused` | mistake | mistake |
//! | null, and the type reads it | the type decides | the type decides |

use std::fmt::Display;

#[cfg(test)]
use super::shape::Shapes;
use crate::settings::edit_distance;
pub(in crate::settings::file) use crate::settings::file::report::At;
use crate::settings::file::report::{Path, Report};
use crate::settings::file::yaml::{Entry, Node, Position, Typed, Value};
use crate::settings::secrets::{quoted, shown_name};

/// A type of the schema.
pub(in crate::settings::file) trait Read: Sized {
    /// Reads a value. Reports mistakes, and then returns `None`.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// What null stands for.
    fn null() -> Null {
        Null::Refused
    }

    /// Returns the form of the type in the notation of [`Shapes`], for the comparison with the official schema.
    #[cfg(test)]
    fn shape(shapes: &mut Shapes) -> String;
}

/// What null stands for where a value of some type is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings::file) enum Null {
    /// Null is a mistake.
    Refused,
    /// The same as if the property were not there.
    Absent,
    /// A mapping without keys.
    Empty,
    /// The type reads null itself.
    Read,
}

/// Reads what null stands for.
///
/// Optional properties have handled [`Null::Absent`] before.
fn read_null<T: Read>(node: &Node, reader: &mut Reader) -> Option<T> {
    match T::null() {
        Null::Read => T::read(node, reader),
        Null::Empty => T::read(&Node { at: node.at, value: Value::Map(Vec::new()) }, reader),
        Null::Refused | Null::Absent => reader.refuse_null(node),
    }
}

/// A property: required if it is a plain type, optional as `Option`.
pub(in crate::settings::file) trait Property: Sized {
    /// The key must be there.
    const IS_REQUIRED: bool;

    /// The value of a property that is not there.
    fn absent() -> Option<Self>;

    /// Reads the value of a key that is there, which may be null.
    fn read_property(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// Returns the form of the value.
    #[cfg(test)]
    fn property_shape(shapes: &mut Shapes) -> String;
}

impl<T: Read> Property for T {
    const IS_REQUIRED: bool = true;

    fn absent() -> Option<Self> {
        None
    }

    fn read_property(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.is_null() {
            true => read_null(node, reader),
            false => T::read(node, reader),
        }
    }

    #[cfg(test)]
    fn property_shape(shapes: &mut Shapes) -> String {
        T::shape(shapes)
    }
}

impl<T: Read> Property for Option<T> {
    const IS_REQUIRED: bool = false;

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn read_property(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.is_null() {
            true if T::null() == Null::Absent => Some(None),
            true => read_null(node, reader).map(Some),
            false => T::read(node, reader).map(Some),
        }
    }

    #[cfg(test)]
    fn property_shape(shapes: &mut Shapes) -> String {
        T::shape(shapes)
    }
}

/// What is known while a document is read.
#[derive(Debug, Default)]
pub(in crate::settings::file) struct Reader {
    /// The path of the node that is being read.
    pub(in crate::settings::file) path: Path,
    /// Mistakes so far.
    pub(in crate::settings::file) report: Report,
    /// The file is of a newer minor version: keys that are not known are warnings.
    pub(in crate::settings::file) is_newer: bool,
    /// What is worth a warning so far.
    pub(in crate::settings::file) warnings: Vec<String>,
}

impl Reader {
    /// Returns the place of a node, for mistakes that are found later.
    pub(in crate::settings::file) fn at(&self, node: &Node) -> At {
        At { position: node.at, path: self.path.clone() }
    }

    /// Reports a mistake at the current path.
    pub(in crate::settings::file) fn mistake(&mut self, at: Position, reason: impl Into<String>) {
        self.report.add(at, &self.path, reason.into());
    }

    /// Reports that a value is not what it must be: `expected` is the end of "must be …".
    pub(in crate::settings::file) fn unexpected<T>(
        &mut self,
        node: &Node,
        expected: impl Display,
    ) -> Option<T> {
        let found = describe(node);
        self.mistake(node.at, format!("{found} is not allowed here: must be {expected}"));
        None
    }

    /// Reports a null where a value must be given.
    fn refuse_null<T>(&mut self, node: &Node) -> Option<T> {
        self.mistake(node.at, "null is not allowed here: a value must be given");
        None
    }

    /// Returns the entries of a mapping.
    /// Anything else is a mistake.
    pub(in crate::settings::file) fn entries<'a>(&mut self, node: &'a Node) -> Option<&'a [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => self.unexpected(node, "a mapping"),
        }
    }

    /// Returns the items of a list of at least `min_items`.
    pub(super) fn items<'a>(&mut self, node: &'a Node, min_items: usize) -> Option<&'a [Node]> {
        match &node.value {
            Value::List(items) if items.len() >= min_items => Some(items),
            Value::List(_) => {
                self.mistake(node.at, "the list is empty: at least one item is required");
                None
            }
            _ => self.unexpected(node, "a list"),
        }
    }

    /// Checks the keys of a mapping against those of its type.
    ///
    /// An unknown key is a mistake, because a typo would otherwise be a setting that silently has no effect. In the
    /// document itself, and in a file of a newer minor version, it is a warning.
    pub(super) fn known_keys<'a>(&mut self, node: &'a Node, known: &[&str]) -> Option<&'a [Entry]> {
        let entries = self.entries(node)?;
        // The schema allows any key in the document itself.
        let is_warning = self.is_newer || self.path == Path::default();
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let reason = unknown_key(&entry.key, known);
            match is_warning {
                true => {
                    let place = if self.path == Path::default() {
                        String::new()
                    } else {
                        format!("{}: ", self.path.as_str())
                    };
                    self.warnings.push(format!("{}: {place}{reason}; it is ignored", entry.key_at));
                }
                false => self.mistake(entry.key_at, reason),
            }
        }
        Some(entries)
    }

    /// Reads one property of a mapping.
    pub(super) fn property<T: Property>(&mut self, owner: &Node, entries: &[Entry], key: &str) -> Option<T> {
        match entries.iter().find(|entry| entry.key == key) {
            Some(entry) => self.below(key, |reader| T::read_property(&entry.value, reader)),
            None => {
                if T::IS_REQUIRED {
                    self.mistake(owner.at, format!("`{key}` is missing: it is required"));
                }
                T::absent()
            }
        }
    }

    /// Runs `read` with the path of a key.
    pub(in crate::settings::file) fn below<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.path.push_key(key);
        let value = read(self);
        self.path.pop(outer);
        value
    }

    /// Runs `read` with the path of an item.
    pub(super) fn item<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.path.push_index(index);
        let value = read(self);
        self.path.pop(outer);
        value
    }

    /// Returns the one key of a mapping that chooses a component.
    pub(super) fn only_entry<'a>(&mut self, node: &'a Node, known: &[&str]) -> Option<&'a Entry> {
        match self.entries(node)? {
            [entry] => Some(entry),
            [] => self.unexpected(node, format!("a mapping with one of the keys {}", list(known))),
            several => {
                let keys: Vec<_> = several.iter().map(|entry| &*entry.key).collect();
                self.mistake(
                    node.at,
                    format!("has the keys {}: exactly one key is allowed, of {}", list(&keys), list(known)),
                );
                None
            }
        }
    }
}

/// Returns what a message says about a key that is not known.
pub(in crate::settings::file) fn unknown_key(key: &str, known: &[&str]) -> String {
    let nearest = known.iter().filter(|name| is_near(key, name)).min_by_key(|name| edit_distance(key, name));
    let shown = shown_name(key);
    match nearest {
        Some(name) => format!("the key `{shown}` is not known; did you mean `{name}`?"),
        None if known.is_empty() => format!("the key `{shown}` is not known: no keys are allowed here"),
        None => format!("the key `{shown}` is not known; allowed are {}", list(known)),
    }
}

/// Returns `true` for a misspelling, other separators or letters of another case, and a name without its stability.
fn is_near(key: &str, name: &str) -> bool {
    let letters = |text: &str| {
        let stable = text.strip_suffix("/development").unwrap_or(text);
        stable.replace(['-', '_', '.'], "").to_ascii_lowercase()
    };
    let distance = edit_distance(key, name);
    letters(key) == letters(name) || (distance <= 2 && distance * 2 < name.len())
}

/// Returns the end of "must be …" for a choice.
pub(in crate::settings::file) fn one_of(names: &[&str]) -> String {
    format!("one of {}", list(names))
}

/// Returns names as a message shows them: quoted, with commas.
fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{}`", shown_name(name))).collect::<Vec<_>>().join(", ")
}

/// Returns the value as a message may show it.
///
/// Text is quoted, and redacted if it may hold a secret; of a list or mapping only the kind is shown.
pub(in crate::settings::file) fn describe(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
        Value::Scalar(scalar) => match scalar.typed() {
            Typed::Null => "null".to_owned(),
            Typed::Text(text) => quoted(text),
            _ => scalar.text.clone(),
        },
    }
}
