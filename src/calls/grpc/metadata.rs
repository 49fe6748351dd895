//! gRPC's own request headers: content type and deadline.

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, Request};

/// Returns the caller's deadline for the call: `grpc-timeout`, at most eight digits and a unit.
/// `None` if it is absent or malformed; the gRPC library then decides what to do with the call.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Returns `true` for requests of gRPC: POST, with its content type. Whatever else a caller sends with that content type is
/// an ordinary request of HTTP.
pub(in crate::calls) fn is_grpc_request<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST && is_grpc(request.headers())
}

/// Returns `true` for `application/grpc`, with or without a subtype such as `+proto`. `application/grpc-web` is not
/// gRPC: its status is in the body, and a layer such as `tonic_web::GrpcWebLayer` translates it.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(http::header::CONTENT_TYPE) else {
        return false;
    };
    let Some(rest) = value.as_bytes().strip_prefix(b"application/grpc") else {
        return false;
    };
    matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// The remaining time of the caller's deadline, such as `100m` for 100 milliseconds.
static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn timeout_of(text: &str) -> Option<Duration> {
        timeout(&HeaderMap::from_iter([(HeaderName::from_static("grpc-timeout"), text.parse().unwrap())]))
    }

    #[test]
    fn timeouts_have_at_most_eight_digits_and_a_unit() {
        assert_eq!(timeout_of("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(timeout_of("3M"), Some(Duration::from_secs(180)));
        assert_eq!(timeout_of("4S"), Some(Duration::from_secs(4)));
        assert_eq!(timeout_of("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(timeout_of("5u"), Some(Duration::from_micros(5)));
        assert_eq!(timeout_of("6n"), Some(Duration::from_nanos(6)));
        for broken in ["", "m", "5", "5x", "+5m", "-5m", "5 m", "999999999m"] {
            assert_eq!(timeout_of(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn content_types_of_grpc() {
        let is = |text: &'static str| {
            is_grpc(&HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(text))]))
        };
        assert!(
            is("application/grpc") && is("application/grpc+proto") && is("application/grpc; charset=utf-8")
        );
        assert!(!is("application/grpc-web") && !is("application/grpc-web-text+proto") && !is("text/plain"));
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
