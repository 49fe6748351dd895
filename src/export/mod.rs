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

#[cfg(feature = "testing")]
pub(crate) use io::record_nothing_here;
pub(crate) use io::{Exporter, Route, Workers, on_io_thread};
pub(crate) use ledger::Ledger;
pub use ledger::{Delivery, SignalDelivery};
pub(crate) use queue::Queue;
pub use signal::Signal;
