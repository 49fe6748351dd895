//! The access log: one event for each finished call.
//!
//! It is an event of `tracing`, so it passes filters, redaction and formats as every other one, with the trace id of
//! the call. It is emitted on the thread that ends the call, before the span ends.
//!
//! | field | value |
//! |---|---|
//! | `side` | `server` or `client` |
//! | `rpc.method`, `rpc.status_code` | as on the span |
//! | `duration_ms` | milliseconds, with fractions down to nanoseconds |
//! | `peer` | address and port, if they are known |
//! | `requests`, `responses` | complete messages |
//! | `request_bytes`, `response_bytes` | bytes of those, as on the wire |

use std::net::SocketAddr;
use std::time::Duration;

use super::messages::{CallMessages, MessageTotals};
use super::method::Method;
use super::options::Side;
use super::status::CallStatus;

/// Emits the event of a finished call in the current context.
/// `messages` is there whenever the access log is on, see [`CallRecorder`](super::recorder::CallRecorder).
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
        // Computed from nanoseconds, so 228 751 ns become 0.228751 exactly.
        duration_ms = duration.as_nanos() as f64 / 1e6,
        peer = peer.map(tracing::field::display),
        requests = requests.count,
        request_bytes = requests.bytes,
        responses = responses.count,
        response_bytes = responses.bytes,
        "call ended"
    );
}
