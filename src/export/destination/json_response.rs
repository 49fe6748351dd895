//! Answers in JSON.
//!
//! They are converted to protobuf and read by [`responses`], so both encodings are understood in the same way.

use super::outcome::Outcome;
use super::responses;
use crate::export::encode::json;

/// Reads an `Export…ServiceResponse`. One that cannot be parsed is treated as a success: the status decides.
pub(super) fn delivered(body: &[u8]) -> Outcome {
    responses::delivered(&json::response_to_protobuf(body).unwrap_or_default())
}

/// Returns the message of a `google.rpc.Status`. `None` if the body is none.
pub(super) fn status_message(body: &[u8]) -> Option<String> {
    responses::status_message(&json::status_to_protobuf(body)?)
}
