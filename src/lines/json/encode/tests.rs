use std::fmt;

use opentelemetry::{StringValue, Value};

use super::*;

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn every_character_reads_back_at_every_position_of_a_word() {
    let characters = (0..0x300).chain(0x1ff0..0x2100).chain([0xffff, 0x1_0000, 0x1f600, 0x10_ffff]);
    for character in characters.filter_map(char::from_u32) {
        for position in 0..9 {
            let text = format!("{}{character}tail", "x".repeat(position));
            let json = encoded(|out| string(out, &text));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}

#[test]
fn control_characters_and_line_separators_are_always_escaped() {
    let text: String = (0..0x20).filter_map(char::from_u32).chain("\u{2028}\u{2029}\"\\".chars()).collect();
    let json = encoded(|out| string(out, &text));
    assert!(json.is_ascii());
    assert!(json.bytes().all(|byte| byte >= 0x20));
    assert!(json.ends_with(r#"\u001f\u2028\u2029\"\\""#), "{json}");
}

#[test]
fn a_character_that_only_begins_like_a_separator_is_kept() {
    assert_eq!(encoded(|out| string(out, "it’s 5 €…")), "\"it’s 5 €…\"");
}

#[test]
fn integers_are_exact_and_wide_ones_are_strings() {
    assert_eq!(encoded(|out| integer(out, u64::MAX)), "18446744073709551615");
    assert_eq!(encoded(|out| integer(out, i64::MIN)), "-9223372036854775808");
    assert_eq!(encoded(|out| wide_integer(out, 1_u128)), "\"1\"");
    assert_eq!(encoded(|out| wide_integer(out, i128::MIN)), format!("\"{}\"", i128::MIN));
}

#[test]
fn floats_read_back_equal_and_the_rest_are_strings() {
    for number in
        [0.0, -0.0, 1.0, 0.1, 1e300, -1e-300, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e21, 123_456.789]
    {
        let json = encoded(|out| float(out, number));
        let read: f64 = json.parse().unwrap();
        assert_eq!(read.to_bits(), number.to_bits(), "{json}");
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
    }
    assert_eq!(encoded(|out| Numbers::ALL.float(out, f64::NAN)), "\"NaN\"");
    assert_eq!(encoded(|out| Numbers::ALL.float(out, f64::INFINITY)), "\"Infinity\"");
    assert_eq!(encoded(|out| Numbers::ALL.float(out, f64::NEG_INFINITY)), "\"-Infinity\"");
}

#[test]
fn bytes_are_base64() {
    assert_eq!(encoded(|out| bytes(out, b"")), "\"\"");
    assert_eq!(encoded(|out| bytes(out, b"\xff")), "\"/w==\"");
    assert_eq!(encoded(|out| bytes(out, b"\xff\xfe\x00")), "\"//4A\"");
}

#[test]
fn panicking_implementation_leaves_a_complete_value() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half \"")?;
            panic!("not today")
        }
    }
    assert_eq!(encoded(|out| display(out, &Panics, usize::MAX)), "\"[panicked]\"");
}

#[test]
fn a_failing_implementation_keeps_what_it_wrote() {
    struct Fails;
    impl fmt::Display for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half\n")?;
            Err(fmt::Error)
        }
    }
    assert_eq!(encoded(|out| display(out, &Fails, usize::MAX)), "\"half\\n\"");
}

#[test]
fn opentelemetry_values_keep_their_types() {
    let list = Value::Array(vec![StringValue::from("a\""), StringValue::from("b")].into());
    assert_eq!(encoded(|out| Numbers::ALL.value(out, &list, 9)), r#"["a\"","b"]"#);
    assert_eq!(
        encoded(|out| Numbers::ALL.value(out, &Value::Array(vec![1.5, f64::NAN].into()), 9)),
        r#"[1.5,"NaN"]"#
    );
    assert_eq!(encoded(|out| Numbers::ALL.value(out, &Value::Array(vec![true].into()), 9)), "[true]");
    assert_eq!(encoded(|out| Numbers::ALL.value(out, &Value::from(7_i64), 9)), "7");
}

#[test]
fn terminal_control_and_hidden_characters_are_escaped() {
    let text = "a\u{7f}b\u{80}c\u{9b}31md\u{61c}e\u{202e}f\u{2066}g\u{200b}h\u{feff}i\u{e0041}é€😀";
    let json = encoded(|out| string(out, text));
    let raw = json.chars().filter(|character| !character.is_ascii()).collect::<String>();
    assert_eq!(raw, "é€😀", "{json}");
    assert!(json.contains(r"\u007f") && json.contains(r"\udb40\udc41"), "{json}");
    assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
}

#[test]
fn numbers_that_a_backend_cannot_hold_are_text_or_null() {
    let unsigned = |numbers: Numbers, value| encoded(|out| numbers.unsigned(out, value));
    let signed = |numbers: Numbers, value| encoded(|out| numbers.signed(out, value));
    let float = |numbers: Numbers, value| encoded(|out| numbers.float(out, value));
    assert_eq!(unsigned(Numbers::SIGNED_64, u64::MAX), r#""18446744073709551615""#);
    assert_eq!(unsigned(Numbers::SIGNED_64, i64::MAX as u64), "9223372036854775807");
    assert_eq!(signed(Numbers::SIGNED_64, i64::MIN), "-9223372036854775808");
    assert_eq!(signed(Numbers::FLOAT_64, -(1 << 53)), "-9007199254740992");
    assert_eq!(signed(Numbers::FLOAT_64, 1 << 53), r#""9007199254740992""#);
    assert_eq!(float(Numbers::SIGNED_64, f64::NAN), "null");
    assert_eq!(float(Numbers::SIGNED_64, f64::NEG_INFINITY), "null");
    assert_eq!(float(Numbers::FLOAT_32, 1e300), r#""1e+300""#);
}

#[test]
fn texts_are_cut_between_characters_and_end_with_an_ellipsis() {
    assert_eq!(encoded(|out| string_up_to(out, "abcdef", 6)), r#""abcdef""#);
    assert_eq!(encoded(|out| string_up_to(out, "abcdéf", 5)), r#""abcd…""#);
    assert_eq!(encoded(|out| display(out, &format_args!("{}{}", "abc", "def"), 4)), r#""abcd…""#);
    assert_eq!(encoded(|out| display(out, &format_args!("{:?}", "abc"), 100)), r#""\"abc\"""#);
}
