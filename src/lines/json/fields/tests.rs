use super::super::shape::Role;
use super::*;

fn fields(pairs: &[(&str, i64)]) -> Fields {
    let mut fields = Fields::default();
    add(&mut fields, pairs);
    fields
}

fn add(fields: &mut Fields, pairs: &[(&str, i64)]) {
    for (key, value) in pairs {
        encode::integer(fields.begin(key, &Reserved::default()), *value);
    }
}

fn text(fields: &Fields) -> &str {
    std::str::from_utf8(fields.text()).unwrap()
}

#[test]
fn the_last_of_equal_keys_stays() {
    let mut fields = fields(&[("a", 1), ("b", 2), ("a", 3), ("c", 4), ("c", 5), ("b", 6)]);
    assert_eq!(text(&fields), r#","a":3,"c":5,"b":6"#);
    add(&mut fields, &[("", 7), ("", 8)]);
    assert_eq!(text(&fields), r#","a":3,"c":5,"b":6,"":8"#);
}

#[test]
fn keys_with_equal_beginning_and_end_stay_distinct() {
    let keys: Vec<String> = (0..300).map(|number| format!("beginning-{number:05}-the-end")).collect();
    let mut all = Fields::default();
    for key in keys.iter().chain(&keys) {
        encode::bool(all.begin(key, &Reserved::default()), true);
    }
    assert_eq!(text(&all).matches("beginning").count(), keys.len());
}

#[test]
fn missing_fields_are_added_and_present_ones_stay() {
    let mut inner = fields(&[("a", 1), ("b", 2)]);
    inner.add_missing(&fields(&[("b", 3), ("c", 4)]), &Reserved::default());
    inner.add_missing(&fields(&[("c", 5), ("a", 6), ("d", 7)]), &Reserved::default());
    assert_eq!(text(&inner), r#","a":1,"b":2,"c":4,"d":7"#);
}

#[test]
fn only_fields_that_the_event_does_not_have_are_written() {
    let event = fields(&[("b", 1), ("x", 2)]);
    let mut out = Vec::new();
    fields(&[("a", 3), ("b", 4), ("c", 5)]).write_missing_in(&event, &Reserved::default(), &mut out);
    assert_eq!(out, br#","a":3,"c":5"#);
}

#[test]
fn reserved_keys_get_a_prefix_and_are_still_unique() {
    let mut reserved = Reserved::default();
    assert!(reserved.insert("level", Role::Owned));
    assert!(!reserved.insert("level", Role::Owned));
    let mut fields = Fields::default();
    for (value, key) in ["level", "field.level", "levels", "level"].iter().enumerate() {
        encode::integer(fields.begin(key, &reserved), value);
    }
    assert_eq!(text(&fields), r#","levels":2,"field.level":3"#);
}

#[test]
fn a_renamed_field_counts_by_the_key_that_was_requested_where_dots_unfold() {
    let mut reserved = Reserved::new(true);
    reserved.insert("a.b", Role::Owned);
    let set = |fields: &mut Fields, key: &str, value: i64| {
        encode::integer(fields.begin(key, &reserved), value);
    };
    let mut fields = Fields::default();
    set(&mut fields, "a.b", 1);
    set(&mut fields, "field.a_b", 2);
    assert_eq!(text(&fields), r#","field.a_b":1,"field.a_b_":2"#);
    set(&mut fields, "a.b", 3);
    assert_eq!(text(&fields), r#","field.a_b_":2,"field.a_b":3"#);
    set(&mut fields, "field.a_b", 4);
    assert_eq!(text(&fields), r#","field.a_b":3,"field.a_b_":4"#);
}

#[test]
fn keys_are_escaped() {
    assert_eq!(text(&fields(&[("a\"\n", 1), ("a\"\n", 2)])), r#","a\"\n":2"#);
}
