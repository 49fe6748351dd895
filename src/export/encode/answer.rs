//! Answers of a receiver in protobuf, for the in-process collector of tests.
//!
//! The exporter's own reader of these messages is `destination::responses`; the tests of both meet over real
//! connections.

use std::time::Duration;

use super::wire::{bytes, message, uint};

/// Returns an `Export…ServiceResponse` with a partial success, or an empty one if there is nothing to report. The
/// number of rejected items is field 1 for all three signals, so no signal is needed.
pub(crate) fn response(rejected: i64, reason: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if rejected != 0 || !reason.is_empty() {
        message(&mut out, 1, |out| {
            uint(out, 1, rejected as u64);
            bytes(out, 2, reason.as_bytes());
        });
    }
    out
}

/// Returns a `google.rpc.Status`. With `retry_after`, its details have a `RetryInfo`, as OTLP uses it for throttling.
pub(crate) fn rpc_status(code: i32, text: &str, retry_after: Option<Duration>) -> Vec<u8> {
    let mut out = Vec::new();
    uint(&mut out, 1, code as u64);
    bytes(&mut out, 2, text.as_bytes());
    if let Some(pause) = retry_after {
        message(&mut out, 3, |out| {
            bytes(out, 1, b"type.googleapis.com/google.rpc.RetryInfo");
            message(out, 2, |out| {
                message(out, 1, |out| {
                    uint(out, 1, pause.as_secs());
                    uint(out, 2, u64::from(pause.subsec_nanos()));
                });
            });
        });
    }
    out
}
