//! The life of telemetry: from settings to running telemetry to its end.

mod additions;
pub(crate) mod assemble;
mod guard;
mod install;
mod panic_hook;
mod shutdown_error;
mod shutdown_signal;
mod start_line;
mod tasks;

pub(crate) use additions::{Additions, JsonOptions};
#[cfg(feature = "testing")]
pub(crate) use guard::Providers;
pub use guard::TelemetryGuard;
pub(crate) use install::{install, install_with, local};
pub use shutdown_error::ShutdownError;
pub use shutdown_signal::{shutdown_signal, shutdown_signal_blocking};
