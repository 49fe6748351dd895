//! Tower layers that trace and measure calls.
//!
//! A module per protocol; what they share is here: the span of a call, the trace context in its headers, captured
//! headers, addresses, and the future and body that follow a call to its end.

mod address;
mod body;
mod call;
mod context;
mod error;
mod future;
mod headers;
mod intern;
mod lazy;
mod ready;
mod span;

#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;

/// In the extensions of a request that a layer records as gRPC: the layers inside do not record it again. There is one for
/// each side, because a proxy hands a server's request to a client.
#[cfg(feature = "grpc")]
#[derive(Clone, Copy, Debug)]
struct RecordedByServer;

/// See [`RecordedByServer`].
#[cfg(feature = "grpc")]
#[derive(Clone, Copy, Debug)]
struct RecordedByClient;

/// The side from which a call is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}
