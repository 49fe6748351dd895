//! What the environment says about calls.

use super::options::{CapturedNames, Side};
use crate::provider::installed::Installed;
use crate::settings::{self, Env, RpcConventions};

/// The names that telemetry carries. A mistake in the variable is reported by [`init`](crate::init), once.
pub(super) fn conventions() -> RpcConventions {
    settings::rpc_conventions(&env(), &mut Vec::new())
}

/// The headers to capture: a list in the environment replaces the one in code. A mistake in it is reported by
/// [`init`](crate::init).
pub(super) fn captured(side: Side, code: &CapturedNames) -> CapturedNames {
    let listed = settings::grpc_captured_headers(&env(), &mut Vec::new());
    let (request, response, trailers) = match side {
        Side::Server => (listed.server_request, listed.server_response, listed.server_trailers),
        Side::Client => (listed.client_request, listed.client_response, listed.client_trailers),
    };
    let or = |listed: Vec<String>, code: &[String]| if listed.is_empty() { code.to_vec() } else { listed };
    CapturedNames {
        request: or(request, &code.request),
        response: or(response, &code.response),
        trailers: or(trailers, &code.trailers),
    }
}

/// The process's, unless [`ignore_env`](crate::Builder::ignore_env) said that it does not count.
fn env() -> Env {
    if Installed::get().is_some_and(|installed| installed.ignores_env) { Env::none() } else { Env::process() }
}
