//! Tools for testing telemetry: captured in memory, or received by a collector inside the test, with injected faults.
//!
//! Needs the feature `testing`, which belongs in `[dev-dependencies]`:
//!
//! ```toml
//! [dev-dependencies]
//! telemetry-bootstrap = { version = "0.1", features = ["testing"] }
//! ```
//!
//! | to test | use |
//! |---|---|
//! | the telemetry of a function or handler: spans, log records, metrics, log lines | [`capture()`] |
//! | the requests that a whole program sends over the network | [`Collector`] |
//! | how a service behaves if the collector is slow, overloaded, unresponsive or down | [`Collector::inject_fault`], [`Collector::stop`], [`Collector::closed_endpoint`], [`UnresponsiveEndpoint`] |
//!
//! Received telemetry is kept as OTLP messages, so the types of [`opentelemetry_proto`] are part of the public API:
//! its version changes with minor versions of this crate.
//!
//! A capture needs no network and sets no global, so tests can run in parallel in one process. A collector is a real
//! receiver on a port of the loopback interface, which programs in other processes can send to as well.

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
