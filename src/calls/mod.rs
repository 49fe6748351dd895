//! Tower layers that trace and measure calls.
//!
//! A module per protocol; what they share is here: the span of a call, the trace context in its headers, captured
//! headers, addresses, and the future and body that follow a call to its end.
//!
//! # A call from its beginning to its end
//!
//! | step | file | what happens |
//! |---|---|---|
//! | ready | `layer`, `ready` | the wait for a concurrency limit inside the layer is measured |
//! | start | `grpc::server`, `http::start`, … | context extracted (`context`), span started (`span`), attributes of the request set |
//! | first call | `lazy` | providers are looked up, instruments created |
//! | service | `future` | the call's context is current while the service is polled |
//! | head | `call` | status, headers, trace id header; the call passes to the body |
//! | body | `body` | data and trailers are observed, frames pass unchanged |
//! | end | `grpc::call`, `http::call` | once: span ended, duration recorded, access log written |
//!
//! The owner of the [`Call`](call::Call) (future or body) finishes it. If it is dropped before, because a client is gone or a
//! task was cancelled, the call is finished as cancelled. A layer is generic over the inner service alone: its options are
//! one `Arc`.
//!
//! # Closures of the program
//!
//! Options can be closures, which are called while a call starts or ends, and also in destructors and while the stack
//! is unwound. A panic in a closure must not affect the call or the service. Setters therefore wrap each closure with
//! a fallback:
//!
//! | closure | if it panics |
//! |---|---|
//! | `filter` | the call is recorded |
//! | `span_name`, `route`, `peer_address` | as if it had returned `None`: the default name, no route, no peer |
//! | `request_attributes`, `response_attributes` | what it had added stays |
//! | `remote_context` | [`RemoteContext::Ignore`]: a caller must not gain trust by it |
//! | `is_error` | the rule that it replaced, which is that of the conventions |

mod address;
mod body;
mod call;
mod context;
mod error;
mod future;
mod headers;
mod intern;
mod layer;
mod lazy;
mod ready;
mod recorded;
mod span;
mod thread_cache;

#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;

pub use body::ResponseBody;
pub use context::RemoteContext;
pub use future::ResponseFuture;

/// The side from which a call is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Requests that arrive.
    Server,
    /// Requests that are sent.
    Client,
}
