//! The life of telemetry: from settings to running telemetry to its end.
//!
//! | step | file | result |
//! |---|---|---|
//! | the builder collects code of the user | `additions` | samplers, processors, layers, outputs |
//! | everything is built | `assemble` | telemetry that runs and that no global refers to |
//! | everything is made global | `install`, `start_line`, `panic_hook`, `shutdown_signal` | the process's telemetry |
//! | it runs | `guard` | flush and statistics |
//! | it ends | `guard`, `tasks`, `shutdown_error` | one deadline for all signals, and a report of what was lost |
//!
//! `install` is the only file that writes a global, and the guard is the only owner of what has to end.
//!
//! # Threads
//!
//! | thread | runs | exists |
//! |---|---|---|
//! | of the program | recording, encoding, log lines into the writer's buffer | – |
//! | `otel-export` | deliveries | while something is exported |
//! | `otel-metrics`, `otel-observe` | collections, callbacks of observable instruments | while metrics are read |
//! | `otel-log-writer` | writes of log lines | while lines are written |
//! | `otel-flush` | flushes, one at a time | during a flush |
//! | `otel-shutdown` | processors and readers of the user at the end | during the shutdown |
//! | `otel-signals` | SIGTERM and Ctrl-C | from the first call of `shutdown_signal` on |
//! | `otel-reload` | reads of the configuration file | while it is watched |
//! | `otel-scrape`, `otel-prometheus` | collections for scrapes, the server | with the Prometheus exporter |
//!
//! Code of the user that may hang (processors, readers, callbacks, sources of credentials, the closure for changes of
//! the configuration) runs on threads that can be abandoned: nothing waits for them beyond a deadline.

mod additions;
pub(crate) mod assemble;
mod guard;
mod install;
mod panic_hook;
#[cfg(feature = "config-file")]
mod reload;
mod shutdown_error;
mod shutdown_signal;
pub(crate) mod start_line;
mod tasks;

pub(crate) use additions::{Additions, JsonOptions};
#[cfg(feature = "testing")]
pub(crate) use guard::Providers;
pub use guard::TelemetryGuard;
pub(crate) use install::{install, install_with, local};
#[cfg(feature = "config-file")]
pub use reload::{ReloadError, ReloadSummary};
pub use shutdown_error::ShutdownError;
pub use shutdown_signal::{shutdown_signal, shutdown_signal_blocking};
