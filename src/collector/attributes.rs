//! Attributes as OTLP, as values of the OpenTelemetry API, and as text.

use std::fmt::Write;

use opentelemetry::logs::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue as ProtoValue, KeyValue};
use prost::Message;

use crate::export::encode;

/// The value of the first attribute of this key.
pub(super) fn find(attributes: &[KeyValue], key: &str) -> Option<AnyValue> {
    raw(attributes, key).and_then(value)
}

/// The value of the first attribute of this key, as text.
pub(super) fn find_text(attributes: &[KeyValue], key: &str) -> Option<String> {
    raw(attributes, key).map(|value| text(Some(value)))
}

/// Whether all of these are among the attributes, by the text of their values.
pub(super) fn contain(attributes: &[KeyValue], wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(key, value)| find_text(attributes, key).as_deref() == Some(value))
}

/// `key=value key=value`.
pub(super) fn line(attributes: &[KeyValue]) -> String {
    line_of(attributes.iter())
}

/// [`line`] without what says nothing beside the title of a span or record: the title again, the method, addresses,
/// source code locations, stack traces.
pub(super) fn short_line(attributes: &[KeyValue], title: &str) -> String {
    let is_quiet = |key: &str| QUIET.iter().any(|prefix| key.starts_with(prefix));
    let says_more = |attribute: &&KeyValue| text(attribute.value.as_ref()) != title;
    line_of(attributes.iter().filter(|attribute| !is_quiet(&attribute.key)).filter(says_more))
}

/// [`line`] in the order of the keys, which tells sets of attributes apart: the order in which a series is exported
/// may change.
pub(super) fn sorted_line(attributes: &[KeyValue]) -> String {
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    line_of(sorted.into_iter())
}

fn line_of<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let pairs = attributes.map(|attribute| format!("{}={}", attribute.key, text(attribute.value.as_ref())));
    pairs.collect::<Vec<_>>().join(" ")
}

/// The printed form: `text`, `42`, `true`, `[1, 2]`, `{a: 1}`, bytes in hexadecimal.
pub(super) fn text(value: Option<&ProtoValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None | Some(Value::StringValueStrindex(_)) => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::BytesValue(bytes)) => hex(bytes),
        Some(Value::ArrayValue(array)) => {
            let values: Vec<_> = array.values.iter().map(|value| text(Some(value))).collect();
            format!("[{}]", values.join(", "))
        }
        Some(Value::KvlistValue(list)) => {
            let pair = |pair: &KeyValue| format!("{}: {}", pair.key, text(pair.value.as_ref()));
            format!("{{{}}}", list.values.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Lower case, as ids are written.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// With its type, or `None` if it is empty.
pub(super) fn value(value: &ProtoValue) -> Option<AnyValue> {
    encode::decoded_value(&value.encode_to_vec())
}

fn raw<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a ProtoValue> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()
}

/// Prefixes of keys. Attributes that the user requested, such as captured headers, are not among them.
const QUIET: [&str; 8] = [
    "rpc.system",
    "rpc.service",
    "rpc.method",
    "server.",
    "network.",
    "code.",
    "thread.",
    "exception.stacktrace",
];
