//! Everything between a provider and the network: from here on telemetry is bytes.

mod backoff;
mod batch;
pub(crate) mod encode;
mod io;
mod ledger;
mod queue;
mod reporter;
mod signal;
mod transport;
mod worker;

pub(crate) use io::{Exporter, Route, Workers, on_io_thread};
pub(crate) use ledger::Ledger;
pub use ledger::{Delivery, SignalDelivery};
pub(crate) use queue::Queue;
pub(crate) use signal::Signal;
