//! Attributes as OTLP, as values of the OpenTelemetry API, and as strings.
//!
//! All functions take the list as OTLP has it: keys can repeat (the first one wins), and the order is the sender's.

use opentelemetry::logs::AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as ProtoValue, KeyValue};
use prost::Message;

use crate::export::encode;
use crate::export::render;
pub(super) use crate::export::render::hex;

/// Returns the value of the first attribute with this key. `None` if there is none, or if it is empty.
pub(super) fn find(attributes: &[KeyValue], key: &str) -> Option<AnyValue> {
    raw(attributes, key).and_then(value)
}

/// Returns the value of the first attribute with this key, as a string.
pub(super) fn find_text(attributes: &[KeyValue], key: &str) -> Option<String> {
    raw(attributes, key).map(|value| text(Some(value)))
}

/// Returns `key=value key=value`, in the order of the sender.
pub(super) fn line(attributes: &[KeyValue]) -> String {
    render::line(&attributes.iter().map(pair).collect::<Vec<_>>())
}

/// Returns [`line()`] sorted by key, as an identity of the set.
pub(super) fn sorted_line(attributes: &[KeyValue]) -> String {
    let mut sorted: Vec<_> = attributes.iter().map(pair).collect();
    sorted.sort();
    render::line(&sorted)
}

/// Returns key and value as strings.
fn pair(attribute: &KeyValue) -> render::Attribute {
    (attribute.key.clone(), text(attribute.value.as_ref()))
}

/// Returns the printed form of a value: `text`, `42`, `true`, `[1, 2]`, `{a: 1}`, bytes in hexadecimal.
pub(super) fn text(value: Option<&ProtoValue>) -> String {
    value.map(|value| render::value_text(&value.encode_to_vec())).unwrap_or_default()
}

/// Returns a value with its type, or `None` if it is empty.
pub(super) fn value(value: &ProtoValue) -> Option<AnyValue> {
    encode::decoded_value(&value.encode_to_vec())
}

/// Returns the value of the first attribute with this key, as OTLP. `None` as well if the attribute has no value.
fn raw<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a ProtoValue> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()
}
