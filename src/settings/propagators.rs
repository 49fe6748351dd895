//! The propagators in use.
//!
//! Names that are not known are reported, and the known ones are used. A list without a known name counts as not set;
//! `none` alone turns propagation off.
//!
//! | name | reads and writes |
//! |---|---|
//! | `tracecontext` | `traceparent`, `tracestate` (W3C) |
//! | `baggage` | `baggage` (W3C) |
//! | `b3` | `b3`; reads `X-B3-…` too |
//! | `b3multi` | `X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled`; reads `b3` too |
//! | `jaeger` | `uber-trace-id` |
//! | `xray` | `X-Amzn-Trace-Id` |
//!
//! The order matters for reading: a later propagator that finds a context replaces that of an earlier one. Propagators
//! that the program wrote itself are used beside those of code, and not beside those of the environment, which are the
//! operator's choice.

use std::borrow::Cow;

use super::builder_config::BuilderConfig;
use super::choices::{self, list_of};
use super::resolve::Resolver;
use super::setting::settings;
use super::types::Propagator;

settings! {
    /// Propagators in the order in which they are called.
    PROPAGATORS: Cow<'static, [Propagator]> =
        "propagators", ["OTEL_PROPAGATORS"], list_of!(PROPAGATOR_NAMES), Cow::Borrowed(&[Propagator::TraceContext, Propagator::Baggage]);
}

impl Resolver<'_> {
    /// Returns propagators in their order, without duplicates, and whether those that the user wrote are used as well:
    /// the environment replaces them.
    pub(super) fn propagators(&mut self, config: &BuilderConfig) -> (Vec<Propagator>, bool) {
        let mut listed = PROPAGATORS.variables.iter().filter_map(|variable| self.env.get(variable));
        let is_replaced = listed.any(|list| choices::parse(list, &PROPAGATOR_NAMES).0.is_some());
        (self.choices(&PROPAGATORS, &PROPAGATOR_NAMES, &config.common.values), !is_replaced)
    }
}

/// The names of the specification. `none` is a valid name and adds nothing.
pub(super) static PROPAGATOR_NAMES: [(&str, &[Propagator]); 7] = [
    ("tracecontext", &[Propagator::TraceContext]),
    ("baggage", &[Propagator::Baggage]),
    ("b3", &[Propagator::B3]),
    ("b3multi", &[Propagator::B3Multi]),
    ("jaeger", &[Propagator::Jaeger]),
    ("xray", &[Propagator::XRay]),
    ("none", &[]),
];
