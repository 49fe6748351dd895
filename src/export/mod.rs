//! Everything between a provider and the network: from here on telemetry is bytes.

mod backoff;
mod batch;
mod connection;
pub(crate) mod encode;
mod error;
mod io;
mod ledger;
mod logs;
mod metrics;
mod outage_reporter;
pub(crate) mod own_threads;
mod points;
mod queue;
mod spans;
mod stats;
#[cfg(test)]
mod tests;
mod transport;
mod worker;
mod workers;

pub use error::ExportError;
pub(crate) use io::{Exporter, Route};
pub(crate) use ledger::Ledger;
pub(crate) use logs::LogQueue;
pub(crate) use metrics::MetricQueue;
pub(crate) use queue::Queue;
#[cfg(feature = "testing")]
pub(crate) use queue::Take;
pub(crate) use spans::SpanQueue;
pub use stats::{ExportStats, SignalStats};
pub(crate) use workers::Workers;
