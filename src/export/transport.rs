//! Sends a request's bytes to a collector and says what became of them.
//!
//! gRPC with a codec that passes bytes through: nothing behind the queue knows OTLP's messages but for the answer.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::HeaderMap;
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::settings::{Compression, ExportSettings, Target};
use crate::signal::Signal;

/// What became of one request.
#[derive(Debug)]
pub(super) enum Outcome {
    Delivered {
        /// Items that the collector refused, with its reason.
        rejected: u64,
        message: String,
    },
    /// May succeed later.
    Retry(Failure),
    /// Too large for the collector: smaller requests may succeed.
    TooLarge(Failure),
    /// Will never succeed.
    Refused(Failure),
}

/// Why a request was not taken.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    /// One line, in words.
    pub(super) text: String,
    /// How long the collector asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// No answer came from the other side: refused, reset, unresolvable, a TLS mismatch.
    Unreachable,
    /// No answer came in time.
    Timeout,
    /// It was not sent: no collector takes as much.
    TooLarge,
    /// The collector answered with this status.
    Status(Code),
}

/// The way of one signal to its collector.
#[derive(Clone)]
pub(super) struct Transport {
    signal: Signal,
    connection: Connection,
    compression: Compression,
    metadata: MetadataMap,
    timeout: Duration,
}

impl Transport {
    fn new(signal: Signal, settings: &ExportSettings, connection: Connection) -> Self {
        let headers: HeaderMap = settings.headers.iter().cloned().collect();
        Self {
            signal,
            connection,
            compression: settings.compression,
            metadata: MetadataMap::from_headers(headers),
            timeout: settings.timeout,
        }
    }

    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    /// For messages; holds no credentials.
    pub(super) fn endpoint(&self) -> String {
        self.connection.endpoint.uri().to_string()
    }

    /// Sends one request, within the timeout of the signal.
    pub(super) async fn send(&self, request: Bytes) -> Outcome {
        if request.len() > MAX_REQUEST_BYTES {
            return Outcome::TooLarge(too_large(request.len()));
        }
        let current = self.connection.current();
        match tokio::time::timeout(self.timeout, self.call(current.clone(), request)).await {
            Ok(Ok(response)) => delivered(response),
            Ok(Err(status)) => classify(&status),
            Err(_) => {
                self.connection.replace(current.generation);
                Outcome::Retry(Failure {
                    kind: FailureKind::Timeout,
                    text: format!("no answer within {:?}", self.timeout),
                    retry_after: None,
                })
            }
        }
    }

    async fn call(&self, current: Current, request: Bytes) -> Result<Bytes, Status> {
        let mut client = compressed(Grpc::new(current.channel), self.compression);
        client.ready().await.map_err(|error| {
            // Failing to connect is told by the call. This is the end of the task behind the channel: no thread was to
            // be had to resolve a name.
            self.connection.replace(current.generation);
            Status::from_error(error.into())
        })?;
        let request = Request::from_parts(self.metadata.clone(), Default::default(), request);
        let response = client.unary(request, method(self.signal), PassThrough).await?;
        Ok(response.into_inner())
    }
}

/// One connection for each distinct target; must be used inside the I/O runtime, where their tasks live.
#[derive(Default)]
pub(super) struct Connections {
    open: HashMap<Target, Connection>,
}

impl Connections {
    pub(super) fn transport(
        &mut self,
        signal: Signal,
        settings: &ExportSettings,
        endpoint: Endpoint,
    ) -> Transport {
        let connection =
            self.open.entry(settings.target.clone()).or_insert_with(|| Connection::new(endpoint));
        Transport::new(signal, settings, connection.clone())
    }
}

/// What signals with one target share. Connects when there is something to send, and again when it was closed.
///
/// A connection whose packets are swallowed (a firewall that forgot it, a host that is gone) is never closed by
/// anybody: every request on it would time out, for as long as TCP repeats itself. So one that did not answer in
/// time is not used again. Pings would find out too, but servers commonly treat them as an attack: those in Go end a
/// connection that pings more than every five minutes.
#[derive(Clone)]
struct Connection {
    endpoint: Endpoint,
    current: Arc<Mutex<Current>>,
}

#[derive(Clone)]
struct Current {
    channel: Channel,
    generation: u64,
}

impl Connection {
    fn new(endpoint: Endpoint) -> Self {
        let current = Current { channel: endpoint.connect_lazy(), generation: 0 };
        Self { endpoint, current: Arc::new(Mutex::new(current)) }
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Later requests get a new connection, unless they have one already. Requests under way keep the old one.
    fn replace(&self, generation: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.generation == generation {
            *current = Current { channel: self.endpoint.connect_lazy(), generation: generation + 1 };
        }
    }
}

/// The endpoint that a target describes. Reads the TLS files it names.
pub(super) fn endpoint(settings: &ExportSettings) -> Result<Endpoint, Box<dyn Error + Send + Sync>> {
    let endpoint = Endpoint::from(settings.target.uri.clone())
        .user_agent(USER_AGENT)?
        // Without it, a host that drops packets holds an export for minutes.
        .connect_timeout(settings.timeout.min(CONNECT_TIMEOUT))
        .tcp_nodelay(true)
        // So that a gateway between does not forget an idle connection.
        .tcp_keepalive(Some(KEEP_ALIVE));
    with_tls(endpoint, &settings.target)
}

#[cfg(feature = "tls")]
fn with_tls(endpoint: Endpoint, target: &Target) -> Result<Endpoint, Box<dyn Error + Send + Sync>> {
    use tonic::transport::{Certificate, ClientTlsConfig, Identity};

    if target.uri.scheme() != Some(&http::uri::Scheme::HTTPS) {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    if let Some(certificate) = &target.tls.certificate {
        tls = tls.ca_certificate(Certificate::from_pem(std::fs::read(certificate)?));
    }
    if let (Some(certificate), Some(key)) = (&target.tls.client_certificate, &target.tls.client_key) {
        tls = tls.identity(Identity::from_pem(std::fs::read(certificate)?, std::fs::read(key)?));
    }
    match endpoint.clone().tls_config(tls.clone().with_enabled_roots()) {
        // A container without any certificates of its own can still trust the one that is given.
        Err(_) if target.tls.certificate.is_some() => Ok(endpoint.tls_config(tls)?),
        result => Ok(result?),
    }
}

#[cfg(not(feature = "tls"))]
fn with_tls(endpoint: Endpoint, _target: &Target) -> Result<Endpoint, Box<dyn Error + Send + Sync>> {
    // `https` was refused when the settings were read.
    Ok(endpoint)
}

#[cfg(feature = "gzip")]
fn compressed(client: Grpc<Channel>, compression: Compression) -> Grpc<Channel> {
    use tonic::codec::CompressionEncoding;

    match compression {
        Compression::None => client,
        Compression::Gzip => {
            client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip)
        }
    }
}

#[cfg(not(feature = "gzip"))]
fn compressed(client: Grpc<Channel>, _compression: Compression) -> Grpc<Channel> {
    // Compression was refused when the settings were read.
    client
}

/// The method of the collector that takes a signal's requests.
fn method(signal: Signal) -> PathAndQuery {
    PathAndQuery::from_static(match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    })
}

/// The responses of the three services are alike on the wire.
fn delivered(response: Bytes) -> Outcome {
    let partial = ExportTraceServiceResponse::decode(response).ok().and_then(|r| r.partial_success);
    let (rejected, message) = partial.map_or((0, String::new()), |p| (p.rejected_spans, p.error_message));
    Outcome::Delivered { rejected: u64::try_from(rejected).unwrap_or(0), message }
}

fn too_large(bytes: usize) -> Failure {
    let text = format!("a request of {bytes} bytes is larger than any that may be sent");
    Failure { kind: FailureKind::TooLarge, text, retry_after: None }
}

/// OTLP specification, "OTLP/gRPC Response": which codes may be retried.
fn classify(status: &Status) -> Outcome {
    let retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
    // A status that was made here, of a transport error, has it as its source.
    let unreachable = Error::source(status).is_some() && status.code() != Code::DeadlineExceeded;
    let kind = if unreachable { FailureKind::Unreachable } else { FailureKind::Status(status.code()) };
    let failure = Failure { kind, text: describe(status, kind), retry_after };
    match status.code() {
        _ if unreachable => Outcome::Retry(failure),
        Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::Unavailable | Code::DataLoss => {
            Outcome::Retry(failure)
        }
        Code::OutOfRange | Code::ResourceExhausted if is_too_large(status) => Outcome::TooLarge(failure),
        Code::OutOfRange => Outcome::Retry(failure),
        Code::ResourceExhausted if retry_after.is_some() => Outcome::Retry(failure),
        _ => Outcome::Refused(failure),
    }
}

/// Servers refuse a message over their limit with OUT_OF_RANGE (tonic) or RESOURCE_EXHAUSTED (Go, C, Java, .NET), and
/// only their words tell this from other causes.
fn is_too_large(status: &Status) -> bool {
    let message = status.message();
    ["too large", "larger than max", "exceeds maximum size", "exceeds the maximum"]
        .iter()
        .any(|words| message.contains(words))
}

fn describe(status: &Status, kind: FailureKind) -> String {
    if let FailureKind::Status(code) = kind {
        let message: String = status.message().chars().take(MAX_MESSAGE_CHARS).collect();
        return if message.is_empty() { format!("{code:?}") } else { format!("{code:?}: {message}") };
    }
    // The deepest source is the one that says what happened: "Connection refused", a certificate's fault.
    let mut error: &dyn Error = status;
    while let Some(source) = error.source() {
        error = source;
    }
    match error.downcast_ref::<std::io::Error>() {
        // The limit for connecting, whose own words are "deadline has elapsed".
        Some(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            "no answer to the attempt to connect".to_owned()
        }
        _ => error.to_string(),
    }
}

/// A codec for messages that are bytes already.
#[derive(Clone, Copy)]
struct PassThrough;

impl Codec for PassThrough {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for PassThrough {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(item.len());
        out.put(item);
        Ok(())
    }
}

impl Decoder for PassThrough {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}

/// Our name in front of the exporter's, as the specification allows a distribution.
const USER_AGENT: &str =
    concat!("telemetry-bootstrap/", env!("CARGO_PKG_VERSION"), " OTel-OTLP-Exporter-Rust/0.33");
/// OTLP specification: nothing larger is sent.
const MAX_REQUEST_BYTES: usize = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const MAX_MESSAGE_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::settings::TlsFiles;

    #[test]
    fn says_that_nobody_answered_the_attempt_to_connect() {
        let limit = io::Error::new(io::ErrorKind::TimedOut, "deadline has elapsed");
        let Outcome::Retry(failure) = classify(&Status::from_error(Box::new(limit))) else {
            panic!("it may succeed later")
        };
        assert_eq!(failure.kind, FailureKind::Unreachable);
        assert_eq!(failure.text, "no answer to the attempt to connect");
    }

    #[test]
    fn a_channel_whose_task_has_ended_is_not_used_again() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let settings = ExportSettings {
            target: Target { uri: "http://127.0.0.1:1".parse().unwrap(), tls: TlsFiles::default() },
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            compression: Compression::None,
        };
        let ended = runtime();
        let transport = {
            let _inside = ended.enter();
            Connections::default().transport(Signal::Traces, &settings, endpoint(&settings).unwrap())
        };
        drop(ended);
        runtime().block_on(async {
            let failures = [transport.send(Bytes::new()).await, transport.send(Bytes::new()).await];
            let [Outcome::Retry(first), Outcome::Retry(second)] = failures else {
                panic!("both may succeed later")
            };
            assert!(first.text.contains("closed unexpectedly"), "{first:?}");
            assert!(second.text.contains("Connection refused"), "{second:?}");
        });
    }
}
