//! What describes this process.

use std::path::Path;

use opentelemetry::{Key, KeyValue, Value};

use super::decide::Resolver;
use crate::semconv;
use crate::settings::builder_config::BuilderConfig;
use crate::settings::env::names;
use crate::settings::value_kind::{Kind, any, pairs, plain};

impl Resolver<'_> {
    /// Attributes of the resource, each key once. What comes later here wins.
    pub(super) fn resource(&mut self, requested: &BuilderConfig) -> Vec<KeyValue> {
        self.check_code(requested);
        let mut attributes = Attributes(vec![KeyValue::new(semconv::SERVICE_NAME, unknown_service())]);
        for (key, value) in &requested.resource {
            attributes.set(key.clone(), value.clone());
        }
        if let Some(name) = &requested.service_name {
            attributes.set(semconv::SERVICE_NAME.into(), name.clone().into());
        }
        for (key, value) in self.resource_variable() {
            attributes.set(key.into(), value.into());
        }
        if let Some(name) = self.env.get(names::OTEL_SERVICE_NAME) {
            attributes.set(semconv::SERVICE_NAME.into(), name.to_owned().into());
        }
        attributes.0
    }

    fn check_code(&mut self, requested: &BuilderConfig) {
        if requested.service_name.as_deref().is_some_and(|name| name.trim().is_empty()) {
            self.invalid("service_name", None, String::new(), "empty");
        }
        if requested.resource.iter().any(|(key, _)| key.as_str().trim().is_empty()) {
            self.invalid("resource_attribute", None, String::new(), "the key is empty");
        }
    }

    /// The specification: one mistake, and the whole variable is as if it were not set.
    fn resource_variable(&mut self) -> Vec<(String, String)> {
        let sources = super::Sources::new("resource_attribute", &[names::OTEL_RESOURCE_ATTRIBUTES], []);
        self.choose(&RESOURCE, sources, "none of its attributes")
            .map(|chosen| chosen.value)
            .unwrap_or_default()
    }
}

struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn set(&mut self, key: Key, value: Value) {
        self.0.retain(|attribute| attribute.key != key);
        self.0.push(KeyValue::new(key, value));
    }
}

const RESOURCE: Kind<Vec<(String, String)>> =
    Kind { parse: pairs, check: any, show: |attributes| format!("{attributes:?}"), quote: plain };

/// The name that the conventions give to a service without one.
fn unknown_service() -> String {
    let executable = std::env::current_exe().ok();
    match executable.as_deref().and_then(Path::file_name) {
        Some(name) => format!("unknown_service:{}", name.to_string_lossy()),
        None => "unknown_service".to_owned(),
    }
}
