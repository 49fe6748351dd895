//! The nodes of a document.

use std::fmt;

use super::scalar::{Scalar, Typed};

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::settings) struct Position {
    /// From 1; 0 for what was set in code.
    pub(in crate::settings) line: usize,
    pub(in crate::settings) column: usize,
}

/// A value, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings) struct Node {
    /// The first character of the value, behind its tag and anchor.
    pub(in crate::settings) at: Position,
    pub(in crate::settings) value: Value,
}

/// The content of a node. Anchors, tags and comments are gone: the parser has applied them.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings) enum Value {
    /// Text, a number, a boolean or null.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a mapping with its value. The keys of a mapping are distinct.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings) struct Entry {
    pub(in crate::settings) key: String,
    /// The first character of the key, for mistakes in the key itself.
    pub(in crate::settings) key_at: Position,
    pub(in crate::settings) value: Node,
}

impl Node {
    /// Returns `true` if the node is null: no value, `~` or `null`.
    pub(in crate::settings) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if matches!(scalar.typed(), Typed::Null))
    }

    /// Returns the value of a key of a mapping.
    pub(in crate::settings) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
