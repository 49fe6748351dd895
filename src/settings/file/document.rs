//! The document of a configuration file, open to changes from code.
//!
//! Changes are made on the tree, before the schema is checked: a change can so be as wrong as the file, and is reported
//! in the same way. A node that was changed has no position; mistakes in it name the path and
//! `config_file_changes`.
//!
//! | path | leads to |
//! |---|---|
//! | `disabled` | the value of a key |
//! | `resource.attributes[0].value` | a key of the first item of a list |
//! | `instrumentation/development.general` | keys may have `/` in them |
//! | empty | the document itself |
//!
//! A key with a dot or an opening bracket in it cannot be reached by a path. No key of the schema has one.

use std::fmt;

use super::yaml::{Entry, Node, Position, Scalar, ScalarStyle, Value};

/// A configuration file after its references to variables were replaced, and before it is checked.
///
/// Given to the closure of [`Builder::config_file_changes`](crate::Builder::config_file_changes). Paths are written as
/// in messages: keys and places in lists, `tracer_provider.processors[0].batch.schedule_delay`. What is changed here is
/// checked like the file itself.
///
/// ```
/// # let _ =
/// telemetry_bootstrap::init().config_file("/etc/otel.yaml").config_file_changes(|document| {
///     if document.get("disabled").as_deref() != Some("true") {
///         document.set("resource.attributes_list", "deployment.environment.name=staging");
///     }
/// });
/// ```
pub struct ConfigDocument {
    /// The tree, with references to variables replaced.
    pub(super) root: Node,
}

impl ConfigDocument {
    /// Creates a document from a parsed file.
    pub(super) fn new(root: Node) -> Self {
        Self { root }
    }

    /// Returns the text of the scalar at a path, or `None` if there is none.
    ///
    /// The text has no quotes, and its references to variables are replaced. The text of a null value is empty, `~` or
    /// `null`. `None` also stands for a list and for a mapping.
    pub fn get(&self, path: &str) -> Option<String> {
        match &self.node(path)?.value {
            Value::Scalar(scalar) => Some(scalar.text.clone()),
            _ => None,
        }
    }

    /// Returns `true` if there is a node at a path, also one that is null.
    ///
    /// A key without a value, as in `console:`, has a node; a key that is absent has none.
    pub fn contains(&self, path: &str) -> bool {
        self.node(path).is_some()
    }

    /// Sets the value at a path. Mappings on the way are created; a place in a list that is one past its end appends.
    ///
    /// The value is YAML's plain text, whose type is found as in a file: `5000` is a number, an empty text is null. A
    /// path that leads through a scalar, or past the end of a list, changes nothing.
    ///
    /// A `$` in the value stands for itself: references were replaced before.
    pub fn set(&mut self, path: &str, value: impl fmt::Display) {
        self.set_scalar(path, Scalar { text: value.to_string(), style: ScalarStyle::Plain });
    }

    /// Sets the text at a path: as [`set`](Self::set) does, but the value is text, whatever it looks like.
    pub fn set_text(&mut self, path: &str, value: impl fmt::Display) {
        self.set_scalar(path, Scalar { text: value.to_string(), style: ScalarStyle::Text });
    }

    /// Removes the node at a path, if there is one.
    ///
    /// The items of a list behind a removed one move up. A path that leads nowhere changes nothing.
    pub fn remove(&mut self, path: &str) {
        let (parent, last) = match path.rfind(['.', '[']) {
            Some(end) => (&path[..end], &path[end..]),
            None => ("", path),
        };
        if !parent.is_empty() && !self.contains(parent) {
            return;
        }
        let Some(parent) = self.node_mut(parent) else { return };
        match (steps(last.trim_start_matches('.')).next(), &mut parent.value) {
            (Some(Step::Key(key)), Value::Map(entries)) => entries.retain(|entry| entry.key != key),
            (Some(Step::Index(index)), Value::List(items)) if index < items.len() => _ = items.remove(index),
            _ => {}
        }
    }

    /// Returns the node at a path, if there is one.
    fn node(&self, path: &str) -> Option<&Node> {
        steps(path).try_fold(&self.root, |node, step| match (step, &node.value) {
            (Step::Key(key), _) => node.get(key),
            (Step::Index(index), Value::List(items)) => items.get(index),
            _ => None,
        })
    }

    /// Sets the scalar at a path, unless the path leads nowhere.
    fn set_scalar(&mut self, path: &str, scalar: Scalar) {
        if let Some(node) = self.node_mut(path) {
            *node = Node { at: Position::default(), value: Value::Scalar(scalar) };
        }
    }

    /// Returns the node at a path, creating what is missing.
    ///
    /// `None` if a step leads through a scalar that is not null, through a node of the other kind, or past the end of a
    /// list by more than one.
    fn node_mut(&mut self, path: &str) -> Option<&mut Node> {
        let mut node = &mut self.root;
        for step in steps(path) {
            if node.is_null() {
                node.value = match step {
                    Step::Key(_) => Value::Map(Vec::new()),
                    Step::Index(_) => Value::List(Vec::new()),
                };
            }
            node = match (step, &mut node.value) {
                (Step::Key(key), Value::Map(entries)) => {
                    let place = entries.iter().position(|entry| entry.key == key);
                    let place = place.unwrap_or_else(|| {
                        entries.push(Entry {
                            key: key.to_owned(),
                            key_at: Position::default(),
                            value: null(),
                        });
                        entries.len() - 1
                    });
                    &mut entries.get_mut(place)?.value
                }
                (Step::Index(index), Value::List(items)) => {
                    if index == items.len() {
                        items.push(null());
                    }
                    items.get_mut(index)?
                }
                _ => return None,
            };
        }
        Some(node)
    }
}

impl fmt::Debug for ConfigDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigDocument").finish_non_exhaustive()
    }
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step<'a> {
    /// The value of a key of a mapping.
    Key(&'a str),
    /// An item of a list, counted from zero.
    Index(usize),
}

/// Splits `views[1].stream` into its steps. An index that is no number is a key that nothing has.
///
/// Empty steps are left out, so that `a..b` is `a.b`, and the empty path leads to the document itself.
fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split(['.', '[']).filter(|step| !step.is_empty()).map(|step| match step.strip_suffix(']') {
        Some(index) => index.parse().map_or(Step::Key(step), Step::Index),
        None => Step::Key(step),
    })
}

/// A node that [`node_mut`](ConfigDocument::node_mut) turns into what the next step of a path needs.
///
/// It has no position, as every node that code has set.
fn null() -> Node {
    Node {
        at: Position::default(),
        value: Value::Scalar(Scalar { text: String::new(), style: ScalarStyle::Plain }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::file::report::Report;
    use crate::settings::file::yaml::{Variable, parse};

    fn document(text: &str) -> ConfigDocument {
        let root = parse(text.as_bytes(), &|_| Variable::Unset, &mut Report::default()).unwrap();
        ConfigDocument::new(root)
    }

    #[test]
    fn values_are_read_set_and_removed_by_their_path() {
        let mut document = document("a: {b: [1, {c: text}], d: }\n");
        assert_eq!(document.get("a.b[0]").as_deref(), Some("1"));
        assert_eq!(document.get("a.b[1].c").as_deref(), Some("text"));
        assert_eq!((document.get("a.b"), document.get("a.x"), document.get("a.b[2]")), (None, None, None));
        assert!(document.contains("a.d") && !document.contains("a.e"));
        document.set("a.b[2]", 5);
        document.set("a.d.new.x", true);
        document.set("a.b[9]", 5);
        document.set("a.b[0].x", 5);
        assert_eq!(document.get("a.b[2]").as_deref(), Some("5"));
        assert_eq!(document.get("a.d.new.x").as_deref(), Some("true"));
        assert_eq!(document.get("a.b[0]").as_deref(), Some("1"));
        document.remove("a.b[1].c");
        document.remove("a.b[0]");
        document.remove("a.none.x");
        assert!(
            document.contains("a.b[0]") && !document.contains("a.b[0].c") && !document.contains("a.none")
        );
        document.remove("a");
        assert!(!document.contains("a"));
    }
}
