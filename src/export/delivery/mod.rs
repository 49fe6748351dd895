//! The I/O thread and its workers, which deliver the batches that wait in the queues.
//!
//! | file | concept |
//! |---|---|
//! | `io_thread` | the OS thread, its runtime, and their restart if the runtime fails |
//! | `worker` | the delivery loop of one signal to one destination |
//! | `workers` | the handle that flushes and the shutdown use to reach the workers |
//! | `backoff` | the pause between tries |
//! | `outage_log` | the log lines about failed and resumed delivery |
//! | `refusals` | what was refused while a flush was under way |
//!
//! # Which thread runs what
//!
//! | thread | what it runs |
//! |---|---|
//! | the caller of `build` | [`Exporter::start`]: checks TLS files, spawns the thread, waits until it has its runtime |
//! | any recording thread | encodes items and appends them to the queue; it never waits for the network |
//! | `otel-export` | every worker, connection, proxy and TLS handshake, compression, and retry |
//! | helper threads of its runtime, also named `otel-export` | name lookups, sources of credentials, writes to files and pipes |
//! | the caller of a flush | [`Workers::flush`]: sends a command and blocks until the answers are there, or the deadline |
//! | the thread that drops the guard | [`Exporter::shutdown`]: the same, then joins the thread |
//!
//! Commands travel over one unbounded channel per worker, and answers come back through a closure, so no thread of
//! the application ever takes a lock that is held across I/O.

mod backoff;
mod io_thread;
mod outage_log;
mod refusals;
mod worker;
mod workers;

#[cfg(feature = "prometheus")]
pub(super) use io_thread::new_runtime;
pub(crate) use io_thread::{Exporter, Route};
pub(super) use workers::DEFAULT_FLUSH_TIMEOUT;
pub(crate) use workers::Workers;
