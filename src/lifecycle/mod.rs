//! The life cycle of telemetry, from settings to shutdown.
//!
//! | step | file | result |
//! |---|---|---|
//! | the builder collects user code | `additions` | samplers, processors, layers, outputs |
//! | everything is built | `assemble` | running telemetry that is not global |
//! | it is made global | `install`, `start_line`, `panic_hook`, `shutdown_signal` | the process's telemetry |
//! | it runs | `guard` | flush and statistics |
//! | it is shut down | `guard`, `tasks`, `shutdown_error` | one deadline for all signals, and a report of losses |
//!
//! Only `install` sets globals, and the guard is the only owner of everything that has to be shut down.
//!
//! # Threads
//!
//! | thread | runs | exists |
//! |---|---|---|
//! | the program's | recording, encoding, log lines into the writer's buffer | – |
//! | `otel-export` | deliveries | while something is exported |
//! | `otel-metrics`, `otel-observe` | collections, callbacks of observable instruments | while metrics are read |
//! | `otel-log-writer` | writes of log lines | while lines are written |
//! | `otel-flush` | flushes, one at a time | during a flush |
//! | `otel-shutdown` | processors and readers of the user at shutdown | during the shutdown |
//! | `otel-signals` | SIGTERM and Ctrl-C | after the first call of `shutdown_signal` |
//! | `otel-reload` | reloads of the configuration file | while it is watched |
//! | `otel-scrape`, `otel-prometheus` | collections for scrapes, the server | with the Prometheus exporter |
//!
//! User code that may hang (processors, readers, callbacks, credential sources, the closure that changes the
//! configuration) runs on threads that can be abandoned: nothing waits for them beyond a deadline.

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
