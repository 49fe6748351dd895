//! The resource and the propagators.
//!
//! | attributes of | win over |
//! |---|---|
//! | `resource.attributes` | all others |
//! | `resource.attributes_list` | those in code and of detectors |
//! | code | those of detectors |
//! | detectors | – |
//!
//! Detected attributes are added when telemetry starts; the settings hold the names of the detectors and the selection
//! of attributes.
//!
//! # Messages
//!
//! | mistake | message |
//! |---|---|
//! | `attributes_list: a` | `"a" …: must be key=value,key=value` |
//! | an attribute with an empty name | `` `name` is empty `` |
//! | `value: 1` with `type: string` | `` `value` does not have the type that `type` says `` |
//! | an unknown name in `composite_list` | the name, and those that are known |
//!
//! # Detectors
//!
//! | in the schema | detectors of this crate |
//! |---|---|
//! | `container` | `container` |
//! | `host` | `host`, `os` |
//! | `process` | `process` |
//! | `service` | none; `OTEL_SERVICE_NAME` is read, and an instance id is there in any case |

use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::Apply;
use crate::semconv;
use crate::settings::file::model::{
    Attribute, AttributeScalar, AttributeType, AttributeValue, Detection, Detector, Document, IncludeExclude,
    List, TextMapPropagator,
};
use crate::settings::file::yaml::Variable;
use crate::settings::pattern::Pattern;
use crate::settings::propagators::PROPAGATOR_NAMES;
use crate::settings::secrets::quoted;
use crate::settings::value_kind::pairs;
use crate::settings::{AttributeSelection, Propagator, ResourceDetector, Settings, choices};

impl Apply<'_> {
    /// Sets the attributes of the resource: those of the file win over those of code, and those of `attributes` win
    /// over those of `attributes_list`.
    ///
    /// Without `resource` in the file, those of code stay as they are. The schema URL of the file replaces that of
    /// code, also by none.
    pub(super) fn resource(&mut self, settings: &mut Settings) {
        let Document { resource: Some(resource), .. } = self.document else { return };
        let mut attributes = Vec::new();
        if let Some(list) = &resource.attributes_list {
            match pairs(&list.value) {
                Ok(listed) => {
                    attributes = listed.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect()
                }
                Err(reason) => {
                    self.mistake(
                        &list.at,
                        format!("{} {reason}: must be key=value,key=value", quoted(&list.value)),
                    );
                }
            }
        }
        for attribute in resource.attributes.iter().flat_map(|attributes| &attributes.0) {
            attributes.extend(self.attribute(attribute));
        }
        if let Some(detection) = &resource.detection {
            self.detection(settings, detection);
        }
        for attribute in attributes {
            set(&mut settings.resource, attribute);
        }
        settings.schema_url.clone_from(&resource.schema_url);
    }

    /// Chooses detectors. `host` stands for `os` as well, as the schema says.
    ///
    /// Detectors of code and of `distribution` stay; none runs twice. `attributes` selects among what all of them find.
    fn detection(&mut self, settings: &mut Settings, Detection { attributes, detectors, .. }: &Detection) {
        for detector in detectors.iter().flat_map(|List(detectors)| detectors) {
            let found: &[_] = match detector {
                Detector::Container(_) => &[ResourceDetector::Container],
                Detector::Host(_) => &[ResourceDetector::Host, ResourceDetector::Os],
                Detector::Process(_) => &[ResourceDetector::Process],
                // An instance id is always there; the name is the only thing that the schema takes from a variable.
                Detector::Service(_) => {
                    if let Variable::Set(name) = (self.env)(SERVICE_NAME_VARIABLE)
                        && !name.trim().is_empty()
                    {
                        set(
                            &mut settings.resource,
                            KeyValue::new(semconv::SERVICE_NAME, name.trim().to_owned()),
                        );
                    }
                    &[]
                }
            };
            for detector in found {
                if !settings.resource_detectors.contains(detector) {
                    settings.resource_detectors.push(*detector);
                }
            }
        }
        settings.detected_attributes = attributes.as_ref().map(Into::into).unwrap_or_default();
    }

    /// Returns an attribute with its type. `None` if it is null, or after a mistake.
    fn attribute(&mut self, attribute: &Attribute) -> Option<KeyValue> {
        let Attribute { at, name, value, r#type } = attribute;
        if name.trim().is_empty() {
            self.mistake(at, "`name` is empty");
        }
        let value = match value {
            // A variable that is not set leaves the attribute out.
            AttributeValue::Null => return None,
            AttributeValue::One(scalar) => one(scalar, *r#type),
            AttributeValue::List(scalars) => list(scalars, *r#type),
        };
        if value.is_none() {
            self.mistake(at, "`value` does not have the type that `type` says");
        }
        value.map(|value| KeyValue::new(name.clone(), value))
    }

    /// Sets the propagators: those of `composite`, then those of `composite_list`, each once.
    ///
    /// Without any in the file none is used, apart from those that are given in code.
    ///
    /// Those of settings and variables are replaced. An unknown name in the list is a mistake.
    pub(super) fn propagators(&mut self, settings: &mut Settings) {
        settings.propagators.clear();
        let Document { propagator: Some(propagator), .. } = self.document else { return };
        let composite =
            propagator.composite.iter().flat_map(|list| &list.0).map(|component| match component {
                TextMapPropagator::TraceContext(_) => Propagator::TraceContext,
                TextMapPropagator::Baggage(_) => Propagator::Baggage,
                TextMapPropagator::B3(_) => Propagator::B3,
                TextMapPropagator::B3Multi(_) => Propagator::B3Multi,
            });
        let mut chosen: Vec<_> = composite.collect();
        if let Some(list) = &propagator.composite_list {
            match choices::parse_known(&list.value, &PROPAGATOR_NAMES) {
                Ok(listed) => chosen.extend(listed),
                Err(reason) => self.mistake(&list.at, reason),
            }
        }
        settings.propagators = choices::once(&chosen);
    }
}

impl From<&IncludeExclude> for AttributeSelection {
    fn from(IncludeExclude { included, excluded, .. }: &IncludeExclude) -> Self {
        let patterns = |list: &Option<List<String>>| {
            list.iter().flat_map(|List(patterns)| patterns).map(Pattern::new).collect()
        };
        Self { included: patterns(included), excluded: patterns(excluded) }
    }
}

/// Adds an attribute, in place of an earlier one of its key.
///
/// Keys are compared with regard to case.
fn set(resource: &mut Vec<KeyValue>, attribute: KeyValue) {
    resource.retain(|other| other.key != attribute.key);
    resource.push(attribute);
}

/// Returns a value of a type, which is that of the value unless it is given.
///
/// `None` if the value does not have that type. An integer is also a `double`, and a float without a fraction an `int`
/// if it is within 64 bits.
fn one(scalar: &AttributeScalar, r#type: Option<AttributeType>) -> Option<Value> {
    Some(match (scalar, r#type) {
        (AttributeScalar::Text(text), None | Some(AttributeType::Text)) => text.clone().into(),
        (AttributeScalar::Bool(value), None | Some(AttributeType::Bool)) => (*value).into(),
        (AttributeScalar::Int(number), None | Some(AttributeType::Int)) => (*number).into(),
        (AttributeScalar::Int(number), Some(AttributeType::Double)) => (*number as f64).into(),
        (AttributeScalar::Float(number), None | Some(AttributeType::Double)) => (*number).into(),
        (AttributeScalar::Float(number), Some(AttributeType::Int)) if is_integer(*number) => {
            (*number as i64).into()
        }
        _ => return None,
    })
}

/// Returns `true` for a float that an `i64` holds without a change.
fn is_integer(number: f64) -> bool {
    /// 2⁶³, the first number beyond.
    const END: f64 = -(i64::MIN as f64);
    number.fract() == 0.0 && (-END..END).contains(&number)
}

/// Returns an array. A list with both integers and floats is one of floats.
///
/// `None` if an item does not have the type, or if the type is not one of arrays. Items are never converted to texts.
fn list(scalars: &[AttributeScalar], r#type: Option<AttributeType>) -> Option<Value> {
    let has_float = scalars.iter().any(|scalar| matches!(scalar, AttributeScalar::Float(_)));
    let r#type = r#type.unwrap_or(match scalars.first()? {
        AttributeScalar::Text(_) => AttributeType::TextArray,
        AttributeScalar::Bool(_) => AttributeType::BoolArray,
        AttributeScalar::Int(_) | AttributeScalar::Float(_) if has_float => AttributeType::DoubleArray,
        AttributeScalar::Int(_) | AttributeScalar::Float(_) => AttributeType::IntArray,
    });
    let values = |item| scalars.iter().map(|scalar| one(scalar, Some(item))).collect::<Option<Vec<_>>>();
    let array = match r#type {
        AttributeType::TextArray => Array::String(texts(values(AttributeType::Text)?)),
        AttributeType::BoolArray => {
            Array::Bool(values(AttributeType::Bool)?.iter().filter_map(as_bool).collect())
        }
        AttributeType::IntArray => {
            Array::I64(values(AttributeType::Int)?.iter().filter_map(as_int).collect())
        }
        AttributeType::DoubleArray => {
            Array::F64(values(AttributeType::Double)?.iter().filter_map(as_float).collect())
        }
        _ => return None,
    };
    Some(Value::Array(array))
}

/// Takes the texts of an array, all of which are texts.
fn texts(values: Vec<Value>) -> Vec<StringValue> {
    let text = |value| match value {
        Value::String(text) => Some(text),
        _ => None,
    };
    values.into_iter().filter_map(text).collect()
}

/// Takes the value of a type that was checked.
///
/// `None` for any other type.
fn as_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        _ => None,
    }
}

/// Takes the value of a type that was checked.
///
/// `None` for any other type.
fn as_int(value: &Value) -> Option<i64> {
    match value {
        Value::I64(number) => Some(*number),
        _ => None,
    }
}

/// Takes the value of a type that was checked.
///
/// `None` for any other type.
fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::F64(number) => Some(*number),
        _ => None,
    }
}

/// The variable that the schema's `service` detector reads.
///
/// A file reads it without a reference, because the schema defines the detector so.
const SERVICE_NAME_VARIABLE: &str = "OTEL_SERVICE_NAME";
