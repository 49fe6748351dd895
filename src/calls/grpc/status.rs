//! The status of a call, from headers, HTTP status and errors.
//!
//! | source | rule |
//! |---|---|
//! | `grpc-status` | its number; anything else is UNKNOWN |
//! | an HTTP status without `grpc-status` | [the protocol's table](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md) |
//! | an error with a `tonic::Status` among its causes | that status |
//! | load shed by `tower` | RESOURCE_EXHAUSTED |
//! | an expired timeout | DEADLINE_EXCEEDED |
//! | no connection, a keep-alive ping without an answer | UNAVAILABLE |
//! | a reset of the HTTP/2 stream | the code that gRPC assigns to its reason |
//! | another error | INTERNAL at a server, UNKNOWN at a client |

use std::borrow::Cow;
use std::error::Error;

use http::{HeaderMap, HeaderName, StatusCode};
use percent_encoding::percent_decode;
use tower::load_shed::error::Overloaded;

use crate::calls::error::{as_error, chain};
use crate::exception;
use crate::semconv::GrpcCode;
use crate::user_code::bounded_text::{MAX_TEXT, beginning};

impl GrpcCode {
    /// Parses the number in `grpc-status`: decimal, without sign or leading zeros, as tonic reads it. Everything else
    /// is `UNKNOWN`, as the protocol requires.
    fn from_header(value: &[u8]) -> Self {
        let number = match value {
            [digit @ b'0'..=b'9'] => usize::from(digit - b'0'),
            [b'1', digit @ b'0'..=b'9'] => usize::from(digit - b'0') + 10,
            _ => return Self::Unknown,
        };
        Self::ALL.get(number).copied().unwrap_or(Self::Unknown)
    }

    /// Returns `true` if the conventions count the code as an error of the server.
    pub(super) const fn is_server_error(self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::DeadlineExceeded
                | Self::Unimplemented
                | Self::Internal
                | Self::Unavailable
                | Self::DataLoss
        )
    }

    /// Returns `true` if the conventions count the code as an error for the client: all but `OK`.
    pub(super) const fn is_client_error(self) -> bool {
        !matches!(self, Self::Ok)
    }
}

/// The status that a call ended with.
#[derive(Clone, Copy)]
pub(super) struct CallStatus<'a> {
    /// The code, which is `rpc.status_code`.
    pub(super) code: GrpcCode,
    /// Borrowed from the headers or the error; decoded by the methods that return it.
    message: Message<'a>,
}

/// The message of a status. It is decoded only if it is recorded.
#[derive(Clone, Copy)]
enum Message<'a> {
    /// The message of a success.
    None,
    /// A text of this crate, or the name of an error's type.
    Fixed(&'static str),
    /// The percent-encoded bytes of `grpc-message`.
    Encoded(&'a [u8]),
    /// The message of a `tonic::Status`.
    Text(&'a str),
    /// The error with its causes.
    Chain(&'a (dyn Error + 'static)),
    /// There was no `grpc-status`; the HTTP status takes its place.
    HttpStatus(StatusCode),
}

impl<'a> CallStatus<'a> {
    /// The status in trailers, or in the head of a trailers-only response.
    pub(super) fn from_headers(headers: &'a HeaderMap) -> Option<Self> {
        let code = GrpcCode::from_header(headers.get(&GRPC_STATUS)?.as_bytes());
        // The message of a success is not recorded.
        let message = match code {
            GrpcCode::Ok => None,
            _ => headers.get(&GRPC_MESSAGE),
        };
        let message = message.map_or(Message::None, |text| Message::Encoded(text.as_bytes()));
        Some(Self { code, message })
    }

    /// The status of a response without one: what the HTTP status implies by the protocol's table.
    pub(super) fn missing(http: StatusCode) -> Self {
        let code = match http {
            StatusCode::BAD_REQUEST => GrpcCode::Internal,
            StatusCode::UNAUTHORIZED => GrpcCode::Unauthenticated,
            StatusCode::FORBIDDEN => GrpcCode::PermissionDenied,
            StatusCode::NOT_FOUND => GrpcCode::Unimplemented,
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => GrpcCode::Unavailable,
            _ => GrpcCode::Unknown,
        };
        Self { code, message: Message::HttpStatus(http) }
    }

    /// The status of a failed service or body. The code is the one that tonic reports to its caller, except that an
    /// expired timeout is a `DEADLINE_EXCEEDED` (tonic reports `CANCELLED`); `default` for unknown errors.
    pub(super) fn from_error<E: 'static>(error: &'a E, default: GrpcCode) -> Self {
        let Some(error) = as_error(error) else {
            return Self { code: default, message: Message::Fixed(std::any::type_name::<E>()) };
        };
        if error.is::<Overloaded>() {
            return Self { code: GrpcCode::ResourceExhausted, message: Message::Chain(error) };
        }
        for cause in std::iter::once(error).chain(exception::causes(error)) {
            if let Some(status) = cause.downcast_ref::<tonic::Status>() {
                let code = GrpcCode::from_tonic(status.code());
                return Self { code, message: Message::Text(status.message()) };
            }
            if let Some(code) = code_of_failure(cause) {
                return Self { code, message: Message::Chain(error) };
            }
        }
        Self { code: default, message: Message::Chain(error) }
    }

    /// The status of a call that was dropped.
    pub(super) const fn cancelled() -> Self {
        Self { code: GrpcCode::Cancelled, message: Message::Fixed("dropped before it completed") }
    }

    /// The status of a call that was dropped or reset after its deadline.
    pub(super) const fn deadline_exceeded() -> Self {
        Self { code: GrpcCode::DeadlineExceeded, message: Message::Fixed("deadline exceeded") }
    }

    /// The status of a call whose service panicked.
    pub(super) const fn panicked() -> Self {
        Self { code: GrpcCode::Internal, message: Message::Fixed("panicked") }
    }

    /// The message alone, for the description of a span's status.
    pub(super) fn message(&self) -> Cow<'static, str> {
        match self.message {
            Message::None => Cow::Borrowed(""),
            Message::Fixed(text) => Cow::Borrowed(text),
            Message::Encoded(bytes) => Cow::Owned(percent_decode(bytes).decode_utf8_lossy().into_owned()),
            Message::Text(text) => Cow::Owned(beginning(text, MAX_TEXT).to_owned()),
            Message::Chain(error) => Cow::Owned(chain(error)),
            Message::HttpStatus(StatusCode::OK) => Cow::Borrowed("ended without grpc-status"),
            Message::HttpStatus(status) => {
                Cow::Owned(format!("no grpc-status, HTTP status {}", status.as_u16()))
            }
        }
    }
}

/// Returns the code of an error of the transport, if it is one.
///
/// Each of them is found wherever it is in the chain of causes: transports wrap them several times.
fn code_of_failure(error: &(dyn Error + 'static)) -> Option<GrpcCode> {
    if error.is::<tonic::TimeoutExpired>() {
        return Some(GrpcCode::DeadlineExceeded);
    }
    if error.is::<tonic::ConnectError>() {
        return Some(GrpcCode::Unavailable);
    }
    if let Some(http) = error.downcast_ref::<hyper::Error>() {
        // A keep-alive ping without an answer.
        if http.is_timeout() {
            return Some(GrpcCode::Unavailable);
        }
        return http.is_canceled().then_some(GrpcCode::Cancelled);
    }
    error.downcast_ref::<h2::Error>().map(code_of_reset)
}

/// The protocol's table from HTTP/2 error codes.
///
/// Source: "gRPC over HTTP2", section "HTTP2 Transport Mapping, Errors".
fn code_of_reset(error: &h2::Error) -> GrpcCode {
    match error.reason() {
        Some(
            h2::Reason::NO_ERROR
            | h2::Reason::PROTOCOL_ERROR
            | h2::Reason::INTERNAL_ERROR
            | h2::Reason::FLOW_CONTROL_ERROR
            | h2::Reason::SETTINGS_TIMEOUT
            | h2::Reason::FRAME_SIZE_ERROR
            | h2::Reason::COMPRESSION_ERROR
            | h2::Reason::CONNECT_ERROR,
        ) => GrpcCode::Internal,
        Some(h2::Reason::REFUSED_STREAM) => GrpcCode::Unavailable,
        Some(h2::Reason::CANCEL) => GrpcCode::Cancelled,
        Some(h2::Reason::ENHANCE_YOUR_CALM) => GrpcCode::ResourceExhausted,
        Some(h2::Reason::INADEQUATE_SECURITY) => GrpcCode::PermissionDenied,
        _ => GrpcCode::Unknown,
    }
}

// A lookup by a parsed name takes half the time.
/// The decimal number of the code, in the trailers, or in the headers of a response without messages.
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The percent-encoded message, beside the code.
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn of(pairs: &[(&'static str, &str)]) -> Option<(GrpcCode, String)> {
        CallStatus::from_headers(&headers(pairs)).map(|status| (status.code, status.message().into_owned()))
    }

    #[test]
    fn codes_are_read_from_their_numbers() {
        for code in GrpcCode::ALL {
            assert_eq!(GrpcCode::from_header((code as usize).to_string().as_bytes()), code);
        }
    }

    #[test]
    fn invalid_status_code_maps_to_unknown() {
        for text in ["17", "-1", "+5", "05", "00", "5 ", "", "x", "99999999999999999999"] {
            assert_eq!(of(&[("grpc-status", text)]), Some((GrpcCode::Unknown, String::new())), "{text:?}");
        }
        assert_eq!(of(&[("grpc-message", "no status")]), None);
    }

    #[test]
    fn messages_are_percent_decoded() {
        let decoded = |text| of(&[("grpc-status", "2"), ("grpc-message", text)]).unwrap().1;
        assert_eq!(decoded("100%25 %C3%BCber"), "100% \u{fc}ber");
        assert_eq!(decoded("no%zzsense%"), "no%zzsense%");
        assert_eq!(decoded("%FF"), "\u{fffd}");
    }

    #[test]
    fn an_expired_timeout_is_a_deadline() {
        let error: Box<dyn Error + Send + Sync> = Box::new(tonic::TimeoutExpired(()));
        assert_eq!(CallStatus::from_error(&error, GrpcCode::Unknown).code, GrpcCode::DeadlineExceeded);
    }
}
