//! The declared types in a form that can be compared with the official schema.

use std::collections::BTreeMap;

/// The types by their names in the schema, each in one line.
#[derive(Debug, Default)]
pub(in crate::settings::file) struct Shapes(pub(super) BTreeMap<String, String>);

/// Key, whether it is required, form.
pub(super) type PropertyShape = (&'static str, bool, String);

impl Shapes {
    pub(super) fn object(
        &mut self,
        name: &str,
        allows_null: bool,
        properties: impl FnOnce(&mut Self) -> Vec<PropertyShape>,
    ) -> String {
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), String::new());
            let properties = properties(self);
            self.0.insert(name.to_owned(), object_line(allows_null, &properties));
        }
        name.to_owned()
    }

    pub(super) fn component(
        &mut self,
        name: &str,
        is_open: bool,
        variants: impl FnOnce(&mut Self) -> Vec<(&'static str, String)>,
    ) -> String {
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), String::new());
            let variants = variants(self);
            self.0.insert(name.to_owned(), component_line(is_open, &variants));
        }
        name.to_owned()
    }

    pub(super) fn choice(&mut self, name: &str, texts: &[&str]) -> String {
        self.0.insert(name.to_owned(), choice_line(texts));
        name.to_owned()
    }
}

pub(super) fn object_line(allows_null: bool, properties: &[(impl AsRef<str>, bool, String)]) -> String {
    let mut lines: Vec<_> = properties
        .iter()
        .map(|(key, is_required, form)| {
            format!("{}{}: {form}", key.as_ref(), if *is_required { "!" } else { "" })
        })
        .collect();
    lines.sort();
    format!("object null={allows_null} {{{}}}", lines.join(", "))
}

pub(super) fn component_line(is_open: bool, variants: &[(impl AsRef<str>, String)]) -> String {
    let mut lines: Vec<_> = variants.iter().map(|(key, form)| format!("{}: {form}", key.as_ref())).collect();
    lines.sort();
    format!("component open={is_open} {{{}}}", lines.join(", "))
}

pub(super) fn choice_line(texts: &[&str]) -> String {
    let mut texts = texts.to_vec();
    texts.sort_unstable();
    format!("one of {}", texts.join(", "))
}
