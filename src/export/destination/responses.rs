//! The messages of answers, read field by field: for any input, reading ends and nothing panics.
//!
//! | message | read of it | if it is malformed |
//! |---|---|---|
//! | `Export…ServiceResponse` | rejected items and the reason | a success: the status decides |
//! | `google.rpc.Status` | the message, the requested pause | no message, no pause |
//!
//! Texts come from the network and go to the log: markup and control characters are removed, and their length is
//! limited.

use std::time::Duration;

use super::outcome::Outcome;
use crate::export::encode::{WireValue, fields};

/// Reads an `Export…ServiceResponse`, which is alike on the wire for the three signals. A negative number of rejected
/// items is 0.
pub(super) fn delivered(response: &[u8]) -> Outcome {
    let (mut rejected, mut message) = (0, String::new());
    for (field, value) in nested(response, PARTIAL_SUCCESS).flat_map(fields) {
        match (field, value) {
            (REJECTED, WireValue::Varint(count)) => rejected = u64::try_from(count as i64).unwrap_or(0),
            (ERROR_MESSAGE, WireValue::Bytes(text)) => message = super::exchange::plain_text(text),
            _ => {}
        }
    }
    Outcome::Delivered { rejected, message, status: None }
}

/// Returns the message of a `google.rpc.Status`. `None` if there is none.
pub(super) fn status_message(status: &[u8]) -> Option<String> {
    nested(status, STATUS_MESSAGE).last().map(super::exchange::plain_text)
}

/// Returns `RetryInfo.retry_delay` from the details of a `google.rpc.Status`. `None` if there is no such detail; zero if it
/// has no delay.
pub(super) fn retry_delay(status: &[u8]) -> Option<Duration> {
    let any = nested(status, STATUS_DETAILS)
        .find(|any| nested(any, ANY_TYPE).any(|name| name.ends_with(b"/google.rpc.RetryInfo")))?;
    let info = nested(any, ANY_VALUE).last().unwrap_or_default();
    let delay = nested(info, RETRY_DELAY).last().unwrap_or_default();
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for (field, value) in fields(delay) {
        match (field, value) {
            (1, WireValue::Varint(value)) => seconds = value as i64,
            (2, WireValue::Varint(value)) => nanos = value as i64,
            _ => {}
        }
    }
    // A negative delay has passed already.
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Some(seconds.saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))))
}

/// Returns the contents of the length-delimited fields of this number.
fn nested(message: &[u8], wanted: u32) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |(field, value)| match value {
        WireValue::Bytes(bytes) if field == wanted => Some(bytes),
        _ => None,
    })
}

// Export…ServiceResponse
/// `partial_success`; absent if everything was accepted.
const PARTIAL_SUCCESS: u32 = 1;
// Export…PartialSuccess
/// `rejected_spans`, `rejected_data_points`, `rejected_log_records`: an `int64`.
const REJECTED: u32 = 1;
/// `error_message`. Without rejected items it is a warning.
const ERROR_MESSAGE: u32 = 2;
// google.rpc.Status
/// `message`, in English, for developers.
const STATUS_MESSAGE: u32 = 2;
/// `details`: an `Any` for each.
const STATUS_DETAILS: u32 = 3;
// google.protobuf.Any
/// `type_url`: ends with the full name of the message.
const ANY_TYPE: u32 = 1;
/// `value`: the encoded message.
const ANY_VALUE: u32 = 2;
// google.rpc.RetryInfo
/// `retry_delay`: a `google.protobuf.Duration`.
const RETRY_DELAY: u32 = 1;
