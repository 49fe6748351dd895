//! The access log: one event for each finished call.

use std::net::SocketAddr;
use std::time::Duration;

use super::messages::{CallMessages, MessageTotals};
use super::method::Method;
use super::options::Side;
use super::status::CallStatus;

/// Emits the event of a finished call in the current context.
pub(super) fn emit(
    side: Side,
    method: &Method,
    status: &CallStatus<'_>,
    duration: Duration,
    peer: Option<SocketAddr>,
    messages: &Option<CallMessages>,
) {
    let totals = |of: fn(&CallMessages) -> MessageTotals| messages.as_ref().map(of).unwrap_or_default();
    let (requests, responses) = (totals(CallMessages::requests), totals(CallMessages::responses));
    let side = match side {
        Side::Server => "server",
        Side::Client => "client",
    };
    tracing::info!(
        target: "grpc::access",
        side,
        rpc.method = &*method.name,
        rpc.status_code = status.code.name(),
        // Computed from nanoseconds, so that 228 751 ns become 0.228751 exactly.
        duration_ms = duration.as_nanos() as f64 / 1e6,
        peer = peer.map(tracing::field::display),
        requests = requests.count,
        request_bytes = requests.bytes,
        responses = responses.count,
        response_bytes = responses.bytes,
        "call ended"
    );
}
