//! One HTTP request and its answer, for both protocols.
//!
//! The head decides first: a request with an error status needs no body. Answers are bounded in size, because a wrong
//! address can lead to any page. Dropping a future resets the stream, or closes the connection for HTTP/1.
//!
//! | status | cause | outcome |
//! |---|---|---|
//! | 2xx | – | by the body |
//! | 3xx | redirected | refused |
//! | 401, 403 | unauthenticated | refused, or once more with new credentials |
//! | 404, 405, 406, 415, 501 | unsupported | refused |
//! | 407 | proxy authentication | retry |
//! | 413; 400 with a message about the size, over HTTP | item too large | split |
//! | 429 | throttled | retry |
//! | 502, 503, 504 | unavailable | retry |
//! | other | refused | refused |

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};

use super::connection::Generation;
use super::outcome::{Cause, Failure};
use crate::settings::Protocol;

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// The headers of the head.
    pub(super) headers: HeaderMap,
    /// At most [`MAX_ANSWER_BYTES`].
    pub(super) body: Bytes,
    /// `true` if the body was longer.
    pub(super) is_cut: bool,
    /// The trailers, where gRPC has its status. Empty if the body was cut.
    pub(super) trailers: HeaderMap,
}

impl Answer {
    /// Returns the value of a header, if it is text. `None` if it is missing or not text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the media type, without parameters, in lower case. Empty if there is none.
    pub(super) fn content_type(&self) -> String {
        let text = self.header("content-type").unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// Time limit of one attempt.
#[derive(Clone)]
pub(in crate::export) struct TryLimit {
    /// The time from the request to the end of its response. A longer time to connect is added.
    pub(in crate::export) timeout: Duration,
    /// The deadline of the shutdown, once there is one: what is not needed is no longer waited for.
    pub(in crate::export) shutdown: watch::Receiver<Option<Instant>>,
}

/// Sends a request on a connection, and returns the answer as soon as its head is there.
///
/// # Errors
///
/// A [`Failure`] if there is no connection, or if it breaks before the head has come.
pub(super) async fn response(
    on: &Generation,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, Failure> {
    let response = on.client.request(request).await.map_err(|error| on.explain(&error))?;
    on.record_response();
    Ok(response)
}

/// Reads the rest of an answer. `left` is what is left of the try's time, which a success gets, but not less than
/// [`MIN_BODY_WAIT`].
///
/// # Errors
///
/// For gRPC, returns [`Elapsed`] if the trailers have not arrived in time, and a [`Failure`] if the connection breaks
/// first.
///
/// The response head is sufficient, except for gRPC successes, whose status is in the trailers. A truncated or late
/// body is not treated as a failure.
pub(super) async fn read_answer(
    on: &Generation,
    response: Response<Incoming>,
    protocol: Protocol,
    left: Duration,
    shutdown: watch::Receiver<Option<Instant>>,
) -> Result<Result<Answer, Failure>, Elapsed> {
    let left = left.max(MIN_BODY_WAIT);
    let (head, mut body) = response.into_parts();
    let mut answer = Answer {
        status: head.status,
        headers: head.headers,
        body: Bytes::new(),
        is_cut: false,
        trailers: HeaderMap::new(),
    };
    let mut content = BytesMut::new();
    let rest = read_body(&mut body, &mut answer, &mut content);
    if answer_needs_trailers(protocol, head.status) {
        if let Err(error) = timeout(left, rest).await? {
            return Ok(Err(on.explain(&error)));
        }
    } else if !head.status.is_success() {
        let _ = timeout(MIN_BODY_WAIT, rest).await;
    } else {
        let is_read = tokio::select! {
            biased;
            read = rest => read.is_ok(),
            () = body_wait(left, shutdown) => false,
        };
        if !is_read {
            // A part of a message says nothing.
            content.clear();
        }
    }
    answer.body = content.freeze();
    Ok(Ok(answer))
}

/// Resolves when the body of a success, which says what was rejected, is no longer waited for. That is after `left`, and
/// during the shutdown after [`MIN_BODY_WAIT`], or before its deadline.
async fn body_wait(left: Duration, mut shutdown: watch::Receiver<Option<Instant>>) {
    let ending = async {
        let deadline = shutdown.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
        match deadline {
            Some(deadline) => {
                sleep((deadline.saturating_duration_since(Instant::now()) / 2).min(MIN_BODY_WAIT)).await;
            }
            None => pending().await,
        }
    };
    let _ = timeout(left, ending).await;
}

/// Returns `true` if the head alone does not tell what became of a request.
fn answer_needs_trailers(protocol: Protocol, status: StatusCode) -> bool {
    protocol == Protocol::Grpc && status == StatusCode::OK
}

/// Reads a body to its end, or as much of it as is kept.
async fn read_body(
    body: &mut Incoming,
    answer: &mut Answer,
    content: &mut BytesMut,
) -> Result<(), hyper::Error> {
    while let Some(frame) = next_frame(body).await {
        match frame?.into_data() {
            Ok(data) if content.len() + data.len() > MAX_ANSWER_BYTES => {
                answer.is_cut = true;
                break;
            }
            Ok(data) => content.extend_from_slice(&data),
            Err(frame) => answer.trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok(())
}

/// Returns the next frame of a body.
async fn next_frame(body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

/// The bytes of a request: what its protocol puts first, and the message, which is not copied.
#[derive(Clone, Debug)]
pub(super) struct RequestBody {
    /// The prefix of the protocol: gRPC's length. Empty for HTTP.
    prefix: Bytes,
    /// The message. A reference to the batch's bytes, or to the compressed ones.
    message: Bytes,
    /// Set when the connection reads the first bytes: that this request was sent, and that its batch is unanswered.
    flags: [Arc<AtomicBool>; 2],
}

impl RequestBody {
    /// Creates the body of a request from its two parts.
    pub(super) fn new(prefix: Bytes, message: Bytes) -> Self {
        Self { prefix, message, flags: Default::default() }
    }

    /// Sets the flags as soon as a connection takes the first bytes. From then on, a missing answer does not mean that
    /// the receiver has nothing.
    pub(super) fn reporting_to(self, flags: [Arc<AtomicBool>; 2]) -> Self {
        Self { flags, ..self }
    }

    /// Returns the bytes in one piece, for a signer.
    pub(super) fn into_bytes(self) -> Bytes {
        if self.prefix.is_empty() { self.message } else { [self.prefix, self.message].concat().into() }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let body = self.get_mut();
        body.flags.iter().for_each(|flag| flag.store(true, Ordering::Relaxed));
        let next = if body.prefix.is_empty() { &mut body.message } else { &mut body.prefix };
        let data = std::mem::take(next);
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.prefix.is_empty() && self.message.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.prefix.len() + self.message.len()) as u64)
    }
}

/// Returns what an HTTP status means for a request, before its body is looked at. `None` for a success.
///
/// OTLP specification, "OTLP/HTTP Response": 429, 502, 503 and 504 may be retried, all other errors must not.
pub(super) fn status_cause(status: StatusCode) -> Option<Cause> {
    Some(match status.as_u16() {
        200..=299 => return None,
        300..=399 => Cause::Redirected,
        401 | 403 => Cause::Unauthenticated,
        407 => Cause::ProxyAuthentication,
        404 | 405 | 406 | 415 | 501 => Cause::Unsupported,
        413 => Cause::ItemTooLarge,
        429 => Cause::Throttled,
        502..=504 => Cause::Unavailable,
        _ => Cause::Refused,
    })
}

/// Returns the text of an error page, shortened to one line without markup. Control characters become blanks.
pub(super) fn plain_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_PAGE_BYTES)]);
    let mut plain = String::new();
    let mut in_tag = false;
    for character in text.chars() {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            _ if in_tag => {}
            c if c.is_control() || c == char::REPLACEMENT_CHARACTER => plain.push(' '),
            c => plain.push(c),
        }
    }
    shortened(&plain.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Returns the first [`MAX_TEXT_CHARS`] characters, with an ellipsis if there are more.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns `true` for the message of a server that refuses a request for its size.
///
/// Servers of gRPC do so with `OUT_OF_RANGE` (tonic) or `RESOURCE_EXHAUSTED` (Go, C, Java, .NET, Envoy), and the OpenTelemetry
/// Collector over HTTP with 400: only their messages distinguish this from other causes.
pub(super) fn is_about_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let sizes = ["too large", "too big", "larger than max", "exceeds maximum size", "exceeds the maximum"];
    sizes.iter().any(|words| message.contains(words))
}

/// The time that the rest of an answer gets at least. That of an error, whose head has decided, gets no more.
const MIN_BODY_WAIT: Duration = Duration::from_secs(1);
/// The longest body that is read: 4 MiB, the limit that the specification advises.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// The part of a page that is searched for text, in bytes.
const MAX_PAGE_BYTES: usize = 4 << 10;
/// The longest text of a peer in a log line, in characters.
const MAX_TEXT_CHARS: usize = 300;
