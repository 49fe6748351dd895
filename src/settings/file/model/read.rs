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
//!
//! # Where mistakes are reported
//!
//! | mistake | line and column of | path of |
//! |---|---|---|
//! | a value of another type or range | the value | the value |
//! | a missing key | the mapping that lacks it | that mapping |
//! | an unknown key | the key | the mapping |
//! | several keys where one is allowed | the mapping | the mapping |
//!
//! A key is read once, by [`Reader::property`]. The parser has refused duplicate keys before, so that the first entry
//! with a name is the only one.

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
    ///
    /// The node is not null, unless [`null`](Self::null) returns [`Null::Read`]: [`Property`] handles null before it
    /// calls this. The path of `reader` is that of the node.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// What null stands for.
    ///
    /// The default is the schema's: null is allowed only where a type says so. Types that are a choice with defaults of
    /// their own, such as `console`, return [`Null::Empty`]; scalars return [`Null::Absent`].
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
    ///
    /// For mappings without defaults, lists and [`Number`](super::Number): writing the key alone is more likely a value
    /// that was forgotten.
    Refused,
    /// The same as if the property were not there.
    ///
    /// For scalars and enumerations. `timeout: ${TIMEOUT}` with a variable that is not set leaves the default.
    Absent,
    /// A mapping without keys.
    ///
    /// For components that can be chosen without options: `always_on:`.
    Empty,
    /// The type reads null itself.
    ///
    /// For values of headers and attributes, which null leaves out, and for components that are not supported.
    Read,
}

/// Reads what null stands for.
///
/// Optional properties have handled [`Null::Absent`] before.
///
/// `None` after a mistake, which is reported at the position of the node. [`Null::Absent`] is a mistake here: the
/// property is required, and null would leave it without a value.
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
    ///
    /// `true` for a plain type, `false` for an `Option`. [`Reader::property`] reports a missing key if it is `true`.
    const IS_REQUIRED: bool;

    /// The value of a property that is not there.
    ///
    /// `None` if the property is required; the caller has then reported that the key is missing. `Some(None)` for an
    /// `Option`.
    fn absent() -> Option<Self>;

    /// Reads the value of a key that is there, which may be null.
    ///
    /// `None` after a mistake, which is reported. An optional property that is null is `Some(None)` if its type treats
    /// null as absent.
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
///
/// One reader reads the whole document, from [`read`](super::read()). Reading does not stop at a mistake, so that
/// `path` must be the same before and after each call: [`below`](Reader::below) and [`item`](Reader::item) restore it.
#[derive(Debug, Default)]
pub(in crate::settings::file) struct Reader {
    /// The path of the node that is being read.
    ///
    /// Empty for the document itself.
    pub(in crate::settings::file) path: Path,
    /// Mistakes so far.
    ///
    /// [`read`](super::read()) adds them to the report of the file.
    pub(in crate::settings::file) report: Report,
    /// The file is of a newer minor version: keys that are not known are warnings.
    pub(in crate::settings::file) is_newer: bool,
    /// What is worth a warning so far.
    ///
    /// Each begins with its place: `line 3, column 1: …`. The name of the file is put before it later.
    pub(in crate::settings::file) warnings: Vec<String>,
}

impl Reader {
    /// Returns the place of a node, for mistakes that are found later.
    ///
    /// Models keep it in `at`, and [`apply`](crate::settings::file::apply) reports mistakes with it that depend on
    /// other settings.
    pub(in crate::settings::file) fn at(&self, node: &Node) -> At {
        At { position: node.at, path: self.path.clone() }
    }

    /// Reports a mistake at the current path.
    ///
    /// `reason` is lower case, has no full stop, and names what is allowed.
    pub(in crate::settings::file) fn mistake(&mut self, at: Position, reason: impl Into<String>) {
        self.report.add(at, &self.path, reason.into());
    }

    /// Reports that a value is not what it must be: `expected` is the end of "must be …".
    ///
    /// Always returns `None`, as the result of [`Read::read`]. The value is shown by [`describe`], which redacts
    /// secrets; types of secrets must not use it.
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
    ///
    /// `None` for a shorter list and for anything else, which are mistakes. The schema has no bound above 1, so that
    /// the message about a short list says that it is empty.
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
    ///
    /// Returns all entries, also those with unknown keys. `None` if the node is no mapping, which is a mistake.
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
    ///
    /// `owner` is the mapping, whose position stands for a key that is missing. `None` after a mistake; the caller
    /// reads the other properties first and gives up then.
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
    ///
    /// The path of the key is left again when `read` returns.
    pub(in crate::settings::file) fn below<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.path.push_key(key);
        let value = read(self);
        self.path.pop(outer);
        value
    }

    /// Runs `read` with the path of an item.
    ///
    /// `index` counts from 0, as in messages: `views[1]`.
    pub(super) fn item<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.path.push_index(index);
        let value = read(self);
        self.path.pop(outer);
        value
    }

    /// Returns the one key of a mapping that chooses a component.
    ///
    /// The key may be one that is not in `known`: the caller reports that, since it is the one that compares the key
    /// with its variants. `None` after a mistake: no mapping, no key, or several.
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
///
/// With a name that is near to the key, the message suggests it; otherwise it lists `known`. Used for keys of the
/// schema and for those below `distribution`. The key is redacted if it looks like a secret.
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
///
/// Two edits are allowed, if they are less than half of the name: a name of four letters may differ in one.
fn is_near(key: &str, name: &str) -> bool {
    let letters = |text: &str| {
        let stable = text.strip_suffix("/development").unwrap_or(text);
        stable.replace(['-', '_', '.'], "").to_ascii_lowercase()
    };
    let distance = edit_distance(key, name);
    letters(key) == letters(name) || (distance <= 2 && distance * 2 < name.len())
}

/// Returns the end of "must be …" for a choice.
///
/// For example ``one of `cumulative`, `delta` ``; the words are in the order of the declaration.
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
