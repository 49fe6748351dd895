//! Everything between a provider and the network: from here on, telemetry is bytes.
//!
//! A *pipeline* takes one signal to one destination. It has a [`queue`] of encoded items, a worker (in [`delivery`])
//! that sends them and retries, and a ledger that counts what became of each item. The pipelines of one signal share
//! the encoded bytes and nothing else. What a request looks like on the
//! wire is decided in [`destination`] alone, whose outcomes are neutral.
//!
//! ```text
//! recording threads                       I/O thread
//! spans, logs, metrics → encode → queue → worker → destination (OTLP/gRPC, OTLP/HTTP)
//!                                  ledger ←──┘
//! ```

mod delivery;
mod destination;
pub(crate) mod encode;
mod error;
mod logs;
mod metrics;
pub(crate) mod own_threads;
#[cfg(feature = "prometheus")]
pub(crate) mod prometheus;
mod queue;
pub(crate) mod render;
mod spans;
mod stats;
#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;

pub(crate) use delivery::{Exporter, Route, Workers};
#[cfg(all(fuzzing, feature = "otlp-grpc", feature = "otlp-http"))]
pub(crate) use destination::fuzzing;
pub(crate) use destination::{CONSOLE_DELAY, hints};
pub(crate) use encode::SUM_RESERVE;
pub use error::ExportError;
pub(crate) use logs::LogQueue;
pub(crate) use metrics::{MetricQueue, OverflowReports};
#[cfg(feature = "testing")]
pub(crate) use queue::Take;
pub(crate) use queue::{Consumer, Ledger, OperationError, Operations, Queue, ResponseStatus};
pub(crate) use spans::{RANDOM_TRACE_ID, SpanQueue, with_random_flag};
pub use stats::{DestinationStats, ExportStats, SignalStats};
