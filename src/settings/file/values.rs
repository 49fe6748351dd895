//! Values that a file gives to settings.

use std::collections::BTreeMap;

use super::model::At;

/// Values by the key of their setting: the path of its setter, or its variable if it has none.
#[derive(Debug, Default)]
pub(in crate::settings) struct FileValues {
    /// The name of the file, for origins.
    pub(super) name: String,
    values: BTreeMap<String, FileValue>,
}

#[derive(Clone, Debug)]
pub(in crate::settings) struct FileValue {
    pub(in crate::settings) text: String,
    pub(in crate::settings) at: At,
    /// `line 12 of otel.yaml`.
    pub(in crate::settings) origin: String,
}

impl FileValues {
    pub(super) fn new(name: String) -> Self {
        Self { name, values: BTreeMap::new() }
    }

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

    pub(in crate::settings) fn get(&self, key: &str) -> Option<&FileValue> {
        self.values.get(key)
    }
}
