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
/// The protocol. On spans and metrics; required.
pub(crate) const RPC_SYSTEM_NAME: &str = "rpc.system.name";
/// `pkg.Service/Method`; `_OTHER` for methods that are not known.
pub(crate) const RPC_METHOD: &str = "rpc.method";
/// The method that was called, if [`RPC_METHOD`] is `_OTHER`. On spans.
pub(crate) const RPC_METHOD_ORIGINAL: &str = "rpc.method_original";
/// The status by its name: `OK`, `NOT_FOUND`, … On spans and metrics.
pub(crate) const RPC_STATUS_CODE: &str = "rpc.status_code";
/// Prefix of captured metadata of requests: a list of texts.
pub(crate) const RPC_REQUEST_HEADER: &str = "rpc.request.header.";
/// Prefix of captured metadata before the first message of a response.
pub(crate) const RPC_RESPONSE_HEADER: &str = "rpc.response.header.";
/// Prefix of captured metadata behind the last message of a response.
pub(crate) const RPC_RESPONSE_TRAILER: &str = "rpc.response.trailer.";
/// Histogram, seconds: calls from their arrival to their status.
pub(crate) const RPC_SERVER_CALL_DURATION: &str = "rpc.server.call.duration";
/// Histogram, seconds: calls from their start to their status.
pub(crate) const RPC_CLIENT_CALL_DURATION: &str = "rpc.client.call.duration";
/// Value of [`RPC_SYSTEM_NAME`] for gRPC.
pub(crate) const GRPC: &str = "grpc";

// RPC, before 1.39: `OTEL_SEMCONV_STABILITY_OPT_IN=rpc/old` or `rpc/dup`
/// The protocol.
pub(crate) const OLD_RPC_SYSTEM: &str = "rpc.system";
/// `pkg.Service`.
pub(crate) const OLD_RPC_SERVICE: &str = "rpc.service";
/// The status as a number.
pub(crate) const OLD_RPC_GRPC_STATUS_CODE: &str = "rpc.grpc.status_code";
/// The address of the peer.
pub(crate) const OLD_NET_PEER_IP: &str = "net.peer.ip";
/// The port of the peer.
pub(crate) const OLD_NET_PEER_PORT: &str = "net.peer.port";
/// Histogram, milliseconds.
pub(crate) const OLD_RPC_SERVER_DURATION: &str = "rpc.server.duration";
/// Histogram, bytes: each message of a request.
pub(crate) const OLD_RPC_SERVER_REQUEST_SIZE: &str = "rpc.server.request.size";
/// Histogram, bytes: each message of a response.
pub(crate) const OLD_RPC_SERVER_RESPONSE_SIZE: &str = "rpc.server.response.size";
/// Histogram, milliseconds.
pub(crate) const OLD_RPC_CLIENT_DURATION: &str = "rpc.client.duration";
/// Histogram, bytes: each message of a request.
pub(crate) const OLD_RPC_CLIENT_REQUEST_SIZE: &str = "rpc.client.request.size";
/// Histogram, bytes: each message of a response.
pub(crate) const OLD_RPC_CLIENT_RESPONSE_SIZE: &str = "rpc.client.response.size";

/// Histogram, `{message}`: messages of a call from the client.
pub(crate) const OLD_RPC_SERVER_REQUESTS_PER_RPC: &str = "rpc.server.requests_per_rpc";
/// Histogram, `{message}`: messages of a call from the server.
pub(crate) const OLD_RPC_SERVER_RESPONSES_PER_RPC: &str = "rpc.server.responses_per_rpc";
/// Histogram, `{message}`: messages of a call from the client.
pub(crate) const OLD_RPC_CLIENT_REQUESTS_PER_RPC: &str = "rpc.client.requests_per_rpc";
/// Histogram, `{message}`: messages of a call from the server.
pub(crate) const OLD_RPC_CLIENT_RESPONSES_PER_RPC: &str = "rpc.client.responses_per_rpc";

// RPC, names of our own: the conventions have none
/// Up-down counter, `{call}`: calls that have not ended.
pub(crate) const RPC_SERVER_ACTIVE_CALLS: &str = "rpc.server.active_calls";
/// Up-down counter, `{call}`: calls that have not ended.
pub(crate) const RPC_CLIENT_ACTIVE_CALLS: &str = "rpc.client.active_calls";
/// Messages of the call from the client. On spans.
pub(crate) const RPC_REQUEST_MESSAGE_COUNT: &str = "rpc.request.message_count";
/// Messages of the call from the server. On spans.
pub(crate) const RPC_RESPONSE_MESSAGE_COUNT: &str = "rpc.response.message_count";
/// Bytes of those messages together. On spans.
pub(crate) const RPC_REQUEST_SIZE: &str = "rpc.request.size";
/// Bytes of those messages together. On spans.
pub(crate) const RPC_RESPONSE_SIZE: &str = "rpc.response.size";
