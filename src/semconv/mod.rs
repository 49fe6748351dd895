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

pub use code::Code;
pub(crate) use opentelemetry_semantic_conventions::attribute::{
    CODE_FILE_PATH, CODE_LINE_NUMBER, ERROR_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE,
    NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT, SERVER_ADDRESS, SERVER_PORT, SERVICE_NAME, SERVICE_VERSION,
};

/// Schema of the names in this file, set on the scopes that emit them.
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.45.0";

/// Name of the instrumentation scope of everything this crate records itself.
pub(crate) const SCOPE_NAME: &str = env!("CARGO_PKG_NAME");
/// Version of that scope.
pub(crate) const SCOPE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Target of this crate's own log lines. They are never exported.
pub(crate) const OWN_TARGET: &str = "telemetry_bootstrap";
/// Target of the events that tell of panics.
pub(crate) const PANIC_TARGET: &str = "panic";
/// Target of the events that tell of recorded errors.
pub(crate) const RECORDED_ERROR_TARGET: &str = "record_error";

// Resource
pub(crate) const SERVICE_INSTANCE_ID: &str = "service.instance.id";
pub(crate) const SERVICE_NAMESPACE: &str = "service.namespace";
pub(crate) const DEPLOYMENT_ENVIRONMENT_NAME: &str = "deployment.environment.name";
pub(crate) const TELEMETRY_DISTRO_NAME: &str = "telemetry.distro.name";
pub(crate) const TELEMETRY_DISTRO_VERSION: &str = "telemetry.distro.version";

// RPC, stable since 1.45
pub(crate) const RPC_SYSTEM_NAME: &str = "rpc.system.name";
pub(crate) const RPC_METHOD: &str = "rpc.method";
pub(crate) const RPC_STATUS_CODE: &str = "rpc.status_code";
pub(crate) const RPC_REQUEST_HEADER: &str = "rpc.request.header.";
pub(crate) const RPC_RESPONSE_HEADER: &str = "rpc.response.header.";
pub(crate) const RPC_RESPONSE_TRAILER: &str = "rpc.response.trailer.";
pub(crate) const RPC_SERVER_CALL_DURATION: &str = "rpc.server.call.duration";
pub(crate) const RPC_CLIENT_CALL_DURATION: &str = "rpc.client.call.duration";
/// Value of [`RPC_SYSTEM_NAME`] for gRPC.
pub(crate) const GRPC: &str = "grpc";
/// Value of [`RPC_METHOD`] where the method is not a known one.
pub(crate) const OTHER: &str = "_OTHER";

// RPC, before 1.39: `OTEL_SEMCONV_STABILITY_OPT_IN=rpc/old` or `rpc/dup`
pub(crate) const OLD_RPC_SYSTEM: &str = "rpc.system";
pub(crate) const OLD_RPC_SERVICE: &str = "rpc.service";
pub(crate) const OLD_RPC_GRPC_STATUS_CODE: &str = "rpc.grpc.status_code";
pub(crate) const OLD_NET_PEER_IP: &str = "net.peer.ip";
pub(crate) const OLD_NET_PEER_PORT: &str = "net.peer.port";
pub(crate) const OLD_RPC_SERVER_DURATION: &str = "rpc.server.duration";
pub(crate) const OLD_RPC_SERVER_REQUEST_SIZE: &str = "rpc.server.request.size";
pub(crate) const OLD_RPC_SERVER_RESPONSE_SIZE: &str = "rpc.server.response.size";
pub(crate) const OLD_RPC_CLIENT_DURATION: &str = "rpc.client.duration";
pub(crate) const OLD_RPC_CLIENT_REQUEST_SIZE: &str = "rpc.client.request.size";
pub(crate) const OLD_RPC_CLIENT_RESPONSE_SIZE: &str = "rpc.client.response.size";

pub(crate) const OLD_RPC_SERVER_REQUESTS_PER_RPC: &str = "rpc.server.requests_per_rpc";
pub(crate) const OLD_RPC_SERVER_RESPONSES_PER_RPC: &str = "rpc.server.responses_per_rpc";
pub(crate) const OLD_RPC_CLIENT_REQUESTS_PER_RPC: &str = "rpc.client.requests_per_rpc";
pub(crate) const OLD_RPC_CLIENT_RESPONSES_PER_RPC: &str = "rpc.client.responses_per_rpc";

// RPC, names of our own: the conventions have none
pub(crate) const RPC_SERVER_ACTIVE_CALLS: &str = "rpc.server.active_calls";
pub(crate) const RPC_CLIENT_ACTIVE_CALLS: &str = "rpc.client.active_calls";
pub(crate) const RPC_REQUEST_MESSAGE_COUNT: &str = "rpc.request.message_count";
pub(crate) const RPC_RESPONSE_MESSAGE_COUNT: &str = "rpc.response.message_count";
pub(crate) const RPC_REQUEST_SIZE: &str = "rpc.request.size";
pub(crate) const RPC_RESPONSE_SIZE: &str = "rpc.response.size";

/// Boundaries, in seconds, that the conventions advise for durations of calls and requests.
pub(crate) const DURATION_BOUNDARIES: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
