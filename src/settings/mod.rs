//! Environment and builder, resolved to plain data.
//!
//! [`Env`] is a snapshot of the variables, [`Requested`] is what the builder was told, [`resolve`] makes [`Settings`]
//! of both. The order is always the same:
//!
//! | first | then | then |
//! |---|---|---|
//! | the variable, the signal's own before the common one | the setter, the signal's own before the common one | the default |
//!
//! A mistake in code is an error. A mistake in the environment is a warning, and counts as if the variable were not
//! set: the OpenTelemetry specification wants the program to go on. Both name the setting, the value and its origin;
//! neither shows a secret.

mod endpoint;
mod env;
mod kind;
mod pem;
mod requested;
mod resolve;
mod types;

pub(crate) use env::Env;
#[cfg(feature = "grpc")]
pub(crate) use env::{grpc_captured_headers, rpc_conventions};
pub(crate) use requested::{LogsRequested, MetricsRequested, Requested, TracesRequested};
pub(crate) use resolve::resolve;
pub(crate) use types::*;
pub use types::{Compression, HistogramAggregation, LogFormat, TlsSettings};

#[cfg(test)]
mod tests;
