//! Settings of start and end.

use std::time::Duration;

use super::setting::settings;
use super::value_kind::{DURATION, FLAG};

settings! {
    /// Turns providers and export off; context propagation and log lines stay.
    SDK_DISABLED: bool = "", ["OTEL_SDK_DISABLED"], FLAG, false;
    /// One deadline for the whole shutdown.
    SHUTDOWN_TIMEOUT: Duration =
        "shutdown_timeout", ["OTEL_RUST_SHUTDOWN_TIMEOUT"], DURATION, Duration::from_secs(5);
}
