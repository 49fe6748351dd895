//! Answers of any peer, for the fuzz target `answer`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::exchange::Answer;
use super::outcome::Outcome;
use super::{otlp_grpc, otlp_http};
use crate::settings::Protocol;

/// Headers as a peer sends them. Invalid ones do not get as far as here.
pub(crate) type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// The text of an answer that is logged, and the pause that is kept.
pub(crate) struct AnswerText {
    /// The text that would be logged.
    pub(crate) text: String,
    /// The requested pause, before it is limited.
    pub(crate) retry_after: Option<Duration>,
}

/// Reads an answer to a request of this protocol. `None` if `status` is none.
pub(crate) fn read_answer(
    protocol: Protocol,
    status: u16,
    headers: Headers<'_>,
    body: &[u8],
    trailers: Headers<'_>,
) -> Option<AnswerText> {
    let answer = Answer {
        status: StatusCode::from_u16(status).ok()?,
        headers: header_map(headers),
        body: Bytes::copy_from_slice(body),
        is_cut: false,
        trailers: header_map(trailers),
    };
    let outcome = match protocol {
        Protocol::HttpProtobuf | Protocol::HttpJson => otlp_http::outcome(&answer, protocol),
        Protocol::Grpc | Protocol::Auto => otlp_grpc::outcome(&answer),
    };
    let retry_after = outcome.failure().and_then(|failure| failure.retry_after);
    let text = match outcome {
        Outcome::Delivered { message, .. } => message,
        Outcome::Held { .. } => String::new(),
        Outcome::Retry(failure) | Outcome::TooLarge(failure) | Outcome::Refused(failure) => failure.text,
    };
    Some(AnswerText { text, retry_after })
}

/// Returns the headers that are valid.
fn header_map(headers: Headers<'_>) -> HeaderMap {
    let valid = headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(*name).ok()?, HeaderValue::from_bytes(value).ok()?))
    });
    valid.collect()
}
