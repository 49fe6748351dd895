//! Start OpenTelemetry in a Rust service with one call.

mod assemble;
mod bounded;
mod builder;
mod context_fields;
mod diagnostics;
mod duration_histogram;
mod error;
mod export;
#[cfg(feature = "grpc")]
pub mod grpc;
mod guard;
mod install;
pub mod json;
mod panic;
mod pretty;
mod propagation;
mod provider;
mod record_error;
mod redaction;
mod resource;
mod semconv;
mod settings;
mod signals;
mod subscriber;
#[cfg(feature = "testing")]
pub mod testing;
mod trace_ids;
mod writer;

pub use builder::{Builder, Logs, Metrics, Traces, init};
pub use context_fields::with_fields;
pub use duration_histogram::duration_histogram;
pub use error::{ExportError, InitError, ShutdownError};
pub use export::{Delivery, SignalDelivery};
pub use guard::TelemetryGuard;
pub use opentelemetry;
pub use opentelemetry_sdk;
pub use record_error::record_error;
pub use redaction::Redaction;
pub use settings::{Compression, HistogramAggregation, LogFormat, TlsSettings};
pub use signals::{shutdown_signal, shutdown_signal_blocking};
pub use subscriber::{InvalidFilter, TelemetryLayer};
pub use tracing;
pub use writer::{LineWriter, LogOutput, Overflow};
