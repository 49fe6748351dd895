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

mod additions;
pub(crate) mod assemble;
mod guard;
mod install;
mod panic_hook;
#[cfg(feature = "config-file")]
mod reload;
mod shutdown_error;
mod shutdown_signal;
mod start_line;
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
