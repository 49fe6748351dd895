//! Instrumentation: what the layers for calls read.
//!
//! The layers read variables, or the [`Env`](crate::settings::env::Env) that a file gave in their place; both are
//! written in the same way. What follows the default is left out.
//!
//! | variable | in the file |
//! |---|---|
//! | `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_…` | `general.http.{server,client}.…_captured_headers` |
//! | `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` | `general.http.server.known_methods` |
//! | `OTEL_SEMCONV_STABILITY_OPT_IN` | `general.rpc.semconv` |
//! | `OTEL_RUST_GRPC_CAPTURE_…` | `distribution.telemetry_bootstrap.grpc` |
//!
//! Headers that the program captures by setters of a layer are not written: the layers are built elsewhere.

use super::Writer;
use super::yaml::Map;
use crate::settings::conventions::{RPC_CONVENTIONS, rpc_conventions};
#[cfg(feature = "grpc")]
use crate::settings::env::grpc_captured_headers;
#[cfg(feature = "http")]
use crate::settings::env::{http_captured_headers, http_known_methods};
use crate::settings::types::RpcConventions;

impl Writer<'_> {
    /// Returns what differs from the defaults, or `None` if nothing does.
    ///
    /// Version 0 of the RPC conventions stands for the names before the first stable version, as
    /// `OTEL_SEMCONV_STABILITY_OPT_IN=rpc/old` does; `dual_emit` for both at once.
    ///
    /// Names that are not valid are left out without a warning: the layers report them.
    pub(super) fn instrumentation(&mut self) -> Option<Map> {
        let mut general = Map::default();
        general.set_some("http", Some(self.http()));
        let semconv = match rpc_conventions(self.layers, &mut Vec::new()) {
            RpcConventions::Stable => Map::default(),
            RpcConventions::Old => Map::from_entry("version", 0_u32),
            RpcConventions::Both => Map::from_entry("version", 1_u32).with("dual_emit", true),
        };
        if !semconv.is_empty() {
            let mut rpc = Map::default();
            rpc.set_from("semconv", semconv, RPC_CONVENTIONS.key());
            general.set("rpc", rpc);
        }
        (!general.is_empty()).then(|| Map::from_entry("general", general))
    }

    /// Returns captured headers and known methods of HTTP calls. Methods are known to both sides; the schema's reader
    /// accepts them at the server.
    #[cfg(feature = "http")]
    fn http(&self) -> Map {
        let [server_request, server_response, client_request, client_response] =
            http_captured_headers(self.layers, &mut Vec::new());
        let methods = http_known_methods(self.layers);
        let side = |request: Vec<String>, response: Vec<String>| {
            let mut side = Map::default();
            side.set_some("request_captured_headers", Some(request));
            side.set_some("response_captured_headers", Some(response));
            side
        };
        let mut server = side(server_request, server_response);
        server.set_some("known_methods", methods);
        let mut http = Map::default();
        http.set_some("client", Some(side(client_request, client_response)));
        http.set_some("server", Some(server));
        http
    }

    #[cfg(not(feature = "http"))]
    fn http(&self) -> Map {
        Map::default()
    }

    /// Headers and trailers of gRPC calls, for which the schema has no place.
    ///
    /// They stand below `distribution`.
    #[cfg(feature = "grpc")]
    pub(super) fn grpc_captures(&self) -> Map {
        let captured = grpc_captured_headers(self.layers, &mut Vec::new());
        let side = |request: Vec<String>, response: Vec<String>, trailers: Vec<String>| {
            let mut side = Map::default();
            side.set_some("request_captured_headers", Some(request));
            side.set_some("response_captured_headers", Some(response));
            side.set_some("response_captured_trailers", Some(trailers));
            side
        };
        let server = side(captured.server_request, captured.server_response, captured.server_trailers);
        let client = side(captured.client_request, captured.client_response, captured.client_trailers);
        let mut grpc = Map::default();
        grpc.set_some("server", Some(server));
        grpc.set_some("client", Some(client));
        grpc
    }

    #[cfg(not(feature = "grpc"))]
    pub(super) fn grpc_captures(&self) -> Map {
        Map::default()
    }
}
