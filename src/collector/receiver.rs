//! Receives requests over gRPC and HTTP, and applies the current faults to them.
//!
//! A request that cannot be read (unknown path, truncated body, unknown compression, not OTLP) gets its response
//! without checking the faults, and counts neither as received nor for [`times`](super::FaultPlan::times).
//!
//! A request passes through these steps, each of which can end it:
//!
//! | step | response on failure |
//! |---|---|
//! | the path names a signal | UNIMPLEMENTED, 404 |
//! | the body is complete | CANCELLED: the client is gone |
//! | compression and framing are known | INVALID_ARGUMENT, 400 |
//! | the body is OTLP | INVALID_ARGUMENT, 400 |
//! | the current fault | determined by the fault |

#[cfg(feature = "gzip")]
use std::io::Read as _;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request as HttpRequest, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;

use super::collected::Request;
use super::export::Export;
use super::fault::{Answer, FaultDecision, Refusal};
use super::reply::{Protocol, Reply, ReplyBody};
use super::server::{Ended, end_of};
use super::state::State;
use crate::export::encode::json;
use crate::semconv::GrpcCode;
use crate::settings::Signal;

/// Receives the requests of one connection.
///
/// Each connection has its own; all share the state.
#[derive(Clone)]
pub(super) struct Receiver {
    /// Stores requests, and decides on faults.
    state: Arc<State>,
    /// Resolves when the server is to shut down.
    ended: Ended,
}

/// A request that was accepted, and is kept once its response is sent.
#[derive(Debug)]
pub(super) struct Pending {
    /// The state that stores the request.
    state: Arc<State>,
    /// The request, without rejected items.
    request: Request,
}

impl Pending {
    /// Records the request as received and wakes the threads that wait for it.
    pub(super) fn keep(self) {
        self.state.keep(self.request);
    }
}

impl Receiver {
    /// Creates the receiver of a connection. `ended` resolves when the server is stopped.
    pub(super) fn new(state: Arc<State>, ended: Ended) -> Self {
        Self { state, ended }
    }

    /// Handles one request. If the server is stopped meanwhile, the response is UNAVAILABLE, which clients retry.
    ///
    /// This also ends a request under [`Fault::Silence`](super::Fault::Silence).
    pub(super) async fn receive(&self, request: HttpRequest<Incoming>) -> Response<ReplyBody> {
        let (head, body) = request.into_parts();
        let protocol = Protocol::from_headers(&head.headers);
        let Some(signal) = signal(protocol, head.uri.path()) else {
            let refusal = Refusal::new(GrpcCode::Unimplemented, "no such path");
            return Reply::Refused(refusal).into_response(protocol, Signal::Traces);
        };
        let reply = tokio::select! {
            biased;
            () = end_of(self.ended.clone()) => {
                Reply::Refused(Refusal::new(GrpcCode::Unavailable, "the collector was stopped"))
            }
            reply = self.reply(protocol, signal, head.headers, body) => reply,
        };
        reply.into_response(protocol, signal)
    }

    /// Reads and decodes the request, and applies the faults to it.
    ///
    /// The time of a request is the time of its acceptance, after the delay of a fault.
    async fn reply(&self, protocol: Protocol, signal: Signal, headers: HeaderMap, body: Incoming) -> Reply {
        let Some(body) = read(body).await else {
            return Reply::Refused(Refusal::new(GrpcCode::Cancelled, "the request was cut off"));
        };
        let Some(message) = message(protocol, signal, &headers, &body) else {
            return Reply::Refused(Refusal::new(GrpcCode::InvalidArgument, "the request cannot be read"));
        };
        let Ok(export) = Export::decode(signal, &message) else {
            return Reply::Refused(Refusal::new(GrpcCode::InvalidArgument, "the request is not OTLP"));
        };
        let mut request = Request::new(headers, export);
        let decision = self.state.decide(signal, message.len());
        match apply(decision, &mut request.export).await {
            Ok(rejected) => {
                request.time = SystemTime::now();
                Reply::Accepted { pending: Pending { state: Arc::clone(&self.state), request }, rejected }
            }
            Err(reply) => reply,
        }
    }
}

/// Executes the decision of the faults: waits, removes rejected items, or refuses. Returns the number of rejected
/// items, and the reason.
async fn apply(decision: FaultDecision, export: &mut Export) -> Result<Option<(i64, String)>, Reply> {
    if !decision.delay.is_zero() {
        tokio::time::sleep(decision.delay).await;
    }
    match decision.answer {
        Answer::Accept => Ok(None),
        Answer::Refuse(refusal) => Err(Reply::Refused(refusal)),
        Answer::Http(answer) => Err(Reply::Raw(answer)),
        Answer::Never => std::future::pending().await,
        Answer::Reject { items, message } => {
            let rejected = items.min(export.item_count());
            export.reject(rejected);
            Ok(Some((i64::try_from(rejected).unwrap_or(i64::MAX), message)))
        }
    }
}

/// Returns the signal of a path, or `None` for any other path.
fn signal(protocol: Protocol, path: &str) -> Option<Signal> {
    let names = match protocol {
        Protocol::Grpc => [
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        ],
        Protocol::HttpProtobuf | Protocol::HttpJson => ["/v1/traces", "/v1/metrics", "/v1/logs"],
    };
    let index = names.iter().position(|name| *name == path)?;
    [Signal::Traces, Signal::Metrics, Signal::Logs].get(index).copied()
}

/// Returns the whole body, or `None` if the client reset the stream or closed the connection before its end.
async fn read(mut body: Incoming) -> Option<Bytes> {
    let mut content = BytesMut::new();
    loop {
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await;
        match frame {
            None => return Some(content.freeze()),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    content.extend_from_slice(&data);
                }
            }
            Some(Err(_)) => return None,
        }
    }
}

/// Returns the request as protobuf, without compression.
///
/// `None` if the gRPC prefix is missing, the compression is unknown or the JSON is invalid. An export has one gRPC
/// message, so if the body contains several, only the first prefix is read and the rest is taken as part of the
/// message.
fn message(protocol: Protocol, signal: Signal, headers: &HeaderMap, body: &Bytes) -> Option<Bytes> {
    let encoding = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match protocol {
        Protocol::Grpc => {
            let (prefix, message) = body.split_first_chunk::<5>()?;
            let message = body.slice_ref(message);
            if prefix[0] == 1 { decompressed(&message, encoding("grpc-encoding")) } else { Some(message) }
        }
        Protocol::HttpProtobuf | Protocol::HttpJson => {
            let body = decompressed(body, encoding("content-encoding"))?;
            match protocol {
                Protocol::HttpJson => json::request_to_protobuf(signal, &body).map(Bytes::from),
                _ => Some(body),
            }
        }
    }
}

/// Returns the content. `None` if the compression is unknown or not compiled in, or if the content is corrupt.
fn decompressed(body: &Bytes, encoding: Option<&str>) -> Option<Bytes> {
    match encoding {
        None | Some("identity") => Some(body.clone()),
        #[cfg(feature = "gzip")]
        Some("gzip") => {
            let mut content = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut content).ok()?;
            Some(content.into())
        }
        #[cfg(feature = "zstd")]
        Some("zstd") => zstd::stream::decode_all(&body[..]).ok().map(Bytes::from),
        Some(_) => None,
    }
}

/// Returns the HTTP status for a gRPC code. Retryable codes map to retryable statuses.
pub(super) fn http_status(code: GrpcCode) -> StatusCode {
    match code {
        GrpcCode::Ok => StatusCode::OK,
        GrpcCode::Unavailable
        | GrpcCode::Cancelled
        | GrpcCode::Aborted
        | GrpcCode::OutOfRange
        | GrpcCode::DataLoss => StatusCode::SERVICE_UNAVAILABLE,
        GrpcCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        GrpcCode::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        GrpcCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        GrpcCode::PermissionDenied => StatusCode::FORBIDDEN,
        GrpcCode::Unimplemented | GrpcCode::NotFound => StatusCode::NOT_FOUND,
        GrpcCode::InvalidArgument | GrpcCode::FailedPrecondition | GrpcCode::AlreadyExists => {
            StatusCode::BAD_REQUEST
        }
        GrpcCode::Internal | GrpcCode::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
