//! The resource and the propagators.
//!
//! What detectors found is not among the attributes: another machine has other values. A file names the detectors
//! instead, below `distribution`.
//!
//! | setting | in the file |
//! |---|---|
//! | `service_name`, `resource_attribute`, `OTEL_RESOURCE_ATTRIBUTES` | `resource.attributes`, each with its type |
//! | the schema URL | `resource.schema_url` |
//! | the selection of detected attributes | `resource.detection/development.attributes` |
//! | `propagators` | `propagator.composite`, or `composite_list` |
//!
//! Attributes are not secrets: their values are written as they are.

use opentelemetry::{Array, KeyValue, Value};

use super::Writer;
use super::metrics::selection;
use super::traces_and_logs::component;
use super::yaml::{Map, Yaml};
use crate::settings::AttributeSelection;
use crate::settings::choices;
use crate::settings::propagators::{PROPAGATOR_NAMES, PROPAGATORS};
use crate::settings::resource::{RESOURCE_ATTRIBUTES, SERVICE_NAME};

impl Writer<'_> {
    /// Returns the resource. Its attributes are all those that were given, by whatever source, each with the type of
    /// its value.
    ///
    /// Variables and setters that gave some of them are named at the list, since an attribute has no place for a
    /// comment of its own.
    ///
    /// An attribute whose value is an empty list becomes a note.
    pub(super) fn resource(&mut self) -> Map {
        let settings = self.settings;
        let mut resource = Map::default();
        let mut attributes = Vec::new();
        for KeyValue { key, value, .. } in &settings.resource {
            match attribute_value(value) {
                Some(value) => attributes.push(Map::from_entry("name", key.as_str()).with("value", value)),
                None => self
                    .note(format!("the attribute {:?} has no items, which a file cannot say", key.as_str())),
            }
        }
        let keys = [SERVICE_NAME.key(), RESOURCE_ATTRIBUTES.key()];
        let given: Vec<_> =
            keys.iter().filter(|key| self.is_given(key)).map(|key| self.origin(key)).collect();
        match given.is_empty() {
            true => resource.set("attributes", attributes),
            false => resource.set_from("attributes", attributes, format!("also from {}", given.join(", "))),
        }
        resource.set_some("schema_url", settings.schema_url.as_deref());
        if settings.detected_attributes != AttributeSelection::default() {
            let attributes = Map::from_entry("attributes", selection(&settings.detected_attributes));
            resource.set("detection/development", attributes);
        }
        resource
    }

    /// Returns the propagators in their order, or `None` if there are none.
    ///
    /// All of them are a `composite_list` if one has no component in the schema, as `jaeger` and `xray` have none: the
    /// order of the two keys would not be kept.
    pub(super) fn propagator(&mut self) -> Option<Map> {
        let chosen = &self.settings.propagators;
        if chosen.is_empty() {
            return None;
        }
        let names: Vec<_> =
            chosen.iter().map(|propagator| choices::name(propagator, &PROPAGATOR_NAMES)).collect();
        let origin = self.origin(PROPAGATORS.key());
        let mut propagator = Map::default();
        // The schema has components for these alone.
        let has_component = |name: &&str| ["tracecontext", "baggage", "b3", "b3multi"].contains(name);
        match names.iter().all(has_component) {
            true => {
                let components = names.into_iter().map(|name| component(name, Map::default()));
                propagator.set_from("composite", components.collect::<Vec<_>>(), origin);
            }
            false => propagator.set_from("composite_list", names.join(","), origin),
        }
        Some(propagator)
    }
}

/// Returns the value, unless it is a list without items, or none of OpenTelemetry's types.
///
/// `None` for those two. Text that looks like a number is quoted, so that its type stays.
fn attribute_value(value: &Value) -> Option<Yaml> {
    Some(match value {
        Value::Bool(value) => (*value).into(),
        Value::I64(number) => (*number).into(),
        Value::F64(number) => (*number).into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(array) => {
            let items: Vec<Yaml> = match array {
                Array::Bool(values) => values.iter().map(|value| (*value).into()).collect(),
                Array::I64(numbers) => numbers.iter().map(|number| (*number).into()).collect(),
                Array::F64(numbers) => numbers.iter().map(|number| (*number).into()).collect(),
                Array::String(texts) => texts.iter().map(|text| text.as_str().into()).collect(),
                _ => return None,
            };
            if items.is_empty() {
                return None;
            }
            items.into()
        }
        _ => return None,
    })
}
