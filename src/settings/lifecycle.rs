//! Settings of start and end.

use std::time::Duration;

use tracing_core::LevelFilter;

use super::setting::settings;
use super::value_kind::{DELAY, DURATION, FLAG, Kind, LEVEL, one_of};

settings! {
    /// Turns providers and export off; context propagation and log lines stay.
    SDK_DISABLED: bool = "", ["OTEL_SDK_DISABLED"], FLAG, false;
    /// One deadline for the whole shutdown.
    SHUTDOWN_TIMEOUT: Duration =
        "shutdown_timeout", ["OTEL_RUST_SHUTDOWN_TIMEOUT"], DURATION, Duration::from_secs(5);
    /// How often the configuration file is read again; 0: never.
    RELOAD_INTERVAL: Duration = "reload_interval", [], DELAY, Duration::ZERO;
    /// The least severe lines that this crate writes about itself.
    DIAGNOSTIC_LEVEL: LevelFilter = "", ["OTEL_LOG_LEVEL"], DIAGNOSTIC_LEVELS, LevelFilter::INFO;
}

/// The names that SDKs of other languages know as well, for one variable of programs in several of them.
///
/// There are no lines below INFO, and none above ERROR: `fatal` is silence.
const DIAGNOSTIC_LEVELS: Kind<LevelFilter> = Kind {
    parse: |text| {
        let more = [
            ("none", LevelFilter::OFF),
            ("fatal", LevelFilter::OFF),
            ("critical", LevelFilter::OFF),
            ("alert", LevelFilter::OFF),
            ("emergency", LevelFilter::OFF),
            ("warning", LevelFilter::WARN),
            ("notice", LevelFilter::WARN),
            ("verbose", LevelFilter::TRACE),
            ("all", LevelFilter::TRACE),
        ];
        one_of(text, &more).or_else(|_| (LEVEL.parse)(text)).map_err(|_| {
            "not one of error, warn, info, debug, trace, off, nor a name that other languages have for one of them".into()
        })
    },
    ..LEVEL
};
