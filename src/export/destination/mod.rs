//! Transport of requests: protocols, connections, TLS. Outcomes are independent of the protocol.
//!
//! | file | what it knows |
//! |---|---|
//! | `otlp_grpc` | OTLP over gRPC: framing, status codes, `RetryInfo` |
//! | `otlp_http` | OTLP over HTTP: paths, status codes, `Retry-After`, protobuf and JSON |
//! | `exchange` | one HTTP request and its answer |
//! | `connection`, `connector`, `resolver`, `proxy`, `tls`, `peer` | names, sockets, proxies, TLS; one connection per target |
//! | `output` | files and standard output; OTLP as lines of JSON on them |
//! | `console` | traces and metrics as text for people |
//! | `credentials` | values of headers that change, signatures |
//! | `compression` | gzip and zstd |
//! | `explain` | from an error of the transport to its [`Cause`] |
//! | `hints` | what well-known destinations cannot take |
//! | `outcome` | what became of a request, and what to do about it |
//!
//! # What becomes of a request
//!
//! | failure | over gRPC | over HTTP | outcome |
//! |---|---|---|---|
//! | no connection, connection lost | – | – | retry, on a new connection |
//! | no answer in time | – | – | retry, unanswered, on a new connection, with a longer limit |
//! | unavailable | `UNAVAILABLE`, `DEADLINE_EXCEEDED`, `CANCELLED`, `ABORTED` | 502, 503, 504 | retry |
//! | throttled | `RESOURCE_EXHAUSTED` with `RetryInfo` | 429 | retry, after the requested pause |
//! | too large | `RESOURCE_EXHAUSTED` or `OUT_OF_RANGE`, by the message | 413 | split |
//! | credentials refused | `UNAUTHENTICATED`, `PERMISSION_DENIED` | 401, 403 | refused; with a source of credentials, once more with new ones, then retry |
//! | not taken here | `UNIMPLEMENTED` | 404, 405, 406, 415, 501 | refused |
//! | redirect | – | 3xx | refused |
//! | anything else | other codes | other statuses | refused |
//!
//! Outputs are retried as well, but for standard output without a reader: see `output`.
//!
//! Refused means that the items have failed: the OTLP specification forbids to retry them.

mod compression;
mod connection;
mod connector;
mod console;
mod credentials;
mod exchange;
mod explain;
#[cfg(all(fuzzing, feature = "otlp-grpc", feature = "otlp-http"))]
pub(crate) mod fuzzing;
mod hints;
mod json_response;
mod otlp;
mod otlp_grpc;
mod otlp_http;
mod outcome;
mod output;
mod peer;
mod proxy;
mod request_secrets;
mod resolver;
mod responses;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "prometheus")]
pub(super) use compression::gzip;
pub(super) use connection::Connections;
pub(crate) use console::DELAY as CONSOLE_DELAY;
pub(super) use exchange::TryLimit;
pub(crate) use hints::hints;
pub(super) use outcome::{Cause, Failure, Outcome};
#[cfg(feature = "tls")]
pub(super) use tls::check as check_tls;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use self::console::Console;
use self::output::{JsonLines, WRITE_TIMEOUT};
use crate::diagnostics::Diagnostics;
use crate::export::queue::Consumer;
use crate::settings::{DestinationSettings, Signal};

/// The path of one signal to one destination, of any kind.
///
/// The worker uses nothing of a destination but these methods.
pub(super) enum Destination {
    /// An OTLP receiver, over gRPC or HTTP.
    Otlp(Box<otlp::Destination>),
    /// OTLP as lines of JSON, in a file or on standard output.
    Output(JsonLines),
    /// Text for people, on standard output.
    Console(Console),
}

impl Destination {
    /// Prepares the way, without connecting. Must be called inside the I/O runtime.
    ///
    /// `queue` is where its items come from: a destination that holds items back counts them there later.
    pub(super) fn new(
        signal: Signal,
        settings: DestinationSettings,
        queue: &Consumer,
        connections: &mut Connections,
        diagnostics: &Diagnostics,
    ) -> Self {
        match settings {
            DestinationSettings::Otlp(export) => {
                Self::Otlp(Box::new(otlp::Destination::new(signal, *export, connections, diagnostics)))
            }
            DestinationSettings::Output(target) => {
                Self::Output(JsonLines::new(signal, connections.output(&target)))
            }
            DestinationSettings::Console => {
                Self::Console(Console::new(signal, queue.clone(), connections.printer()))
            }
        }
    }

    /// Returns the signal that is sent.
    pub(super) fn signal(&self) -> Signal {
        match self {
            Self::Otlp(otlp) => otlp.signal(),
            Self::Output(lines) => lines.signal(),
            Self::Console(console) => console.signal(),
        }
    }

    /// Returns the limit for one try, as configured.
    pub(super) fn timeout(&self) -> Duration {
        match self {
            Self::Otlp(otlp) => otlp.timeout(),
            Self::Output(_) | Self::Console(_) => WRITE_TIMEOUT,
        }
    }

    /// Returns when the receiver answered last, whatever the answer was. `None` if it never did, and for outputs, which
    /// do not answer.
    pub(super) fn last_response(&self) -> Option<Instant> {
        match self {
            Self::Otlp(otlp) => otlp.last_response(),
            Self::Output(_) | Self::Console(_) => None,
        }
    }

    /// Sends one request; see [`otlp::Destination::send`].
    ///
    /// `request` is protobuf. `hedge_after` has no effect on outputs.
    /// `is_unanswered` is shared with the worker.
    pub(super) async fn send(
        &self,
        request: Bytes,
        limit: TryLimit,
        hedge_after: impl Future<Output = ()>,
        is_unanswered: Arc<AtomicBool>,
    ) -> Outcome {
        match self {
            Self::Otlp(otlp) => otlp.send(request, limit, hedge_after, is_unanswered).await,
            Self::Output(lines) => lines.send(request, limit.timeout, is_unanswered).await,
            Self::Console(console) => console.send(request, limit.timeout, is_unanswered).await,
        }
    }

    /// Completes what was sent, before the deadline. Nothing more is sent afterwards.
    ///
    /// Returns the failure if the destination is gone for good.
    pub(super) async fn finish(&self, deadline: Instant) -> Option<Failure> {
        match self {
            Self::Console(console) => console.finish(deadline).await,
            Self::Otlp(_) | Self::Output(_) => None,
        }
    }
}
