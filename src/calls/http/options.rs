//! The options of the two layers.
//!
//! | option | server | client | default |
//! |---|---|---|---|
//! | `filter`, `span_name`, `request_attributes`, `response_attributes` | yes | yes | none |
//! | `route`, `remote_context`, `trusted_proxies`, `forwarded_headers`, `trace_id_header`, `catch_panics` | yes | – | off |
//! | `assume_https` | yes | – | requests without a scheme have `http` |
//! | `peer_address` | of the request | of the response | what well-known servers and clients attach |
//! | `is_error` | 5xx | 4xx and 5xx | – |
//! | `known_methods` | yes | yes | the methods of the conventions |
//! | `active_requests`, `body_sizes`, `without_streams`, `access_log` | yes | yes | off |
//!
//! The environment, or a configuration file in its place, overrides lists: of methods and of captured headers.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version};
use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::forwarded::TrustedProxies;
use crate::calls::Side;
use crate::calls::context::RemoteContext;
#[cfg(feature = "grpc")]
use crate::calls::grpc::Inherited;
use crate::calls::headers::CapturedNames;
use crate::calls::span::SharedMeterProvider;

/// The head of a request, for closures that name spans, add attributes or decide about a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method of the request, even if it is not a known one.
    method: &'a Method,
    /// The URI. For servers usually only a path, without the prefix that outer routers have stripped; for clients
    /// absolute.
    uri: &'a Uri,
    /// The version of HTTP. For clients, the one of the request; the connection may use another one.
    version: Version,
    /// Not filtered: closures see credentials too.
    headers: &'a HeaderMap,
    /// The extensions of the request; those of the response are not known yet.
    extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// Borrows the parts of a request that closures may see, which excludes the body.
    pub(super) fn new<B>(request: &'a http::Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The method of the request.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The URI of the request, as the layer receives it. In a nested router of axum it lacks the prefix that the outer one
    /// has stripped; the whole is axum's `OriginalUri` in the [extensions](Self::extensions).
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The version of the protocol.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The headers of the request.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The values that outer services attached to the request.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }
}

/// Returns `true` for requests that are recorded.
pub(super) type Filter = Arc<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>;
/// Returns a name or a route of low cardinality, or `None` for the default.
pub(super) type Text = Arc<dyn Fn(&RequestHead<'_>) -> Option<String> + Send + Sync>;
/// Appends attributes that the sampler receives.
type RequestAttributes = Arc<dyn Fn(&RequestHead<'_>, &mut Vec<KeyValue>) + Send + Sync>;
/// Appends attributes from the head of a response.
type ResponseAttributes = Arc<dyn Fn(StatusCode, &HeaderMap, &mut Vec<KeyValue>) + Send + Sync>;
/// Returns how the caller's trace context is used for a request.
type DecideRemote = Arc<dyn Fn(&RequestHead<'_>) -> RemoteContext + Send + Sync>;
/// Returns the peer's address, or `None` if it is unknown.
type PeerAddress = Arc<dyn Fn(&Extensions) -> Option<SocketAddr> + Send + Sync>;
/// Returns `true` for statuses that are errors: they set the span's status and `error.type`.
pub(super) type IsError = Arc<dyn Fn(StatusCode) -> bool + Send + Sync>;

/// The options of one layer, as its setters have changed them. Closures are shared by all clones of the layer.
#[derive(Clone)]
pub(super) struct Options {
    /// Fixed by the constructor of the layer.
    pub(super) side: Side,
    /// Default: every request is recorded.
    pub(super) filter: Option<Filter>,
    /// Default: `{method} {route}`, or `{method}` without a route.
    pub(super) span_name: Option<Text>,
    /// Finds the route, for servers only. Default: axum's `MatchedPath`.
    pub(super) route: Option<Text>,
    /// Default: none are added.
    pub(super) request_attributes: Option<RequestAttributes>,
    /// Default: none are added.
    pub(super) response_attributes: Option<ResponseAttributes>,
    /// Policy for the caller's context, for servers only. Default: [`RemoteContext::Parent`].
    pub(super) remote_context: Option<DecideRemote>,
    /// Default: the types of axum, tonic, hyper-util, or a `SocketAddr`, the first that is there.
    pub(super) peer_address: Option<PeerAddress>,
    /// Default: 5xx at a server, 4xx and 5xx at a client.
    pub(super) is_error: IsError,
    /// Default: none. HTTP has no captured trailers.
    pub(super) captured: CapturedNames,
    /// Methods that are reported by their name; `None`: those of the conventions.
    pub(super) known_methods: Option<Vec<String>>,
    /// For servers only: the number of trusted entries of `Forwarded` and `X-Forwarded-*`, counted from the last one,
    /// and which of these headers. Default: none.
    pub(super) trusted_proxies: TrustedProxies,
    /// The scheme of requests that have none, for servers only. Default: `http`.
    pub(super) scheme: &'static str,
    /// The header of the response that carries the trace id, for servers only. Default: none.
    pub(super) trace_id_header: Option<http::HeaderName>,
    /// `http.*.active_requests`: an up-down counter.
    pub(super) active_requests: bool,
    /// `http.*.request.body.size` and `http.*.response.body.size`, in bytes.
    pub(super) body_sizes: bool,
    /// Leaves responses of type `text/event-stream` out of the duration: a page that is open for hours is not slow.
    pub(super) without_streams: bool,
    /// Emits an event of target `http::access` at the end of each request.
    pub(super) access_log: bool,
    /// `true` if a panic becomes status 500, for servers only. Otherwise it is recorded and resumed.
    pub(super) catch_panics: bool,
    /// Default: the one that `build` installed, or else the global one.
    pub(super) tracer_provider: Option<SdkTracerProvider>,
    /// Default: the global one at the time of the first request.
    pub(super) meter_provider: Option<SharedMeterProvider>,
}

impl Options {
    /// Creates the defaults. Only the rule for errors depends on the side.
    pub(super) fn new(side: Side) -> Self {
        let is_error: IsError = match side {
            // Codes that HTTP does not define are errors, too (HTTP spans, "Status").
            Side::Server => Arc::new(|status| status.as_u16() >= 500),
            Side::Client => Arc::new(|status| status.as_u16() >= 400),
        };
        Self {
            side,
            filter: None,
            span_name: None,
            route: None,
            request_attributes: None,
            response_attributes: None,
            remote_context: None,
            peer_address: None,
            is_error,
            captured: CapturedNames::default(),
            known_methods: None,
            trusted_proxies: TrustedProxies::default(),
            scheme: "http",
            trace_id_header: None,
            active_requests: false,
            body_sizes: false,
            without_streams: false,
            access_log: false,
            catch_panics: false,
            tracer_provider: None,
            meter_provider: None,
        }
    }

    /// Returns the options that gRPC requests inherit.
    #[cfg(feature = "grpc")]
    pub(super) fn for_grpc(&self) -> Inherited<'_> {
        Inherited {
            tracer_provider: self.tracer_provider.as_ref(),
            meter_provider: self.meter_provider.as_ref(),
            peer_address: self.peer_address.as_ref(),
            trace_id_header: self.trace_id_header.as_ref(),
            access_log: self.access_log,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("captured", &self.captured)
            .field("known_methods", &self.known_methods)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("access_log", &self.access_log)
            .finish_non_exhaustive()
    }
}
