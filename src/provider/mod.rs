//! The SDK's providers, made from settings.
//!
//! The SDK's builders read some variables themselves, differently from the specification. Whatever they read is set
//! here, so that `settings` alone decides.

mod additions;
mod log;
mod metric;
mod sampler;
mod trace;

pub(crate) use additions::{Steps, View};
pub(crate) use log::logger_provider;
pub(crate) use metric::meter_provider;
pub(crate) use sampler::{CustomSampler, Foreseen};
pub(crate) use trace::tracer_provider;
