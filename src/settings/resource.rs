//! Attributes that describe this process.

use std::path::Path;

use opentelemetry::{Key, KeyValue, Value};

use super::builder_config::BuilderConfig;
use super::pattern::Pattern;
use super::resolve::{Chosen, Resolver};
use super::setting::settings;
use super::value_kind::{Kind, NAME, any, pairs, plain};
use crate::semconv;

settings! {
    /// The name of the service.
    SERVICE_NAME: String = "service_name", ["OTEL_SERVICE_NAME"], NAME, String::new();
    /// Attributes of the resource. One mistake, and the whole variable counts as not set: specification "Resource SDK",
    /// section "Specifying resource information via an environment variable".
    RESOURCE_ATTRIBUTES: Vec<(String, String)> =
        "resource_attribute", ["OTEL_RESOURCE_ATTRIBUTES"], ATTRIBUTE_LIST, Vec::new();
}

impl Resolver<'_> {
    /// Returns the attributes of the resource, each key once. What is set later here wins.
    pub(super) fn resource(&mut self, config: &BuilderConfig) -> Vec<KeyValue> {
        let mut attributes = Attributes(vec![KeyValue::new(semconv::SERVICE_NAME, unknown_service())]);
        for (key, value) in &config.resource {
            if key.as_str().trim().is_empty() {
                let name = RESOURCE_ATTRIBUTES.name();
                self.invalid_value(name, RESOURCE_ATTRIBUTES.origin(), String::new(), "the key is empty");
            }
            attributes.set(key.clone(), value.clone());
        }
        let (from_env, from_code) = match self.find(&SERVICE_NAME, &config.common.values) {
            Some(Chosen { value, is_from_code: true, .. }) => (None, Some(value)),
            chosen => (chosen.map(|chosen| chosen.value), None),
        };
        attributes.set_name(from_code);
        for (key, value) in self.resolve_env(&RESOURCE_ATTRIBUTES) {
            attributes.set(key.into(), value.into());
        }
        attributes.set_name(from_env);
        attributes.0
    }
}

/// Selects attributes of the resource by patterns of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AttributeSelection {
    /// All of them, if this is empty.
    pub(crate) included: Vec<Pattern>,
    /// Wins over what is included.
    pub(crate) excluded: Vec<Pattern>,
}

impl AttributeSelection {
    #[cfg(test)]
    pub(crate) fn including<const N: usize>(patterns: [&str; N]) -> Self {
        Self { included: patterns.map(Pattern::new).into(), excluded: Vec::new() }
    }

    /// Returns `true` if the attribute is selected.
    pub(crate) fn keeps(&self, key: &str) -> bool {
        let Self { included, excluded } = self;
        let fits = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(key));
        (included.is_empty() || fits(included)) && !fits(excluded)
    }
}

/// Attributes in the order in which they were set, each key once.
struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// Sets an attribute, in place of an earlier one.
    fn set(&mut self, key: Key, value: Value) {
        self.0.retain(|attribute| attribute.key != key);
        self.0.push(KeyValue::new(key, value));
    }

    /// Sets the name of the service, if there is one.
    fn set_name(&mut self, name: Option<String>) {
        if let Some(name) = name {
            self.set(semconv::SERVICE_NAME.into(), name.into());
        }
    }
}

/// `OTEL_RESOURCE_ATTRIBUTES`: a list of `key=value`, percent-encoded.
const ATTRIBUTE_LIST: Kind<Vec<(String, String)>> = Kind {
    parse: pairs,
    check: any,
    show: |attributes| if attributes.is_empty() { "no attributes".into() } else { format!("{attributes:?}") },
    quote: plain,
};

/// The name that the conventions give to a service without one.
fn unknown_service() -> String {
    let executable = std::env::current_exe().ok();
    match executable.as_deref().and_then(Path::file_name) {
        Some(name) => format!("unknown_service:{}", name.to_string_lossy()),
        None => "unknown_service".to_owned(),
    }
}
