//! The layer for servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body::Body;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tower_layer::Layer;
use tower_service::Service;

use super::call::Call;
use super::common_settings::common_settings;
use super::forwarded::ForwardedHeader;
use super::options::{Options, RequestHead};
use super::recorder::HttpRecorder;
use super::route::{RouteSlot, matched_path};
use crate::calls::Side;
use crate::calls::body::ResponseBody;
use crate::calls::call::Call as AnyCall;
use crate::calls::context::RemoteContext;
use crate::calls::future::ResponseFuture;
#[cfg(feature = "grpc")]
use crate::calls::grpc;
use crate::calls::layer::{layer_service, layer_settings};
use crate::calls::ready::ReadyTimer;
#[cfg(feature = "grpc")]
use crate::calls::recorded::is_recorded_as_grpc;
use crate::calls::recorded::is_recorded_by_server;
use crate::calls::span::SharedMeterProvider;
use crate::user_code::catch_panic;

/// Traces and measures every request that a server answers.
///
/// See the [module's documentation](super) for what is recorded. Clones share their configuration.
///
/// ```
/// use telemetry_bootstrap::http::ServerLayer;
///
/// let router: axum::Router = axum::Router::new()
///     .route("/users/{id}", axum::routing::get(async || "Ada"))
///     .layer(ServerLayer::new().filter(|head| head.uri().path() != "/healthz"));
/// # let _ = router;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until a service is wrapped in it"]
pub struct ServerLayer {
    recorder: HttpRecorder,
    #[cfg(feature = "grpc")]
    grpc: grpc::ServerLayer,
}

impl ServerLayer {
    /// Creates a layer that records all requests, to the global providers.
    pub fn new() -> Self {
        Self {
            recorder: HttpRecorder::new(Options::new(Side::Server)),
            #[cfg(feature = "grpc")]
            grpc: grpc::ServerLayer::new(),
        }
    }

    /// Sets the route of a request from its head: the pattern that a router matched, or `None`. Do not return the path:
    /// each route is a time series. Default: axum's `MatchedPath` with the feature `axum`.
    ///
    /// ```
    /// use telemetry_bootstrap::http::ServerLayer;
    ///
    /// let layer = ServerLayer::new()
    ///     .route(|head| head.uri().path().starts_with("/users/").then(|| "/users/{id}".to_owned()));
    /// # let _ = layer;
    /// ```
    pub fn route(self, route: impl Fn(&RequestHead<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        let route = move |head: &RequestHead<'_>| catch_panic(|| route(head)).flatten();
        self.with(|options| options.route = Some(Arc::new(route)))
    }

    /// Decides for each request what becomes of the trace context that the caller sent.
    /// Default: [`RemoteContext::Parent`].
    ///
    /// ```
    /// use telemetry_bootstrap::RemoteContext;
    /// use telemetry_bootstrap::http::ServerLayer;
    ///
    /// let public = ServerLayer::new().remote_context(|_head| RemoteContext::Link);
    /// # let _ = public;
    /// ```
    pub fn remote_context(
        self,
        decide: impl Fn(&RequestHead<'_>) -> RemoteContext + Send + Sync + 'static,
    ) -> Self {
        let decide =
            move |head: &RequestHead<'_>| catch_panic(|| decide(head)).unwrap_or(RemoteContext::Ignore);
        self.with(|options| options.remote_context = Some(Arc::new(decide)))
    }

    /// Sets the number of proxies in front of this server whose [forwarding headers](Self::forwarded_headers) are
    /// trusted, for `client.address`, `url.scheme` and `server.address`. Entries added before the outermost trusted
    /// proxy are ignored because callers can forge them. Default: 0, which uses the connection's peer and the
    /// request's own host.
    ///
    /// ```
    /// let layer = telemetry_bootstrap::http::ServerLayer::new().trusted_proxies(1);
    /// # let _ = layer;
    /// ```
    pub fn trusted_proxies(self, proxies: usize) -> Self {
        self.with(|options| options.trusted_proxies.count = proxies)
    }

    /// Sets the headers that the [trusted proxies](Self::trusted_proxies) write. All others are ignored: a proxy passes on
    /// what a caller sent of those that it does not write. Default: `Forwarded`, `X-Forwarded-For` and
    /// `X-Forwarded-Proto`; not `X-Forwarded-Host`, which many proxies pass on.
    ///
    /// List what the outermost trusted proxy replaces, or what each of them appends to. If both `Forwarded` and
    /// `X-Forwarded-*` are listed and in a request, a value is used only if both report the same one for the outermost
    /// trusted proxy; if not, the connection's peer, or the request's own host or scheme, is used as without proxies.
    ///
    /// | proxy | what it writes |
    /// |---|---|
    /// | AWS Application Load Balancer, Envoy, Cloudflare, Google Cloud (it counts as two) | `X-Forwarded-For`, `X-Forwarded-Proto` |
    /// | Traefik, Caddy | these, and `X-Forwarded-Host` |
    /// | HAProxy with `option forwardfor` | `X-Forwarded-For` |
    /// | nginx | what `proxy_set_header` says |
    ///
    /// ```
    /// use telemetry_bootstrap::http::{ForwardedHeader, ServerLayer};
    ///
    /// let behind_haproxy =
    ///     ServerLayer::new().trusted_proxies(1).forwarded_headers([ForwardedHeader::XForwardedFor]);
    /// # let _ = behind_haproxy;
    /// ```
    pub fn forwarded_headers(self, headers: impl IntoIterator<Item = ForwardedHeader>) -> Self {
        self.with(|options| options.trusted_proxies.headers = headers.into_iter().collect())
    }

    /// Records `https` as the `url.scheme` of requests that do not have a scheme. For servers that terminate TLS
    /// themselves: a request of HTTP/1.1 does not contain its scheme, one of HTTP/2 does. What [trusted
    /// proxies](Self::trusted_proxies) report counts first. Default: `http`.
    ///
    /// ```
    /// let layer = telemetry_bootstrap::http::ServerLayer::new().assume_https();
    /// # let _ = layer;
    /// ```
    pub fn assume_https(self) -> Self {
        self.with(|options| options.scheme = "https")
    }

    /// Reads the peer's address from the extensions of the request. Default: axum's `ConnectInfo<SocketAddr>` with the
    /// feature `axum`, what tonic's server attaches, or a `SocketAddr`.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use telemetry_bootstrap::http::ServerLayer;
    ///
    /// #[derive(Clone)]
    /// struct Peer(SocketAddr);
    /// let layer = ServerLayer::new().peer_address(|extensions| extensions.get::<Peer>().map(|peer| peer.0));
    /// # let _ = layer;
    /// ```
    pub fn peer_address(
        self,
        address: impl Fn(&Extensions) -> Option<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        let address = move |extensions: &Extensions| catch_panic(|| address(extensions)).flatten();
        self.with(|options| options.peer_address = Some(Arc::new(address)))
    }

    /// Sends the trace id in a header of each response; `traceresponse` gets the whole span context. Off by default.
    ///
    /// ```
    /// use http::HeaderName;
    /// use telemetry_bootstrap::http::ServerLayer;
    ///
    /// let layer = ServerLayer::new().trace_id_header(HeaderName::from_static("x-trace-id"));
    /// # let _ = layer;
    /// ```
    pub fn trace_id_header(self, name: HeaderName) -> Self {
        self.with(|options| options.trace_id_header = Some(name))
    }

    /// Answers with status 500 and an empty body when a handler panics, instead of passing the panic on. Off by default.
    ///
    /// ```
    /// let layer = telemetry_bootstrap::http::ServerLayer::new().catch_panics();
    /// # let _ = layer;
    /// ```
    pub fn catch_panics(self) -> Self {
        self.with(|options| options.catch_panics = true)
    }

    /// Configures how gRPC requests are recorded that pass this layer.
    ///
    /// The settings `filter`, `remote_context`, `trace_id_header`, `peer_address`, `record_access_log` and the providers
    /// of this layer apply to them, too; what is set here takes their place if it is set after them, and
    /// `remote_context` in any order. Both filters must pass a request. All others are separate: a panic is not answered
    /// by [`catch_panics`](Self::catch_panics).
    ///
    /// ```
    /// let layer = telemetry_bootstrap::http::ServerLayer::new().grpc(|grpc| grpc.record_message_sizes());
    /// # let _ = layer;
    /// ```
    #[cfg(feature = "grpc")]
    pub fn grpc(mut self, configure: impl FnOnce(grpc::ServerLayer) -> grpc::ServerLayer) -> Self {
        self.grpc = configure(self.grpc);
        self
    }
}

common_settings!(ServerLayer);

impl ServerLayer {
    /// Starts the call of a request, unless it is not recorded or an outer layer records it.
    fn start<B: 'static>(&self, request: &mut Request<B>, waited: Duration) -> Option<AnyCall> {
        #[cfg(feature = "grpc")]
        if grpc::is_grpc_request(request) {
            return self.start_grpc(request, waited);
        }
        if is_recorded_by_server(request.extensions()) {
            self.report_route(request);
            return None;
        }
        let recorder = self.recorder.recorder_for(request)?;
        Some(AnyCall::Http(Call::incoming(recorder, request, waited)))
    }

    /// Starts the call of a gRPC request. The caller chooses the content type: what is decided by request here applies
    /// there as well.
    #[cfg(feature = "grpc")]
    fn start_grpc<B: 'static>(&self, request: &mut Request<B>, waited: Duration) -> Option<AnyCall> {
        // Of a call of gRPC-Web, to the layer that records its request.
        self.report_route(request);
        if is_recorded_as_grpc(request.extensions()) || !self.recorder.includes(request) {
            return None;
        }
        let decide = self.recorder.options().remote_context.as_ref();
        let remote = decide.map(|decide| decide(&RequestHead::new(request))).unwrap_or_default();
        self.grpc.start_with(request, waited, remote)
    }

    /// Reports the route to the layer that records the request, if that does not know it.
    fn report_route<B>(&self, request: &Request<B>) {
        let Some(slot) = request.extensions().get::<RouteSlot>() else { return };
        slot.report(|| match &self.recorder.options().route {
            Some(route) => route(&RequestHead::new(request)).map(Into::into),
            None => matched_path(request.extensions()).map(Into::into),
        });
    }
}

layer_service! {
    ServerLayer of Side::Server, makes
    /// A service whose requests are traced and measured. Created by [`ServerLayer`].
    ServerService
}
