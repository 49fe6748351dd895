//! Tower layers that trace and measure every HTTP request, in and out.
//!
//! For axum 0.8, hyper 1, and everything else that is a tower service over `http` 1 types.
//!
//! # A server
//!
//! ```
//! use axum::{Router, routing::get};
//! use telemetry_bootstrap::http::ServerLayer;
//!
//! let layer = ServerLayer::new()
//!     // No span and no measurement for health checks.
//!     .filter(|head| head.uri().path() != "/healthz")
//!     // `http.request.header.x-tenant` on spans; nothing is captured that is not listed.
//!     .capture_request_headers(["x-tenant"]);
//! let router: Router = Router::new().route("/users/{id}", get(async || "Ada")).layer(layer);
//! # let _ = router;
//! ```
//!
//! With the feature `axum`, `http.route` is the pattern that the router matched. `Router::layer` covers the routes and
//! fallbacks that were added before, and requests that match no route. A layer around the whole router receives requests
//! before they are routed, and finds the route if the router has the layer as well: a request is recorded once, by the
//! outermost layer, and the inner one reports the route. Routers of other kinds set the route
//! [with a closure](ServerLayer::route) or attach a [`Route`] to the response. The path of a request is never used as a
//! name or on a metric.
//!
//! `client.address` and `network.peer.*` are on spans if the server attaches the peer's address: axum does with
//! `Router::into_make_service_with_connect_info::<SocketAddr>()`; for other servers see
//! [`peer_address`](ServerLayer::peer_address). A server that terminates TLS itself sets
//! [`assume_https`](ServerLayer::assume_https).
//!
//! gRPC requests (POST with the content type `application/grpc`) that pass the layer are recorded as gRPC, as by
//! [`grpc::ServerLayer`](crate::grpc::ServerLayer), and once, whichever of these layers are stacked: a service with both
//! needs one layer. A request of gRPC-Web is HTTP to a layer around `tonic_web::GrpcWebLayer`, which does not see its
//! status; a layer inside of that records the call, as a child of the request.
//!
//! In a handler, and while the body of a response is produced, `tracing::Span::current()` is the span of the request, if a
//! subscriber of this crate is installed: see the chapter [In a handler](crate::_documentation::in_a_handler).
//!
//! At a public endpoint, callers must not choose trace ids or sampling:
//!
//! ```
//! use telemetry_bootstrap::RemoteContext;
//! use telemetry_bootstrap::http::ServerLayer;
//!
//! let edge = ServerLayer::new().remote_context(|_head| RemoteContext::Link);
//! # let _ = edge;
//! ```
//!
//! # A client
//!
//! ```
//! use telemetry_bootstrap::http::{ClientLayer, UrlTemplate};
//! use tower::{Layer, Service};
//!
//! # fn client(hyper_client: impl Service<http::Request<String>, Response = http::Response<String>, Error = std::io::Error> + Clone) {
//! let mut client = ClientLayer::new().layer(hyper_client);
//! let request = http::Request::get("http://users:8080/users/7")
//!     .extension(UrlTemplate::new("/users/{id}")) // the span's name is `GET /users/{id}`
//!     .body(String::new());
//! # let _ = (client, request); }
//! ```
//!
//! The global propagator injects the context; other headers stay as they are. Put the layer inside of retry and
//! redirect layers, so each attempt has a span; see [`ResendCounter`] for `http.request.resend_count`.
//!
//! A request that passes several client layers, of HTTP and of gRPC, is recorded once, by the outermost: if a library's
//! client has a layer already, another one around it does not count its requests twice. A retry between two layers is
//! then part of one request. If it is a middleware of reqwest, or follows redirects, the outer span is that of the first
//! attempt and of the whole, and the inner layer records the further attempts.
//!
//! With the feature `reqwest` the layer is also a middleware of `reqwest-middleware` 0.5, for reqwest 0.13:
//!
#![cfg_attr(feature = "reqwest", doc = "```")]
#![cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
//! use reqwest_middleware::ClientBuilder;
//! use telemetry_bootstrap::http::{ClientLayer, UrlTemplate};
//!
//! let client = ClientBuilder::new(reqwest::Client::new()).with(ClientLayer::new()).build();
//! let request = client.get("http://users:8080/users/7").with_extension(UrlTemplate::new("/users/{id}"));
//! # let _ = request;
//! ```
//!
//! Add it after a retry middleware, and attempts are counted without further settings. Closures of the layer receive the
//! extensions of the middleware.
//!
//! Redirects that reqwest follows by itself do not reach its middleware: they are part of one request, with URL and
//! `server.address` of the first, status and peer of the last, and the duration of all. Each of them carries the trace
//! context of that request, to other hosts as well. With the middleware `FollowRedirects` in their place, each request has
//! a span of its own.
//!
//! # What is recorded
//!
//! | | server | client |
//! |---|---|---|
//! | span | `{method} {http.route}` or `{method}`, kind server | `{method} {url.template}` or `{method}`, kind client |
//! | at its start | `http.request.method`, `url.path`, `url.scheme`, `url.query`, `http.route`, `server.address` and `.port`, `client.address`, `network.peer.address` and `.port`, `network.protocol.version`, `user_agent.original`, captured headers | `http.request.method`, `server.address` and `.port`, `url.full`, `url.template`, `http.request.resend_count`, captured headers |
//! | at its end | `http.response.status_code`, `error.type` | the same, `network.protocol.version` |
//! | span status | `Error` for 5xx and failures | `Error` for 4xx, 5xx and failures |
//! | histogram, in s | `http.server.request.duration` | `http.client.request.duration` |
//! | its attributes | `http.request.method`, `url.scheme`, `network.protocol.version`, `http.response.status_code`, `http.route`, `error.type` | `http.request.method`, `server.address` and `.port`, `network.protocol.version`, `http.response.status_code`, `error.type` |
//!
//! Unknown methods are `_OTHER` (`HTTP` in names). Credentials in `url.full` and the values of signature parameters in
//! `url.query` and `url.full` are `REDACTED`. Forwarding headers are used only behind
//! [trusted proxies](ServerLayer::trusted_proxies), and of these only those [that the proxies
//! write](ServerLayer::forwarded_headers). Names are those of the stable conventions.
//!
//! The span and the measurement begin when the request arrives, which includes the wait for a concurrency limit inside
//! the layer, and last until the response is complete. The span's context is current while the service and the body of
//! the response are polled.
//!
//! A panic in a closure that is given to a layer does not fail the call: `remote_context` then counts as
//! [`RemoteContext::Ignore`](crate::RemoteContext::Ignore), `is_error` as its default, and all others as if they had
//! decided nothing.
//!
//! # How a request ends
//!
//! Each request is finished exactly once: one span ends, one duration is recorded, and `active_requests` is decremented.
//!
//! | ending | status code | `error.type` | span status |
//! |---|---|---|---|
//! | the body ends, or its trailers arrive | the response's | the code, if it is an error | `Error` if it is an error |
//! | response to `HEAD` or `CONNECT`; 1xx (101: an upgrade), 204, 304 | the response's, at the head | as above | as above |
//! | body dropped after the last byte of its known length | the response's | as above | as above |
//! | body fails | the response's | the type of the error | `Error` |
//! | body dropped earlier: the client left | the response's | the code, if it is an error; else server `cancelled`, client none | by the code |
//! | future dropped: the client left, or a timeout outside the layer | none | server `cancelled`, client none | unset |
//! | service fails, such as by a timeout or load shedding inside the layer | none | the type of the error | `Error` |
//! | service fails before it is ready (method `_OTHER`) | none | the type of the error | `Error` |
//! | a server's client is gone before the service is ready (method `_OTHER`) | none | `cancelled` | unset |
//! | connection refused, reset or lost (`ConnectionRefused`, `ConnectionReset`, `IncompleteMessage`, …); stream reset by the peer; GOAWAY that excludes the request | client: the response's, if its head arrived; server: as if the client left | client: the type of the error | client: `Error` |
//! | redirect, followed outside of the layer: `FollowRedirects`, tower-http's `FollowRedirectLayer` | 3xx, and a span of its own for the next request, with `http.request.resend_count` | none | unset |
//! | redirect, followed by reqwest itself | the last response's | as above | as above |
//! | panic | none, or 500 with [`catch_panics`](ServerLayer::catch_panics) | `panic` | `Error` |
//! | `text/event-stream` and other endless responses | as for other bodies, at the end of the stream; [can be left out of the duration](ServerLayer::exclude_streams_from_duration) | | |
//!
//! Over HTTP/1.1, hyper notices that a client left only while it reads from the connection or writes to it, and it reads no
//! more than the first piece of a body that the handler keeps unread. A handler that waits before it reads the rest does
//! not end when its client leaves: the request is active until the handler answers, and has the status of the answer.
//!
//! Interim responses (103, or 100 after `Expect: 100-continue`) are not the response: the final one counts. A WebSocket
//! ends with its handshake; what is sent over it is not part of the request. A graceful shutdown lets open requests and
//! streams end as usual.
//!
//! | layer | inside of this one | outside of it |
//! |---|---|---|
//! | timeout that answers, such as tower-http's | its status code | as if the client left |
//! | timeout of tower | the type of its error, `Elapsed` | as if the client left |
//! | concurrency limit | the wait is part of the request | the wait is not |
//! | load shedding | `Overloaded` | what is shed is not recorded |
//! | body size limit | 413 | what is refused at once is not recorded |
//! | compression | body sizes are those of the compressed body | those of the uncompressed body |

mod access_log;
mod attributes;
mod call;
mod client;
mod common_settings;
mod forwarded;
mod instruments;
mod measure;
mod method;
#[cfg(feature = "reqwest")]
mod middleware;
mod options;
mod recorder;
#[cfg(feature = "reqwest")]
mod redirects;
mod route;
mod series;
mod server;
mod start;
mod url;

pub(super) use call::Call;
pub use client::{ClientLayer, ClientService, ResendCounter, UrlTemplate};
pub use forwarded::ForwardedHeader;
#[cfg(feature = "reqwest")]
pub(super) use middleware::RequestError;
pub use options::RequestHead;
#[cfg(feature = "reqwest")]
pub use redirects::FollowRedirects;
pub use route::Route;
pub(super) use route::RouteSlot;
pub use server::{ServerLayer, ServerService};
