//! OTLP as JSON, made from protobuf bytes, and back.
//!
//! The rules are those of the OTLP specification, "JSON Protobuf Encoding": names in lowerCamelCase, ids in
//! hexadecimal, 64-bit integers as text, enumerations as numbers, NaN and infinities as text.
//!
//! A schema (`schema`) describes each message once, for both directions: `write` walks over protobuf bytes and looks up
//! names, `read` walks over JSON and looks up numbers. There is no tree of messages in between.
//!
//! | protobuf | JSON |
//! |---|---|
//! | `int64`, `uint64`, `fixed64`, `sfixed64` | text with digits: readers lose digits beyond 2⁵³ otherwise |
//! | `int32`, `uint32`, `fixed32`, `sint32`, enumerations | number |
//! | `double` | number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | trace and span ids | text of hexadecimal digits (an exception of OTLP from the general mapping) |
//! | other `bytes` | text in base64 |
//! | a field with its default value | left out, as in the protobuf bytes |
//!
//! | direction | used for |
//! |---|---|
//! | request to JSON | `http/json`, OTLP lines in files and on standard output |
//! | response and status from JSON | the answers of `http/json` receivers |
//! | request from JSON, response to JSON | the in-process collector |

mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use self::schema::Message;
use crate::settings::Signal;

/// Returns an export request as JSON, in one line. `request` is the same as protobuf.
pub(crate) fn request(signal: Signal, request: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(request.len() * 2);
    write::message(&mut out, request_schema(signal), request);
    out
}

/// Returns an export request as protobuf. `None` if `json` is not JSON, or does not have the form of a request.
#[cfg(any(feature = "testing", test))]
pub(crate) fn request_to_protobuf(signal: Signal, json: &[u8]) -> Option<Vec<u8>> {
    read::message(request_schema(signal), json)
}

/// Returns an `Export…ServiceResponse` as protobuf. `None` if it cannot be parsed.
pub(in crate::export) fn response_to_protobuf(json: &[u8]) -> Option<Vec<u8>> {
    read::message(&schema::RESPONSE, json)
}

/// Returns a `google.rpc.Status` as protobuf, without its details. `None` if it cannot be parsed.
pub(in crate::export) fn status_to_protobuf(json: &[u8]) -> Option<Vec<u8>> {
    read::message(&schema::STATUS, json)
}

/// Returns an `Export…ServiceResponse`. The name of the rejected items depends on the signal.
#[cfg(feature = "testing")]
pub(crate) fn response(signal: Signal, rejected: i64, reason: &str) -> String {
    let name = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    };
    match (rejected, reason) {
        (0, "") => "{}".to_owned(),
        _ => format!(
            "{{\"partialSuccess\":{{\"{name}\":\"{rejected}\",\"errorMessage\":{}}}}}",
            write::quoted_text(reason)
        ),
    }
}

/// Returns a `google.rpc.Status` without details.
#[cfg(feature = "testing")]
pub(crate) fn status(code: i32, message: &str) -> String {
    format!("{{\"code\":{code},\"message\":{}}}", write::quoted_text(message))
}

/// Returns the schema of the request message of a signal.
fn request_schema(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &schema::TRACES,
        Signal::Metrics => &schema::METRICS,
        Signal::Logs => &schema::LOGS,
    }
}
