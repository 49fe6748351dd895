//! The table of the specification: "Configuration Data Model", section "Environment variable substitution".

use super::*;

fn env(name: &str) -> Variable {
    let value = match name {
        "STRING_VALUE" => "value",
        "BOOL_VALUE" => "true",
        "INT_VALUE" => "1",
        "FLOAT_VALUE" => "1.1",
        "HEX_VALUE" => "0xdeadbeef",
        "INVALID_MAP_VALUE" => "value\nkey:value",
        "DO_NOT_REPLACE_ME" => "Never use this value",
        "REPLACE_ME" => "${DO_NOT_REPLACE_ME}",
        "VALUE_WITH_ESCAPE" => "value$$",
        "EMPTY_VALUE" => "",
        "NOT_UNICODE" => return Variable::NotUnicode,
        _ => return Variable::Unset,
    };
    Variable::Set(value.to_owned())
}

/// Each row: input, value after substitution, `None` for a parse error.
const TABLE: [(&str, Option<Typed<'static>>); 28] = [
    ("key: ${STRING_VALUE}", Some(Typed::Text("value"))),
    ("key: ${BOOL_VALUE}", Some(Typed::Bool(true))),
    ("key: ${INT_VALUE}", Some(Typed::Int(1))),
    ("key: ${FLOAT_VALUE}", Some(Typed::Float(1.1))),
    ("key: ${HEX_VALUE}", Some(Typed::Int(3_735_928_559))),
    ("key: \"${STRING_VALUE}\"", Some(Typed::Text("value"))),
    ("key: \"${BOOL_VALUE}\"", Some(Typed::Text("true"))),
    ("key: \"${INT_VALUE}\"", Some(Typed::Text("1"))),
    ("key: \"${FLOAT_VALUE}\"", Some(Typed::Text("1.1"))),
    ("key: \"${HEX_VALUE}\"", Some(Typed::Text("0xdeadbeef"))),
    ("key: ${env:STRING_VALUE}", Some(Typed::Text("value"))),
    ("key: ${INVALID_MAP_VALUE}", Some(Typed::Text("value\nkey:value"))),
    ("key: foo ${STRING_VALUE} ${FLOAT_VALUE}", Some(Typed::Text("foo value 1.1"))),
    ("key: ${UNDEFINED_KEY}", Some(Typed::Null)),
    ("key: ${UNDEFINED_KEY:-fallback}", Some(Typed::Text("fallback"))),
    ("${STRING_VALUE}: value", Some(Typed::Text("value"))),
    ("key: ${REPLACE_ME}", Some(Typed::Text("${DO_NOT_REPLACE_ME}"))),
    ("key: ${UNDEFINED_KEY:-${STRING_VALUE}}", Some(Typed::Text("${STRING_VALUE}"))),
    ("key: ${STRING_VALUE:?error}", None),
    ("key: $${STRING_VALUE}", Some(Typed::Text("${STRING_VALUE}"))),
    ("key: $$${STRING_VALUE}", Some(Typed::Text("$value"))),
    ("key: $$$${STRING_VALUE}", Some(Typed::Text("$${STRING_VALUE}"))),
    ("key: $${STRING_VALUE:-fallback}", Some(Typed::Text("${STRING_VALUE:-fallback}"))),
    ("key: $${STRING_VALUE:-${STRING_VALUE}}", Some(Typed::Text("${STRING_VALUE:-value}"))),
    ("key: ${UNDEFINED_KEY:-$${UNDEFINED_KEY}}", Some(Typed::Text("${UNDEFINED_KEY:-${UNDEFINED_KEY}}"))),
    ("key: ${VALUE_WITH_ESCAPE}", Some(Typed::Text("value$$"))),
    ("key: a $$ b", Some(Typed::Text("a $ b"))),
    ("key: a $ b", Some(Typed::Text("a $ b"))),
];

fn check(input: &str, expected: Option<Typed<'_>>) {
    let root = parsed_with(input.as_bytes(), &env);
    let Some(expected) = expected else {
        assert!(root.is_err(), "{input}: {root:?}");
        return;
    };
    let root = root.unwrap_or_else(|mistakes| panic!("{input}: {mistakes:?}"));
    let Value::Map(entries) = &root.value else { panic!("{root:?}") };
    let [Entry { key, value: Node { value: Value::Scalar(scalar), .. }, .. }] = &entries[..] else {
        panic!("{root:?}")
    };
    assert_eq!(key, input.split_once(':').unwrap().0.trim());
    assert_eq!(scalar.typed(), expected, "{input}");
}

#[test]
fn substitution_follows_the_table_of_the_specification() {
    for (input, expected) in TABLE {
        check(input, expected);
    }
}

#[test]
fn the_table_holds_in_flow_context_where_it_is_quoted() {
    check("key: '${STRING_VALUE}'", Some(Typed::Text("value")));
    check("key: |-\n  ${STRING_VALUE}", Some(Typed::Text("value")));
}

#[test]
fn grammar_decides_cases_beyond_the_table() {
    for (input, expected) in [
        ("key: ${EMPTY_VALUE:-fallback}", Some(Typed::Text("fallback"))),
        ("key: ${EMPTY_VALUE}", Some(Typed::Null)),
        ("key: \"${EMPTY_VALUE}\"", Some(Typed::Text(""))),
        ("key: ${UNDEFINED_KEY:-}", Some(Typed::Null)),
        ("key: ${UNDEFINED_KEY:-1}", Some(Typed::Int(1))),
        ("key: ${UNDEFINED_KEY:-a b}", Some(Typed::Text("a b"))),
        ("key: ${env:UNDEFINED_KEY:-http://a}", Some(Typed::Text("http://a"))),
        ("key: ${env}", Some(Typed::Null)),
        ("key: ${env:-fallback}", Some(Typed::Text("fallback"))),
        ("key: ${STRING_VALUE:-not used}", Some(Typed::Text("value"))),
        ("key: ${BOOL_VALUE}${INT_VALUE}", Some(Typed::Text("true1"))),
        ("key: ${INT_VALUE}${INT_VALUE}", Some(Typed::Int(11))),
        ("key: ${STRING_VALUE", Some(Typed::Text("${STRING_VALUE"))),
        ("key: $", Some(Typed::Text("$"))),
        ("key: $STRING_VALUE", Some(Typed::Text("$STRING_VALUE"))),
        ("key: \"${A\\nB}\"", Some(Typed::Text("${A\nB}"))),
        ("key: ${1API_KEY}", None),
        ("key: ${API_$KEY}", None),
        ("key: ${A B}", None),
        ("key: ${}", None),
        ("key: ${A-B}", None),
        ("key: ${ä}", None),
        ("key: ${sys:STRING_VALUE}", None),
        ("key: ${env:1}", None),
        ("key: ${NOT_UNICODE:-fallback}", None),
        ("key: '${STRING_VALUE:?error}'", None),
    ] {
        check(input, expected);
    }
}

#[test]
fn comments_are_not_substituted() {
    assert!(parsed_with(b"# ${1}\nkey: value # ${A B}\n", &env).is_ok());
}
