use std::collections::HashMap;

use opentelemetry::trace::TraceFlags;
use proptest::prelude::*;

use super::*;
use crate::propagation::tests::{Headers, ids, injected_by, parent_of, remote};

const BOTH: [B3; 2] = [B3::SingleHeader, B3::MultipleHeaders];
const T: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const S: &str = "e457b5a2e4d86bd1";

#[test]
fn single_headers_of_the_specification_are_read() {
    for (header, trace_id, sampled) in [
        ("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90", T, true),
        ("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1", T, true),
        ("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0", T, false),
        ("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-d", T, true),
        ("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1", T, true),
        ("80F198EE56343BA864FE8B2A57D3EFF7-E457B5A2E4D86BD1-1", T, true),
        ("64fe8b2a57d3eff7-e457b5a2e4d86bd1-1", "000000000000000064fe8b2a57d3eff7", true),
        (" 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0\t", T, false),
    ] {
        for propagator in BOTH {
            let found = parent_of(&propagator, &[("b3", header)]).expect(header);
            assert_eq!(ids(&found), (trace_id.into(), S.into()), "{header}");
            assert_eq!((found.is_sampled(), found.is_remote()), (sampled, true), "{header}");
        }
    }
}

#[test]
fn multiple_headers_of_the_specification_are_read() {
    let with = |sampled: &[(&'static str, &str)]| {
        let headers =
            [&[("x-b3-traceid", T), ("x-b3-spanid", S), ("x-b3-parentspanid", "1")], sampled].concat();
        BOTH.map(|propagator| parent_of(&propagator, &headers).unwrap().is_sampled())
    };
    assert_eq!(with(&[("x-b3-sampled", "1")]), [true; 2]);
    assert_eq!(with(&[("x-b3-sampled", "True")]), [true; 2]);
    assert_eq!(with(&[("x-b3-sampled", "0")]), [false; 2]);
    assert_eq!(with(&[("x-b3-sampled", "false")]), [false; 2]);
    assert_eq!(with(&[("x-b3-flags", "1")]), [true; 2]);
    assert_eq!(with(&[("x-b3-flags", "1"), ("x-b3-sampled", "0")]), [true; 2], "debug implies accept");
    assert_eq!(with(&[("x-b3-flags", "0"), ("x-b3-sampled", "0")]), [false; 2]);
    assert_eq!(with(&[]), [true; 2], "deferred: decided here");
}

#[test]
fn a_decision_that_was_left_open_stays_open_without_a_local_span() {
    let headers = HashMap::from([("b3".to_owned(), format!("{T}-{S}"))]);
    let context = B3::SingleHeader.extract(&headers);
    let sent = BOTH.map(|propagator| {
        let mut sent = HashMap::new();
        propagator.inject_context(&context, &mut sent);
        sent
    });
    assert_eq!(sent[0]["b3"], format!("{T}-{S}"));
    assert_eq!((&*sent[1]["x-b3-traceid"], sent[1].len()), (T, 2), "{sent:?}");
}

#[test]
fn the_single_header_counts_unless_it_is_broken() {
    let other =
        [("x-b3-traceid", "1111111111111111"), ("x-b3-spanid", "2222222222222222"), ("x-b3-sampled", "0")];
    let both = |single| [&[("b3", single)], &other[..]].concat();
    let single = format!("{T}-{S}-1");
    let found = parent_of(&B3::SingleHeader, &both(&single)).unwrap();
    assert_eq!(ids(&found), (T.into(), S.into()));
    let found = parent_of(&B3::SingleHeader, &both("0")).unwrap();
    assert_eq!(ids(&found).1, "2222222222222222");
}

#[test]
fn broken_headers_are_ignored() {
    let long = format!("{T}{T}-{S}-1");
    for header in [
        "",
        "0",
        "1",
        "d",
        "-",
        "---",
        T,
        &long,
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-2",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-D",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd11",
        "80f198ee56343ba864fe8b2a57d3eff-e457b5a2e4d86bd1",
        "00000000000000000000000000000000-e457b5a2e4d86bd1-1",
        "0000000000000000-e457b5a2e4d86bd1-1",
        "80f198ee56343ba864fe8b2a57d3eff7-0000000000000000-1",
        "+0f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1",
        "80f198ee56343ba864fe8b2a57d3efgg-e457b5a2e4d86bd1-1",
        "\u{e9}0f198ee56343ba864fe8b2a57d3ef-e457b5a2e4d86bd1-1",
    ] {
        assert_eq!(parent_of(&B3::SingleHeader, &[("b3", header)]), None, "{header}");
    }
    for (trace_id, span_id, sampled) in
        [("", S, "1"), (T, "", "1"), (T, S, "yes"), (T, S, ""), (T, "zzzzzzzzzzzzzzzz", "1"), ("0", S, "1")]
    {
        let headers = [("x-b3-traceid", trace_id), ("x-b3-spanid", span_id), ("x-b3-sampled", sampled)];
        assert_eq!(parent_of(&B3::MultipleHeaders, &headers), None, "{headers:?}");
    }
    let single = format!("{T}-{S}-1");
    assert_eq!(parent_of(&B3::SingleHeader, &[("b3", &single), ("b3", &single)]), None, "two parents");
    assert_eq!(parent_of(&B3::SingleHeader, &[("x-b3-traceid", T)]), None);
}

#[test]
fn headers_are_written_by_the_chosen_format() {
    for (sampled, decision) in [(true, "1"), (false, "0")] {
        let context = remote(T, S, sampled);
        let single = injected_by(&B3::SingleHeader, &context);
        assert_eq!(single, [("b3".to_owned(), format!("{T}-{S}-{decision}"))]);
        let multiple = injected_by(&B3::MultipleHeaders, &context);
        let expected = [("x-b3-sampled", decision), ("x-b3-spanid", S), ("x-b3-traceid", T)];
        assert_eq!(multiple, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    for propagator in BOTH {
        assert_eq!(injected_by(&propagator, &Context::new()), []);
    }
    let fields = ["b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"];
    for propagator in BOTH {
        assert_eq!(propagator.fields().collect::<Vec<_>>(), fields);
    }
}

#[test]
fn the_debug_flag_travels_on_with_its_trace_alone() {
    let headers = Headers::of(&[("b3", &format!("{T}-{S}-d"))]);
    let context = B3::SingleHeader.extract_with_context(&Context::new(), &headers);
    let child = SpanContext::new(
        context.span().span_context().trace_id(),
        SpanId::from(7),
        TraceFlags::SAMPLED,
        false,
        Default::default(),
    );
    let in_child = context.with_remote_span_context(child);
    assert_eq!(injected_by(&B3::SingleHeader, &in_child)[0].1, format!("{T}-0000000000000007-d"));
    let names: Vec<_> =
        injected_by(&B3::MultipleHeaders, &in_child).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x-b3-flags", "x-b3-spanid", "x-b3-traceid"]);
    let other = remote("1".repeat(32).as_str(), S, true);
    let other = context.with_remote_span_context(other.span().span_context().clone());
    assert!(injected_by(&B3::SingleHeader, &other)[0].1.ends_with("-1"));
}

proptest! {
    #[test]
    fn injected_headers_are_extracted_unchanged(trace_id in 1u128.., span_id in 1u64.., sampled: bool) {
        let context = remote(&format!("{trace_id:032x}"), &format!("{span_id:016x}"), sampled);
        for propagator in BOTH {
            let sent = injected_by(&propagator, &context).into_iter().collect::<HashMap<_, _>>();
            let found = propagator.extract_with_context(&Context::new(), &sent);
            let (found_span, expected) = (found.span(), context.span());
            prop_assert_eq!(found_span.span_context(), expected.span_context());
        }
    }

    #[test]
    fn parsing_any_text_does_not_panic(header in ".{0,90}", sampled in ".{0,5}") {
        for propagator in BOTH {
            let headers = [("b3", &*header), ("x-b3-traceid", &header), ("x-b3-spanid", &header), ("x-b3-sampled", &sampled)];
            prop_assert!(parent_of(&propagator, &headers).is_none_or(|span| span.is_valid()));
        }
    }

    #[test]
    fn nearly_valid_headers_are_read_or_refused(
        header in "([0-9a-fA-F]{15,17}|[0-9a-f]{31,33}|0{16}|0{32})-([0-9a-f]{15,17}|0{16})(-[01d2]?)?(-[0-9a-f]{16})?"
    ) {
        let parts: Vec<_> = header.split('-').collect();
        let is_id = |text: &str, lengths: &[usize]| lengths.contains(&text.len()) && text.chars().any(|c| c != '0');
        let valid = is_id(parts[0], &[16, 32]) && is_id(parts[1], &[16])
            && parts.get(2).is_none_or(|decision| ["0", "1", "d"].contains(decision));
        prop_assert_eq!(parent_of(&B3::SingleHeader, &[("b3", &header)]).is_some(), valid);
    }
}
