//! Where requests go, and how: protocols, connections, TLS. Their outcomes are neutral.
//!
//! | file | what it knows |
//! |---|---|
//! | `otlp_grpc` | OTLP over gRPC: framing, status codes, `RetryInfo` |
//! | `otlp_http` | OTLP over HTTP: paths, status codes, `Retry-After`, protobuf and JSON |
//! | `exchange` | one HTTP request and its answer |
//! | `connection`, `connector`, `resolver`, `tls` | names, sockets, TLS; one connection per distinct target |
//! | `explain` | from an error of the transport to its [`Cause`] |
//! | `outcome` | what became of a request, and what to do about it |

mod connection;
mod connector;
mod exchange;
mod explain;
mod json_response;
mod otlp;
mod otlp_grpc;
mod otlp_http;
mod outcome;
mod resolver;
mod responses;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

pub(super) use connection::Connections;
pub(super) use otlp::Destination;
pub(super) use outcome::{Cause, Failure, Outcome};
#[cfg(feature = "tls")]
pub(super) use tls::check as check_tls;
