//! An OTLP receiver of one signal, with the protocol in use.
//!
//! One request passes through [`Destination::send`], which tries again at once, without a pause, only where that is no
//! failure of the receiver:
//!
//! - the peer speaks the other protocol, and the settings leave the choice open: the protocol is switched;
//! - the peer has closed the connection in an orderly way, as servers do when they end;
//! - a connection of HTTP/1 that had carried answers was closed, as servers do with those that are idle or old;
//! - the credentials were refused: they may have expired, so new ones are requested from their source, once, unless new
//!   ones were refused shortly before.
//!
//! Everything else is an [`Outcome`], on which the worker decides.
//!
//! # Protocols
//!
//! | settings | first | switches to | when |
//! |---|---|---|---|
//! | a protocol | that one | – | never |
//! | none, port 4318 or a path | `http/protobuf` | `grpc` | the peer sends frames of HTTP/2 |
//! | none, another port | `grpc` | `http/protobuf` | the peer answers in HTTP/1, or with a page instead of gRPC |
//!
//! The first request that is accepted proves its protocol, which then stays, and is logged with the setting for it if
//! it is not the first one. Until then each request that meets the wrong protocol is resent once with the other
//! protocol, because a gateway may serve error pages while its receiver starts. No data is lost: a request that met
//! the wrong protocol was not processed.
//!
//! # Unanswered requests
//!
//! A request whose first bytes were taken by a connection may have arrived. Its flag stays set until an answer comes,
//! whatever it says, and goes with the batch to the next try. If no try is ever answered, the items count as failed
//! *and* unanswered.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use tokio::time::Instant;

use super::compression::{Encoded, compressed};
use super::connection::{Connection, Connections, Generation, Http};
use super::connector::CONNECT_TIMEOUT;
use super::credentials::{Authorized, Credentials};
use super::exchange::{RequestBody, TryLimit, read_answer, response};
use super::outcome::{Cause, Failure, Outcome};
use super::request_secrets::RequestSecrets;
use super::{otlp_grpc, otlp_http};
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::export::encode;
use crate::export::queue::ResponseStatus;
use crate::settings::{ExportSettings, Protocol, Signal};
use crate::user_code::discard;

/// The path of one signal to its receiver.
pub(in crate::export) struct Destination {
    signal: Signal,
    /// Target, protocol, limits and compression.
    settings: ExportSettings,
    /// HTTP/2 alone. Connected when it is first used. Never connects if only HTTP is used.
    grpc: Connection,
    /// HTTP/1 or HTTP/2. Connected when it is first used. Never connects if only gRPC is used.
    http: Connection,
    /// Headers of the settings, and those of a source.
    credentials: Credentials,
    /// The protocol in use, and whether it is known to be right.
    spoken: Arc<SpokenProtocol>,
    /// Gets the line about a switch.
    diagnostics: Diagnostics,
}

/// Protocol detected for a receiver. Signals with one target and the same settings share it.
#[derive(Default)]
pub(super) struct SpokenProtocol {
    /// `true` if the protocol in use is not the first one.
    is_switched: AtomicBool,
    /// `true` if the receiver has accepted anything, which confirms the protocol.
    is_proven: AtomicBool,
}

impl Destination {
    /// Prepares the destination without connecting. Equal targets share a connection.
    pub(in crate::export) fn new(
        signal: Signal,
        settings: ExportSettings,
        connections: &mut Connections,
        diagnostics: &Diagnostics,
    ) -> Self {
        Self {
            signal,
            grpc: connections.connection(&settings, Http::Two),
            http: connections.connection(&settings, Http::Any),
            credentials: connections.credentials(&settings),
            spoken: connections.spoken_protocol(&settings),
            settings,
            diagnostics: diagnostics.clone(),
        }
    }

    /// Returns the signal, which decides the path.
    pub(in crate::export) fn signal(&self) -> Signal {
        self.signal
    }

    /// Returns the limit for one try (`OTEL_EXPORTER_OTLP_TIMEOUT`).
    pub(in crate::export) fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// Returns the address for messages. It holds no credentials.
    pub(in crate::export) fn endpoint(&self) -> String {
        self.settings.target.address()
    }

    /// Returns when the peer answered last, whatever the answer was.
    pub(in crate::export) fn last_response(&self) -> Option<Instant> {
        self.grpc.last_response().max(self.http.last_response())
    }

    /// Sends one request. Once `hedge_after` resolves, if the peer has sent nothing since the request went out, the
    /// same request is sent on a new connection as well, and the first answer counts.
    ///
    /// `is_unanswered` becomes `true` while the request is sent and has no answer.
    ///
    /// A panic in here costs this request, which is tried again.
    pub(in crate::export) async fn send(
        &self,
        request: Bytes,
        limit: TryLimit,
        hedge_after: impl Future<Output = ()>,
        is_unanswered: Arc<AtomicBool>,
    ) -> Outcome {
        let sending = self.send_any(request, limit, hedge_after, &is_unanswered);
        let sending = AssertUnwindSafe(sending);
        let sending = sending.catch_unwind();
        sending.await.unwrap_or_else(|panic| {
            discard(panic);
            let failure = Failure::new(Cause::Unexpected, "the request ended with a panic");
            // Of code of the program, or of this crate, that met these items.
            Outcome::Retry(failure).with_sent(true)
        })
    }

    /// Sends until there is an outcome that a further try at once cannot change.
    ///
    /// There is a bound on each kind of repetition: one other protocol, [`MAX_RESENDS`] closed connections, one request
    /// with new credentials.
    async fn send_any(
        &self,
        request: Bytes,
        limit: TryLimit,
        hedge_after: impl Future<Output = ()>,
        is_unanswered: &Arc<AtomicBool>,
    ) -> Outcome {
        // Once for all sends: it may resolve before the last of them.
        let mut hedge_after = pin!(hedge_after.fuse());
        let (mut resends, mut has_asked_again, mut has_switched) = (0, false, false);
        loop {
            // What an earlier one of them has left without an answer stays so.
            let was_unanswered = is_unanswered.load(Ordering::Relaxed);
            let protocol = self.protocol();
            let had_answers = self.connection(protocol).current().responses() > 0;
            let body = match self.body(protocol, &request) {
                Ok(body) => body,
                Err(failure) => return Outcome::TooLarge(failure),
            };
            let sending = self.send_by(protocol, body, &limit, hedge_after.as_mut(), is_unanswered);
            let outcome = sending.await;
            if outcome.is_answer() {
                is_unanswered.store(was_unanswered, Ordering::Relaxed);
            }
            match &outcome {
                Outcome::Delivered { .. } => {
                    self.prove(protocol);
                    self.credentials.accepted();
                }
                other if !has_switched && self.should_switch(protocol, other) => {
                    has_switched = true;
                    self.switch(protocol);
                    continue;
                }
                // The peer has closed the connection, as servers do from time to time. That is no failure.
                Outcome::Retry(Failure { cause: Cause::NotProcessed, .. }) if resends < MAX_RESENDS => {
                    resends += 1;
                    continue;
                }
                // Under this request, which had not reached the peer or is sent again in any case.
                Outcome::Retry(Failure { cause: Cause::Disconnected, .. })
                    if protocol != Protocol::Grpc && had_answers && resends < MAX_RESENDS =>
                {
                    resends += 1;
                    continue;
                }
                Outcome::Refused(failure)
                    if failure.cause == Cause::Unauthenticated && !self.credentials.is_empty() =>
                {
                    if !std::mem::replace(&mut has_asked_again, true) {
                        continue;
                    }
                    // Other credentials may be accepted later.
                    return Outcome::Retry(failure.clone());
                }
                _ => {}
            }
            return outcome;
        }
    }

    /// Returns the connection that speaks this protocol.
    fn connection(&self, protocol: Protocol) -> &Connection {
        if protocol == Protocol::Grpc { &self.grpc } else { &self.http }
    }

    /// Returns the protocol in use, which is never [`Protocol::Auto`].
    fn protocol(&self) -> Protocol {
        match (self.settings.protocol.first, self.spoken.is_switched.load(Ordering::Relaxed)) {
            (first, false) => first,
            (Protocol::Grpc, true) => Protocol::HttpProtobuf,
            (_, true) => Protocol::Grpc,
        }
    }

    /// Returns `true` if the request met the wrong protocol and may be sent by the other one.
    ///
    /// `tried` may differ from the protocol in use: another request that was in flight may have switched it meanwhile,
    /// and have proven the new one.
    fn should_switch(&self, tried: Protocol, outcome: &Outcome) -> bool {
        let Some(failure) = outcome.failure() else { return false };
        let was_switched = tried != self.protocol();
        let is_open = || !self.spoken.is_proven.load(Ordering::Relaxed);
        let is_page = || match failure.cause {
            Cause::NotOtlp => true,
            cause => cause == Cause::Unsupported && failure.text.starts_with("HTTP status"),
        };
        let is_wrong = match tried {
            Protocol::Grpc => failure.cause == Cause::PeerSpeaksHttp || is_page(),
            // An HTML page does not prove gRPC. If gRPC received a page too, neither protocol is preferred.
            _ => {
                failure.cause == Cause::PeerSpeaksGrpc
                    || self.settings.protocol.first == Protocol::Grpc && is_page()
            }
        };
        self.settings.protocol.may_switch && is_wrong && (was_switched || is_open())
    }

    /// Switches from the protocol that was tried, unless another request has done so.
    fn switch(&self, tried: Protocol) {
        let is_switched = tried != self.settings.protocol.first;
        let switched = &self.spoken.is_switched;
        let _ = switched.compare_exchange(is_switched, !is_switched, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Keeps the protocol by which a request was accepted. Logs it if it was found out.
    fn prove(&self, protocol: Protocol) {
        if self.spoken.is_proven.load(Ordering::Relaxed)
            || self.spoken.is_proven.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let is_switched = protocol != self.settings.protocol.first;
        self.spoken.is_switched.store(is_switched, Ordering::Relaxed);
        if !is_switched {
            return;
        }
        let protocol = protocol.name();
        self.diagnostics.info(
            "the collector speaks another protocol than expected, switched",
            &[
                ("endpoint", FieldValue::Text(&self.endpoint())),
                ("protocol", FieldValue::Text(&protocol)),
                ("setting", FieldValue::Text(&format_args!("OTEL_EXPORTER_OTLP_PROTOCOL={protocol}"))),
            ],
        );
    }

    /// Returns the message as it is sent: as JSON if required, and compressed.
    ///
    /// # Errors
    ///
    /// A failure if it is larger than `max_request_size` before compression. The batch is then split.
    fn body(&self, protocol: Protocol, request: &Bytes) -> Result<Encoded, Failure> {
        let message = match protocol {
            Protocol::HttpJson => Bytes::from(encode::json::request(self.signal, request)),
            _ => request.clone(),
        };
        let limit = self.settings.max_request_size;
        if message.len() > limit {
            let text =
                format!("a request of {} bytes is larger than the limit of {limit} bytes", message.len());
            return Err(Failure::new(Cause::RequestTooLarge, text));
        }
        Ok(compressed(message, self.settings.compression))
    }

    /// Sends by one protocol, on one connection or on two.
    ///
    /// The second one is the hedge: shortly before the deadline of the shutdown, a request on a connection that has
    /// sent nothing since is repeated on a new one, because the old one may be dead without anything to show it.
    async fn send_by(
        &self,
        protocol: Protocol,
        body: Encoded,
        limit: &TryLimit,
        hedge_after: Pin<&mut impl Future<Output = ()>>,
        is_unanswered: &Arc<AtomicBool>,
    ) -> Outcome {
        let connection = self.connection(protocol);
        let on = |generation: Generation| {
            let body = body.clone();
            // In a box: the future is large, and those around it are moved.
            Box::pin(async move {
                self.send_on(protocol, connection, &generation, body, limit, is_unanswered).await
            })
        };
        let current = connection.current();
        let responses = current.responses();
        let first = match select(on(current.clone()), hedge_after).await {
            Either::Left((outcome, _)) => return outcome,
            Either::Right(((), first)) => first,
        };
        if current.responses() != responses {
            return first.await;
        }
        connection.replace(&current);
        first_answer(first, on(connection.current())).await
    }

    /// Sends on one generation of a connection, and waits for the answer.
    ///
    /// Adds credentials, which may wait for their source, and `Proxy-Authorization` where the proxy sees the request.
    /// The limit of time for the exchange begins afterwards; the time to connect is part of it, unless it takes longer.
    async fn send_on(
        &self,
        protocol: Protocol,
        connection: &Connection,
        current: &Generation,
        body: Encoded,
        limit: &TryLimit,
        is_unanswered: &Arc<AtomicBool>,
    ) -> Outcome {
        let TryLimit { timeout, shutdown } = limit.clone();
        let mut request = match self.http_request(protocol, body) {
            Ok(request) => request,
            Err(error) => return Outcome::Refused(Failure::new(Cause::Unexpected, error.to_string())),
        };
        let mut outdated = None;
        if !self.credentials.is_empty() {
            Authorized { request, outdated } = match self.credentials.add_to(request, timeout).await {
                Ok(authorized) => authorized,
                Err(failure) => return Outcome::Retry(failure),
            };
        }
        let made = Instant::now();
        let was_unanswered = is_unanswered.load(Ordering::Relaxed);
        // Of this exchange alone: an earlier try may have been sent.
        let sent_flag = Arc::<AtomicBool>::default();
        let is_sent = || sent_flag.load(Ordering::Relaxed);
        let proxy = connection.forwarding_proxy();
        if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization().cloned()) {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization);
        }
        let secrets = RequestSecrets::new(&request, self.settings.target.proxy.as_ref());
        let request =
            request.map(|body| body.reporting_to([Arc::clone(&sent_flag), Arc::clone(is_unanswered)]));
        let mut responding = pin!(response(current, request));
        let response = match tokio::time::timeout(timeout, responding.as_mut()).await {
            // Connecting has its own limit. If it took longer than a request may, no request would ever be sent.
            Err(_) if !is_sent() => tokio::time::timeout(CONNECT_TIMEOUT, responding).await,
            response => response,
        };
        let answer = match response {
            Ok(Ok(response)) => {
                let left = timeout.saturating_sub(made.elapsed());
                read_answer(current, response, protocol, left, shutdown).await
            }
            Ok(Err(failure)) => Ok(Err(failure)),
            Err(elapsed) => Err(elapsed),
        };
        let outcome = match answer {
            Ok(Ok(answer)) if protocol == Protocol::Grpc => {
                otlp_grpc::outcome(&answer).with_status(otlp_grpc::response_status(&answer))
            }
            Ok(Ok(answer)) => {
                let status = ResponseStatus::Http(answer.status.as_u16());
                otlp_http::outcome(&answer, protocol).with_status(Some(status))
            }
            Ok(Err(failure)) => {
                // A host can become unreachable behind a request.
                let is_absent =
                    failure.cause.is_absence() && (failure.cause != Cause::Unreachable || !is_sent());
                if failure.cause.is_answer() || is_absent {
                    is_unanswered.store(was_unanswered, Ordering::Relaxed);
                }
                Outcome::Retry(failure)
            }
            Err(_) if is_sent() => {
                Outcome::Retry(Failure::new(Cause::Timeout, format!("no answer within {timeout:?}")))
            }
            Err(_) => {
                let limit = timeout.saturating_add(CONNECT_TIMEOUT);
                Outcome::Retry(Failure::new(Cause::ConnectTimeout, format!("no connection within {limit:?}")))
            }
        };
        if outcome.failure().is_some_and(|failure| failure.cause.needs_new_connection()) {
            connection.replace(current);
        }
        let is_unauthenticated =
            outcome.failure().is_some_and(|failure| failure.cause == Cause::Unauthenticated);
        let outcome = match outcome {
            // The same credentials would be refused again at once.
            Outcome::Refused(failure)
                if is_unauthenticated && !self.credentials.is_empty() && !self.credentials.refused(made) =>
            {
                Outcome::Retry(failure)
            }
            outcome => outcome,
        };
        let is_answer = outcome.is_answer();
        let outcome = outcome
            .with_sent(is_sent())
            .map_text(|text| if is_answer { secrets.redact_answer(text) } else { secrets.redact(text) });
        let outcome = match outdated.filter(|_| is_unauthenticated) {
            Some(reason) => outcome.with_context(|| reason),
            None => outcome,
        };
        // The answer may be the proxy's own.
        match proxy.filter(|_| outcome.is_answer()) {
            Some(proxy) => outcome.with_context(|| format!("through the proxy {proxy}")),
            None => outcome,
        }
    }

    /// Returns the request with all headers but those of credentials.
    ///
    /// A header of the settings replaces our `User-Agent`, but none that the protocol requires.
    fn http_request(&self, protocol: Protocol, body: Encoded) -> Result<Request<RequestBody>, http::Error> {
        let Encoded { bytes: body, encoding } = body;
        let mut headers = HeaderMap::with_capacity(self.settings.headers.len() + 5);
        headers.extend(self.settings.headers.iter().cloned());
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        let (path, body) = match protocol {
            Protocol::Grpc => {
                otlp_grpc::add_headers(&mut headers, encoding);
                (
                    PathAndQuery::from_static(otlp_grpc::path(self.signal)),
                    otlp_grpc::body(body, encoding.is_some()),
                )
            }
            _ => {
                otlp_http::add_headers(&mut headers, protocol, encoding);
                (self.settings.http_path.clone(), otlp_http::body(body))
            }
        };
        let mut parts = self.settings.target.uri.clone().into_parts();
        parts.path_and_query = Some(path);
        let mut request = Request::builder().method(Method::POST).uri(Uri::from_parts(parts)?).body(body)?;
        *request.headers_mut() = headers;
        if protocol == Protocol::Grpc {
            *request.version_mut() = http::Version::HTTP_2;
        }
        Ok(request)
    }
}

/// Returns the outcome of the request that is answered first, of two under way. If one fails without an answer, the
/// other decides.
async fn first_answer(
    one: impl Future<Output = Outcome> + Unpin,
    other: impl Future<Output = Outcome> + Unpin,
) -> Outcome {
    match select(one, other).await {
        Either::Left((outcome, other)) if !outcome.is_answer() => other.await,
        Either::Right((outcome, one)) if !outcome.is_answer() => one.await,
        Either::Left((outcome, _)) | Either::Right((outcome, _)) => outcome,
    }
}

/// The name of this exporter: that of the distribution before that of the exporter, as the specification allows.
const USER_AGENT: &str =
    concat!("telemetry-bootstrap/", env!("CARGO_PKG_VERSION"), " OTel-OTLP-Exporter-Rust/0.33");
/// The most connections that may be closed under one request, one after the other, before that is a failure.
const MAX_RESENDS: u32 = 3;
