//! The declared types in a form that can be compared with the official schema.
//!
//! Only tests use it. Each type writes one line about itself; the same lines are made from the JSON schema of
//! `opentelemetry-configuration`, and the two sets must be equal. A key that the schema has and the model lacks, a
//! bound that differs, or a type that became nullable, is found by that.
//!
//! ```text
//! object null=false {max_queue_size: integer >=1, exporter!: SpanExporter}
//! component open=true {console: ConsoleExporter, otlp_http: OtlpHttpExporter}
//! one of cumulative, delta, low_memory
//! ```
//!
//! `!` marks a required property, `open` a choice to which programs may add components.
//!
//! | form | written by |
//! |---|---|
//! | `boolean`, `string`, `number`, `integer >=MIN <=MAX` | the scalars of [`values`](super::values) |
//! | `list >=MIN of T` | [`List`](super::List) |
//! | `map >=MIN of object`, `object` | [`Named`](super::Named), [`Raw`](super::Raw) |
//! | the name of the type in the schema | mappings, components and enumerations, which have a line of their own |

use std::collections::BTreeMap;

/// The types by their names in the schema, each in one line.
///
/// A line is empty while the properties of its type are being added.
#[derive(Debug, Default)]
pub(in crate::settings::file) struct Shapes(pub(super) BTreeMap<String, String>);

/// Key, whether it is required, form.
pub(super) type PropertyShape = (&'static str, bool, String);

impl Shapes {
    /// Adds a mapping with its properties, once, and returns its name. The name is reserved first, because types can
    /// contain themselves: a sampler holds samplers.
    ///
    /// `allows_null` is `true` if the key alone stands for the mapping with all defaults.
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

    /// Adds a choice between components, once, and returns its name.
    ///
    /// `is_open` is `true` if the schema allows names that it does not list.
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

    /// Adds an enumeration and returns its name.
    pub(super) fn choice(&mut self, name: &str, texts: &[&str]) -> String {
        self.0.insert(name.to_owned(), choice_line(texts));
        name.to_owned()
    }
}

/// Returns the line of a mapping, its properties in alphabetical order.
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

/// Returns the line of a choice between components, in alphabetical order.
pub(super) fn component_line(is_open: bool, variants: &[(impl AsRef<str>, String)]) -> String {
    let mut lines: Vec<_> = variants.iter().map(|(key, form)| format!("{}: {form}", key.as_ref())).collect();
    lines.sort();
    format!("component open={is_open} {{{}}}", lines.join(", "))
}

/// Returns the line of an enumeration, its words in alphabetical order.
pub(super) fn choice_line(texts: &[&str]) -> String {
    let mut texts = texts.to_vec();
    texts.sort_unstable();
    format!("one of {}", texts.join(", "))
}
