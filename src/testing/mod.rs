//! Tools to test telemetry with: a collector inside the test, and faults for it.
//!
//! Needs the feature `testing`, which belongs into `[dev-dependencies]`:
//!
//! ```toml
//! [dev-dependencies]
//! telemetry-bootstrap = { version = "0.1", features = ["testing"] }
//! ```
//!
//! | to see | use |
//! |---|---|
//! | what really goes over the network, from a whole program | [`Collector`] |
//! | how a service bears a collector that is slow, full, silent or gone | [`Collector::fault`], [`Collector::stop`], [`Collector::refused_endpoint`], [`SilentEndpoint`] |
//!
//! What arrives is kept as the OTLP messages themselves, so the types of [`opentelemetry_proto`] are public here,
//! and so is [`Code`]: their versions change with this crate's minor versions.

mod attributes;
mod collector;
mod telemetry;

pub use collector::{Collector, Export, Fault, FaultPlan, Received, Request, SilentEndpoint, WaitError};
pub use opentelemetry_proto;
pub use telemetry::{CollectedLog, CollectedMetric, CollectedSpan, HistogramValue};
pub use tonic::Code;

pub use crate::export::Signal;
