//! Sends a request's bytes to a collector and says what became of them.
//!
//! gRPC with a codec that passes bytes through: nothing behind the queue knows OTLP's messages but for the answer.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures_util::future::{Either, select};
use http::HeaderMap;
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::connection::{Connection, Current};
use crate::settings::Signal;
use crate::settings::{Compression, ExportSettings};

/// What became of one request.
#[derive(Debug)]
pub(in crate::export) enum Outcome {
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
pub(in crate::export) struct Failure {
    pub(in crate::export) kind: ErrorKind,
    /// One line, in words.
    pub(in crate::export) text: String,
    /// How long the collector asks to be left alone.
    pub(in crate::export) retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) enum ErrorKind {
    /// No answer came from the other side: refused, reset, unresolvable, a TLS mismatch.
    Unreachable,
    /// There is no descriptor left to connect with.
    NoDescriptor,
    /// No answer came in time.
    Timeout,
    /// It was not sent: no collector takes as much.
    TooLarge,
    /// The collector answered with this status.
    Status(Code),
}

/// The way of one signal to its collector.
#[derive(Clone)]
pub(in crate::export) struct Transport {
    signal: Signal,
    connection: Connection,
    compression: Compression,
    metadata: MetadataMap,
    timeout: Duration,
}

impl Transport {
    pub(in crate::export) fn new(signal: Signal, settings: &ExportSettings, connection: Connection) -> Self {
        let headers: HeaderMap = settings.headers.iter().cloned().collect();
        Self {
            signal,
            connection,
            compression: settings.compression,
            metadata: MetadataMap::from_headers(headers),
            timeout: settings.timeout,
        }
    }

    pub(in crate::export) fn signal(&self) -> Signal {
        self.signal
    }

    /// For messages; holds no credentials.
    pub(in crate::export) fn endpoint(&self) -> String {
        self.connection.uri().to_string()
    }

    /// Sends one request, within the timeout of the signal. Once `doubt` has come, and nothing from the other side since
    /// the request was sent, the same is sent on a new connection as well, and the first answer counts.
    pub(in crate::export) async fn send(&self, request: Bytes, doubt: impl Future<Output = ()>) -> Outcome {
        if request.len() > MAX_REQUEST_BYTES {
            return Outcome::TooLarge(too_large(request.len()));
        }
        let current = self.connection.current();
        let answers = current.answers();
        let first = pin!(self.send_on(&current, request.clone()));
        let first = match select(first, pin!(doubt)).await {
            Either::Left((outcome, _)) => return outcome,
            Either::Right(((), first)) => first,
        };
        if current.answers() != answers {
            return first.await;
        }
        self.connection.replace(&current);
        let fresh = self.connection.current();
        first_answer(first, pin!(self.send_on(&fresh, request))).await
    }

    async fn send_on(&self, current: &Current, request: Bytes) -> Outcome {
        match tokio::time::timeout(self.timeout, self.call(current, request)).await {
            Ok(result) => {
                let outcome = result.map_or_else(|status| classify(&status), delivered);
                if is_answer(&outcome) {
                    current.answered();
                }
                outcome
            }
            Err(_) => {
                self.connection.replace(current);
                Outcome::Retry(Failure {
                    kind: ErrorKind::Timeout,
                    text: format!("no answer within {:?}", self.timeout),
                    retry_after: None,
                })
            }
        }
    }

    async fn call(&self, current: &Current, request: Bytes) -> Result<Bytes, Status> {
        let mut client = compressed(Grpc::new(current.channel.clone()), self.compression);
        client.ready().await.map_err(|error| {
            // Failing to connect is told by the call. This is the end of the task behind the channel: no thread was to
            // be had to resolve a name.
            self.connection.replace(current);
            Status::from_error(error.into())
        })?;
        let request = Request::from_parts(self.metadata.clone(), Default::default(), request);
        let response = client.unary(request, method(self.signal), PassThrough).await?;
        Ok(response.into_inner())
    }
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

/// Of two that are under way: the one that the collector answers first.
async fn first_answer(
    one: impl Future<Output = Outcome> + Unpin,
    other: impl Future<Output = Outcome> + Unpin,
) -> Outcome {
    match select(one, other).await {
        Either::Left((outcome, other)) if !is_answer(&outcome) => other.await,
        Either::Right((outcome, one)) if !is_answer(&outcome) => one.await,
        Either::Left((outcome, _)) | Either::Right((outcome, _)) => outcome,
    }
}

/// Whether the collector has spoken.
fn is_answer(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Delivered { .. } => true,
        Outcome::Retry(failure) | Outcome::TooLarge(failure) | Outcome::Refused(failure) => {
            matches!(failure.kind, ErrorKind::Status(_))
        }
    }
}

fn too_large(bytes: usize) -> Failure {
    let text = format!("a request of {bytes} bytes is larger than any that may be sent");
    Failure { kind: ErrorKind::TooLarge, text, retry_after: None }
}

/// OTLP specification, "OTLP/gRPC Response": which codes may be retried.
fn classify(status: &Status) -> Outcome {
    let retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
    // A status that was made here, of a transport error, has it as its source.
    let unreachable = Error::source(status).is_some() && status.code() != Code::DeadlineExceeded;
    let kind = match cause(status).downcast_ref() {
        _ if !unreachable => ErrorKind::Status(status.code()),
        Some(error) if is_out_of_descriptors(error) => ErrorKind::NoDescriptor,
        _ => ErrorKind::Unreachable,
    };
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

fn describe(status: &Status, kind: ErrorKind) -> String {
    if let ErrorKind::Status(code) = kind {
        let message: String = status.message().chars().take(MAX_MESSAGE_CHARS).collect();
        return if message.is_empty() { format!("{code:?}") } else { format!("{code:?}: {message}") };
    }
    let error = cause(status);
    match error.downcast_ref::<std::io::Error>() {
        // The limit for connecting, whose own words are "deadline has elapsed".
        Some(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            "no answer to the attempt to connect".to_owned()
        }
        _ => error.to_string(),
    }
}

/// The deepest source is the one that says what happened: "Connection refused", a certificate's fault.
fn cause(status: &Status) -> &(dyn Error + 'static) {
    let mut error: &(dyn Error + 'static) = status;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// ENFILE and EMFILE, which are the same everywhere and have no kind of their own.
fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
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

/// OTLP specification: nothing larger is sent.
const MAX_REQUEST_BYTES: usize = 64 << 20;
const MAX_MESSAGE_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::export::destination::{Connections, endpoint};
    use crate::settings::{Target, TlsFiles};

    #[test]
    fn says_that_nobody_answered_the_attempt_to_connect() {
        let limit = io::Error::new(io::ErrorKind::TimedOut, "deadline has elapsed");
        let Outcome::Retry(failure) = classify(&Status::from_error(Box::new(limit))) else {
            panic!("it may succeed later")
        };
        assert_eq!(failure.kind, ErrorKind::Unreachable);
        assert_eq!(failure.text, "no answer to the attempt to connect");
    }

    #[tokio::test]
    async fn of_two_requests_the_one_that_was_answered_counts() {
        let failed = || {
            let cut = io::Error::from(io::ErrorKind::ConnectionReset);
            std::future::ready(classify(&Status::from_error(Box::new(cut))))
        };
        let answered = || std::future::ready(delivered(Bytes::new()));
        let outcomes = [
            first_answer(failed(), answered()).await,
            first_answer(pin!(std::future::pending()), answered()).await,
            first_answer(answered(), pin!(std::future::pending())).await,
        ];
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Delivered { .. })), "{outcomes:?}");
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
            let connection = Connections::default().to(&settings.target, endpoint(&settings).unwrap());
            Transport::new(Signal::Traces, &settings, connection)
        };
        drop(ended);
        runtime().block_on(async {
            let failures = [
                transport.send(Bytes::new(), std::future::pending()).await,
                transport.send(Bytes::new(), std::future::pending()).await,
            ];
            let [Outcome::Retry(first), Outcome::Retry(second)] = failures else {
                panic!("both may succeed later")
            };
            assert!(first.text.contains("closed unexpectedly"), "{first:?}");
            assert!(second.text.contains("Connection refused"), "{second:?}");
        });
    }
}
