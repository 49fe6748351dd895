use proptest::prelude::*;

use super::*;
use crate::propagation::tests::{Headers, ids, injected_by, parent_of, remote};

const T: &str = "5759e988bd862e3fe1be46a994272793";
const S: &str = "53995c3f42cd8ad8";

fn parent(header: &str) -> Option<opentelemetry::trace::SpanContext> {
    parent_of(&XRay, &[("x-amzn-trace-id", header)])
}

#[test]
fn valid_headers_are_read() {
    for (header, sampled) in [
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", true),
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0", false),
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?", true),
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8", true),
        ("Sampled=0; Parent=53995c3f42cd8ad8 ;Root=1-5759e988-bd862e3fe1be46a994272793;", false),
        (
            "Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;\
             Sampled=1;Lineage=1:a87bd80c:0;CalledFrom=app=x",
            true,
        ),
    ] {
        let found = parent(header).expect(header);
        assert_eq!(ids(&found), (T.into(), S.into()), "{header}");
        assert_eq!((found.is_sampled(), found.is_remote()), (sampled, true), "{header}");
    }
}

#[test]
fn lineage_travels_on_with_its_trace_alone() {
    let header = |lineage: &str| {
        format!("Lineage={lineage};Root=1-5759e988-bd862e3fe1be46a994272793;Parent={S};Sampled=1")
    };
    let sent_on = |lineage: &str| {
        let headers = Headers::of(&[("x-amzn-trace-id", &header(lineage))]);
        let context = XRay.extract_with_context(&Context::new(), &headers);
        let sent = injected_by(&XRay, &context).remove(0).1;
        let other = remote(&"1".repeat(32), S, true);
        let other = context.with_remote_span_context(other.span().span_context().clone());
        assert!(injected_by(&XRay, &other)[0].1.ends_with(";Sampled=1"));
        sent.split_once(";Sampled=1").unwrap().1.to_owned()
    };
    assert_eq!(sent_on("25:a87bd80c:1"), ";Lineage=25:a87bd80c:1");
    assert_eq!(sent_on("32767:A87BD80C:255"), ";Lineage=32767:A87BD80C:255");
    for broken in [
        "",
        "1:a87bd80c:0;",
        "1:a87bd80:0",
        "1:a87bd80c",
        "x:a87bd80c:0",
        "1:a87bd80c:0:1",
        "1:a87bd80g:0",
        "123456:a87bd80c:0",
    ] {
        let expected = if broken == "1:a87bd80c:0;" { ";Lineage=1:a87bd80c:0" } else { "" };
        assert_eq!(sent_on(broken), expected, "{broken}");
    }
}

#[test]
fn header_without_a_parent_span_is_ignored() {
    for header in [
        "Root=1-5759e988-bd862e3fe1be46a994272793",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
        "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678",
        "Parent=53995c3f42cd8ad8;Sampled=1",
    ] {
        assert_eq!(parent(header), None, "{header}");
    }
}

#[test]
fn broken_headers_are_ignored() {
    let long = format!("Root=1-5759e988-bd862e3fe1be46a994272793;Parent={S};X={}", "x".repeat(1024));
    for header in [
        "",
        ";",
        "Root",
        &long,
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=2",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;nonsense",
        "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
        "Root=1-5759e988bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
        "Root=1-5759e98-8bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
        "Root=1-00000000-000000000000000000000000;Parent=53995c3f42cd8ad8",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0000000000000000",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=3995c3f42cd8ad8",
        "Root=1-5759e988-bd862e3fe1be46a99427279z;Parent=53995c3f42cd8ad8",
        "Root=1-+759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=+3995c3f42cd8ad8",
    ] {
        assert_eq!(parent(header), None, "{header}");
    }
    let valid = format!("Root=1-5759e988-bd862e3fe1be46a994272793;Parent={S}");
    assert_eq!(parent_of(&XRay, &[("x-amzn-trace-id", &valid), ("x-amzn-trace-id", &valid)]), None);
}

#[test]
fn the_header_has_the_form_of_the_documentation() {
    for (sampled, digit) in [(true, 1), (false, 0)] {
        let header = format!("Root=1-5759e988-bd862e3fe1be46a994272793;Parent={S};Sampled={digit}");
        assert_eq!(injected_by(&XRay, &remote(T, S, sampled)), [("x-amzn-trace-id".to_owned(), header)]);
    }
    assert_eq!(injected_by(&XRay, &Context::new()), []);
}

proptest! {
    #[test]
    fn injected_headers_are_extracted_unchanged(trace_id in 1u128.., span_id in 1u64.., sampled: bool) {
        let context = remote(&format!("{trace_id:032x}"), &format!("{span_id:016x}"), sampled);
        let sent = injected_by(&XRay, &context).into_iter().collect::<std::collections::HashMap<_, _>>();
        let found = XRay.extract_with_context(&Context::new(), &sent);
        let (found_span, expected) = (found.span(), context.span());
        prop_assert_eq!(found_span.span_context(), expected.span_context());
    }

    #[test]
    fn parsing_any_text_does_not_panic(
        text in ".{0,90}",
        nearly in "(Root=1-[0-9a-f]{7,9}-[0-9a-fg]{24}|Parent=[0-9a-f]{15,17}|Sampled=[012?]|;|=){0,6}"
    ) {
        for header in [text, nearly] {
            prop_assert!(parent(&header).is_none_or(|span| span.is_valid()), "{}", header);
        }
    }
}
