//! The layer for clients.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, HeaderMap, Request, Response};
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
use crate::calls::future::ResponseFuture;
use crate::calls::layer::{layer_service, layer_settings};
use crate::calls::ready::ReadyTimer;
use crate::calls::recorded::{is_recorded_by_client, mark_recorded_by_client};
use crate::calls::span::SharedMeterProvider;
use crate::semconv::GrpcCode;
use crate::user_code::catch_panic;

/// Traces and measures every gRPC call that a client makes, and sends the trace context along.
///
/// See the [module's documentation](super) for what is recorded. Clones share their configuration.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until a service is wrapped in it"]
pub struct ClientLayer(GrpcRecorder);

impl ClientLayer {
    /// Creates a layer that records all calls with the stable conventions, using the global providers.
    pub fn new() -> Self {
        Self(GrpcRecorder::new(Options::new(Side::Client)))
    }

    /// Sets the address that the channel connects to, reported as `server.address` and `server.port` on spans and
    /// metrics. The layer cannot read it from a tonic channel.
    ///
    /// ```
    /// use telemetry_bootstrap::grpc::ClientLayer;
    /// use tonic::transport::Endpoint;
    /// use tower::Layer;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let endpoint = Endpoint::from_static("http://greeter:50051");
    /// let channel = ClientLayer::new().target(endpoint.uri()).layer(endpoint.connect_lazy());
    /// # let _ = channel; }
    /// ```
    ///
    /// Takes a URI or a gRPC target: `http://host:port`, `host:port`, `dns:///host:port`, `unix:///path`;
    /// targets with other schemes become `server.address` as they are. For a Unix socket pass its path, because the URI
    /// of such an endpoint is a placeholder (`http://tonic`). Default: spans have the authority of
    /// the request's URI, if it has one (`with_origin` of tonic's clients gives it one); metrics have none.
    pub fn target(self, target: impl Display) -> Self {
        self.with(|options| options.target = Some(Address::from_target(&target.to_string())))
    }
}

common_settings!(ClientLayer);

impl ClientLayer {
    /// Starts the call of a request, unless it is not recorded or a layer around this one records it.
    pub(in crate::calls) fn start<B: 'static>(
        &self,
        request: &mut Request<B>,
        waited: Duration,
    ) -> Option<AnyCall> {
        if is_recorded_by_client(request.extensions()) {
            return None;
        }
        let call = Call::outgoing(self.0.recorder_for(request)?, request, waited);
        mark_recorded_by_client(request.extensions_mut());
        instrument_request_body(request.body_mut(), &call);
        Some(AnyCall::Grpc(call))
    }
}

layer_service! {
    ClientLayer of Side::Client, makes
    /// A channel whose calls are traced and measured. Created by [`ClientLayer`].
    ClientService
}
