//! Metrics about the program itself, on request: of its telemetry, its process and its runtime.
//!
//! | group | source | names |
//! |---|---|---|
//! | `Sdk` | the ledgers of the pipelines | `otel.sdk.*` |
//! | `Process` | `/proc/self` | `process.*` |
//! | `Tokio` | the runtime in which `build()` was called | `tokio.*` |
//!
//! All are observable instruments: they cost nothing between collections.
//!
//! Observable instruments read what exists anyway: counters of the ledger, files of `/proc`, counters of the runtime.
//! Nothing is added to the paths that export or to the program's own work. None is on by default, because each series
//! costs storage at the backend; [`Metrics::built_in`](crate::Metrics::built_in) and `OTEL_RUST_BUILT_IN_METRICS`
//! choose the groups.

mod process;
mod sdk;
mod tokio;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::MeterProvider as _;

pub(crate) use self::sdk::ObservedPipeline;
use super::TelemetryMeterProvider;
use crate::diagnostics::Diagnostics;
use crate::semconv;
use crate::settings::BuiltInMetrics;

/// Creates the instruments of these groups.
///
/// The provider keeps them alive. `pipelines` are those of all signals; their ledgers are read at each collection.
/// Warns if the metrics of the runtime are chosen and there is none.
pub(crate) fn observe(
    groups: &[BuiltInMetrics],
    provider: &TelemetryMeterProvider,
    pipelines: Vec<ObservedPipeline>,
    diagnostics: &Diagnostics,
) {
    let scope = InstrumentationScope::builder(semconv::SCOPE_NAME)
        .with_version(semconv::SCOPE_VERSION)
        .with_schema_url(semconv::SCHEMA_URL);
    let meter = provider.meter_with_scope(scope.build());
    if groups.contains(&BuiltInMetrics::Sdk) {
        sdk::observe(&meter, &pipelines);
    }
    if groups.contains(&BuiltInMetrics::Process) {
        process::observe(&meter);
    }
    if groups.contains(&BuiltInMetrics::Tokio) {
        match ::tokio::runtime::Handle::try_current() {
            Ok(runtime) => tokio::observe(&meter, &runtime),
            Err(_) => diagnostics.warn(
                "there are no metrics of the tokio runtime: telemetry was started outside of one; call build() inside",
                &[],
            ),
        }
    }
}
