//! Whatever is logged: one line, valid JSON, no key twice, and the values are there.

#![no_main]

#[path = "../../tests/one_line/mod.rs"]
mod one_line;

use libfuzzer_sys::fuzz_target;
use one_line::Output;
use serde_json::json;
use telemetry_bootstrap::json::{MissingIds, JsonLayer, FieldNames, SpanFields};
use telemetry_bootstrap::opentelemetry::{Array, KeyValue, StringValue, Value};
use telemetry_bootstrap::tracing::{self, subscriber::with_default};
use telemetry_bootstrap::with_fields;
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(arbitrary::Arbitrary, Debug)]
struct Logged {
    style: u8,
    nested: bool,
    zeros: bool,
    message: String,
    text: String,
    number: f64,
    signed: i64,
    unsigned: u64,
    wide: u128,
    bytes: Vec<u8>,
    constants: Vec<(String, Field)>,
    context: Vec<(String, Field)>,
    span: String,
    later: String,
}

#[derive(arbitrary::Arbitrary, Clone, Debug)]
enum Field {
    Text(String),
    Number(f64),
    Whole(i64),
    Flag(bool),
    Texts(Vec<String>),
}

impl From<Field> for Value {
    fn from(field: Field) -> Self {
        match field {
            Field::Text(value) => value.into(),
            Field::Number(value) => value.into(),
            Field::Whole(value) => value.into(),
            Field::Flag(value) => value.into(),
            Field::Texts(values) => {
                Value::Array(Array::String(values.into_iter().map(StringValue::from).collect()))
            }
        }
    }
}

fuzz_target!(|logged: Logged| {
    let output = Output::default();
    let subscriber = tracing_subscriber::registry().with(layer(&output, &logged));
    let Logged { message, text, number, signed, unsigned, wide, bytes, span, later, .. } = &logged;
    let (text, bytes) = (text.as_str(), bytes.as_slice());
    with_default(subscriber, || {
        let outer = tracing::info_span!("outer", span, later = tracing::field::Empty, level = span);
        let _outer = outer.clone().entered();
        outer.record("later", later);
        let _inner = tracing::info_span!("inner", shown = %span, later).entered();
        tracing::info!(text, number, signed, unsigned, wide, bytes, debug = ?span, trace_id = text, "{message}");
    });
    let first = output.take();
    for (key, value) in [
        ("text", json!(text)),
        ("wide", json!(wide.to_string())),
        ("debug", json!(format!("{span:?}"))),
    ] {
        assert_eq!(first.get(key).or_else(|| first.get(&format!("field.{key}"))), Some(&value), "{key}");
    }
    // Numbers that a preset's backend cannot hold are text there.
    for (key, value, is_large) in [
        ("signed", json!(signed), signed.unsigned_abs() > SAFE),
        ("unsigned", json!(unsigned), *unsigned > SAFE),
    ] {
        let found = first.get(key).or_else(|| first.get(&format!("field.{key}")));
        let as_text = json!(value.to_string());
        assert!(found == Some(&value) || (is_large && found == Some(&as_text)), "{value} is {found:?}");
    }
    if number.is_finite() {
        let found = &first["number"];
        let found = found.as_f64().or_else(|| found.as_str()?.parse().ok());
        assert_eq!(found.map(f64::to_bits), Some(number.to_bits()));
    }
    assert!(first.values().any(|value| value.as_str() == Some(message)), "the message");

    // Keys from the context may take the place of anything but ours.
    let subscriber = tracing_subscriber::registry().with(layer(&output, &logged));
    let fields: Vec<_> =
        logged.context.iter().cloned().map(|(key, value)| KeyValue::new(key, Value::from(value))).collect();
    with_default(subscriber, || {
        let _context = with_fields(fields).attach();
        let _outer = tracing::info_span!("outer", span).entered();
        tracing::error!(text, "{message}");
    });
    output.take();
});

/// Numbers up to this one are numbers in every preset.
const SAFE: u64 = (1 << 53) - 1;

fn layer(output: &Output, logged: &Logged) -> JsonLayer<Output> {
    let style = match logged.style % 4 {
        0 => FieldNames::OpenTelemetry,
        1 => FieldNames::ElasticCommonSchema,
        2 => FieldNames::GoogleCloudLogging,
        _ => FieldNames::Datadog,
    };
    let mut layer = JsonLayer::new(output.clone())
        .field_names(style)
        .include_span_fields(if logged.nested { SpanFields::Nested } else { SpanFields::Merged })
        .missing_ids(if logged.zeros { MissingIds::Zero } else { MissingIds::Omit });
    for (key, value) in &logged.constants {
        let value = match value {
            Field::Text(value) => Value::from(value.clone()),
            Field::Whole(value) => Value::from(*value),
            _ => continue,
        };
        // A constant may carry any name but those that are looked for below.
        layer = layer.constant(format!("c.{key}"), value);
    }
    layer
}
