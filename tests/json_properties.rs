//! Whatever is logged: every line is one valid JSON object, has no key twice, and carries the values.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "test code")]

mod logged;
mod one_line;

use std::collections::BTreeMap;

use logged::{Fields, Logged, logged, values};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_line_carries_what_was_logged(
        event in fields(12),
        spans in prop::collection::vec((fields(6), fields(3)), 0..4),
    ) {
        let line = own_fields(&event, &spans);
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
    assert_eq!(own_fields(&event, &spans), expected(&event, &spans));
}

#[test]
fn text_of_all_characters_and_a_megabyte_of_bytes_read_back() {
    let text: String = (0..0x11_0000).filter_map(char::from_u32).collect();
    let event = vec![
        ("message".to_owned(), Logged::Text(text.clone())),
        ("bytes".to_owned(), Logged::Bytes((0..1 << 20).map(|byte| byte as u8).collect())),
        ("debugged".to_owned(), Logged::Debugged(text)),
    ];
    assert_eq!(own_fields(&event, &[]), expected(&event, &[]));
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
    prop::collection::vec((key, values()), 0..most)
}

/// The line without what is the same in all of them.
fn own_fields(event: &Fields, spans: &[(Fields, Fields)]) -> BTreeMap<String, Json> {
    let mut line = logged(|layer| layer, event, spans);
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
    // A field without a name is left out, as it is of log records and spans.
    line.remove("");
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
