//! Metrics about the program itself, on request: of its telemetry, its process and its runtime.
//!
//! | group | source | names |
//! |---|---|---|
//! | `Sdk` | the ledgers of the pipelines, the ends of exports and collections, counters of spans | `otel.sdk.*` |
//! | `Process` | `/proc/self` | `process.*` |
//! | `Tokio` | the program's runtime, once it is known | `tokio.*` |
//!
//! Nearly all are observable instruments, which read what exists anyway: counters of the ledger, files of `/proc`,
//! counters of the runtime. They cost nothing between collections. Two histograms are recorded once for each export and
//! each collection, and spans are counted once when they start and once when they end (`provider::span_counts`).
//!
//! None is on by default, because each series costs storage at the backend;
//! [`Metrics::built_in`](crate::Metrics::built_in) and `OTEL_RUST_BUILT_IN_METRICS` choose the groups.

mod process;
mod sdk;
mod spans;
mod tokio;

use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::MeterProvider as _;

pub(crate) use self::sdk::ObservedPipeline;
pub(super) use self::sdk::component;
pub(crate) use self::tokio::ObservedRuntime;
use super::{TelemetryMeterProvider, duration_histogram};
use crate::provider::SpanCounts;
use crate::semconv;
use crate::settings::BuiltInMetrics;

/// Creates the instruments of these groups.
///
/// The provider keeps them alive. `pipelines` are those of all signals; their ledgers are read at each collection.
/// `spans` are the counts of spans, if there are any.
/// `runtime` may become known later.
pub(crate) fn observe(
    groups: &[BuiltInMetrics],
    provider: &TelemetryMeterProvider,
    pipelines: Vec<ObservedPipeline>,
    spans: Option<&Arc<SpanCounts>>,
    runtime: &ObservedRuntime,
) {
    let scope = InstrumentationScope::builder(semconv::SCOPE_NAME)
        .with_version(semconv::SCOPE_VERSION)
        .with_schema_url(semconv::SCHEMA_URL);
    let meter = provider.meter_with_scope(scope.build());
    if groups.contains(&BuiltInMetrics::Sdk) {
        sdk::observe(&meter, &pipelines);
        provider.record_collections(&duration_histogram(&meter, semconv::sdk::COLLECTION_DURATION).build());
        if let Some(spans) = spans {
            spans::observe(&meter, spans);
        }
    }
    if groups.contains(&BuiltInMetrics::Process) {
        process::observe(&meter);
    }
    if groups.contains(&BuiltInMetrics::Tokio) {
        tokio::observe(&meter, runtime);
    }
}
