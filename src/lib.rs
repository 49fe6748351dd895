//! Start OpenTelemetry in a Rust service with one call.

mod builder;
mod diagnostics;
mod error;
mod export;
#[cfg(feature = "grpc")]
pub mod grpc;
mod guard;
mod install;
pub mod json;
mod propagation;
mod provider;
mod record_error;
mod resource;
mod semconv;
mod settings;
mod signals;
mod subscriber;
#[cfg(feature = "testing")]
pub mod testing;
mod trace_ids;
mod writer;

// The public interface is:
pub use opentelemetry;
pub use opentelemetry_sdk;
pub use tracing;
