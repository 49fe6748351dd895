//! The kinds of errors that HTTP transports return. Their own types have no telling names.

use std::error::Error;
use std::io;

use super::causes;
use crate::user_code::catch_panic;

/// Returns the kind of an error of hyper or h2: the reason of a reset stream, or the name of what went wrong. Errors
/// that only carry another one have no kind of their own.
pub(super) fn transport_kind(error: &(dyn Error + 'static)) -> Option<String> {
    #[cfg(any(feature = "grpc", feature = "otlp-grpc"))]
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        let io = error.get_io().and_then(system_kind);
        return io.or_else(|| error.reason().map(|reason| format!("{reason:?}")));
    }
    let error = error.downcast_ref::<hyper::Error>()?;
    let kinds = [
        (error.is_incomplete_message(), "IncompleteMessage"),
        (error.is_canceled(), "Canceled"),
        (error.is_closed(), "ChannelClosed"),
        (error.is_parse(), "Parse"),
        (error.is_body_write_aborted(), "BodyWriteAborted"),
    ];
    kinds.into_iter().find_map(|(applies, kind)| applies.then(|| kind.to_owned()))
}

/// Returns why hyper-util's client has no connection. Its `ConnectError` is the same whatever happened: the system's
/// reason says more, or else that the name of the host was not resolved.
pub(super) fn connect_kind(error: &(dyn Error + 'static)) -> Option<String> {
    let reason = causes(error).find_map(|cause| system_kind(cause.downcast_ref()?));
    // Another type may have this name, and its `Display` may panic.
    let is_dns = || catch_panic(|| error.to_string() == "dns error").unwrap_or(false);
    reason.or_else(|| is_dns().then(|| "DnsError".to_owned()))
}

/// Returns the system's reason for an I/O error, such as `ConnectionRefused`, if it has one.
fn system_kind(error: &io::Error) -> Option<String> {
    let kind = format!("{:?}", error.kind());
    (kind != "Other" && kind != "Uncategorized").then_some(kind)
}
