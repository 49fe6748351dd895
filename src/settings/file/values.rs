//! Values that a file gives to settings.
//!
//! The same type of text is behind a setting whether a variable or a file gives it, so that both are parsed, bounded
//! and reported in one place, [`Resolver`](crate::settings::resolve::Resolver). What differs is the origin: `line 12 of
//! otel.yaml`.

use std::collections::BTreeMap;

use super::model::At;

/// Values by the key of their setting: the path of its setter, or its variable if it has none.
#[derive(Debug, Default)]
pub(in crate::settings) struct FileValues {
    /// The name of the file, for origins.
    pub(super) name: String,
    values: BTreeMap<String, FileValue>,
}

/// The text of a value, and where it stands.
#[derive(Clone, Debug)]
pub(in crate::settings) struct FileValue {
    pub(in crate::settings) text: String,
    pub(in crate::settings) at: At,
    /// `line 12 of otel.yaml`.
    pub(in crate::settings) origin: String,
}

impl FileValues {
    /// Creates an empty set for the file of this name.
    pub(super) fn new(name: String) -> Self {
        Self { name, values: BTreeMap::new() }
    }

    /// Gives a setting its value; a later one takes the place of an earlier one.
    pub(super) fn set(&mut self, key: &str, text: impl Into<String>, at: &At) {
        let origin = format!("line {} of {}", at.position.line, self.name);
        self.values.insert(key.to_owned(), FileValue { text: text.into(), at: at.clone(), origin });
    }

    /// Takes the first of some values of another file under a key of its own.
    pub(super) fn copy(&mut self, from: &Self, keys: &[&str], to: &str) {
        if let Some(value) = keys.iter().find_map(|key| from.get(key)) {
            self.values.insert(to.to_owned(), value.clone());
        }
    }

    /// Returns the value of a setting.
    pub(in crate::settings) fn get(&self, key: &str) -> Option<&FileValue> {
        self.values.get(key)
    }
}
