use opentelemetry::KeyValue;
use proptest::prelude::*;

use super::*;
use crate::propagation::tests::{Headers, ids, injected_by, parent_of, remote};

const T: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const S: &str = "00f067aa0ba902b7";

#[test]
fn valid_headers_are_read() {
    for (header, trace_id, sampled) in [
        ("4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1", T, true),
        ("4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0000000000000000:01", T, true),
        ("4bf92f3577b34da6a3ce929d0e0e4736:f067aa0ba902b7:0:1", T, true),
        ("4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:12:0", T, false),
        ("4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:3", T, true),
        ("4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:ff", T, true),
        ("4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:8", T, false),
        ("4BF92F3577B34DA6A3CE929D0E0E4736:00F067AA0BA902B7:0:1", T, true),
        ("4bf92f3577b34da6a3ce929d0e0e4736%3A00f067aa0ba902b7%3A0%3a1", T, true),
        ("a3ce929d0e0e4736:00f067aa0ba902b7:0:1", "0000000000000000a3ce929d0e0e4736", true),
        ("1:f067aa0ba902b7:0:1", "00000000000000000000000000000001", true),
    ] {
        let found = parent_of(&Jaeger, &[("uber-trace-id", header)]).expect(header);
        assert_eq!(ids(&found), (trace_id.into(), S.into()), "{header}");
        assert_eq!((found.is_sampled(), found.is_remote()), (sampled, true), "{header}");
    }
}

#[test]
fn broken_headers_are_ignored() {
    let valid = format!("{T}:{S}:0:1");
    let long = format!("{valid}{}", "0".repeat(200));
    for header in [
        "",
        ":::",
        &long,
        "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0",
        "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:",
        "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1:1",
        "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:x",
        "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:+1",
        "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:001",
        "00000000000000000000000000000000:00f067aa0ba902b7:0:1",
        "4bf92f3577b34da6a3ce929d0e0e4736:0:0:1",
        "04bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1",
        "4bf92f3577b34da6a3ce929d0e0e4736:000f067aa0ba902b7:0:1",
        "4bf92f3577b34da6a3ce929d0e0e473g:00f067aa0ba902b7:0:1",
        "4bf92f3577b34da6a3ce929d0e0e4736:-0f067aa0ba902b7:0:1",
        "%ff:1:0:1",
    ] {
        assert_eq!(parent_of(&Jaeger, &[("uber-trace-id", header)]), None, "{header}");
    }
    assert_eq!(parent_of(&Jaeger, &[("uber-trace-id", &valid), ("uber-trace-id", &valid)]), None);
}

#[test]
fn header_has_a_zero_parent_and_two_flag_digits() {
    for (sampled, flags) in [(true, "01"), (false, "00")] {
        let sent = injected_by(&Jaeger, &remote(T, S, sampled));
        assert_eq!(sent, [("uber-trace-id".to_owned(), format!("{T}:{S}:0:{flags}"))]);
    }
    assert_eq!(injected_by(&Jaeger, &Context::new()), []);
}

#[test]
fn the_debug_flag_travels_on() {
    let headers = Headers::of(&[("uber-trace-id", &format!("{T}:{S}:0:3"))]);
    let context = Jaeger.extract_with_context(&Context::new(), &headers);
    assert_eq!(injected_by(&Jaeger, &context)[0].1, format!("{T}:{S}:0:03"));
}

#[test]
fn baggage_is_added_to_existing_entries() {
    let before = Context::new().with_baggage([KeyValue::new("old", "1"), KeyValue::new("both", "1")]);
    let headers = Headers::of(&[
        ("Uberctx-both", "2"),
        ("uberctx-user", " a%20b%2 "),
        ("uberctx-", "x"),
        ("other", "y"),
    ]);
    let context = Jaeger.extract_with_context(&before, &headers);
    let value = |key: &str| context.baggage().get(key).map(ToString::to_string);
    assert_eq!(["old", "both", "user"].map(value), ["1", "2", "a b%2"].map(|v| Some(v.to_owned())));
    assert_eq!(context.baggage().len(), 3);
}

#[test]
fn baggage_has_limits_in_both_directions() {
    let names: Vec<_> = (0..200).map(|n| &*format!("uberctx-k{n}").leak()).collect();
    let headers: Vec<_> = names.iter().map(|name| (&**name, "v")).collect();
    let context = Jaeger.extract_with_context(&Context::new(), &Headers::of(&headers));
    assert_eq!(context.baggage().len(), 64);
    let large = "x".repeat(9000);
    let context = Jaeger
        .extract_with_context(&Context::new(), &Headers::of(&[("uberctx-a", &large), ("uberctx-b", "1")]));
    assert_eq!((context.baggage().len(), context.baggage().get("b").unwrap().as_str()), (1, "1"));
    let percent = "%".repeat(3000);
    let context = Context::new().with_baggage([KeyValue::new("a", percent), KeyValue::new("b", "1")]);
    assert_eq!(injected_by(&Jaeger, &context), [("uberctx-b".to_owned(), "1".to_owned())]);
}

proptest! {
    #[test]
    fn injected_headers_are_extracted_unchanged(trace_id in 1u128.., span_id in 1u64.., sampled: bool, value: String) {
        let context = remote(&format!("{trace_id:032x}"), &format!("{span_id:016x}"), sampled);
        let context = context.with_baggage([KeyValue::new("key", value.clone())]);
        let sent = injected_by(&Jaeger, &context).into_iter().collect::<std::collections::HashMap<_, _>>();
        let found = Jaeger.extract_with_context(&Context::new(), &sent);
        let (found_span, expected) = (found.span(), context.span());
        prop_assert_eq!(found_span.span_context(), expected.span_context());
        prop_assert_eq!(found.baggage().get("key").unwrap().as_str(), value);
    }

    #[test]
    fn parsing_any_text_does_not_panic(header in ".{0,130}", other in "[0-9a-f:%3A+-]{0,80}") {
        for header in [header, other] {
            let found = parent_of(&Jaeger, &[("uber-trace-id", &header), ("uberctx-key", &header)]);
            prop_assert!(found.is_none_or(|span| span.is_valid()));
        }
    }
}
