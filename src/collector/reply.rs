//! Responses, over gRPC and HTTP. A request is kept when the end of its response is sent, so only acknowledged
//! requests are kept.
//!
//! | | gRPC | HTTP |
//! |---|---|---|
//! | success | message, trailers | 200 with the message |
//! | partial success | the same, with counts | the same |
//! | refusal | trailers only | status and `google.rpc.Status` |
//! | pause before a retry | `RetryInfo` in the details | `Retry-After`, whole seconds |
//! | response of a gateway | as given | as given |

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::fault::{HttpAnswer, Refusal};
use super::receiver::{Pending, http_status};
use crate::export::encode::{self, json};
use crate::settings::Signal;

/// The protocol of a client, determined by the content type of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP, in protobuf.
    HttpProtobuf,
    /// OTLP over HTTP, in JSON.
    HttpJson,
}

impl Protocol {
    /// Reads the content type. If it is missing or unknown, the protocol is protobuf over HTTP.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
        match content_type.unwrap_or_default() {
            grpc if grpc.starts_with("application/grpc") => Self::Grpc,
            json if json.starts_with("application/json") => Self::HttpJson,
            _ => Self::HttpProtobuf,
        }
    }

    /// Returns the content type of responses, which is that of the request, as OTLP requires.
    fn content_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::HttpProtobuf => "application/x-protobuf",
            Self::HttpJson => "application/json",
        }
    }
}

/// The response to a request, before it is written in the client's protocol.
pub(super) enum Reply {
    /// A full or partial success. The request is kept once the response is sent.
    Accepted {
        /// The request.
        pending: Pending,
        /// The count and the reason of a partial success.
        rejected: Option<(i64, String)>,
    },
    /// An error response of the collector. The request is not kept.
    Refused(Refusal),
    /// A response of a gateway in front of the collector.
    Raw(HttpAnswer),
}

impl Reply {
    /// Returns the response in the client's protocol. `signal` selects the type of a JSON response; the protobuf
    /// responses of all signals are the same.
    pub(super) fn into_response(self, protocol: Protocol, signal: Signal) -> Response<ReplyBody> {
        match self {
            Self::Accepted { pending, rejected } => accepted(protocol, signal, pending, rejected),
            Self::Refused(refusal) if protocol == Protocol::Grpc => refused_grpc(&refusal),
            Self::Refused(refusal) => refused_http(protocol, &refusal),
            Self::Raw(answer) => raw(answer),
        }
    }
}

/// Writes `Export…ServiceResponse`: over gRPC as one framed message with success trailers, over HTTP as the body.
fn accepted(
    protocol: Protocol,
    signal: Signal,
    pending: Pending,
    rejected: Option<(i64, String)>,
) -> Response<ReplyBody> {
    let (rejected, message) = rejected.unwrap_or_default();
    let body = match protocol {
        Protocol::HttpJson => json::response(signal, rejected, &message).into_bytes(),
        _ => encode::response(rejected, &message),
    };
    let mut frames = VecDeque::new();
    if protocol == Protocol::Grpc {
        let mut framed = BytesMut::with_capacity(body.len() + 5);
        framed.put_u8(0);
        framed.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        framed.put_slice(&body);
        frames.push_back(Frame::data(framed.freeze()));
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        frames.push_back(Frame::trailers(trailers));
    } else if !body.is_empty() {
        frames.push_back(Frame::data(Bytes::from(body)));
    }
    let mut response = Response::new(ReplyBody { frames, pending: Some(pending) });
    response.headers_mut().insert("content-type", HeaderValue::from_static(protocol.content_type()));
    response
}

/// Writes a trailers-only response. A pause is sent as `google.rpc.RetryInfo` in `grpc-status-details-bin`.
fn refused_grpc(refusal: &Refusal) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::default());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(Protocol::Grpc.content_type()));
    headers.insert("grpc-status", HeaderValue::from(refusal.code as i32));
    let message = utf8_percent_encode(&refusal.message, NON_ALPHANUMERIC).to_string();
    insert(headers, "grpc-message", &message);
    if refusal.retry_after.is_some() {
        let details = encode::rpc_status(refusal.code as i32, &refusal.message, refusal.retry_after);
        insert(headers, "grpc-status-details-bin", STANDARD.encode(details).trim_end_matches('='));
    }
    response
}

/// Writes `google.rpc.Status` as the body, as OTLP/HTTP requires for errors. A pause is rounded up to whole seconds,
/// the resolution of `Retry-After`.
fn refused_http(protocol: Protocol, refusal: &Refusal) -> Response<ReplyBody> {
    let body = match protocol {
        Protocol::HttpJson => json::status(refusal.code as i32, &refusal.message).into_bytes(),
        _ => encode::rpc_status(refusal.code as i32, &refusal.message, refusal.retry_after),
    };
    let mut response = Response::new(ReplyBody::from_bytes(body.into()));
    let status =
        if refusal.is_about_size { StatusCode::PAYLOAD_TOO_LARGE } else { http_status(refusal.code) };
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static(protocol.content_type()));
    if let Some(pause) = refusal.retry_after {
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    }
    response
}

/// Writes the response of a gateway. A status outside 100 to 999 becomes 502.
fn raw(answer: HttpAnswer) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::from_bytes(answer.body.into()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in &answer.headers {
        insert(response.headers_mut(), name, value);
    }
    response
}

/// Sets a header. Invalid names and values are ignored.
fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

/// The body of a response, with the request that is kept once all of it is sent.
///
/// When the body has been polled to its end, the connection has accepted the whole response; a server cannot know
/// more than that.
#[derive(Default)]
pub(super) struct ReplyBody {
    /// The frames that have not been sent yet.
    frames: VecDeque<Frame<Bytes>>,
    /// The request to keep when `frames` is empty. It is discarded with the body if the client disconnects before.
    pending: Option<Pending>,
}

impl ReplyBody {
    /// Creates a body that keeps nothing.
    fn from_bytes(body: Bytes) -> Self {
        let frames = if body.is_empty() { VecDeque::new() } else { VecDeque::from([Frame::data(body)]) };
        Self { frames, pending: None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.pop_front();
        if self.frames.is_empty()
            && let Some(pending) = self.pending.take()
        {
            pending.keep();
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.pending.is_none()
    }
}
