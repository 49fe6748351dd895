//! Everything between a provider and the network: from here on telemetry is bytes.

mod backoff;
mod batch;
pub(crate) mod encode;
mod io;
mod ledger;
mod logs;
mod metrics;
mod points;
mod queue;
mod reporter;
mod signal;
mod spans;
#[cfg(test)]
mod tests;
mod transport;
mod worker;
mod workers;

#[cfg(test)]
pub(crate) use io::as_io_thread;
#[cfg(feature = "testing")]
pub(crate) use io::record_nothing_here;
pub(crate) use io::{Exporter, Route, on_io_thread};
pub(crate) use ledger::Ledger;
pub use ledger::{Delivery, SignalDelivery};
pub(crate) use logs::LogQueue;
pub(crate) use metrics::MetricQueue;
pub(crate) use queue::Queue;
#[cfg(feature = "testing")]
pub(crate) use queue::Take;
#[cfg(not(feature = "testing"))]
pub(crate) use signal::Signal;
#[cfg(feature = "testing")]
pub use signal::Signal;
pub(crate) use spans::SpanQueue;
pub(crate) use workers::Workers;
