//! The SDK's providers, made from settings.
//!
//! The SDK's builders read some variables themselves, differently from the specification. Whatever they read is set
//! here, so that `settings` alone decides.

mod builder_hooks;
mod ids;
#[cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    expect(dead_code, reason = "only the layers for calls need it")
)]
pub(crate) mod installed;
mod log;
mod metrics;
pub(crate) mod resource;
mod sampler;
mod trace;
mod views;

pub(crate) use builder_hooks::{BuilderHooks, View};
pub(crate) use ids::RandomIds;
pub(crate) use log::logger_provider;
pub use metrics::{TelemetryMeterProvider, duration_histogram};
pub(crate) use metrics::{built_in, meter_provider};
pub(crate) use sampler::{CustomSampler, SamplingShortcut, SharedSampler};
pub(crate) use trace::tracer_provider;
