//! The options of the two layers.
//!
//! An option is read at three moments:
//!
//! | moment | options |
//! |---|---|
//! | once, at the first call of the layer | `captured`, `known_methods`, `target`, `metrics`, the providers |
//! | at the start of each call | `filter`, `span_name`, `request_attributes`, `remote_context`, `peer_address` of a server |
//! | when the response, its trailers or the end come | `response_attributes`, `is_error`, `peer_address` of a client, `access_log` |
//!
//! A setter clones the options if a recorder shares them already, so a layer can be configured after it was cloned.
//! Setters wrap each closure, so a panic in it is caught (see [`calls`](crate::calls)).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Extensions, HeaderMap, Uri};
use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SdkTracerProvider;

pub(super) use crate::calls::Side;
use crate::calls::address::Address;
use crate::calls::context::RemoteContext;
use crate::calls::headers::CapturedNames;
use crate::calls::span::SharedMeterProvider;
use crate::semconv::GrpcCode;

/// The head of a request, for closures that name spans and add attributes.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The path without its slash. It may be anything that a peer sends.
    method: &'a str,
    /// The URI of the request, with its path.
    uri: &'a Uri,
    /// The metadata, with the headers of gRPC itself such as `te`.
    headers: &'a HeaderMap,
    /// The extensions of the request; those of the response are not known yet.
    extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// Borrows the parts of a request that closures may see, which excludes the body.
    pub(super) fn new<B>(request: &'a http::Request<B>) -> Self {
        Self {
            method: super::method::method_name(request.uri().path()),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// `pkg.Service/Method`, without a leading slash.
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// The URI as the layer sees it: a tonic client's has no authority yet.
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The metadata.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// Values that outer services attached.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }
}

/// The optional metrics that are enabled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MetricOptions {
    /// `rpc.*.active_calls`: an up-down counter.
    pub(super) active: bool,
    /// `rpc.*.request.size` and `rpc.*.response.size`, in bytes, and the span's sums. The old conventions turn them on.
    pub(super) sizes: bool,
    /// `rpc.*.requests_per_rpc` and `rpc.*.responses_per_rpc`, and the span's counts.
    pub(super) counts: bool,
}

/// Returns `true` for codes that are errors: they set the span's status and `error.type`.
pub(super) type IsError = Arc<dyn Fn(GrpcCode) -> bool + Send + Sync>;
/// Returns `true` for methods that are recorded, by `pkg.Service/Method`.
type Filter = Arc<dyn Fn(&str) -> bool + Send + Sync>;
/// Returns the name of the span; `None` after a panic, which leaves the default name.
type SpanName = Arc<dyn Fn(&RequestHead<'_>) -> Option<String> + Send + Sync>;
/// Appends attributes that the sampler receives.
type RequestAttributes = Arc<dyn Fn(&RequestHead<'_>, &mut Vec<KeyValue>) + Send + Sync>;
/// Appends attributes from the headers of a response, and from its trailers in a second call.
type ResponseAttributes = Arc<dyn Fn(&HeaderMap, &mut Vec<KeyValue>) + Send + Sync>;
/// Returns how the caller's trace context is used for a method.
type DecideParent = Arc<dyn Fn(&str) -> RemoteContext + Send + Sync>;
/// Returns the peer's address, or `None` if it is unknown.
pub(in crate::calls) type PeerAddress = Arc<dyn Fn(&Extensions) -> Option<SocketAddr> + Send + Sync>;

/// The options of one layer, as its setters have changed them. Closures are shared by all clones of the layer.
#[derive(Clone)]
pub(super) struct Options {
    /// Fixed by the constructor of the layer.
    pub(super) side: Side,
    /// Default: every call is recorded whose content type is that of gRPC.
    pub(super) filter: Option<Filter>,
    /// Default: the name of the method. Called for recorded spans only.
    pub(super) span_name: Option<SpanName>,
    /// Default: none are added. Not called if it is known beforehand that the span is not recorded.
    pub(super) request_attributes: Option<RequestAttributes>,
    /// Default: none are added. Not called for spans that are not recorded.
    pub(super) response_attributes: Option<ResponseAttributes>,
    /// Policy for the caller's context, for servers only. Default: [`RemoteContext::Parent`].
    pub(super) remote_context: Option<DecideParent>,
    /// Default: tonic's `TcpConnectInfo`, which servers attach.
    pub(super) peer_address: Option<PeerAddress>,
    /// Default: the rule of the conventions for the side. Never absent, because it can be replaced but not turned off.
    pub(super) is_error: IsError,
    /// Default: none. A list in the environment replaces each of them.
    pub(super) captured: CapturedNames,
    /// Methods with metrics of their own. `None`: they are learned, see [`Methods`](super::method::Methods).
    pub(super) known_methods: Option<Vec<String>>,
    /// The server's address, for clients only. Default: that of the request's authority.
    pub(super) target: Option<Address>,
    /// Default: the duration alone.
    pub(super) metrics: MetricOptions,
    pub(super) access_log: bool,
    /// The header of the response that carries the trace id, for servers only. Default: none.
    pub(super) trace_id_header: Option<http::HeaderName>,
    /// Default: the one that `build` installed, or else the global one.
    pub(super) tracer_provider: Option<SdkTracerProvider>,
    /// Default: the global one at the time of the first call.
    pub(super) meter_provider: Option<SharedMeterProvider>,
}

/// The settings of an HTTP layer that apply to gRPC requests as well. What is not set there stays as it is.
#[cfg(feature = "http")]
pub(in crate::calls) struct Inherited<'a> {
    pub(in crate::calls) tracer_provider: Option<&'a SdkTracerProvider>,
    pub(in crate::calls) meter_provider: Option<&'a SharedMeterProvider>,
    pub(in crate::calls) peer_address: Option<&'a PeerAddress>,
    pub(in crate::calls) trace_id_header: Option<&'a http::HeaderName>,
    pub(in crate::calls) access_log: bool,
}

impl Options {
    /// Returns the default options for one side. Only the error rule differs.
    pub(super) fn new(side: Side) -> Self {
        let is_error: IsError = match side {
            Side::Server => Arc::new(GrpcCode::is_server_error),
            Side::Client => Arc::new(GrpcCode::is_client_error),
        };
        Self {
            side,
            filter: None,
            span_name: None,
            request_attributes: None,
            response_attributes: None,
            remote_context: None,
            peer_address: None,
            is_error,
            captured: CapturedNames::default(),
            known_methods: None,
            target: None,
            metrics: MetricOptions::default(),
            access_log: false,
            trace_id_header: None,
            tracer_provider: None,
            meter_provider: None,
        }
    }

    /// Takes over what is set in the options of the HTTP layer.
    #[cfg(feature = "http")]
    pub(super) fn inherit(&mut self, outer: Inherited<'_>) {
        /// Replaces a setting if there is another value.
        fn replace<T: Clone>(setting: &mut Option<T>, value: Option<&T>) {
            if value.is_some() {
                *setting = value.cloned();
            }
        }
        replace(&mut self.tracer_provider, outer.tracer_provider);
        replace(&mut self.meter_provider, outer.meter_provider);
        replace(&mut self.peer_address, outer.peer_address);
        replace(&mut self.trace_id_header, outer.trace_id_header);
        self.access_log |= outer.access_log;
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("captured", &self.captured)
            .field("known_methods", &self.known_methods)
            .field("target", &self.target)
            .field("metrics", &self.metrics)
            .field("access_log", &self.access_log)
            .finish_non_exhaustive()
    }
}
