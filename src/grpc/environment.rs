//! What the environment says about calls.

use super::options::{CapturedNames, Side};
use crate::settings::RpcConventions;

/// `OTEL_SEMCONV_STABILITY_OPT_IN`.
pub(super) fn conventions() -> RpcConventions {
    let Ok(list) = std::env::var("OTEL_SEMCONV_STABILITY_OPT_IN") else {
        return RpcConventions::Stable;
    };
    let has = |item: &str| list.split(',').any(|entry| entry.trim() == item);
    if has("rpc/dup") {
        RpcConventions::Both
    } else if has("rpc/old") {
        RpcConventions::Old
    } else {
        RpcConventions::Stable
    }
}

/// `OTEL_INSTRUMENTATION_GRPC_CAPTURE_…`: a list that is set replaces the one in code.
pub(super) fn captured(side: Side, code: &CapturedNames) -> CapturedNames {
    let side = match side {
        Side::Server => "SERVER",
        Side::Client => "CLIENT",
    };
    let list = |what: &str, code: &[String]| {
        std::env::var(format!("OTEL_INSTRUMENTATION_GRPC_CAPTURE_{side}_{what}"))
            .ok()
            .filter(|list| !list.is_empty())
            .map_or_else(
                || code.to_vec(),
                |list| list.split(',').map(|name| name.trim().to_owned()).collect(),
            )
    };
    CapturedNames {
        request: list("REQUEST_HEADERS", &code.request),
        response: list("RESPONSE_HEADERS", &code.response),
        trailers: list("RESPONSE_TRAILERS", &code.trailers),
    }
}
