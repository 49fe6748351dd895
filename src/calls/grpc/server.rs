//! The layer for servers.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, HeaderMap, HeaderName, Request, Response};
use http_body::Body;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tower_layer::Layer;
use tower_service::Service;

use super::call::Call;
use super::common_settings::common_settings;
use super::descriptor_set::{DescriptorSetError, methods_of};
use super::options::{Options, RequestHead, Side};
use super::recorder::GrpcRecorder;
use super::request_body::instrument_request_body;
use crate::calls::address::Address;
use crate::calls::body::ResponseBody;
use crate::calls::call::Call as AnyCall;
use crate::calls::context::RemoteContext;
use crate::calls::future::ResponseFuture;
use crate::calls::layer::{layer_service, layer_settings};
use crate::calls::ready::ReadyTimer;
use crate::calls::recorded::{is_recorded_as_grpc, mark_recorded_as_grpc};
use crate::calls::span::SharedMeterProvider;
use crate::semconv::GrpcCode;
use crate::user_code::catch_panic;

/// Traces and measures every gRPC call that a server answers.
///
/// See the [module's documentation](super) for what is recorded. Clones share their configuration.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until a service is wrapped in it"]
pub struct ServerLayer(GrpcRecorder);

impl ServerLayer {
    /// Creates a layer that records all calls by the stable conventions, to the global providers.
    pub fn new() -> Self {
        Self(GrpcRecorder::new(Options::new(Side::Server)))
    }

    /// Decides for each method what becomes of the context that the caller sent.
    /// Default: [`RemoteContext::Parent`].
    ///
    /// ```
    /// use telemetry_bootstrap::RemoteContext;
    /// use telemetry_bootstrap::grpc::ServerLayer;
    ///
    /// let layer = ServerLayer::new().remote_context(|method| match method.split_once('/') {
    ///     Some(("shop.Public", _)) => RemoteContext::Link,
    ///     _ => RemoteContext::Parent,
    /// });
    /// ```
    pub fn remote_context(self, decide: impl Fn(&str) -> RemoteContext + Send + Sync + 'static) -> Self {
        let decide = move |method: &str| catch_panic(|| decide(method)).unwrap_or(RemoteContext::Ignore);
        self.with(|options| options.remote_context = Some(Arc::new(decide)))
    }

    /// Sends the trace id in the metadata of each response; `traceresponse` gets the whole span context. Off by default.
    ///
    /// ```
    /// use http::HeaderName;
    /// use telemetry_bootstrap::grpc::ServerLayer;
    ///
    /// let layer = ServerLayer::new().trace_id_header(HeaderName::from_static("x-trace-id"));
    /// # let _ = layer;
    /// ```
    pub fn trace_id_header(self, name: HeaderName) -> Self {
        self.with(|options| options.trace_id_header = Some(name))
    }

    /// Sets the address of this server, reported as `server.address` and `server.port`. Takes the same forms as
    /// [`ClientLayer::target`](super::ClientLayer::target). Default: the `:authority` of each request; a server on a Unix
    /// socket reports none, because its clients send a placeholder.
    ///
    /// ```
    /// use telemetry_bootstrap::grpc::ServerLayer;
    ///
    /// let layer = ServerLayer::new().server_address("unix:/run/greeter.sock");
    /// # let _ = layer;
    /// ```
    pub fn server_address(self, address: impl Display) -> Self {
        self.with(|options| options.target = Some(Address::from_target(&address.to_string())))
    }
}

common_settings!(ServerLayer);

impl ServerLayer {
    /// Starts the call of a request, unless it is not recorded or a layer around this one records it.
    fn start<B: 'static>(&self, request: &mut Request<B>, waited: Duration) -> Option<AnyCall> {
        self.start_with(request, waited, RemoteContext::default())
    }

    /// The same for a request that passes an HTTP layer, which has decided on the caller's context. A decision of this
    /// layer takes its place.
    pub(in crate::calls) fn start_with<B: 'static>(
        &self,
        request: &mut Request<B>,
        waited: Duration,
        remote: RemoteContext,
    ) -> Option<AnyCall> {
        if is_recorded_as_grpc(request.extensions()) {
            return None;
        }
        let call = Call::incoming(self.0.recorder_for(request)?, request, waited, remote);
        mark_recorded_as_grpc(request.extensions_mut());
        if call.follows_request() {
            instrument_request_body(request.body_mut(), &call);
        }
        Some(AnyCall::Grpc(call))
    }
}

layer_service! {
    ServerLayer of Side::Server, makes
    /// A service whose calls are traced and measured. Created by [`ServerLayer`].
    ServerService
}
