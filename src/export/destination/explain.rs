//! Finds the cause of a transport error.
//!
//! | evidence | example |
//! |---|---|
//! | an error of TLS among the sources | the certificate is for another name |
//! | the first bytes of the peer | `HTTP/1.1 400` in answer to HTTP/2: the port is that of OTLP/HTTP |
//! | an error of this crate | the name was not resolved; the proxy refused |
//! | an error of HTTP/2 | GOAWAY without an error: the receiver ends |
//! | the deepest source | connection refused, too many open files |
//!
//! Libraries report the same error for different faults: an HTTP/2 client that meets HTTP/1, TLS or a proxy's page
//! says "connection closed" for all of them. An operator needs to know which setting is wrong, so the first bytes
//! sent by the peer take precedence over the library's error.
//!
//! A [`Cause`] decides two things, whether the request is tried again and which advice the outage log gives. The text
//! beside it is for people only.

use std::error::Error;
use std::io;

use super::connection::Http;
use super::connector::HandshakeUnanswered;
use super::outcome::{Cause, Failure};
use super::peer::FirstBytes;
use super::proxy::ProxyError;
use super::resolver::NameNotResolved;

/// Returns why a request failed: by the first bytes of the peer, then by the errors among the sources of `error`.
///
/// `first` and `is_tls` are of the newest connection, `http` is the version that was spoken to it.
pub(super) fn explain(error: &(dyn Error + 'static), first: FirstBytes, http: Http, is_tls: bool) -> Failure {
    let deepest = deepest(error);
    let by_error = cause(error, deepest);
    let cause = match (first, http) {
        // Then the first bytes are not those that a receiver inside would have sent.
        _ if is_tls_error(error) => by_error,
        // Then they are those of an earlier connection.
        _ if by_error.is_without_connection() => by_error,
        (FirstBytes::Http1, Http::Two) => Cause::PeerSpeaksHttp,
        (FirstBytes::Http2, Http::Any) if !is_tls => Cause::PeerSpeaksGrpc,
        (FirstBytes::Tls, _) if !is_tls => Cause::TlsPeer,
        (FirstBytes::Other, _) if !is_tls => Cause::NotOtlp,
        _ => by_error,
    };
    Failure::new(cause, text(cause, deepest))
}

/// Returns `true` if rustls has reported the error: then the bytes of the peer were TLS or meant to be.
#[cfg(feature = "tls")]
fn is_tls_error(error: &(dyn Error + 'static)) -> bool {
    find::<rustls::Error>(error).is_some()
}

/// Returns `false`: there is no TLS without the feature.
#[cfg(not(feature = "tls"))]
fn is_tls_error(_: &(dyn Error + 'static)) -> bool {
    false
}

/// Returns the cause by the errors that are among the sources.
///
/// The order matters: an error of TLS or of a proxy wraps one of I/O, which alone would be a lost connection.
fn cause(error: &(dyn Error + 'static), deepest: &(dyn Error + 'static)) -> Cause {
    #[cfg(feature = "tls")]
    if let Some(cause) = find::<rustls::Error>(error).map(super::tls::cause) {
        return cause;
    }
    // A host such as 127.1, which resolvers read as an address.
    #[cfg(feature = "tls")]
    if find::<rustls::pki_types::InvalidDnsNameError>(error).is_some() {
        return Cause::CertificateName;
    }
    if let Some(error) = find::<ProxyError>(error) {
        return error.cause();
    }
    if find::<NameNotResolved>(error).is_some() {
        return Cause::NameNotResolved;
    }
    if find::<HandshakeUnanswered>(error).is_some() {
        return Cause::Tls;
    }
    if is_canceled(error) {
        return Cause::NotProcessed;
    }
    #[cfg(feature = "otlp-grpc")]
    if let Some(error) = find::<h2::Error>(error) {
        return http2_cause(error);
    }
    match deepest.downcast_ref::<io::Error>() {
        Some(error) if is_out_of_descriptors(error) => Cause::NoDescriptor,
        Some(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Cause::ConnectionRefused,
            io::ErrorKind::TimedOut => Cause::ConnectTimeout,
            // No such socket.
            io::ErrorKind::NotFound => Cause::ConnectionRefused,
            // Of a name with addresses of both families, the error of the second one is reported.
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied => Cause::Unreachable,
            _ => Cause::Disconnected,
        },
        None => Cause::Disconnected,
    }
}

/// Returns `true` if the request was never sent, because there was no connection.
pub(super) fn is_canceled(error: &(dyn Error + 'static)) -> bool {
    match find::<hyper::Error>(error) {
        Some(error) => error.is_canceled(),
        // An error of the connection pool, whose type is private.
        None => {
            let is_known = find::<io::Error>(error).is_some()
                || find::<NameNotResolved>(error).is_some()
                || find::<HandshakeUnanswered>(error).is_some()
                || find::<ProxyError>(error).is_some();
            !is_known
        }
    }
}

/// Returns the cause of an error of HTTP/2. A peer that closes its connections in an orderly way has not processed the
/// requests that it names.
#[cfg(feature = "otlp-grpc")]
fn http2_cause(error: &h2::Error) -> Cause {
    let is_orderly = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    let is_refused = error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if is_orderly || is_refused { Cause::NotProcessed } else { Cause::Disconnected }
}

/// Returns the text for the log: that of the deepest source, unless it says too little.
fn text(cause: Cause, deepest: &(dyn Error + 'static)) -> String {
    match cause {
        // The error's own text is "deadline has elapsed".
        Cause::ConnectTimeout => "no answer to the attempt to connect".to_owned(),
        Cause::PeerSpeaksHttp => "the peer answers in HTTP/1".to_owned(),
        Cause::PeerSpeaksGrpc => "the peer answers in HTTP/2".to_owned(),
        Cause::PlaintextPeer => "the peer does not answer in TLS".to_owned(),
        Cause::TlsPeer => "the peer answers in TLS".to_owned(),
        Cause::NotOtlp => "the peer answers in a protocol that is neither HTTP nor TLS".to_owned(),
        _ => super::exchange::shortened(&deepest.to_string()),
    }
}

/// Returns the deepest source, which has the reason: "Connection refused", the fault of a certificate.
pub(super) fn deepest<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    chain(error).last().unwrap_or(error)
}

/// Returns the first error of this type among an error and its sources.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Returns the error and its sources. Stops at a limit, because an error can name itself as its source.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    /// Far more than any transport nests.
    const MAX_SOURCES: usize = 32;
    std::iter::successors(Some(error), |error| source(*error)).take(MAX_SOURCES)
}

/// Returns the next error inside. `io::Error::source` passes over the error that it wraps, so this is asked for
/// first.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Returns `true` for `ENFILE` and `EMFILE`, which are the same numbers on all Unix systems and have no kind of their
/// own.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}
