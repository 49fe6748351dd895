//! The SDK's providers, made from settings.
//!
//! The SDK's builders read some variables themselves, differently from the specification. Whatever they read is set
//! here, so `settings` alone decides.
//!
//! | provider | samples, aggregates or passes on | exports through |
//! |---|---|---|
//! | `trace` | the user's sampler, or one of the SDK's, behind `shared_sampler`, which can replace it; what is known in advance is in `sampler` | `export::SpanQueue`, unless the bridge encodes spans itself |
//! | `metrics` | the SDK's aggregations, with the views of `views` | `metrics::reader`, which collects into `export::MetricQueue` |
//! | `log` | nothing | `export::LogQueue`; `tracing` events take the direct way past it |
//!
//! `span_counts` counts the spans, if the metrics of the SDK are chosen.
//! `resource` describes the process on all of them. `installed` keeps what `build()` installed, for layers that are
//! created without a guard.

mod builder_hooks;
mod ids;
#[cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    expect(dead_code, reason = "only the layers for calls need it")
)]
pub(crate) mod installed;
mod log;
mod metrics;
mod panic_guard;
mod random_flag;
pub(crate) mod resource;
mod sampler;
mod shared_sampler;
pub(crate) mod span_counts;
mod trace;
mod views;

pub(crate) use builder_hooks::{BuilderHooks, View};
pub(crate) use ids::RandomIds;
pub(crate) use log::logger_provider;
pub use metrics::{TelemetryMeterProvider, duration_histogram};
pub(crate) use metrics::{built_in, meter_provider};
pub(crate) use panic_guard::PanicGuard;
pub(crate) use random_flag::GlobalTracerProvider;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use random_flag::{flagged_span_context, with_flagged_span};
pub(crate) use sampler::{CustomSampler, SamplingShortcut};
pub(crate) use shared_sampler::{CurrentSampler, SharedSampler};
pub(crate) use span_counts::SpanCounts;
pub(crate) use trace::tracer_provider;
