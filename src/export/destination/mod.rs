//! Where requests go, and how: protocols, connections, TLS. Their outcomes are neutral.
//!
//! | file | what it knows |
//! |---|---|
//! | `otlp_grpc` | OTLP over gRPC: framing, status codes, `RetryInfo` |
//! | `otlp_http` | OTLP over HTTP: paths, status codes, `Retry-After`, protobuf and JSON |
//! | `exchange` | one HTTP request and its answer |
//! | `connection`, `connector`, `resolver`, `proxy`, `socks5`, `tls` | names, sockets, proxies, TLS; one connection per target |
//! | `output` | files and standard output; OTLP as lines of JSON on them |
//! | `console` | traces and metrics as text for people |
//! | `credentials` | values of headers that change, signatures |
//! | `compression` | gzip and zstd |
//! | `explain` | from an error of the transport to its [`Cause`] |
//! | `hints` | what well-known destinations cannot take |
//! | `outcome` | what became of a request, and what to do about it |

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
mod proxy;
mod resolver;
mod responses;
mod socks5;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "prometheus")]
pub(super) use compression::gzip;
pub(super) use connection::Connections;
pub(crate) use console::DELAY as CONSOLE_DELAY;
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
use crate::settings::{CONSOLE, DestinationSettings, Signal};

/// One signal's way to one destination.
pub(super) enum Destination {
    Otlp(Box<otlp::Destination>),
    Output(JsonLines),
    Console(Console),
}

impl Destination {
    /// Prepares the way. `queue` is where its items come from.
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
            DestinationSettings::Output(target) => Self::Output(JsonLines::new(signal, target)),
            DestinationSettings::Console => {
                Self::Console(Console::new(signal, queue.clone(), connections.printer()))
            }
        }
    }

    pub(super) fn signal(&self) -> Signal {
        match self {
            Self::Otlp(otlp) => otlp.signal(),
            Self::Output(lines) => lines.signal(),
            Self::Console(console) => console.signal(),
        }
    }

    /// The limit for one try.
    pub(super) fn timeout(&self) -> Duration {
        match self {
            Self::Otlp(otlp) => otlp.timeout(),
            Self::Output(_) | Self::Console(_) => WRITE_TIMEOUT,
        }
    }

    /// For messages; holds no credentials.
    pub(super) fn endpoint(&self) -> String {
        match self {
            Self::Otlp(otlp) => otlp.endpoint(),
            Self::Output(lines) => lines.name(),
            Self::Console(_) => CONSOLE.to_owned(),
        }
    }

    /// Returns when the receiver answered last, whatever the answer was.
    pub(super) fn last_response(&self) -> Option<Instant> {
        match self {
            Self::Otlp(otlp) => otlp.last_response(),
            Self::Output(_) | Self::Console(_) => None,
        }
    }

    /// Sends one request; see [`otlp::Destination::send`].
    pub(super) async fn send(
        &self,
        request: Bytes,
        timeout: Duration,
        hedge_after: impl Future<Output = ()>,
        is_unanswered: Arc<AtomicBool>,
    ) -> Outcome {
        match self {
            Self::Otlp(otlp) => otlp.send(request, timeout, hedge_after, is_unanswered).await,
            Self::Output(lines) => lines.send(request, timeout, is_unanswered).await,
            Self::Console(console) => console.send(request, timeout, is_unanswered).await,
        }
    }

    /// Completes what was sent, before the deadline: nothing more is sent.
    pub(super) async fn finish(&self, deadline: Instant) {
        if let Self::Console(console) = self {
            console.finish(deadline).await;
        }
    }
}
