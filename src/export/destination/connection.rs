//! Connections to receivers, and their state.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;

use super::connector::{Connector, Peer};
use super::console::Printer;
use super::credentials::{Credentials, Source};
use super::exchange::RequestBody;
use super::explain::{explain, is_canceled};
use super::outcome::{Cause, Failure};
use super::resolver::Resolver;
use crate::diagnostics::Diagnostics;
use crate::settings::{ExportSettings, Proxy, Target};

/// What destinations share: one connection for each distinct target and protocol, credentials, the console. Must be used
/// inside the I/O runtime.
pub(in crate::export) struct Connections {
    /// By target and version, so that signals with one target share a connection.
    open: HashMap<(Target, Http), Connection>,
    /// Shared, so that one lookup serves all connections.
    resolver: Resolver,
    /// Sources of credentials that destinations share.
    sources: Vec<Arc<Source>>,
    no_color: bool,
    printer: Option<Printer>,
    diagnostics: Diagnostics,
}

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Http {
    /// HTTP/2, as gRPC needs it.
    Two,
    /// HTTP/1.1; over TLS HTTP/2 if the peer prefers it.
    Any,
}

impl Connections {
    /// Knows no connection yet.
    pub(in crate::export) fn new(diagnostics: Diagnostics) -> Self {
        Self {
            open: HashMap::new(),
            resolver: Resolver::default(),
            sources: Vec::new(),
            no_color: false,
            printer: None,
            diagnostics,
        }
    }

    /// Turns colours on the console off.
    pub(in crate::export) fn without_color(self, no_color: bool) -> Self {
        Self { no_color, ..self }
    }

    /// Prints to the console, for all signals together.
    pub(super) fn printer(&mut self) -> Printer {
        let new = || Printer::new(self.no_color, self.diagnostics.clone());
        self.printer.get_or_insert_with(new).clone()
    }

    /// Returns the connection to a target, which may be shared.
    pub(super) fn connection(&mut self, settings: &ExportSettings, http: Http) -> Connection {
        let new = || {
            let (resolver, diagnostics) = (&self.resolver, &self.diagnostics);
            let connector = Connector::new(&settings.target, http, settings.timeout, resolver, diagnostics);
            Connection::new(connector, http)
        };
        self.open.entry((settings.target.clone(), http)).or_insert_with(new).clone()
    }

    /// The credentials of a destination. Destinations with one source share what it has returned.
    pub(super) fn credentials(&mut self, settings: &ExportSettings) -> Credentials {
        Credentials::new(&settings.credentials, &mut self.sources)
    }
}

/// The connection that signals with one target share. Connects when there is something to send, and again after it was closed.
///
/// A connection whose packets are dropped (a firewall that forgot it, a host that is gone) is never closed: every
/// request on it would time out, for as long as TCP repeats itself. So a connection that did not answer in time is not
/// used again. Neither is one on which the peer does not process requests any more: a collector that is being replaced
/// goes on to answer UNAVAILABLE on its old connections, while new ones lead to its successor. Pings would find out too, but servers commonly treat them as an attack: those in Go end a connection
/// that pings more than every five minutes.
#[derive(Clone)]
pub(super) struct Connection {
    connector: Connector,
    http: Http,
    /// The generation that new requests use.
    current: Arc<Mutex<Generation>>,
    last_response: LastResponse,
}

/// When the peer answered last, on any connection to it.
type LastResponse = Arc<Mutex<Option<Instant>>>;

/// The connections since the last one that was given up. With HTTP/2 it is one, with HTTP/1 one for each request
/// under way.
#[derive(Clone)]
pub(super) struct Generation {
    pub(super) client: Client<Connector, RequestBody>,
    /// Counts the replacements.
    number: u64,
    /// Answers received on them.
    responses: Arc<AtomicU64>,
    last_response: LastResponse,
    /// What the newest of the connections has received first.
    peer: Peer,
    is_tls: bool,
    http: Http,
}

impl Connection {
    /// Prepares a connection; nothing is sent.
    fn new(connector: Connector, http: Http) -> Self {
        let last_response = LastResponse::default();
        let current = Arc::new(Mutex::new(Generation::new(&connector, http, 0, &last_response)));
        Self { connector, http, current, last_response }
    }

    /// Returns the generation to use now.
    pub(super) fn current(&self) -> Generation {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when the peer answered last, whatever the answer was.
    pub(super) fn last_response(&self) -> Option<Instant> {
        *self.last_response.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the proxy if requests are sent to it as they are.
    pub(super) fn forwarding_proxy(&self) -> Option<&Proxy> {
        self.connector.forwarding_proxy()
    }

    /// Later requests get a new connection, unless they have one already. Requests under way keep the old one.
    pub(super) fn replace(&self, failed: &Generation) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number == failed.number {
            *current = Generation::new(&self.connector, self.http, failed.number + 1, &self.last_response);
        }
    }
}

impl Generation {
    /// Begins a generation, without a connection yet.
    fn new(connector: &Connector, http: Http, number: u64, last_response: &LastResponse) -> Self {
        let peer = Peer::default();
        let connector = connector.with_peer(peer.clone());
        let is_tls = connector.is_tls();
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            // Shorter than the idle timeout of common servers, which would close it under a request.
            .pool_idle_timeout(IDLE_TIMEOUT);
        #[cfg(feature = "otlp-grpc")]
        builder
            .http2_only(http == Http::Two)
            .http2_initial_stream_window_size(WINDOW)
            .http2_max_header_list_size(MAX_HEADER_BYTES);
        Self {
            client: builder.build(connector),
            number,
            responses: Arc::default(),
            last_response: Arc::clone(last_response),
            peer,
            is_tls,
            http,
        }
    }

    /// Counts an answer, which shows that the connection works.
    pub(super) fn record_response(&self) {
        self.responses.fetch_add(1, Ordering::Relaxed);
        *self.last_response.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns the answers so far.
    pub(super) fn responses(&self) -> u64 {
        self.responses.load(Ordering::Relaxed)
    }

    /// Returns why a request failed.
    ///
    /// It knows more than the error: whether a connection was made at all, and what the peer has sent on it.
    pub(super) fn explain(&self, error: &(dyn Error + 'static)) -> Failure {
        match self.peer.connect_failure() {
            // The request waited for a connection that another one was making.
            Some(failure) if is_canceled(error) => failure,
            // A peer that does not accept the client's certificate closes the connection, with or without a word.
            _ if self.is_tls && self.responses() == 0 && is_canceled(error) => {
                Failure::new(Cause::Disconnected, "closed right after the TLS handshake")
            }
            _ => explain(error, self.peer.first_bytes(), self.http, self.is_tls),
        }
    }
}

/// After this time without a request, a connection is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// Answers are small.
#[cfg(feature = "otlp-grpc")]
const WINDOW: u32 = 64 << 10;
/// Bytes of the headers of an answer. A larger list is an error of the stream.
#[cfg(feature = "otlp-grpc")]
const MAX_HEADER_BYTES: u32 = 64 << 10;
