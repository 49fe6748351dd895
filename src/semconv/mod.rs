//! Every attribute, metric and span name that this crate emits, once.
//!
//! Names are those of semantic conventions 1.45, the version that made the RPC conventions stable. The
//! `opentelemetry-semantic-conventions` crate still holds 1.42, so what is missing, renamed or gated as
//! experimental there is defined here; what it has is re-exported.

#[cfg_attr(
    not(any(feature = "grpc", feature = "testing")),
    expect(unreachable_pub, reason = "public in these modules")
)]
mod code;
#[cfg(feature = "http")]
mod http;
pub(crate) mod process;
pub(crate) mod resource;
#[cfg(feature = "grpc")]
mod rpc;
pub(crate) mod sdk;
pub(crate) mod tokio;

#[cfg(feature = "http")]
pub(crate) use self::http::*;
#[cfg(feature = "grpc")]
pub(crate) use self::rpc::*;
#[cfg_attr(
    not(any(feature = "grpc", feature = "testing")),
    expect(unreachable_pub, reason = "public in these modules")
)]
pub use code::GrpcCode;
pub(crate) use opentelemetry_semantic_conventions::attribute::{
    CODE_FILE_PATH, CODE_LINE_NUMBER, ERROR_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE,
    SERVICE_NAME, SERVICE_VERSION,
};
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use opentelemetry_semantic_conventions::attribute::{
    NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT, SERVER_ADDRESS, SERVER_PORT,
};

/// Schema of the names in this file, set on the scopes that emit them.
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.45.0";

/// Name of the instrumentation scope of everything this crate records itself.
pub(crate) const SCOPE_NAME: &str = env!("CARGO_PKG_NAME");
/// Version of that scope.
pub(crate) const SCOPE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Target of this crate's own log lines. They are never exported.
pub(crate) const OWN_TARGET: &str = "telemetry_bootstrap";
/// Target of the events for panics.
pub(crate) const PANIC_TARGET: &str = "panic";
/// Target of the events for recorded errors.
pub(crate) const RECORDED_ERROR_TARGET: &str = "record_error";

// Resource
/// Differs for each start of a program, unless it is configured.
pub(crate) const SERVICE_INSTANCE_ID: &str = "service.instance.id";
/// The group that a service belongs to.
pub(crate) const SERVICE_NAMESPACE: &str = "service.namespace";
/// `production`, `staging`, …
pub(crate) const DEPLOYMENT_ENVIRONMENT_NAME: &str = "deployment.environment.name";
/// This crate, which configures the SDK.
pub(crate) const TELEMETRY_DISTRO_NAME: &str = "telemetry.distro.name";
/// Its version.
pub(crate) const TELEMETRY_DISTRO_VERSION: &str = "telemetry.distro.version";

/// Not in the conventions; the name that `tracing-opentelemetry` gives it.
pub(crate) const CODE_MODULE_NAME: &str = "code.module.name";

/// Stands for values that are not known, such as methods and error types.
pub(crate) const OTHER: &str = "_OTHER";

/// Boundaries, in seconds, that the conventions advise for durations of calls and requests.
pub(crate) const DURATION_BOUNDARIES: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
