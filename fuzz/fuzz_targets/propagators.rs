//! Whatever another process sends as its trace, in any format: what is read is written so that it is read again.

#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use telemetry_bootstrap::opentelemetry::Context;
use telemetry_bootstrap::opentelemetry::baggage::BaggageExt as _;
use telemetry_bootstrap::opentelemetry::propagation::TextMapPropagator as _;
use telemetry_bootstrap::opentelemetry::trace::TraceContextExt as _;
use telemetry_bootstrap::testing::fuzzing;

#[derive(arbitrary::Arbitrary, Debug)]
struct Headers<'a> {
    format: u8,
    /// Ids that are valid, so that what stands beside them is reached too.
    ids: Option<(u128, u64)>,
    values: [&'a str; 4],
}

fuzz_target!(|headers: Headers<'_>| {
    let propagator = fuzzing::propagator_of(headers.format);
    let [first, second, third, fourth] = headers.values;
    let (trace_id, span_id) = match headers.ids {
        Some((trace_id, span_id)) => (format!("{trace_id:032x}"), format!("{span_id:016x}")),
        None => (first.to_owned(), second.to_owned()),
    };
    let (start, rest) = trace_id.split_at_checked(8).unwrap_or((&trace_id, ""));
    let carrier = HashMap::from([
        ("b3", format!("{trace_id}-{span_id}{third}")),
        ("x-b3-traceid", trace_id.clone()),
        ("x-b3-spanid", span_id.clone()),
        ("x-b3-sampled", third.to_owned()),
        ("x-b3-flags", fourth.to_owned()),
        ("uber-trace-id", format!("{trace_id}:{span_id}:{third}")),
        ("uberctx-key", fourth.to_owned()),
        ("x-amzn-trace-id", format!("Root=1-{start}-{rest};Parent={span_id};{third}")),
    ]);
    let carrier: HashMap<String, String> =
        carrier.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let received = propagator.extract_with_context(&Context::new(), &carrier);
    let mut sent = HashMap::new();
    propagator.inject_context(&received, &mut sent);
    let again = propagator.extract_with_context(&Context::new(), &sent);
    for (key, (value, _)) in received.baggage() {
        // Encoding makes at most three bytes of one, and what is longer than the limit is left out.
        let is_sent = again.baggage().get(key) == Some(value);
        assert!(is_sent || key.as_str().len() + value.as_str().len() * 3 > 8192, "{key}: {value}: {sent:?}");
    }
    let (received, again) = (received.span().span_context().clone(), again.span().span_context().clone());
    assert_eq!(
        (received.trace_id(), received.span_id(), received.is_sampled()),
        (again.trace_id(), again.span_id(), again.is_sampled()),
        "{sent:?}"
    );
    for value in sent.values() {
        assert!(!value.contains(['\r', '\n', '\0']), "not the value of a header: {value:?}");
    }
});
