//! The I/O thread, and the workers on it that deliver what waits in the queues.

mod backoff;
mod io_thread;
mod outage_log;
mod worker;
mod workers;

#[cfg(feature = "prometheus")]
pub(super) use io_thread::new_runtime;
pub(crate) use io_thread::{Exporter, Route};
pub(super) use workers::DEFAULT_FLUSH_TIMEOUT;
pub(crate) use workers::Workers;
