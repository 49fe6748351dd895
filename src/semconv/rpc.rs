//! Names of RPC telemetry.
//!
//! | conventions | names | chosen by |
//! |---|---|---|
//! | stable, since 1.45 | `RPC_…` | default |
//! | before 1.39 | `OLD_…` | `OTEL_SEMCONV_STABILITY_OPT_IN=rpc/old`, or both with `rpc/dup` |
//! | none | active calls, message counts and sizes of calls | the options of a layer |
//!
//! Names that end with a dot are prefixes: the name of a header follows.

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
