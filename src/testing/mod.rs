//! Tools for tests of telemetry: captured in memory, or received by a collector inside the test, with faults.
//!
//! Needs the feature `testing`, which belongs in `[dev-dependencies]`:
//!
//! ```toml
//! [dev-dependencies]
//! telemetry-bootstrap = { version = "0.1", features = ["testing"] }
//! ```
//!
//! | to see | use |
//! |---|---|
//! | what a function or handler records: spans, log records, metrics, log lines | [`capture()`] |
//! | what really goes over the network, from a whole program | [`Collector`] |
//! | how a service bears a collector that is slow, full, silent or gone | [`Collector::inject_fault`], [`Collector::stop`], [`Collector::closed_endpoint`], [`UnresponsiveEndpoint`] |
//!
//! What arrives is kept as the OTLP messages themselves, so the types of [`opentelemetry_proto`] are public here: its
//! version changes with this crate's minor versions.
//!
//! A capture needs no network and no global, so that tests run beside each other in one process. A collector is a real
//! receiver on a port of the loopback interface, which a program in another process can send to as well.

mod assertions;
mod capture;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;

pub use capture::{Capture, capture};
pub use opentelemetry_proto;
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
pub use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

pub use crate::collector::{
    CollectedLog, CollectedMetric, CollectedSpan, CollectedTelemetry, Collector, Export, Fault, FaultPlan,
    HistogramValue, HttpAnswer, Request, UnresponsiveEndpoint, WaitError,
};
