//! Everything between a provider and the network: from here on telemetry is bytes.

mod backoff;
mod batch;
mod connection;
pub(crate) mod encode;
mod io;
mod ledger;
mod logs;
mod metrics;
mod points;
mod queue;
mod reporter;
mod spans;
#[cfg(test)]
mod tests;
mod transport;
mod worker;
mod workers;

pub(crate) use io::{Exporter, Route};
pub(crate) use ledger::Ledger;
pub(crate) use logs::LogQueue;
pub(crate) use metrics::MetricQueue;
pub(crate) use queue::Queue;
#[cfg(feature = "testing")]
pub(crate) use queue::Take;
pub(crate) use spans::SpanQueue;
pub(crate) use workers::Workers;
