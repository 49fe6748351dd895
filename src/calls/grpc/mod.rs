//! Tower layers that trace and measure every gRPC call, in and out.
//!
//! For tonic 0.14, and for anything else that is a tower service of `http` requests.
//!
//! # A server
//!
//! ```
//! use telemetry_bootstrap::grpc::ServerLayer;
//! # use tonic_health::server::health_reporter;
//! use tonic::transport::Server;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # let (_reporter, greeter) = health_reporter();
//! let layer = ServerLayer::new()
//!     // No span and no metric for health checks.
//!     .filter(|method| !method.starts_with("grpc.health.v1.Health/"))
//!     // `rpc.request.header.x-tenant` on spans; nothing is captured that is not listed.
//!     .capture_request_headers(["x-tenant"]);
//! let server = Server::builder().layer(layer).add_service(greeter);
//! # let _ = server; }
//! ```
//!
//! The layer covers everything inside it: every service, interceptors, streams, reflection. A single service is
//! wrapped by `tonic::service::LayerExt::named_layer`. An axum router that carries HTTP as well passes the rest
//! untouched: only POST requests of content type `application/grpc` are recorded. `tonic_web::GrpcWebLayer` belongs
//! outside of this layer (before it): it translates `grpc-web` to gRPC.
//!
//! At a public endpoint, callers must not choose trace ids or sampling. There each call starts a new trace, with a link
//! to the caller's span:
//!
//! ```
//! use telemetry_bootstrap::RemoteContext;
//! use telemetry_bootstrap::grpc::ServerLayer;
//!
//! let edge = ServerLayer::new().remote_context(|_method| RemoteContext::Link);
//! # let _ = edge;
//! ```
//!
//! # A client
//!
//! ```
//! use telemetry_bootstrap::grpc::{ClientLayer, ClientService};
//! use tonic::transport::{Channel, Endpoint};
//! use tower::Layer;
//!
//! # use tonic_health::pb::health_client::HealthClient as GreeterClient;
//! struct Greeter {
//!     // The type of a channel with the layer.
//!     client: GreeterClient<ClientService<Channel>>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let endpoint = Endpoint::from_static("http://greeter:50051");
//! // The layer cannot read the address from the channel.
//! let layer = ClientLayer::new().target(endpoint.uri());
//! let greeter = Greeter { client: GreeterClient::new(layer.layer(endpoint.connect_lazy())) };
//! # let _ = greeter.client.clone(); }
//! ```
//!
//! The global propagator injects the context; the caller's own metadata stays as it is.
//!
//! # Streams
//!
//! A call lasts until its stream ends, on both sides. Work done while producing or reading the stream belongs to the
//! call, so handlers need no additional span:
//!
//! ```
//! use telemetry_bootstrap::tracing::info;
//! use tokio_stream::{Stream, StreamExt};
//! use tonic::{Request, Response, Status};
//!
//! async fn list(_: Request<u32>) -> Result<Response<impl Stream<Item = Result<u32, Status>>>, Status> {
//!     Ok(Response::new(tokio_stream::iter(0..3).map(|item| {
//!         info!(item, "listed"); // with the trace and span of the call
//!         Ok(item)
//!     })))
//! }
//! # let _ = list;
//! ```
//!
//! Spawned tasks are not part of the call unless they are instrumented with its span (`in_current_span` of
//! `tracing`'s `Instrument`, or OpenTelemetry's `FutureExt::with_current_context`).
//!
//! In a handler, `tracing::Span::current()` is the span of the call, if a subscriber of this crate is installed: see the
//! chapter [In a handler](crate::_documentation::in_a_handler).
//!
//! # A test
//!
//! A service under the layer can be called by a client without network and collector.
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use telemetry_bootstrap::grpc::ServerLayer;
//! use telemetry_bootstrap::testing;
//! # use tonic_health::pb::HealthCheckRequest as HelloRequest;
//! # use tonic_health::pb::health_client::HealthClient as GreeterClient;
//! use tower::Layer;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # let (_reporter, greeter) = tonic_health::server::health_reporter();
//! let telemetry = testing::capture();
//! let layer = ServerLayer::new()
//!     .tracer_provider(telemetry.tracer_provider().clone())
//!     .meter_provider(telemetry.meter_provider().clone());
//!
//! let mut client = GreeterClient::new(layer.layer(greeter));
//! client.check(HelloRequest::default()).await.unwrap();
//!
//! # let name = "grpc.health.v1.Health/Check";
//! let call = telemetry.span(name);
//! assert_eq!(call.attribute("rpc.status_code"), Some("OK".into()));
//! # }
//! ```
//!
//! # What is recorded
//!
//! | | server | client |
//! |---|---|---|
//! | span | `pkg.Service/Method`, kind server | the same, kind client |
//! | at its start | `rpc.system.name`, `rpc.method`, `server.address` and `server.port` of `:authority`, captured request headers | the same, of the [target](ClientLayer::target) |
//! | while it lasts | `network.peer.address` and `.port`, captured response headers and trailers | the same |
//! | at its end | `rpc.status_code`; `error.type` for an error | the same |
//! | span status | `Error` for `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS` | `Error` for all but `OK` |
//! | histogram, in s | `rpc.server.call.duration` | `rpc.client.call.duration` |
//! | its attributes | `rpc.system.name`, `rpc.method`, `rpc.status_code`, `error.type` | these, and `server.address` and `.port` of the target |
//!
//! A status that is no error leaves the span's status unset. The description of an error is its message alone.
//! The measurement is exactly as long as the span. It includes the time that the request waits for a concurrency limit
//! inside the layer. The span's context is current while the service, the
//! response body, and (for tonic's request type) a client's request stream work: what they do is its child.
//!
//! On metrics, a method that no handler implements is `_OTHER`, so that arbitrary paths cost one series. A server's method
//! becomes known when its handler answers: by opening a response stream, by `OK`, or by another status after it read the
//! request (which is observed in tonic's request body only). The answers of interceptors, limits and pages in front of
//! the handler do not count. Methods can also be listed, see [`known_methods`](ServerLayer::known_methods). If something
//! other than the handler answers for a method that is not known, its span is named `grpc`, with `rpc.method` `_OTHER` and
//! the path in `rpc.method_original`. A client's methods are those that it calls; those of requests that a proxy passes on, with
//! their extensions, become known like a server's.
//!
//! Names are those of the stable conventions. `OTEL_SEMCONV_STABILITY_OPT_IN=rpc/old` brings the names before
//! them back (`rpc.system`, `rpc.service`, `rpc.method` without the service, `rpc.grpc.status_code`,
//! `net.peer.ip`, `rpc.server.duration` in ms, `rpc.server.request.size`, `rpc.server.response.size`, and the
//! client's); `rpc/dup` gives both, where `rpc.method` on spans keeps its current meaning.
//!
//! A panic in a closure that is given to a layer does not fail the call: `remote_context` then counts as
//! [`RemoteContext::Ignore`](crate::RemoteContext::Ignore), `is_error` as its default, and all others as if they had
//! decided nothing.
//!
//! # How a call ends
//!
//! Each call is finished exactly once: one span ends, one duration is recorded, and `active_calls` is decremented.
//!
//! | ending | server | client |
//! |---|---|---|
//! | trailers with a status | that status | that status |
//! | a head with the status (trailers-only) | that status | that status |
//! | body or head ends the response without a status, or trailers have none | by HTTP status: 200 `UNKNOWN`, 400 `INTERNAL`, 401 `UNAUTHENTICATED`, 403 `PERMISSION_DENIED`, 404 `UNIMPLEMENTED`, 429, 502, 503, 504 `UNAVAILABLE`, others `UNKNOWN` | the same; of other HTTP statuses than 200 also where the page is dropped unread |
//! | a status that is no code (`+5` and `05` are none either) | `UNKNOWN` | `UNKNOWN` |
//! | the service returns an error | the status in it, or else `INTERNAL` | the status that tonic makes of it, or else `UNKNOWN` |
//! | a layer inside sheds the call | `RESOURCE_EXHAUSTED` | `RESOURCE_EXHAUSTED` |
//! | the service fails before it is ready | as for an error, under the method `_OTHER`, because there is no request yet | the same |
//! | the caller leaves before the service is ready, as at a concurrency limit | `CANCELLED`, under the method `_OTHER` | not recorded: the service is not dropped with the request |
//! | connection refused | | `UNAVAILABLE` |
//! | stream reset by the peer | `CANCELLED`, unless the handler answers first | by HTTP/2 code: `CANCEL` `CANCELLED` (at the deadline `DEADLINE_EXCEEDED`), `REFUSED_STREAM` `UNAVAILABLE`, `ENHANCE_YOUR_CALM` `RESOURCE_EXHAUSTED`, `INADEQUATE_SECURITY` `PERMISSION_DENIED`, `STREAM_CLOSED`, `HTTP_1_1_REQUIRED` and unknown ones `UNKNOWN`, others `INTERNAL`; `NO_ERROR` after the head ends the body without a status |
//! | the peer breaks HTTP/2 | the same, for each call that goes down with the stream or the connection | by the HTTP/2 code of what is wrong, mostly `INTERNAL` |
//! | connection lost, or closed by the peer with GOAWAY | `CANCELLED`, unless the handler answers first | `UNKNOWN`, as tonic reports it; a GOAWAY that excludes the call resets it, a graceful one lets it complete |
//! | future, response or stream dropped | `CANCELLED` | `CANCELLED` |
//! | … once `grpc-timeout` has passed, but for its last tenth (of 2 to 50 ms) | `DEADLINE_EXCEEDED` | `DEADLINE_EXCEEDED` |
//! | tonic's timeout expires | as dropped | `DEADLINE_EXCEEDED` |
//! | panic in the service or the body | `INTERNAL`; the panic goes on | `INTERNAL`; the panic goes on |
//! | unknown method | `UNIMPLEMENTED` | `UNIMPLEMENTED` |
//! | request too large for the server, response too large for it | `OUT_OF_RANGE` | `OUT_OF_RANGE` |
//! | request that tonic cannot decode | `INTERNAL` | `INTERNAL` |
//! | response that the client cannot decode, or finds too large | `CANCELLED` | `CANCELLED`: it is dropped |
//!
//! A client's span has the code that its caller receives, unless the code around the layer changes it. tonic calls its timeout `CANCELLED`; a message that is too large `OUT_OF_RANGE`, one that
//! is cut short or cannot be decoded `INTERNAL`, and so an `OK` without the message of a unary call; a status whose
//! `grpc-message` is not UTF-8 `UNKNOWN`. A caller of a server whose handler panics reads `CANCELLED`: this is how
//! hyper resets the stream.
//!
//! Nothing is recorded for requests of another content type, for [filtered](ServerLayer::filter) methods, and
//! in a context with telemetry suppressed, such as that of an exporter.
//!
//! # Cost
//!
//! Attributes are made only for recorded spans and for custom samplers, metrics are bound once per
//! method and status, and messages are looked at only if their [sizes](ServerLayer::record_message_sizes) or
//! [counts](ServerLayer::record_message_counts) are enabled. A call whose caller decided not to sample, or of a program that
//! samples nothing, gets ids and a measurement and little else, if the providers are those that
//! [`init`](crate::init) installed and the sampler is one of the SDK's. The context is then also read and written
//! without going through the global propagator, as long as that is the installed one.
//!
//! Request messages can only be counted in bodies that hold any other, because the services inside must keep their request
//! type: tonic's, and axum's with the feature `axum`. With other body types the count is zero, and a client's request stream
//! is not polled inside the call.

mod access_log;
mod attributes;
mod call;
mod client;
mod common_settings;
mod descriptor_set;
mod environment;
mod instruments;
mod messages;
mod metadata;
mod method;
mod options;
mod recorder;
mod request_body;
mod server;
mod start;
mod status;
mod target;

pub(super) use call::Call;
pub use client::{ClientLayer, ClientService};
pub use descriptor_set::DescriptorSetError;
#[cfg(feature = "http")]
pub(super) use metadata::is_grpc_request;
#[cfg(feature = "http")]
pub(super) use options::Inherited;
pub use options::RequestHead;
pub use server::{ServerLayer, ServerService};
