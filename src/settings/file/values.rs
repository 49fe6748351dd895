//! Values that a file gives to settings.
//!
//! The same type of text is behind a setting whether a variable or a file gives it, so that both are parsed, bounded
//! and reported in one place, [`Resolver`](crate::settings::resolve::Resolver). What differs is the origin: `line 12 of
//! otel.yaml`.
//!
//! | value in the file | text of the setting |
//! |---|---|
//! | `schedule_delay: 5000` | `5000`, as `OTEL_BSP_SCHEDULE_DELAY` has it |
//! | `headers: [{name: a, value: b c}]` | `a=b%20c`, as `OTEL_EXPORTER_OTLP_HEADERS` has it |
//! | `temporality_preference: low_memory` | `lowmemory`, as the variable has it |
//! | absent, in a node that is present | the schema's default, with the position of the node |
//! | absent, with its node | no value: code or the default of the setting counts |
//!
//! A set belongs to one resolver: the settings of the file as a whole, or those of one exporter.

use std::collections::BTreeMap;

use super::model::At;

/// Values by the key of their setting: the path of its setter, or its variable if it has none.
#[derive(Debug, Default)]
pub(in crate::settings) struct FileValues {
    /// The name of the file, for origins.
    pub(super) name: String,
    /// The values, by the keys of their settings.
    values: BTreeMap<String, FileValue>,
}

/// The text of a value, and where it stands.
#[derive(Clone, Debug)]
pub(in crate::settings) struct FileValue {
    /// The value in the form of the variable for the same setting. It may be a secret.
    pub(in crate::settings) text: String,
    /// The place at which a mistake in the value is reported.
    pub(in crate::settings) at: At,
    /// `line 12 of otel.yaml`.
    ///
    /// The effective configuration shows it as the comment behind the value.
    pub(in crate::settings) origin: String,
}

impl FileValues {
    /// Creates an empty set for the file of this name.
    pub(super) fn new(name: String) -> Self {
        Self { name, values: BTreeMap::new() }
    }

    /// Gives a setting its value; a later one takes the place of an earlier one.
    ///
    /// `key` is that of [`Setting::key`](crate::settings::setting::Setting::key). `at` is the place of the value, or of
    /// the node that leaves the value out.
    pub(super) fn set(&mut self, key: &str, text: impl Into<String>, at: &At) {
        let origin = at.position.origin(&self.name);
        self.values.insert(key.to_owned(), FileValue { text: text.into(), at: at.clone(), origin });
    }

    /// Takes the first of some values of another file under a key of its own.
    ///
    /// `keys` are tried in their order. Without a value under any of them, `to` keeps what it has. The position and the
    /// origin are copied too, so that a mistake is reported where the value stands.
    pub(super) fn copy(&mut self, from: &Self, keys: &[&str], to: &str) {
        if let Some(value) = keys.iter().find_map(|key| from.get(key)) {
            self.values.insert(to.to_owned(), value.clone());
        }
    }

    /// Returns the value of a setting.
    ///
    /// `None` if the file does not give it.
    pub(in crate::settings) fn get(&self, key: &str) -> Option<&FileValue> {
        self.values.get(key)
    }
}
