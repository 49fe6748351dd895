//! What is written reads back as the same tree.

use proptest::prelude::*;

use super::*;
use crate::settings::file::report::Report;
use crate::settings::file::yaml::{self, Node, Value, Variable};

/// Returns the tree that our parser reads.
fn read(text: &str) -> Node {
    let mut report = Report::default();
    let root = yaml::parse(text.as_bytes(), &|_| Variable::Set("of the variable".to_owned()), &mut report);
    assert!(report.is_empty(), "{text}\n{:?}", report.into_mistakes());
    root.unwrap()
}

/// Compares a tree with what was read.
fn assert_same(written: &Yaml, read: &Node) {
    match (written, &read.value) {
        (Yaml::List(items), Value::List(nodes)) => {
            assert_eq!(items.len(), nodes.len());
            items.iter().zip(nodes).for_each(|(item, node)| assert_same(item, node));
        }
        (Yaml::Map(map), Value::Map(entries)) => {
            let keys: Vec<_> = map.0.iter().map(|entry| &entry.key).collect();
            assert_eq!(keys, entries.iter().map(|entry| &entry.key).collect::<Vec<_>>());
            map.0.iter().zip(entries).for_each(|(one, other)| assert_same(&one.value, &other.value));
        }
        (scalar, Value::Scalar(found)) => match (scalar, found.typed()) {
            (Yaml::Null, Typed::Null) => {}
            (Yaml::Text(text), Typed::Text(found)) => assert_eq!(text, found),
            (Yaml::Reference(_), Typed::Text(found)) => assert_eq!(found, "of the variable"),
            (Yaml::Plain(text), Typed::Bool(found)) => assert_eq!(*text, found.to_string()),
            (Yaml::Plain(text), Typed::Int(found)) => assert_eq!(*text, found.to_string()),
            (Yaml::Plain(text), Typed::Float(found)) => {
                assert_eq!(Yaml::from(found), Yaml::Plain(text.clone()))
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Text that is likely to be taken for something else.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,8}",
        "[-+0-9.eExo_:~!&*|>@`%#{}\\[\\],?'\"\\\\$ \t\n]{0,8}",
        any::<String>(),
        prop::sample::select(
            &[
                "",
                "null",
                "true",
                "No",
                "~",
                "1",
                "0x1",
                "1e3",
                ".5",
                ".inf",
                "a: b",
                "a #b",
                "- a",
                "---",
                "${X}",
                "$$",
                "$${X:-${Y}}",
                "12:30",
                " a",
                "a ",
                "a\r\nb",
                "\u{85}\u{2028}\u{feff}\0\u{10ffff}",
            ][..]
        )
        .prop_map(str::to_owned),
    ]
}

fn any_yaml() -> impl Strategy<Value = Yaml> {
    let scalar = prop_oneof![
        Just(Yaml::Null),
        any::<bool>().prop_map(Yaml::from),
        any::<i64>().prop_map(Yaml::from),
        any::<f64>().prop_map(Yaml::from),
        any_text().prop_map(Yaml::from),
        Just(Yaml::Reference("${A}".to_owned())),
    ];
    scalar.prop_recursive(4, 32, 4, |inner| {
        let entries =
            prop::collection::btree_map(any_text(), (inner.clone(), prop::option::of(any_text())), 0..4);
        let map = entries.prop_map(|entries| {
            let entry = |(key, (value, comment))| Entry { key, value, comment };
            Yaml::Map(Map(entries.into_iter().map(entry).collect()))
        });
        prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Yaml::List), map]
    })
}

proptest! {
    #[test]
    fn written_documents_read_back(value in any_yaml()) {
        let map = Map::from_entry("root", value);
        let text = map.to_text();
        assert_same(&Yaml::Map(map), &read(&text));
    }
}

#[test]
fn documents_look_handwritten() {
    let exporter =
        Map::from_entry("otlp_http", Map::from_entry("endpoint", "http://collector:4318/v1/traces"));
    let mut batch = Map::default();
    batch.set_from("schedule_delay", Duration::from_micros(1_500), "OTEL_BSP_SCHEDULE_DELAY");
    batch.set("exporter", exporter);
    let attribute = Map::from_entry("name", "price").with("value", "5 $");
    let map = Map::from_entry("file_format", "1.1")
        .with(
            "processors",
            vec![
                Map::from_entry("batch", batch),
                Map::from_entry(
                    "simple",
                    Map::from_entry("exporter", Map::from_entry("console", Yaml::Null)),
                ),
            ],
        )
        .with("attributes", vec![attribute])
        .with("format", "off")
        .with("none", Map::default())
        .with("headers_list", Yaml::Reference("${HEADERS}".to_owned()));
    let expected = r#"file_format: "1.1"
processors:
  - batch:
      schedule_delay: 2  # OTEL_BSP_SCHEDULE_DELAY
      exporter:
        otlp_http:
          endpoint: http://collector:4318/v1/traces
  - simple:
      exporter:
        console:
attributes:
  - name: price
    value: "5 $$"
format: "off"
none: {}
headers_list: "${HEADERS}"
"#;
    assert_eq!(map.to_text(), expected);
}
