//! OTLP over HTTP: one `POST` per request, as protobuf or JSON.
//!
//! | answer | outcome |
//! |---|---|
//! | 2xx | delivered, with what a partial success rejects |
//! | 429, 502, 503, 504 | retry, after `Retry-After` |
//! | 407, of a proxy | retry |
//! | 413; 400 whose message is about the size | split |
//! | a page, a redirect, another status | refused; 400 and 415 may mean that JSON is not taken |

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::exchange::{Answer, RequestBody, is_about_size, plain_text, status_cause};
use super::outcome::{Cause, Failure, Outcome};
use super::{json_response, responses};
use crate::settings::Protocol;

/// Sets the content type, and the encoding of a compressed body.
pub(super) fn add_headers(headers: &mut HeaderMap, protocol: Protocol, encoding: Option<&'static str>) {
    let content_type = if protocol == Protocol::HttpJson { JSON } else { PROTOBUF };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
}

/// Returns the body, which is the message alone.
pub(super) fn body(message: Bytes) -> RequestBody {
    RequestBody::new(Bytes::new(), message)
}

/// Returns the outcome of an answer to a request of this protocol: by the status first, then the content type, then the
/// body.
pub(super) fn outcome(answer: &Answer, protocol: Protocol) -> Outcome {
    let content_type = answer.content_type();
    let message = || error_message(answer, &content_type);
    let cause = match status_cause(answer.status) {
        // What gRPC servers answer to a request that is not theirs. A gateway in front of one has statuses of its own.
        None | Some(Cause::Unsupported | Cause::Refused) if content_type.starts_with("application/grpc") => {
            let text = format!("the answer is {content_type}");
            return Outcome::Refused(Failure::new(Cause::PeerSpeaksGrpc, text));
        }
        None => return success(answer, &content_type),
        // The Collector's answer if the body exceeds `max_request_body_size`.
        Some(Cause::Refused) if answer.status.as_u16() == 400 && is_about_size(&message()) => {
            Cause::ItemTooLarge
        }
        // VictoriaMetrics answers 400 to JSON.
        Some(_) if protocol == Protocol::HttpJson && matches!(answer.status.as_u16(), 400 | 415) => {
            Cause::JsonRefused
        }
        Some(cause) => cause,
    };
    let text = match message() {
        none if none.is_empty() => format!("HTTP status {}", answer.status),
        message => format!("HTTP status {}: {message}", answer.status),
    };
    let failure = Failure { retry_after: retry_after(answer), ..Failure::new(cause, text) };
    match cause {
        // As if the proxy had refused a tunnel: the receiver does not know of the request.
        Cause::ProxyAuthentication => Outcome::Retry(failure),
        Cause::Throttled | Cause::Unavailable => Outcome::Retry(failure),
        Cause::ItemTooLarge => Outcome::TooLarge(failure),
        _ => Outcome::Refused(failure),
    }
}

/// Returns the outcome of a success. A body that is too long or cannot be parsed changes nothing: the status decides.
fn success(answer: &Answer, content_type: &str) -> Outcome {
    match content_type {
        _ if answer.is_cut || answer.headers.contains_key(header::CONTENT_ENCODING) => Outcome::delivered(),
        PROTOBUF => responses::delivered(&answer.body),
        _ if content_type == JSON || is_json(&answer.body) => json_response::delivered(&answer.body),
        "text/html" => {
            let text = format!("a page instead of an answer: {}", plain_text(&answer.body));
            Outcome::Refused(Failure::new(Cause::NotOtlp, text))
        }
        _ => responses::delivered(&answer.body),
    }
}

/// Returns `true` for an object of JSON: some receivers send it without its content type.
fn is_json(body: &[u8]) -> bool {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    body.trim_ascii_start().starts_with(b"{")
}

/// Returns the message of a `google.rpc.Status`, or the text of a page. Empty for a compressed body, which was not
/// requested.
fn error_message(answer: &Answer, content_type: &str) -> String {
    let message = match content_type {
        _ if answer.headers.contains_key(header::CONTENT_ENCODING) => Some(String::new()),
        PROTOBUF => responses::status_message(&answer.body),
        _ if content_type == JSON || is_json(&answer.body) => json_response::status_message(&answer.body),
        _ => None,
    };
    message.unwrap_or_else(|| plain_text(&answer.body))
}

/// Returns the pause of the header `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3). A date in the
/// past is no pause.
pub(super) fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// The content type of OTLP in protobuf.
const PROTOBUF: &str = "application/x-protobuf";
/// The content type of OTLP in JSON.
const JSON: &str = "application/json";
