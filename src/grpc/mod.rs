//! Tower layers that trace and measure every gRPC call, in and out.
//!
//! For tonic 0.14, and for anything else that is a tower service of `http` requests.
//!
//! # A server
//!
//! ```
//! use telemetry_bootstrap::grpc::ServerLayer;
//!
//! # fn server() {
//! let layer = ServerLayer::new()
//!     // No span and no metric for health checks.
//!     .filter(|method| !method.starts_with("grpc.health.v1.Health/"))
//!     .capture_request_headers(["x-tenant"]);
//! # let _ = layer;
//! # }
//! // tonic::transport::Server::builder().layer(layer).add_service(…)
//! ```
//!
//! Services that tonic wraps the layer around are all covered: interceptors, streams, reflection. An axum router that
//! carries HTTP as well passes the rest untouched: only requests of content type `application/grpc` are
//! recorded. `tonic_web::GrpcWebLayer` belongs in front of (before) this layer: it makes gRPC of `grpc-web`.
//! A single service is wrapped by `tonic::service::LayerExt::named_layer`.
//!
//! At the edge to the public, callers must not choose trace ids or sampling:
//! [`remote_parent`](ServerLayer::remote_parent).
//!
//! # A client
//!
//! ```
//! use telemetry_bootstrap::grpc::{ClientLayer, ClientService};
//! use tower::Layer as _;
//!
//! # mod tonic { #[derive(Clone)] pub struct Channel; }
//! # fn connect_lazy() -> tonic::Channel { tonic::Channel }
//! struct Greeter {
//!     channel: ClientService<tonic::Channel>,
//! }
//!
//! # fn client() {
//! let channel = connect_lazy(); // Endpoint::from_static("http://greeter:50051").connect_lazy()
//! let greeter = Greeter { channel: ClientLayer::new().target("http://greeter:50051").layer(channel) };
//! # let _ = greeter.channel.clone();
//! # }
//! // GreeterClient::new(greeter.channel.clone())
//! ```
//!
//! The context is sent along by the global propagator; the caller's own metadata stays as it is.
//!
//! # What is recorded
//!
//! | | server | client |
//! |---|---|---|
//! | span | `pkg.Service/Method`, kind server | the same, kind client |
//! | at its start | `rpc.system.name`, `rpc.method`, `server.address` and `server.port` of `:authority` | the same, of the [target](ClientLayer::target) |
//! | while it lasts | `network.peer.address` and `.port`, captured headers and trailers | the same |
//! | at its end | `rpc.status_code`; `error.type` for an error | the same |
//! | span status | `Error` for `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS` | `Error` for all but `OK` |
//! | histogram, in s | `rpc.server.call.duration` | `rpc.client.call.duration` |
//! | its attributes | `rpc.system.name`, `rpc.method`, `rpc.status_code`, `error.type` | these, and `server.address` and `.port` of the target |
//!
//! A status that is no error leaves the span's status unset. The description of an error is its message alone.
//! The measurement is exactly as long as the span. The span's context is current while the service, the
//! response body, and (for tonic's request type) a client's request stream work: what they do is its child.
//!
//! On metrics a method that nobody implements is `_OTHER`, so that made-up paths cost one series; see
//! [`known_methods`](ServerLayer::known_methods). The span keeps the path.
//!
//! Names are those of the stable conventions. `OTEL_SEMCONV_STABILITY_OPT_IN=rpc/old` brings the names before
//! them back (`rpc.system`, `rpc.service`, `rpc.method` without the service, `rpc.grpc.status_code`,
//! `net.peer.ip`, `rpc.server.duration` in ms, `rpc.server.request.size`, `rpc.server.response.size`, and the
//! client's); `rpc/dup` gives both, where `rpc.method` on spans keeps its current meaning.
//!
//! # How a call ends
//!
//! Every call ends exactly once: one span, one measurement, one less among the active calls.
//!
//! | ending | server | client |
//! |---|---|---|
//! | trailers with a status | that status | that status |
//! | a head with the status (trailers-only) | that status | that status |
//! | body or head ends the response without a status, or trailers have none | by HTTP status: 200 `UNKNOWN`, 400 `INTERNAL`, 401 `UNAUTHENTICATED`, 403 `PERMISSION_DENIED`, 404 `UNIMPLEMENTED`, 429, 502, 503, 504 `UNAVAILABLE`, others `UNKNOWN` | the same |
//! | a status that is no code | `UNKNOWN` | `UNKNOWN` |
//! | the service returns an error | the status in it, or else `INTERNAL` | the status that tonic makes of it, or else `UNKNOWN` |
//! | connection refused | | `UNAVAILABLE` |
//! | stream reset by the peer | `CANCELLED`, unless the handler answers first | by HTTP/2 code: `CANCEL` `CANCELLED`, `REFUSED_STREAM` `UNAVAILABLE`, `ENHANCE_YOUR_CALM` `RESOURCE_EXHAUSTED`, `INADEQUATE_SECURITY` `PERMISSION_DENIED`, others `INTERNAL` |
//! | connection lost, or the peer went away | `CANCELLED`, unless the handler answers first | what tonic tells the caller |
//! | future, response or stream dropped | `CANCELLED` | `CANCELLED` |
//! | … once `grpc-timeout` has passed | `DEADLINE_EXCEEDED` | `DEADLINE_EXCEEDED` |
//! | tonic's timeout expires | as dropped | `DEADLINE_EXCEEDED` (tonic tells the caller `CANCELLED`) |
//! | panic in the service or the body | `INTERNAL`; the panic goes on | `INTERNAL`; the panic goes on |
//! | unknown method | `UNIMPLEMENTED` | `UNIMPLEMENTED` |
//! | request too large for the server, response too large for it | `OUT_OF_RANGE` | `OUT_OF_RANGE` |
//! | response too large for the client | `CANCELLED` | `CANCELLED`: it is dropped |
//!
//! Nothing is recorded for requests of another content type, for [filtered](ServerLayer::filter) methods, and
//! in a context with telemetry suppressed, such as that of an exporter.
//!
//! # Cost
//!
//! Attributes are made only for the sampler and for recorded spans, metrics are bound once per method and
//! status, and messages are looked at only if their [sizes](ServerLayer::message_sizes) or
//! [counts](ServerLayer::message_counts) are wanted. Request messages can be followed in tonic's request body
//! alone; in others they count as none.

mod attributes;
mod body;
mod call;
mod client;
mod environment;
mod future;
mod instruments;
mod messages;
mod metadata;
mod method;
mod options;
mod recorder;
mod server;
mod status;
mod target;

pub use body::ResponseBody;
pub use client::{ClientLayer, ClientService};
pub use future::ResponseFuture;
pub use method::InvalidDescriptorSet;
pub use options::{RemoteParent, RequestHead};
pub use server::{ServerLayer, ServerService};

pub use crate::code::Code;
