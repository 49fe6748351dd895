//! Settings of the layers in the environment.

use super::options::Side;
use crate::calls::headers::CapturedNames;
use crate::provider::installed::Installed;
use crate::settings::{self, RpcConventions};

/// Returns the conventions to use. [`init`](crate::init) reports an invalid value.
pub(super) fn conventions() -> RpcConventions {
    settings::rpc_conventions(&Installed::env(), &mut Vec::new())
}

/// Returns the headers to capture: a list in the environment replaces the one in code. [`init`](crate::init) reports an
/// invalid list.
pub(super) fn captured(side: Side, code: &CapturedNames) -> CapturedNames {
    let listed = settings::grpc_captured_headers(&Installed::env(), &mut Vec::new());
    let (request, response, trailers) = match side {
        Side::Server => (listed.server_request, listed.server_response, listed.server_trailers),
        Side::Client => (listed.client_request, listed.client_response, listed.client_trailers),
    };
    CapturedNames { request, response, trailers }.or(code)
}
