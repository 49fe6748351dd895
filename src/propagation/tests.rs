use std::collections::HashMap;

use opentelemetry::baggage::BaggageExt;
use opentelemetry::{Context, KeyValue};
use proptest::prelude::*;

use opentelemetry::trace::TraceState;

use super::*;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID: &str = "00f067aa0ba902b7";
const BOTH: [Propagator; 2] = [Propagator::TraceContext, Propagator::Baggage];

/// Headers that may occur more than once.
#[derive(Default)]
pub(super) struct Headers(Vec<(&'static str, String)>);

impl Headers {
    pub(super) fn of(headers: &[(&'static str, &str)]) -> Self {
        Self(headers.iter().map(|&(name, value)| (name, value.to_owned())).collect())
    }

    fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|(name, _)| *name == key).map(|(_, value)| value.as_str()).collect()
    }
}

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        self.all(key).first().copied()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        Some(self.all(key)).filter(|values| !values.is_empty())
    }
}

fn extracted(headers: &[(&'static str, &str)]) -> Context {
    propagator(&BOTH, Vec::new()).extract_with_context(&Context::new(), &Headers::of(headers))
}

fn injected(context: &Context) -> HashMap<String, String> {
    let mut headers = HashMap::new();
    propagator(&BOTH, Vec::new()).inject_context(context, &mut headers);
    headers
}

/// Returns the remote parent that a propagator extracts from headers.
pub(super) fn parent_of(
    propagator: &dyn TextMapPropagator,
    headers: &[(&'static str, &str)],
) -> Option<SpanContext> {
    let context = propagator.extract_with_context(&Context::new(), &Headers::of(headers));
    context.has_active_span().then(|| context.span().span_context().clone())
}

/// Returns the headers that a propagator sends, by name.
pub(super) fn injected_by(propagator: &dyn TextMapPropagator, context: &Context) -> Vec<(String, String)> {
    let mut headers = HashMap::new();
    propagator.inject_context(context, &mut headers);
    let mut headers: Vec<_> = headers.into_iter().collect();
    headers.sort();
    headers
}

pub(super) fn ids(span: &SpanContext) -> (String, String) {
    (span.trace_id().to_string(), span.span_id().to_string())
}

/// Returns a context whose span has these ids.
pub(super) fn remote(trace_id: &str, span_id: &str, sampled: bool) -> Context {
    let (trace_id, span_id) = (TraceId::from_hex(trace_id).unwrap(), SpanId::from_hex(span_id).unwrap());
    let flags = TraceFlags::default().with_sampled(sampled);
    Context::new().with_remote_span_context(SpanContext::new(
        trace_id,
        span_id,
        flags,
        true,
        TraceState::NONE,
    ))
}

fn span(flags: u8, state: &str) -> SpanContext {
    SpanContext::new(
        TraceId::from_hex(TRACE_ID).unwrap(),
        SpanId::from_hex(SPAN_ID).unwrap(),
        TraceFlags::new(flags),
        true,
        state.parse().unwrap(),
    )
}

fn traceparent(version: &str, flags: &str) -> String {
    format!("{version}-{TRACE_ID}-{SPAN_ID}-{flags}")
}

#[test]
fn valid_headers_are_read() {
    let cases = [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", 0),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 1),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02", 2),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", 3),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", 3),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-08", 0),
        (" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\t", 1),
        ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 1),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-brings", 1),
        ("02-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-", 1),
    ];
    for (header, flags) in cases {
        let (trace_id, span_id, found) = parse_traceparent(header.as_bytes()).expect(header);
        assert_eq!(trace_id.to_string(), TRACE_ID, "{header}");
        assert_eq!(span_id.to_string(), SPAN_ID, "{header}");
        assert_eq!(found.to_u8(), flags, "{header}");
    }
}

#[test]
fn broken_headers_are_refused() {
    let cases = [
        "",
        "00",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-010",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
        "A0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473+-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47zz-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "000-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00--4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
    ];
    for header in cases {
        assert_eq!(parse_traceparent(header.as_bytes()), None, "{header}");
    }
}

#[test]
fn sampled_and_random_flags_travel_on() {
    for flags in 0..=3 {
        let context = extracted(&[("traceparent", &traceparent("00", &format!("{flags:02x}")))]);
        assert!(context.span().span_context().is_remote());
        assert_eq!(injected(&context)["traceparent"], traceparent("00", &format!("{flags:02x}")));
    }
}

#[test]
fn later_version_is_forwarded_in_our_version() {
    let context = extracted(&[("traceparent", &format!("{}-more", traceparent("42", "ff")))]);
    assert_eq!(injected(&context)["traceparent"], traceparent("00", "03"));
}

#[test]
fn no_empty_tracestate_is_sent() {
    let headers = injected(&Context::new().with_remote_span_context(span(1, "")));
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["traceparent"]);
}

#[test]
fn tracestate_travels_on() {
    let context = extracted(&[("traceparent", &traceparent("00", "01")), ("tracestate", "foo=1,bar=2")]);
    assert_eq!(injected(&context)["tracestate"], "foo=1,bar=2");
}

#[test]
fn several_tracestate_headers_are_one() {
    let context = extracted(&[
        ("traceparent", &traceparent("00", "01")),
        ("tracestate", "foo=1"),
        ("tracestate", ""),
        ("tracestate", " bar=2 , baz=3"),
    ]);
    assert_eq!(injected(&context)["tracestate"], "foo=1,bar=2,baz=3");
}

#[test]
fn tracestate_keys_of_level_2_travel_on() {
    let longest = format!("{}=1", "z".repeat(256));
    let vendors = format!("{}@{}=1,a@b=2", "t".repeat(240), "v".repeat(15));
    for state in ["foo@@bar=1,bar=2", "foo@bar@baz=1", "foo@=1", "a-*/_=1", "0a=1", &longest, &vendors] {
        let context = extracted(&[("traceparent", &traceparent("00", "01")), ("tracestate", state)]);
        assert_eq!(injected(&context)["tracestate"], state);
    }
}

#[test]
fn a_changed_state_keeps_the_members_of_level_2() {
    let context = extracted(&[("traceparent", &traceparent("00", "01")), ("tracestate", "foo@@bar=1,b=2")]);
    let received = context.span().span_context().clone();
    let state = received.trace_state().insert("ot", "th:8").unwrap();
    let changed =
        SpanContext::new(received.trace_id(), SpanId::from(7), received.trace_flags(), false, state);
    let sent = injected(&context.with_remote_span_context(changed));
    assert_eq!(sent["tracestate"], "ot=th:8,b=2,foo@@bar=1");
    let other =
        SpanContext::new(TraceId::from(1), SpanId::from(7), TraceFlags::SAMPLED, false, TraceState::NONE);
    assert_eq!(injected(&context.with_remote_span_context(other)).get("tracestate"), None, "another trace");
}

#[test]
fn tracestate_has_at_most_32_members() {
    let members = |count: usize| (0..count).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
    let sent = |state: &str| {
        let context = extracted(&[("traceparent", &traceparent("00", "01")), ("tracestate", state)]);
        injected(&context).remove("tracestate")
    };
    assert_eq!(sent(&members(32)), Some(members(32)));
    assert_eq!(sent(&members(33)), None);
    assert_eq!(sent(&format!("foo@@bar=1,{}", members(32))), None);
    assert_eq!(sent(&format!("{},,\t,", members(32))), Some(members(32)), "empty members do not count");
}

#[test]
fn baggage_with_control_characters_is_not_taken_over() {
    for baggage in ["a=1;b\r\nx-evil: 1", "a=1\0"] {
        let sent = injected(&extracted(&[("traceparent", &traceparent("00", "01")), ("baggage", baggage)]));
        assert_eq!(sent.get("baggage"), None, "{baggage:?}");
    }
}

#[test]
fn broken_tracestate_keeps_the_parent() {
    for state in [
        "foo=1\r\nx-evil: 1",
        "foo=\u{e9}",
        "foo=1\r",
        "\nfoo=1",
        "foo",
        "foo=1,bar",
        "FOO=1",
        "foo=1,=2",
        "foo=",
        "foo==1",
        "foo=1=2",
        "@a=1",
        "-a=1",
        "foo =1",
        "foo.bar=1",
        &format!("{}=1", "z".repeat(257)),
        &format!("foo={}", "z".repeat(257)),
    ] {
        let context = extracted(&[("traceparent", &traceparent("00", "01")), ("tracestate", state)]);
        assert_eq!(context.span().span_context(), &span(1, ""), "{state}");
    }
}

#[test]
fn tracestate_without_a_parent_is_ignored() {
    for traceparent in ["", "broken"] {
        let context = extracted(&[("traceparent", traceparent), ("tracestate", "foo=1")]);
        assert!(!context.span().span_context().is_valid());
    }
}

#[test]
fn duplicate_traceparent_is_ignored() {
    let other = "00-11111111111111111111111111111111-2222222222222222-01";
    let context = extracted(&[("traceparent", &traceparent("00", "01")), ("traceparent", other)]);
    assert!(!context.span().span_context().is_valid());
}

#[test]
fn without_headers_the_context_stays_as_it_is() {
    let before = Context::new().with_remote_span_context(span(1, "foo=1"));
    let after = propagator(&BOTH, Vec::new()).extract_with_context(&before, &Headers::default());
    assert_eq!(after.span().span_context(), before.span().span_context());
}

#[test]
fn without_a_span_nothing_is_sent() {
    assert!(injected(&Context::new()).is_empty());
}

#[test]
fn baggage_travels_on_from_several_headers() {
    let context = extracted(&[("baggage", "tenant=acme"), ("baggage", "user=a%20b")]);
    assert_eq!(context.baggage().get("tenant").unwrap().as_str(), "acme");
    assert_eq!(context.baggage().get("user").unwrap().as_str(), "a b");
    // What the process has attached itself stays, unless the caller sent another value for it.
    let local =
        Context::new().with_baggage([KeyValue::new("region", "north"), KeyValue::new("tenant", "local")]);
    let context = Baggage.extract_with_context(&local, &Headers::of(&[("baggage", "tenant=acme")]));
    assert_eq!(context.baggage().get("region").unwrap().as_str(), "north");
    assert_eq!(context.baggage().get("tenant").unwrap().as_str(), "acme");
    let headers = injected(&Context::new().with_baggage([KeyValue::new("tenant", "acme")]));
    assert_eq!(headers["baggage"], "tenant=acme");
}

#[test]
fn only_configured_propagators_are_used() {
    let context =
        Context::new().with_remote_span_context(span(1, "")).with_baggage([KeyValue::new("tenant", "acme")]);
    let sent = |chosen: &[Propagator], custom: Vec<Boxed>| {
        let mut headers = HashMap::new();
        propagator(chosen, custom).inject_context(&context, &mut headers);
        let mut names: Vec<_> = headers.into_keys().collect();
        names.sort();
        names
    };
    let custom = || vec![Box::new(TraceContext) as Boxed];
    assert!(sent(&[], Vec::new()).is_empty());
    assert_eq!(sent(&[Propagator::Baggage], Vec::new()), ["baggage"]);
    assert_eq!(sent(&[Propagator::Baggage], custom()), ["baggage", "traceparent"]);
    let others = [Propagator::B3, Propagator::B3Multi, Propagator::Jaeger, Propagator::XRay];
    let names = [
        "b3",
        "uber-trace-id",
        "uberctx-tenant",
        "x-amzn-trace-id",
        "x-b3-sampled",
        "x-b3-spanid",
        "x-b3-traceid",
    ];
    assert_eq!(sent(&others, Vec::new()), names);
}

#[test]
fn only_w3c_propagators_are_standard() {
    let standard = |chosen: &[Propagator]| Standard::from_propagators(chosen, &[]);
    let both = Standard { trace_context: true, baggage: true };
    assert_eq!(standard(&BOTH), Some(both));
    assert_eq!(standard(&[]), Some(Standard { trace_context: false, baggage: false }));
    for other in [Propagator::B3, Propagator::B3Multi, Propagator::Jaeger, Propagator::XRay] {
        assert_eq!(standard(&[Propagator::TraceContext, other]), None, "{other:?}");
    }
    assert_eq!(Standard::from_propagators(&BOTH, &[Box::new(TraceContext)]), None);
}

#[test]
fn fields_name_every_header() {
    let propagator = propagator(&BOTH, Vec::new());
    let mut fields: Vec<_> = propagator.fields().collect();
    fields.sort_unstable();
    assert_eq!(fields, ["baggage", "traceparent", "tracestate"]);
}

#[test]
fn digits_are_read_in_every_place_and_nothing_else() {
    for (byte, place) in (0..=u8::MAX).flat_map(|byte| (0..8).map(move |place| (byte, place))) {
        let mut digits = *b"0f9a3210";
        digits[place] = byte;
        let expected = match byte {
            b'0'..=b'9' | b'a'..=b'f' => u32::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).ok(),
            _ => None,
        };
        assert_eq!(eight_digits(digits), expected, "{digits:?}");
    }
}

proptest! {
    #[test]
    fn injected_headers_are_extracted_unchanged(trace_id in 1u128.., span_id in 1u64.., flags: u8) {
        let span = SpanContext::new(
            trace_id.into(), span_id.into(), TraceFlags::new(flags), false, TraceState::NONE,
        );
        let header = format_traceparent(&span);
        let expected = format!("00-{trace_id:032x}-{span_id:016x}-{:02x}", flags & 3);
        prop_assert_eq!(std::str::from_utf8(&header).unwrap(), expected);
        let found = parse_traceparent(&header).unwrap();
        prop_assert_eq!(found, (trace_id.into(), span_id.into(), TraceFlags::new(flags & 3)));
    }

    #[test]
    fn parsing_any_bytes_does_not_panic(header: Vec<u8>) {
        prop_assert_eq!(parse_traceparent(&header).is_some(), is_valid(&header));
    }

    #[test]
    fn nearly_valid_headers_are_read_or_refused(
        header in "(00|01|fe|ff|0F)[-_]([0-9a-f]{32}|0{32}|[0-9A-F]{32})-([0-9a-f]{16}|0{16})-[0-9a-fA-F]{1,3}(-.{0,9})?"
    ) {
        prop_assert_eq!(parse_traceparent(header.as_bytes()).is_some(), is_valid(header.as_bytes()));
    }

    #[test]
    fn any_text_is_extracted_without_panic(parent in ".{0,80}", state in ".{0,80}", baggage in ".{0,80}") {
        extracted(&[("traceparent", &parent), ("tracestate", &state), ("baggage", &baggage)]);
    }
}

/// The rules again, written for reading instead of speed.
fn is_valid(header: &[u8]) -> bool {
    let Ok(header) = std::str::from_utf8(header.trim_ascii()) else {
        // Only what follows the known part may be anything.
        return header
            .trim_ascii()
            .get(..56)
            .is_some_and(|known| known.is_ascii() && is_valid(known) && known[..2] != *b"00");
    };
    let parts: Vec<_> = header.splitn(5, '-').collect();
    let hex =
        |text: &str, length| text.len() == length && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    let set = |text: &str| text.chars().any(|c| c != '0');
    match parts.as_slice() {
        [version, trace_id, span_id, flags, more @ ..] => {
            hex(version, 2)
                && *version != "ff"
                && hex(trace_id, 32)
                && set(trace_id)
                && hex(span_id, 16)
                && set(span_id)
                && hex(flags, 2)
                && (more.is_empty() || *version != "00")
        }
        _ => false,
    }
}

/// Panics whatever it is called for.
#[derive(Debug)]
struct Panics;

impl TextMapPropagator for Panics {
    fn inject_context(&self, _: &Context, _: &mut dyn Injector) {
        panic!("on purpose");
    }

    fn extract_with_context(&self, _: &Context, _: &dyn Extractor) -> Context {
        panic!("on purpose");
    }

    fn fields(&self) -> FieldIter<'_> {
        panic!("on purpose");
    }
}

#[test]
fn custom_propagator_that_panics_leaves_the_others_alone() {
    let propagator = propagator(&[Propagator::TraceContext], vec![Box::new(Panics)]);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
    let context = propagator.extract(&headers);
    assert!(context.span().span_context().is_remote());
    let mut sent = HashMap::new();
    propagator.inject_context(&context, &mut sent);
    assert_eq!(sent, headers);
    assert_eq!(propagator.fields().count(), 2);
}
