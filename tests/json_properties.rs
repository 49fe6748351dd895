//! Whatever is logged: every line is one valid JSON object, has no key twice, and carries the values.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says by them what must hold"
)]

mod one_line;

use std::collections::BTreeMap;

use one_line::Output;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use telemetry_bootstrap::json::JsonLayer;
use tracing::callsite::{Callsite, Identifier};
use tracing::field::{FieldSet, Value, debug};
use tracing::metadata::Kind;
use tracing::subscriber::{Interest, with_default};
use tracing::{Event, Level, Metadata, Span};
use tracing_subscriber::layer::SubscriberExt as _;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_line_carries_what_was_logged(
        event in fields(12),
        spans in prop::collection::vec((fields(6), fields(3)), 0..4),
    ) {
        let line = logged(&event, &spans);
        prop_assert_eq!(line, expected(&event, &spans));
    }
}

#[test]
fn two_hundred_fields_and_sixty_spans() {
    let number = |prefix: &'static str| {
        move |index: usize| (format!("{prefix}{index}"), Logged::Unsigned(index as u64))
    };
    let event: Vec<_> = (0..200).map(number("event")).collect();
    let spans: Vec<_> =
        (0..60).map(|index| (vec![number("span")(index), number("shared")(index % 7)], vec![])).collect();
    assert_eq!(logged(&event, &spans), expected(&event, &spans));
}

#[test]
fn a_megabyte_of_everything() {
    let text: String = (0..0x11_0000).filter_map(char::from_u32).collect();
    let event = vec![
        ("message".to_owned(), Logged::Text(text.clone())),
        ("bytes".to_owned(), Logged::Bytes((0..1 << 20).map(|byte| byte as u8).collect())),
        ("debugged".to_owned(), Logged::Debugged(text)),
    ];
    assert_eq!(logged(&event, &[]), expected(&event, &[]));
}

type Fields = Vec<(String, Logged)>;

#[derive(Clone, Debug)]
enum Logged {
    Text(String),
    Debugged(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Flag(bool),
    Wide(u128),
    Bytes(Vec<u8>),
}

fn fields(most: usize) -> impl Strategy<Value = Fields> {
    let ours = ["message", "level", "timestamp", "trace_id", "span_id", "trace_flags", "target"];
    let awkward =
        ["", "a", "b", "field.level", "field.field.level", "r#type", "log.target", "spans", "\"", "\u{2028}"];
    let key = prop_oneof![
        prop::sample::select([&ours[..], &awkward[..]].concat()).prop_map(str::to_owned),
        "[a-c]{1,2}",
        any::<String>(),
    ];
    let value = prop_oneof![
        any::<String>().prop_map(Logged::Text),
        any::<String>().prop_map(Logged::Debugged),
        any::<i64>().prop_map(Logged::Signed),
        any::<u64>().prop_map(Logged::Unsigned),
        prop::num::f64::ANY.prop_map(Logged::Float),
        any::<bool>().prop_map(Logged::Flag),
        any::<u128>().prop_map(Logged::Wide),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Logged::Bytes),
    ];
    prop::collection::vec((key, value), 0..most)
}

/// The line, read back, for an event inside spans; each span has fields from its beginning and some recorded later.
fn logged(event: &Fields, spans: &[(Fields, Fields)]) -> BTreeMap<String, Json> {
    let output = Output::default();
    let layer = JsonLayer::new(output.clone());
    with_default(tracing_subscriber::registry().with(layer), || {
        let mut entered = Vec::new();
        for (first, later) in spans {
            let metadata = metadata("span", &[&first[..], later].concat(), Kind::SPAN);
            let none: Vec<_> = later.iter().map(|_| None).collect();
            let span = with_values(first, |values| {
                Span::new(metadata, &metadata.fields().value_set_all(&[values, &none].concat()))
            });
            entered.push((span.clone().entered(), span, metadata));
        }
        // Parents' fields change after their children were made.
        for ((_, span, metadata), (first, later)) in entered.iter().zip(spans) {
            let none: Vec<_> = first.iter().map(|_| None).collect();
            with_values(later, |values| {
                span.record_all(&metadata.fields().value_set_all(&[&none[..], values].concat()));
            });
        }
        let metadata = metadata("event", event, Kind::EVENT);
        with_values(event, |values| Event::dispatch(metadata, &metadata.fields().value_set_all(values)));
        while entered.pop().is_some() {}
    });
    let mut line = output.take();
    assert_eq!(line.remove("level"), Some(json!("INFO")));
    assert_eq!(line.remove("target"), Some(json!("properties")));
    assert!(line.remove("timestamp").is_some());
    line
}

/// What the documentation promises.
fn expected(event: &Fields, spans: &[(Fields, Fields)]) -> BTreeMap<String, Json> {
    let mut line = BTreeMap::new();
    let mut own = event.clone();
    if let Some(message) = own.iter().position(|(key, _)| key == "message") {
        line.insert("message".to_owned(), own.remove(message).1.json());
    }
    line.extend(own.iter().map(|(key, value)| (written_key(key), value.json())));
    for (first, later) in spans.iter().rev() {
        let span: BTreeMap<_, _> =
            first.iter().chain(later).map(|(key, value)| (written_key(key), value.json())).collect();
        for (key, value) in span {
            line.entry(key).or_insert(value);
        }
    }
    line
}

fn written_key(key: &str) -> String {
    let key = key.strip_prefix("r#").unwrap_or(key);
    let ours = ["message", "level", "timestamp", "trace_id", "span_id", "trace_flags", "target"];
    if ours.contains(&key) { format!("field.{key}") } else { key.to_owned() }
}

impl Logged {
    fn json(&self) -> Json {
        use base64::Engine as _;
        match self {
            Self::Text(text) => json!(text),
            Self::Debugged(text) => json!(format!("{text:?}")),
            Self::Signed(number) => json!(number),
            Self::Unsigned(number) => json!(number),
            Self::Float(number) if number.is_nan() => json!("NaN"),
            Self::Float(f64::INFINITY) => json!("Infinity"),
            Self::Float(f64::NEG_INFINITY) => json!("-Infinity"),
            Self::Float(number) => json!(number),
            Self::Flag(flag) => json!(flag),
            Self::Wide(number) => json!(number.to_string()),
            Self::Bytes(bytes) => json!(base64::engine::general_purpose::STANDARD.encode(bytes)),
        }
    }
}

fn with_values<T>(fields: &Fields, work: impl FnOnce(&[Option<&dyn Value>]) -> T) -> T {
    let values: Vec<Box<dyn Value>> = fields
        .iter()
        .map(|(_, value)| -> Box<dyn Value> {
            match value.clone() {
                Logged::Text(text) => Box::new(text),
                Logged::Debugged(text) => Box::new(debug(text)),
                Logged::Signed(number) => Box::new(number),
                Logged::Unsigned(number) => Box::new(number),
                Logged::Float(number) => Box::new(number),
                Logged::Flag(flag) => Box::new(flag),
                Logged::Wide(number) => Box::new(number),
                Logged::Bytes(bytes) => Box::new(bytes.into_boxed_slice()),
            }
        })
        .collect();
    let values: Vec<Option<&dyn Value>> = values.iter().map(|value| Some(&**value)).collect();
    work(&values)
}

/// The macros of `tracing` want keys that are known when the program is built; here they are made as it runs.
fn metadata(name: &'static str, fields: &[(String, Logged)], kind: Kind) -> &'static Metadata<'static> {
    let keys: Vec<&'static str> = fields.iter().map(|(key, _)| &*key.clone().leak()).collect();
    let fields = FieldSet::new(keys.leak(), Identifier(&ANY_CALLSITE));
    Box::leak(Box::new(Metadata::new(name, "properties", Level::INFO, None, None, None, fields, kind)))
}

static ANY_CALLSITE: AnyCallsite = AnyCallsite;

struct AnyCallsite;

impl Callsite for AnyCallsite {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        unreachable!("never registered")
    }
}
