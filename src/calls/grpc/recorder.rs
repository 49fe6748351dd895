//! The state that the calls of one layer share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, Request};
use tonic::transport::server::TcpConnectInfo;

use super::call::Call;
use super::environment;
use super::instruments::Instruments;
use super::metadata;
use super::method::{Methods, method_name};
use super::options::{Options, Side};
use crate::calls::address::{Address, address_of};
use crate::calls::headers::HeaderCapture;
use crate::calls::lazy::LazyRecorder;
use crate::calls::span::{CallTracer, meter};
use crate::semconv;
use crate::settings::RpcConventions;

/// The recorder of a gRPC layer, created at its first call.
pub(super) type GrpcRecorder = LazyRecorder<Options, CallRecorder>;

impl GrpcRecorder {
    /// Returns the recorder for a request, or `None` if the request is not recorded.
    pub(super) fn recorder_for<B>(&self, request: &Request<B>) -> Option<&Arc<CallRecorder>> {
        let filter = self.options().filter.as_ref();
        let is_recorded = metadata::is_grpc_request(request)
            && filter.is_none_or(|filter| filter(method_name(request.uri().path())));
        is_recorded.then(|| self.get_or_create(CallRecorder::new)).flatten()
    }

    /// Records a request whose service failed in `poll_ready`.
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

/// Records the calls of one layer.
pub(in crate::calls) struct CallRecorder {
    /// The options set by the program.
    pub(super) options: Arc<Options>,
    /// Stable names, old names, or both.
    pub(super) conventions: RpcConventions,
    /// Starts spans.
    pub(super) tracer: CallTracer,
    /// Duration, and those that were requested.
    pub(super) instruments: Instruments,
    /// Names of methods, and which of them metrics may have.
    pub(super) methods: Methods,
    /// Metadata of requests that become attributes.
    pub(super) request_headers: HeaderCapture,
    /// Metadata before the first message of a response.
    pub(super) response_headers: HeaderCapture,
    /// Metadata behind its last message.
    pub(super) response_trailers: HeaderCapture,
}

impl CallRecorder {
    /// Creates the recorder from the options, and from the environment or what a configuration file says in its place.
    fn new(options: Arc<Options>) -> Self {
        let conventions = environment::conventions();
        let names = environment::captured(options.side, &options.captured);
        let instruments = Instruments::new(
            &meter(options.meter_provider.as_ref()),
            options.side,
            conventions,
            options.metrics,
            Arc::clone(&options.is_error),
            options.target.clone().filter(|_| options.side == Side::Client),
        );
        Self {
            conventions,
            tracer: CallTracer::new(
                options.side,
                options.tracer_provider.as_ref(),
                options.request_attributes.is_some(),
            ),
            instruments,
            methods: Methods::new(options.side, options.known_methods.as_deref()),
            request_headers: HeaderCapture::new(semconv::RPC_REQUEST_HEADER, names.request),
            response_headers: HeaderCapture::new(semconv::RPC_RESPONSE_HEADER, names.response),
            response_trailers: HeaderCapture::new(semconv::RPC_RESPONSE_TRAILER, names.trailers),
            options,
        }
    }

    /// Returns `true` if the messages of calls must be tracked.
    pub(super) fn tracks_messages(&self) -> bool {
        self.options.access_log || self.instruments.track_messages()
    }

    /// Returns the configured address, or else that of the request's authority.
    pub(super) fn address<B>(&self, request: &Request<B>) -> Option<Address> {
        if self.options.target.is_some() {
            return self.options.target.clone();
        }
        if self.options.side == Side::Server && is_unix_socket(request.extensions()) {
            // Clients of Unix sockets send a placeholder as the authority.
            return None;
        }
        address_of(request)
    }

    /// Returns the peer's address from the extensions of a request or a response.
    pub(super) fn peer(&self, extensions: &Extensions) -> Option<SocketAddr> {
        match &self.options.peer_address {
            Some(address) => address(extensions),
            None => extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr),
        }
    }
}

/// Returns `true` if the request came over a Unix socket.
#[cfg(unix)]
fn is_unix_socket(extensions: &Extensions) -> bool {
    extensions.get::<tonic::transport::server::UdsConnectInfo>().is_some()
}

/// Returns `false`: tonic has Unix sockets on Unix alone.
#[cfg(not(unix))]
fn is_unix_socket(_: &Extensions) -> bool {
    false
}
