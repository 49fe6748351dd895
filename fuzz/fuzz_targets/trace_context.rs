//! Whatever another process sends as its trace: what is taken over is sent on as it came, and fits into a header.

#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use telemetry_bootstrap::testing::fuzzing::propagator;
use telemetry_bootstrap::opentelemetry::Context;
use telemetry_bootstrap::opentelemetry::baggage::BaggageExt as _;
use telemetry_bootstrap::opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use telemetry_bootstrap::opentelemetry::trace::TraceContextExt as _;

#[derive(arbitrary::Arbitrary, Debug)]
struct Headers<'a> {
    /// Half of the runs start from a header that is valid, so that what follows it is reached too.
    valid_parent: bool,
    traceparent: Vec<&'a str>,
    tracestate: Vec<&'a str>,
    baggage: Vec<&'a str>,
}

impl Headers<'_> {
    fn values(&self, key: &str) -> Vec<&str> {
        match key {
            "traceparent" if self.valid_parent => vec![PARENT],
            "traceparent" => self.traceparent.clone(),
            "tracestate" => self.tracestate.clone(),
            "baggage" => self.baggage.clone(),
            _ => Vec::new(),
        }
    }
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.values(key).first().copied()
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate", "baggage"]
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        Some(self.values(key)).filter(|values| !values.is_empty())
    }
}

fuzz_target!(|headers: Headers<'_>| {
    let propagator = propagator();
    let received = propagator.extract_with_context(&Context::new(), &headers);
    let mut sent = HashMap::new();
    propagator.inject_context(&received, &mut sent);
    let again = propagator.extract_with_context(&Context::new(), &sent);

    assert_eq!(received.span().span_context(), again.span().span_context(), "{sent:?}");
    // Encoding makes at most three bytes of one, and what does not fit into a header is left out.
    let fits = headers.baggage.iter().map(|header| header.len() + 1).sum::<usize>() * 3 <= 8192;
    for (key, (value, _)) in received.baggage() {
        let sent = again.baggage().get(key);
        assert!(sent == Some(value) || (sent.is_none() && !fits), "{key}: {value} is {sent:?}");
    }
    assert_ne!(sent.get("tracestate").map(String::as_str), Some(""));
    assert!(!headers.valid_parent || received.has_active_span());
    for value in sent.values() {
        assert!(!value.contains(['\r', '\n', '\0']), "not the value of a header: {value:?}");
    }
});

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";
