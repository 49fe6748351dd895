//! The start of telemetry, the same for all services.

use telemetry_bootstrap::{InitError, TelemetryGuard};

/// Starts telemetry that goes to `endpoint`, or else to where the environment says.
pub(crate) fn init(service: &str, endpoint: Option<String>) -> Result<TelemetryGuard, InitError> {
    let telemetry =
        telemetry_bootstrap::init().service_name(service).service_version(env!("CARGO_PKG_VERSION"));
    match endpoint {
        Some(endpoint) => telemetry.endpoint(endpoint).build(),
        None => telemetry.build(),
    }
}
