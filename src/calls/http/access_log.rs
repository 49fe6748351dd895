//! The access log: one event for each finished request.
//!
//! | field | value |
//! |---|---|
//! | `side` | `server` or `client` |
//! | `http.request.method` | as the attribute of the span: a known method, or `_OTHER` |
//! | `http.route` | the route, if it is known |
//! | `http.response.status_code` | absent if there was no response |
//! | `duration_ms` | milliseconds, from the start of the wait for the service to the end of the body |
//! | `response_bytes` | bytes of the response body that were passed on |

use std::time::Duration;

use http::StatusCode;

use super::recorder::CallRecorder;
use crate::calls::Side;

/// Emits the event of a finished request in the current context.
pub(super) fn emit(
    recorder: &CallRecorder,
    method: &str,
    route: Option<&str>,
    status: Option<StatusCode>,
    duration: Duration,
    response_bytes: u64,
) {
    let side = match recorder.options.side {
        Side::Server => "server",
        Side::Client => "client",
    };
    tracing::info!(
        target: "http::access",
        side,
        http.request.method = method,
        http.route = route,
        http.response.status_code = status.map(|status| status.as_u16()),
        // Computed from nanoseconds, so 228 751 ns become 0.228751 exactly.
        duration_ms = duration.as_nanos() as f64 / 1e6,
        response_bytes,
        "request finished"
    );
}
