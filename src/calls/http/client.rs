//! The layer for clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tower_layer::Layer;
use tower_service::Service;

use super::call::Call;
use super::common_settings::common_settings;
use super::options::{Options, RequestHead};
use super::recorder::HttpRecorder;
use crate::calls::Side;
use crate::calls::body::ResponseBody;
use crate::calls::call::Call as AnyCall;
use crate::calls::future::ResponseFuture;
#[cfg(feature = "grpc")]
use crate::calls::grpc;
use crate::calls::layer::{layer_service, layer_settings};
use crate::calls::ready::ReadyTimer;
use crate::calls::recorded::is_recorded_by_client;
use crate::calls::span::SharedMeterProvider;
use crate::user_code::catch_panic;

/// Traces and measures every request that a client sends, and injects the trace context.
///
/// For hyper-util's client and every other tower service over `http` types. Inside of a retry layer each attempt has
/// its own span, see [`ResendCounter`]. Clones share their configuration.
///
/// ```
/// use telemetry_bootstrap::http::ClientLayer;
/// use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let client = tower::service_fn(|_: http::Request<String>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
/// # });
/// let client = ClientLayer::new().layer(client);
/// let request = http::Request::get("http://users:8080/users/7").body(String::new()).unwrap();
/// let response = client.oneshot(request).await.unwrap();
/// assert_eq!(response.status(), 200);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until a service is wrapped in it"]
pub struct ClientLayer {
    recorder: HttpRecorder,
    #[cfg(feature = "grpc")]
    grpc: grpc::ClientLayer,
}

impl ClientLayer {
    /// Creates a layer that records all requests, to the global providers.
    pub fn new() -> Self {
        Self {
            recorder: HttpRecorder::new(Options::new(Side::Client)),
            #[cfg(feature = "grpc")]
            grpc: grpc::ClientLayer::new(),
        }
    }

    /// Reads the peer's address from the extensions of the response. Default: what hyper-util's client and reqwest
    /// attach, or a `SocketAddr`.
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// let layer = telemetry_bootstrap::http::ClientLayer::new()
    ///     .peer_address(|extensions| extensions.get::<SocketAddr>().copied());
    /// # let _ = layer;
    /// ```
    pub fn peer_address(
        self,
        address: impl Fn(&Extensions) -> Option<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        let address = move |extensions: &Extensions| catch_panic(|| address(extensions)).flatten();
        self.with(|options| options.peer_address = Some(Arc::new(address)))
    }

    /// Configures how gRPC calls are recorded that pass this layer.
    ///
    /// The settings `filter`, `peer_address`, `record_access_log` and the providers of this layer apply to them, too;
    /// what is set here takes their place if it is set after them. Both filters must pass a call.
    ///
    /// ```
    /// let layer = telemetry_bootstrap::http::ClientLayer::new().grpc(|grpc| grpc.target("greeter:50051"));
    /// # let _ = layer;
    /// ```
    #[cfg(feature = "grpc")]
    pub fn grpc(mut self, configure: impl FnOnce(grpc::ClientLayer) -> grpc::ClientLayer) -> Self {
        self.grpc = configure(self.grpc);
        self
    }

    /// Starts the call of a request, unless it is not recorded or a layer around this one records it.
    pub(super) fn start<B: 'static>(&self, request: &mut Request<B>, waited: Duration) -> Option<AnyCall> {
        if is_recorded_by_client(request.extensions()) {
            return None;
        }
        #[cfg(feature = "grpc")]
        if grpc::is_grpc_request(request) {
            return self.recorder.includes(request).then(|| self.grpc.start(request, waited)).flatten();
        }
        let recorder = self.recorder.recorder_for(request)?;
        Some(AnyCall::Http(Call::outgoing(recorder, request, waited)))
    }
}

common_settings!(ClientLayer);

/// The template of a request's URL, in the request's extensions: `url.template` and the target in the span's name.
///
/// ```
/// use telemetry_bootstrap::http::UrlTemplate;
///
/// let request = http::Request::get("http://users:8080/users/7").extension(UrlTemplate::new("/users/{id}")).body(());
/// # let _ = request;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate(pub(super) Arc<str>);

impl UrlTemplate {
    /// Creates a template such as `/users/{id}`.
    pub fn new(template: impl Into<Arc<str>>) -> Self {
        Self(template.into())
    }
}

/// Counts the attempts to send a request, in the request's extensions: all but the first have
/// `http.request.resend_count`.
///
/// A retry layer clones the request with its extensions, and the clones share this counter:
///
/// ```
/// use telemetry_bootstrap::http::ResendCounter;
///
/// let request = http::Request::get("http://users:8080/users/7").extension(ResendCounter::default()).body(());
/// # let _ = request;
/// ```
///
/// `FollowRedirectLayer` of tower-http, around the layer, sends one request for each redirect, without the extensions of
/// the first. A policy gives them a counter in common:
///
/// ```
/// use http::Request;
/// use telemetry_bootstrap::http::{ClientLayer, ResendCounter};
/// use tower_http::follow_redirect::FollowRedirectLayer;
/// use tower_http::follow_redirect::policy::{Action, Attempt, Policy, PolicyExt, Standard};
///
/// /// Cloned for each request of the caller, and kept for its redirects.
/// #[derive(Clone, Default)]
/// struct CountRedirects(Option<ResendCounter>);
///
/// impl<B, E> Policy<B, E> for CountRedirects {
///     fn redirect(&mut self, _: &Attempt<'_>) -> Result<Action, E> {
///         Ok(Action::Follow)
///     }
///
///     fn on_request(&mut self, request: &mut Request<B>) {
///         request.extensions_mut().insert(self.0.get_or_insert_default().clone());
///     }
/// }
///
/// # use tower::ServiceBuilder;
/// # type Body = http_body_util::Empty<&'static [u8]>;
/// let policy = PolicyExt::and::<_, Body, std::io::Error>(CountRedirects::default(), Standard::default());
/// let layers = ServiceBuilder::new().layer(FollowRedirectLayer::with_policy(policy)).layer(ClientLayer::new());
/// # let _ = layers;
/// ```
#[derive(Clone, Debug, Default)]
pub struct ResendCounter(pub(super) Arc<AtomicU32>);

layer_service! {
    ClientLayer of Side::Client, makes
    /// A service whose requests are traced and measured. Created by [`ClientLayer`].
    ClientService
}
