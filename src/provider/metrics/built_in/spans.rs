//! The spans that were started, and those that are open, by the conventions for SDKs.
//!
//! | metric | attributes |
//! |---|---|
//! | `otel.sdk.span.started` | `otel.span.sampling_result`, `otel.span.parent.origin` |
//! | `otel.sdk.span.live` | `otel.span.sampling_result`, which is never `DROP` |
//!
//! Kinds of spans that never occurred have no series, but for live spans that are sampled.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use opentelemetry_sdk::trace::SamplingDecision;

use super::sdk::saturated;
use crate::provider::SpanCounts;
use crate::provider::span_counts::{DECISIONS, ParentOrigin};
use crate::semconv::sdk as names;

/// Creates the instruments.
pub(super) fn observe(meter: &Meter, counts: &Arc<SpanCounts>) {
    let spans = Arc::clone(counts);
    let started = move |counter: &dyn AsyncInstrument<u64>| {
        for (origin, decision) in
            ParentOrigin::ALL.iter().flat_map(|origin| DECISIONS.iter().map(move |it| (origin, it)))
        {
            let count = spans.started(*origin, decision);
            if count > 0 {
                let origin = KeyValue::new(names::PARENT_ORIGIN, origin_value(*origin));
                counter.observe(count, &[sampling_result(decision), origin]);
            }
        }
    };
    let counter = meter.u64_observable_counter(names::SPAN_STARTED).with_unit("{span}");
    let _ = counter.with_callback(started).build();
    let spans = Arc::clone(counts);
    let live = move |amount: &dyn AsyncInstrument<i64>| {
        amount.observe(saturated(spans.live(true)), &[sampling_result(&SamplingDecision::RecordAndSample)]);
        let was_recorded_only =
            ParentOrigin::ALL.iter().any(|origin| spans.started(*origin, &SamplingDecision::RecordOnly) > 0);
        if was_recorded_only {
            amount.observe(saturated(spans.live(false)), &[sampling_result(&SamplingDecision::RecordOnly)]);
        }
    };
    let amount = meter.i64_observable_up_down_counter(names::SPAN_LIVE).with_unit("{span}");
    let _ = amount.with_callback(live).build();
}

/// Returns the attribute of a decision.
fn sampling_result(decision: &SamplingDecision) -> KeyValue {
    let value = match decision {
        SamplingDecision::Drop => "DROP",
        SamplingDecision::RecordOnly => "RECORD_ONLY",
        SamplingDecision::RecordAndSample => "RECORD_AND_SAMPLE",
    };
    KeyValue::new(names::SAMPLING_RESULT, value)
}

/// Returns the value of the attribute.
fn origin_value(origin: ParentOrigin) -> &'static str {
    match origin {
        ParentOrigin::None => "none",
        ParentOrigin::Local => "local",
        ParentOrigin::Remote => "remote",
    }
}
