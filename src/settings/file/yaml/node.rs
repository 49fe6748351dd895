//! The nodes of a document.
//!
//! A tree owns its texts, because references change them. It has no types of the schema: a scalar keeps its text and
//! style, and [`Scalar::typed`] finds the type when it is read.
//!
//! | node | compared by `PartialEq` |
//! |---|---|
//! | [`Node`] | with its position; [`changes`](crate::settings::file) compares values alone |
//! | [`Entry`] | with the position of its key |

use std::fmt;

use super::scalar::{Scalar, Typed};

/// A place in a file. Lines and columns count from 1, columns in characters.
///
/// Ordered by line, then by column, as mistakes are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::settings) struct Position {
    /// From 1; 0 for what was set in code.
    pub(in crate::settings) line: usize,
    /// From 1; 0 for what was set in code.
    pub(in crate::settings) column: usize,
}

impl Position {
    /// Returns where a value comes from, for messages: a line of the file of this name, or the changes of the program.
    pub(in crate::settings) fn origin(self, file: &str) -> String {
        match self.line {
            0 => format!("`config_file_changes` to {file}"),
            line => format!("line {line} of {file}"),
        }
    }
}

/// A value, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings) struct Node {
    /// The first character of the value, behind its tag and anchor.
    ///
    /// For an alias, the value has the position of the node with the anchor.
    pub(in crate::settings) at: Position,
    /// The content, with references to variables replaced.
    pub(in crate::settings) value: Value,
}

/// The content of a node. Anchors, tags and comments are gone: the parser has applied them.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings) enum Value {
    /// Text, a number, a boolean or null.
    Scalar(Scalar),
    /// A sequence.
    ///
    /// In block or flow style, which makes no difference.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    ///
    /// Searched from the front: mappings of a configuration are small.
    Map(Vec<Entry>),
}

/// One key of a mapping with its value. The keys of a mapping are distinct.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings) struct Entry {
    /// The text of the key, without quotes. References in it are not replaced.
    pub(in crate::settings) key: String,
    /// The first character of the key, for mistakes in the key itself.
    pub(in crate::settings) key_at: Position,
    /// The value; null if there is nothing behind the colon.
    pub(in crate::settings) value: Node,
}

impl Node {
    /// Returns `true` if the node is null: no value, `~` or `null`.
    ///
    /// A reference to a variable that is not set is null, unless it is quoted.
    pub(in crate::settings) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if matches!(scalar.typed(), Typed::Null))
    }

    /// Returns the value of a key of a mapping.
    ///
    /// `None` if the mapping lacks the key, and for scalars and lists.
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
