//! The state that the requests of one layer share.
//!
//! A layer is built before the providers may exist, and is cloned for each connection. What its requests need is
//! therefore made once, at the first of them, and shared by all clones: tracer, instruments, the tables of routes,
//! addresses and series.
//!
//! The tables are bounded. A route or an address beyond the bound is reported like any other; only its memory is not
//! kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use http::{Extensions, Request};
use hyper_util::client::legacy::connect::HttpInfo;

use super::attributes::TargetAddress;
use super::call::Call;
use super::instruments::Instruments;
use super::method::KnownMethods;
use super::options::{Options, RequestHead};
use super::route::{KnownRoute, Routes, matched_path};
use super::series::SeriesTable;
use crate::calls::Side;
use crate::calls::address::Address;
use crate::calls::headers::{CapturedNames, HeaderCapture};
use crate::calls::intern::Interned;
use crate::calls::lazy::LazyRecorder;
use crate::calls::span::{CallTracer, meter};
use crate::provider::installed::Installed;
use crate::semconv;
use crate::settings::{self, Env};

/// The recorder of an HTTP layer, created at its first request.
pub(super) type HttpRecorder = LazyRecorder<Options, CallRecorder>;

impl HttpRecorder {
    /// Returns the recorder for a request, or `None` if the request is not recorded.
    pub(super) fn recorder_for<B>(&self, request: &Request<B>) -> Option<&Arc<CallRecorder>> {
        self.includes(request).then(|| self.get_or_create(CallRecorder::new)).flatten()
    }

    /// Returns `true` if the filter passes a request, be it of HTTP or of gRPC.
    pub(super) fn includes<B>(&self, request: &Request<B>) -> bool {
        let filter = self.options().filter.as_ref();
        filter.is_none_or(|filter| filter(&RequestHead::new(request)))
    }

    /// Records a request that got no further than a service which failed to become ready.
    pub(super) fn record_not_ready<E: 'static>(&self, waited: Duration, error: &E) {
        if let Some(recorder) = self.get_or_create(CallRecorder::new) {
            Call::not_ready(recorder, waited).on_error(error);
        }
    }

    /// Records a request whose caller did not wait until the service was ready.
    pub(super) fn record_abandoned(&self, waited: Duration) {
        if let Some(recorder) = self.get_or_create(CallRecorder::new) {
            // A call that is dropped is finished as one whose caller is gone.
            drop(Call::not_ready(recorder, waited));
        }
    }
}

/// Records the requests of one layer.
pub(in crate::calls) struct CallRecorder {
    /// The options set by the program.
    pub(super) options: Arc<Options>,
    /// Starts spans.
    pub(super) tracer: CallTracer,
    /// Duration, and those that were requested.
    pub(super) instruments: Instruments,
    /// Methods that are reported by their name.
    pub(super) methods: KnownMethods,
    /// Patterns of routes, each stored once.
    pub(super) routes: Routes,
    /// Headers that become attributes.
    pub(super) request_headers: HeaderCapture,
    /// Headers of responses that become attributes.
    pub(super) response_headers: HeaderCapture,
    /// Bound instruments by what a request is measured under.
    pub(super) series: SeriesTable,
    /// The addresses that a client sends requests to, by authority: for `http`, then for `https`.
    targets: [Interned<Address>; 2],
}

impl CallRecorder {
    /// Creates the recorder from the options and the environment, or what a configuration file says in its place.
    pub(super) fn new(options: Arc<Options>) -> Self {
        let env = Installed::env();
        let listed = settings::http_known_methods(&env).or_else(|| options.known_methods.clone());
        let names = captured_headers(&env, &options);
        Self {
            tracer: CallTracer::new(
                options.side,
                options.tracer_provider.as_ref(),
                options.request_attributes.is_some(),
            ),
            instruments: Instruments::new(&meter(options.meter_provider.as_ref()), &options),
            methods: KnownMethods::new(listed.as_deref()),
            routes: Routes::default(),
            request_headers: HeaderCapture::new(semconv::HTTP_REQUEST_HEADER, names.request),
            response_headers: HeaderCapture::new(semconv::HTTP_RESPONSE_HEADER, names.response),
            series: SeriesTable::default(),
            targets: Default::default(),
            options,
        }
    }

    /// Returns the route that is known when the request arrives.
    pub(super) fn route<B>(&self, request: &Request<B>) -> Option<Arc<KnownRoute>> {
        match &self.options.route {
            Some(route) => self.routes.get(&route(&RequestHead::new(request))?),
            None => self.routes.get(matched_path(request.extensions())?),
        }
    }

    /// Returns the address of a client's server, with the default port of its scheme.
    pub(super) fn target_address(&self, scheme: &str, authority: &Authority) -> TargetAddress {
        let [http, https] = &self.targets;
        let (known, port) = if scheme == "https" { (https, 443) } else { (http, 80) };
        let address = || {
            let address = Address::from_authority(authority);
            Address { port: address.port.or(Some(port)), ..address }
        };
        match known.get(authority.as_str(), address) {
            Some(address) => TargetAddress::Interned(address),
            None => TargetAddress::Other(address()),
        }
    }

    /// Returns the peer's address from the extensions of a request or a response.
    pub(super) fn peer(&self, extensions: &Extensions) -> Option<SocketAddr> {
        match &self.options.peer_address {
            Some(address) => address(extensions),
            None => connect_info(extensions),
        }
    }
}

/// Returns the peer's address as axum, tonic, hyper-util, or the program itself attaches it. The first that is there
/// counts.
fn connect_info(extensions: &Extensions) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(info) = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>() {
        return Some(info.0);
    }
    #[cfg(feature = "grpc")]
    if let Some(info) = extensions.get::<tonic::transport::server::TcpConnectInfo>() {
        return info.remote_addr();
    }
    // What hyper-util's client and reqwest attach to responses.
    if let Some(info) = extensions.get::<HttpInfo>() {
        return Some(info.remote_addr());
    }
    extensions.get::<SocketAddr>().copied()
}

/// Returns the headers to capture: a list in the environment replaces the one in code. [`init`](crate::init) reports an
/// invalid list.
fn captured_headers(env: &Env, options: &Options) -> CapturedNames {
    let [server_request, server_response, client_request, client_response] =
        settings::http_captured_headers(env, &mut Vec::new());
    let (request, response) = match options.side {
        Side::Server => (server_request, server_response),
        Side::Client => (client_request, client_response),
    };
    CapturedNames { request, response, trailers: Vec::new() }.or(&options.captured)
}
