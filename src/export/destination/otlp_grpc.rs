//! OTLP over gRPC: one unary call per request.
//!
//! The call is made on the HTTP client directly. A gRPC client would read the message before the HTTP status, and so
//! take a gateway's error page for a broken message; and it would decode `grpc-status-details-bin` whatever it holds.
//!
//! | answer | outcome |
//! |---|---|
//! | OK | delivered, with what a partial success rejects |
//! | UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, ABORTED, OUT_OF_RANGE, DATA_LOSS | retry, after `RetryInfo` |
//! | RESOURCE_EXHAUSTED | retry with `RetryInfo`; refused without it; split if the message is about the size |
//! | another code | refused |
//! | no gRPC status, but an HTTP error | that of a gateway: as over HTTP |
//!
//! An answer consists of up to four parts, read in this order:
//!
//! | part | decides |
//! |---|---|
//! | `grpc-status` in the trailers, or in the head if there is no body | the outcome, where the content type is gRPC |
//! | HTTP status | the outcome, if there is no gRPC status |
//! | content type | that the peer is no gRPC server |
//! | message, `grpc-message`, `grpc-status-details-bin` | partial success, text, `RetryInfo` |

use std::time::Duration;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::percent_decode;

use super::exchange::{Answer, RequestBody, is_about_size, plain_text, shortened, status_cause};
use super::otlp_http::retry_after;
use super::outcome::{Cause, Failure, Outcome};
use super::responses;
use crate::export::queue::ResponseStatus;
use crate::semconv::GrpcCode;
use crate::settings::Signal;

/// Returns the path of the method that takes a signal's requests.
pub(super) fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// Sets the headers that every call has. `encoding` names the compression of the message.
pub(super) fn add_headers(headers: &mut HeaderMap, encoding: Option<&'static str>) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    if let Some(encoding) = encoding {
        headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
    }
}

/// Returns the body of a call: a flag and the length in five bytes, then the message, which is not copied.
pub(super) fn body(message: Bytes, is_compressed: bool) -> RequestBody {
    let mut prefix = BytesMut::with_capacity(5);
    prefix.put_u8(u8::from(is_compressed));
    // Requests are limited to 64 MiB.
    prefix.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    RequestBody::new(prefix.freeze(), message)
}

/// Returns the outcome of an answer: by the gRPC status if there is one, otherwise by the HTTP status and the content
/// type.
pub(super) fn outcome(answer: &Answer) -> Outcome {
    let is_grpc = answer.content_type().starts_with("application/grpc");
    match grpc_status(answer) {
        Some(code) if is_grpc || answer.headers.contains_key("grpc-status") => status_outcome(code, answer),
        _ if answer.status != StatusCode::OK => gateway_outcome(answer),
        _ if !is_grpc => {
            let text = format!("the answer is {}, not gRPC", content_type_text(answer));
            Outcome::Refused(Failure::new(Cause::NotOtlp, text))
        }
        _ => {
            let text = "the answer ended without a gRPC status";
            Outcome::Refused(Failure::new(Cause::Unexpected, text))
        }
    }
}

/// Returns the status of an answer for the metrics. `None` if it is not one of gRPC.
pub(super) fn response_status(answer: &Answer) -> Option<ResponseStatus> {
    Some(ResponseStatus::Grpc(grpc_status(answer)?.name()))
}

/// Returns the status of the trailers, or that of a response without a body. `None` if there is none, or none that is a
/// number.
fn grpc_status(answer: &Answer) -> Option<GrpcCode> {
    let value = answer.trailers.get("grpc-status").or_else(|| answer.headers.get("grpc-status"))?;
    let number = value.to_str().ok()?.trim().parse::<i32>().ok()?;
    Some(GrpcCode::from_number(number))
}

/// Returns the outcome for a gRPC status, with the text and the pause that come with it.
fn status_outcome(code: GrpcCode, answer: &Answer) -> Outcome {
    if code == GrpcCode::Ok {
        return responses::delivered(message(&answer.body));
    }
    let source = if answer.trailers.contains_key("grpc-status") { &answer.trailers } else { &answer.headers };
    let text = grpc_message(source);
    let retry_after = source.get("grpc-status-details-bin").and_then(|value| retry_info(value.as_bytes()));
    classify(code, &text, retry_after)
}

/// Returns the outcome for a code. OTLP specification, "OTLP/gRPC Response": which codes may be retried.
///
/// `RESOURCE_EXHAUSTED` may only be retried if `retry_after` shows that the receiver can recover.
fn classify(code: GrpcCode, message: &str, retry_after: Option<Duration>) -> Outcome {
    let is_too_large = matches!(code, GrpcCode::OutOfRange | GrpcCode::ResourceExhausted)
        && retry_after.is_none()
        && is_about_size(message);
    let cause = match code {
        _ if is_too_large => Cause::ItemTooLarge,
        GrpcCode::Unauthenticated | GrpcCode::PermissionDenied => Cause::Unauthenticated,
        GrpcCode::Unimplemented => Cause::Unsupported,
        GrpcCode::ResourceExhausted => Cause::Throttled,
        GrpcCode::Unavailable | GrpcCode::DeadlineExceeded | GrpcCode::Cancelled | GrpcCode::Aborted => {
            Cause::Unavailable
        }
        _ => Cause::Refused,
    };
    let name = code.name();
    let text = if message.is_empty() { name.to_owned() } else { format!("{name}: {message}") };
    let failure = Failure { retry_after, ..Failure::new(cause, text) };
    match code {
        _ if is_too_large => Outcome::TooLarge(failure),
        GrpcCode::Cancelled
        | GrpcCode::DeadlineExceeded
        | GrpcCode::Aborted
        | GrpcCode::OutOfRange
        | GrpcCode::Unavailable
        | GrpcCode::DataLoss => Outcome::Retry(failure),
        GrpcCode::ResourceExhausted if retry_after.is_some() => Outcome::Retry(failure),
        GrpcCode::ResourceExhausted => Outcome::Refused(Failure {
            text: format!("{} (it does not say when to come back)", failure.text),
            ..failure
        }),
        _ => Outcome::Refused(failure),
    }
}

/// Returns the outcome of an answer without a gRPC status: from a gateway in front of the collector, which may not
/// support gRPC.
fn gateway_outcome(answer: &Answer) -> Outcome {
    let cause = status_cause(answer.status).unwrap_or(Cause::NotOtlp);
    let page = plain_text(&answer.body);
    let separator = if page.is_empty() { "" } else { ": " };
    let mut failure = Failure::new(cause, format!("HTTP status {}{separator}{page}", answer.status));
    failure.retry_after = retry_after(answer);
    match cause {
        // As if the proxy had refused a tunnel: the receiver does not know of the request.
        Cause::Throttled | Cause::Unavailable | Cause::ProxyAuthentication => Outcome::Retry(failure),
        Cause::ItemTooLarge => Outcome::TooLarge(failure),
        _ => Outcome::Refused(failure),
    }
}

/// Returns the content type in words, for messages.
fn content_type_text(answer: &Answer) -> String {
    match answer.content_type() {
        none if none.is_empty() => "of no content type".to_owned(),
        content_type => shortened(&content_type),
    }
}

/// Returns `grpc-message`, decoded and shortened for a line. Empty if there is none.
fn grpc_message(headers: &HeaderMap) -> String {
    let Some(value) = headers.get("grpc-message") else { return String::new() };
    plain_text(&percent_decode(value.as_bytes()).collect::<Vec<_>>())
}

/// Returns the pause of a `google.rpc.Status` in base64. What cannot be read is ignored: it is only a hint.
fn retry_info(details: &[u8]) -> Option<Duration> {
    responses::retry_delay(&LENIENT_BASE64.decode(details).ok()?)
}

/// Returns the response message behind its length, which is not trusted. Empty if it is compressed or missing.
fn message(body: &[u8]) -> &[u8] {
    match body.split_at_checked(5) {
        // A compressed answer was not requested.
        Some(([0, length @ ..], rest)) => {
            let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
            rest.get(..length).unwrap_or(rest)
        }
        _ => &[],
    }
}

/// Base64 with or without padding: servers differ.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
