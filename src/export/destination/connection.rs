//! Connections to receivers, and their generations.
//!
//! A [`Connection`] outlives the sockets behind it. It has a current *generation*: an HTTP client with its pool.
//! Requests take the current generation and keep it until their end; a failure replaces it for later requests.
//!
//! ```text
//! generation 0 ── requests ── answers ──✗ timeout, reset, GOAWAY, UNAVAILABLE
//!                                        └─ replace ─▶ generation 1 ── requests …
//!                           requests still under way on 0 may finish there
//! ```
//!
//! | event | new generation |
//! |---|---|
//! | no answer in time, connection lost or closed in an orderly way, UNAVAILABLE or 502–504 | yes |
//! | another answer, whatever it says | no |
//! | the hedge shortly before the deadline of the shutdown, if nothing was received since the request was sent | yes |
//! | idle for 50 s | no: the client closes the socket and connects anew in the same generation |
//!
//! Several requests that fail together replace it once: only the generation that failed is replaced.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;

use super::connector::Connector;
use super::console::Printer;
use super::credentials::{Credentials, Source};
use super::exchange::RequestBody;
use super::explain::{explain, is_canceled};
use super::otlp::SpokenProtocol;
use super::outcome::{Cause, Failure};
use super::output::Output;
use super::peer::Peer;
use super::resolver::Resolver;
use crate::diagnostics::Diagnostics;
use crate::settings::{ExportSettings, OutputTarget, ProtocolSetting, Proxy, Target};

/// Resources shared by destinations: one connection for each distinct target and protocol, credentials, the console.
///
/// Created once for each runtime, and must be used inside it.
pub(in crate::export) struct Connections {
    /// Connections by target and version, so signals with one target share one. Only the `Arc`s inside are cloned.
    open: HashMap<(Target, Http), Connection>,
    /// The protocols detected for targets, shared if the settings are equal as well.
    spoken: Vec<(Target, ProtocolSetting, Arc<SpokenProtocol>)>,
    /// Shared, so one lookup serves all connections. A lookup that hangs costs one thread, not one for each target.
    resolver: Resolver,
    /// Sources of credentials that destinations share.
    sources: Vec<Arc<Source>>,
    /// Colours on the console are turned off.
    no_color: bool,
    /// Files and standard output.
    outputs: Vec<(OutputTarget, Output)>,
    /// The console, once a signal is sent there.
    printer: Option<Printer>,
    /// Gets warnings, such as those about certificates that cannot be read again.
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
    /// Creates the collection without any connection.
    pub(in crate::export) fn new(diagnostics: Diagnostics) -> Self {
        Self {
            open: HashMap::new(),
            spoken: Vec::new(),
            resolver: Resolver::default(),
            sources: Vec::new(),
            no_color: false,
            outputs: Vec::new(),
            printer: None,
            diagnostics,
        }
    }

    /// Turns colours on the console off if `no_color` is `true`.
    pub(in crate::export) fn without_color(self, no_color: bool) -> Self {
        Self { no_color, ..self }
    }

    /// Returns the printer of the console, which all signals share.
    pub(super) fn printer(&mut self) -> Printer {
        if let Some(printer) = &self.printer {
            return printer.clone();
        }
        let output = self.output(&OutputTarget::Stdout);
        self.printer.insert(Printer::new(output, self.no_color, self.diagnostics.clone())).clone()
    }

    /// Returns a file or standard output, which all signals share that go there: what one has torn, the next one mends.
    pub(super) fn output(&mut self, target: &OutputTarget) -> Output {
        if let Some((_, output)) = self.outputs.iter().find(|(known, _)| known == target) {
            return output.clone();
        }
        let output = Output::new(target.clone());
        self.outputs.push((target.clone(), output.clone()));
        output
    }

    /// Returns the connection to a target, which may be shared.
    ///
    /// Targets are equal if address, proxy, TLS files and socket are.
    pub(super) fn connection(&mut self, settings: &ExportSettings, http: Http) -> Connection {
        let new = || {
            let (resolver, diagnostics) = (&self.resolver, &self.diagnostics);
            let connector = Connector::new(&settings.target, http, resolver, diagnostics);
            Connection::new(connector, http)
        };
        self.open.entry((settings.target.clone(), http)).or_insert_with(new).clone()
    }

    /// Returns what is known of the protocol that a target speaks, which may be shared.
    pub(super) fn spoken_protocol(&mut self, settings: &ExportSettings) -> Arc<SpokenProtocol> {
        let ExportSettings { target, protocol, .. } = settings;
        let mut known = self.spoken.iter();
        if let Some((.., spoken)) = known.find(|one| (&one.0, &one.1) == (target, protocol)) {
            return Arc::clone(spoken);
        }
        let new = Arc::default();
        self.spoken.push((target.clone(), *protocol, Arc::clone(&new)));
        new
    }

    /// Returns the credentials of a destination. Destinations with one source share what it has returned.
    pub(super) fn credentials(&mut self, settings: &ExportSettings) -> Credentials {
        Credentials::new(&settings.credentials, &mut self.sources)
    }
}

/// The connection that signals with one target share. Connects when there is something to send, and again after it was closed.
///
/// If packets are dropped silently (by a firewall, or because the host is gone), the connection is never closed and
/// every request on it times out until TCP gives up. So a connection that did not answer in time is not used again.
/// Neither is one on which the peer does not process requests any more: a collector that is being replaced goes on to
/// answer UNAVAILABLE on its old connections, while new ones lead to its successor. Pings would find out too, but
/// servers commonly treat them as an attack: those in Go end a connection that pings more than every five minutes.
#[derive(Clone)]
pub(super) struct Connection {
    /// Makes the sockets of each generation.
    connector: Connector,
    /// The version of HTTP that all generations speak.
    http: Http,
    /// The generation that new requests use.
    current: Arc<Mutex<Generation>>,
    /// Shared by all generations.
    last_response: LastResponse,
}

/// The time of the peer's last response on any connection; `None` before the first one.
type LastResponse = Arc<Mutex<Option<Instant>>>;

/// The connections since the last one that was given up. With HTTP/2 it is one, with HTTP/1 one for each request
/// under way.
#[derive(Clone)]
pub(super) struct Generation {
    /// The HTTP client, which pools connections. Dropping it closes those that are idle.
    pub(super) client: Client<Connector, RequestBody>,
    /// The number of replacements before it.
    number: u64,
    /// The number of answers received on it. A peer that has answered speaks the right protocol.
    responses: Arc<AtomicU64>,
    /// That of the connection.
    last_response: LastResponse,
    /// The first bytes received by its newest socket, and the reason why the last attempt to connect failed.
    peer: Peer,
    /// Sockets are encrypted.
    is_tls: bool,
    /// The version of HTTP.
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

    /// Begins a new generation, unless the one that failed was replaced before. Requests under way keep theirs.
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

    /// Counts an answer, which shows that the connection works, and notes its time.
    pub(super) fn record_response(&self) {
        self.responses.fetch_add(1, Ordering::Relaxed);
        *self.last_response.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns the number of answers so far.
    pub(super) fn responses(&self) -> u64 {
        self.responses.load(Ordering::Relaxed)
    }

    /// Returns why a request failed.
    ///
    /// It knows more than the error: whether a connection was made at all, and what the peer has sent on it. See
    /// [`explain`](mod@super::explain) for the evidence.
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

/// The time without a request after which a connection is closed. Shorter than the idle timeout of common load
/// balancers.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// The flow-control window of a stream, in bytes. Answers are small.
#[cfg(feature = "otlp-grpc")]
const WINDOW: u32 = 64 << 10;
/// The largest list of headers of an answer, in bytes. A larger one is an error of the stream.
#[cfg(feature = "otlp-grpc")]
const MAX_HEADER_BYTES: u32 = 64 << 10;
