//! The tree, and what keeps it small.

use super::*;
use crate::settings::file::report::Report;

mod hostile;
mod substitution_table;

fn unset(_: &str) -> Variable {
    Variable::Unset
}

fn parsed(text: &str) -> Result<Node, Vec<String>> {
    parsed_with(text.as_bytes(), &unset)
}

fn parsed_with(bytes: &[u8], env: EnvLookup<'_>) -> Result<Node, Vec<String>> {
    let mut report = Report::default();
    let root = parse(bytes, env, &mut report);
    match (root, report.is_empty()) {
        (Some(root), true) => Ok(root),
        (_, empty) => {
            assert!(!empty, "no tree, and no mistake");
            Err(report.into_mistakes().iter().map(ToString::to_string).collect())
        }
    }
}

fn value(text: &str) -> Scalar {
    match parsed(&format!("key: {text}")).unwrap().get("key").unwrap().value.clone() {
        Value::Scalar(scalar) => scalar,
        other => panic!("{other:?}"),
    }
}

#[test]
fn plain_scalars_have_the_types_of_the_core_schema() {
    for (text, expected) in [
        ("", Typed::Null),
        ("~", Typed::Null),
        ("NULL", Typed::Null),
        ("nULL", Typed::Text("nULL")),
        ("true", Typed::Bool(true)),
        ("FALSE", Typed::Bool(false)),
        ("yes", Typed::Text("yes")),
        ("off", Typed::Text("off")),
        ("0", Typed::Int(0)),
        ("-0", Typed::Int(0)),
        ("+12", Typed::Int(12)),
        ("012", Typed::Int(12)),
        ("0o17", Typed::Int(15)),
        ("0xDEADbeef", Typed::Int(0xdead_beef)),
        ("-0x1", Typed::Text("-0x1")),
        ("0b1", Typed::Text("0b1")),
        ("1_000", Typed::Text("1_000")),
        ("0x", Typed::Text("0x")),
        ("1.", Typed::Float(1.0)),
        (".5", Typed::Float(0.5)),
        ("1e3", Typed::Float(1000.0)),
        ("-1.5E-1", Typed::Float(-0.15)),
        ("e3", Typed::Text("e3")),
        (".", Typed::Text(".")),
        ("+", Typed::Text("+")),
        ("1e", Typed::Text("1e")),
        ("1.2.3", Typed::Text("1.2.3")),
        ("-.inf", Typed::Float(f64::NEG_INFINITY)),
        ("inf", Typed::Text("inf")),
        ("nan", Typed::Text("nan")),
        ("12:30:45", Typed::Text("12:30:45")),
        ("2001-12-14", Typed::Text("2001-12-14")),
        ("'1'", Typed::Text("1")),
        ("\"true\"", Typed::Text("true")),
        ("|-\n  1", Typed::Text("1")),
        (">-\n  null", Typed::Text("null")),
        ("!!str 1", Typed::Text("1")),
        ("! 1", Typed::Text("1")),
        ("!!int '1'", Typed::Int(1)),
        ("!!float 1", Typed::Int(1)),
    ] {
        assert_eq!(value(text).typed(), expected, "{text}");
    }
    assert!(matches!(value(".NaN").typed(), Typed::Float(nan) if nan.is_nan()));
    assert_eq!(value(&"9".repeat(60)).typed(), Typed::Float("9".repeat(60).parse().unwrap()));
}

#[test]
fn nodes_have_their_position() {
    let root = parsed("# a comment\nlist:\n  - name: ä\n    value: \"b\"\n").unwrap();
    let list = root.get("list").unwrap();
    let Value::List(items) = &list.value else { panic!("{list:?}") };
    assert_eq!(items[0].get("name").unwrap().at, Position { line: 3, column: 11 });
    assert_eq!(items[0].get("value").unwrap().at, Position { line: 4, column: 12 });
}

#[test]
fn an_alias_is_a_copy() {
    let root = parsed("a: &x {b: [1]}\nc: *x\n").unwrap();
    assert_eq!(root.get("a").unwrap().value, root.get("c").unwrap().value);
}

#[test]
fn json_documents_are_read_as_yaml() {
    let root = parsed("{\"file_format\": \"1.0\", \"a\": [true, null, 1.5]}").unwrap();
    assert!(matches!(&root.get("a").unwrap().value, Value::List(items) if items.len() == 3));
}

#[test]
fn mistakes_name_line_column_and_path() {
    for (text, expected) in [
        ("", "line 1, column 1: the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4, column 3: b.c: the key stands here more than once"),
        ("a: {b: 1, 'b': 2}", "line 1, column 11: a.b: the key stands here more than once"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "line 3, column 3: c: merge keys (`<<`) are not part of YAML 1.2"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: the file holds more than one YAML document"),
        ("? [a]\n: b\n", "the key of a mapping must be plain text"),
        ("a: &x [*x]", "line 1, column 8: a[0]: the alias refers to the value that it is a part of"),
        ("a: *x", "invalid YAML"),
        ("a: [1", "invalid YAML"),
        ("a:\n\t- 1\n", "invalid YAML"),
        ("a: !!int fast", "line 1, column 4: a: the tag !!int does not fit the value, or is not supported"),
        ("a: !env X", "the tag !env does not fit the value, or is not supported"),
        ("a: !!map [1]", "does not fit"),
    ] {
        let mistakes = parsed(text).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.contains(expected)), "{text:?}: {mistakes:?}");
    }
}

#[test]
fn all_mistakes_that_allow_to_read_on_are_reported_at_once() {
    let mistakes = parsed("a: ${1}\nb: {c: 1, c: '${A B}'}\nd: '${sys:X}'\n").unwrap_err();
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
    assert!(
        mistakes[0].starts_with("line 1, column 4: a: \"${1}\" is not a valid reference"),
        "{mistakes:?}"
    );
    assert!(mistakes[3].contains("unknown prefix"), "{mistakes:?}");
}
