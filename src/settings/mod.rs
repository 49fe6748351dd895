//! Environment and builder, resolved to plain data.
//!
//! [`Env`] is a snapshot of the variables, [`BuilderConfig`] is what the builder was told, [`resolve`] makes [`Settings`]
//! of both. The order is always the same:
//!
//! | first | then | then |
//! |---|---|---|
//! | the variable, the signal's own before the common one | the setter, the signal's own before the common one | the default |
//!
//! A mistake in code is an error. A mistake in the environment is a warning, and counts as if the variable were not
//! set: the OpenTelemetry specification wants the program to go on. Both name the setting, the value and its origin;
//! neither shows a secret.

mod builder_config;
mod deadline;
mod endpoint;
mod env;
mod pem;
mod resolve;
mod signal;
mod types;
mod value_kind;

pub(crate) use builder_config::{BuilderConfig, LogsRequested, MetricsRequested, TracesRequested};
pub(crate) use deadline::deadline_after;
pub(crate) use env::Env;
#[cfg(feature = "grpc")]
pub(crate) use env::{grpc_captured_headers, rpc_conventions};
pub(crate) use resolve::resolve;
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "public in `testing`"))]
pub use signal::Signal;
pub(crate) use types::*;
pub use types::{Compression, HistogramAggregation, LogFormat, TlsSettings};

#[cfg(test)]
mod tests;
