//! Connections through a proxy: both kinds turn a connection to the proxy into one to the receiver.
//!
//! | file | the proxy speaks |
//! |---|---|
//! | `http_connect` | HTTP/1.1: `CONNECT` |
//! | `socks5` | SOCKS5: RFC 1928, and RFC 1929 for user and password |
//!
//! Nothing is read beyond the proxy's own answer: what follows it belongs to the receiver, and a receiver of HTTP/2 may
//! send first.

mod http_connect;
mod socks5;
#[cfg(test)]
mod tests;

use tokio::io::{AsyncRead, AsyncWrite};

use super::outcome::Cause;
use crate::settings::{Proxy, ProxyProtocol};

/// Turns a connection to the proxy into one to `host` and `port`.
///
/// # Errors
///
/// If the proxy refuses, or closes the connection. The caller has the limit of time.
pub(super) async fn open_tunnel(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    match &proxy.protocol {
        ProxyProtocol::Http { .. } => http_connect::open(stream, proxy, host, port).await,
        ProxyProtocol::Socks5 { login } => socks5::open(stream, proxy, login.as_ref(), host, port).await,
    }
}

/// Error of connecting through a proxy. The text names the proxy, without its credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// No connection to the proxy itself, or no TLS on it.
    #[error("cannot connect to the proxy {proxy}: {reason}")]
    Unreachable { proxy: Proxy, reason: String },
    /// The limit of time was reached at any step through the proxy.
    #[error("no connection through the proxy {proxy} in time")]
    NoAnswer { proxy: Proxy },
    /// The proxy has closed the connection, or its answer does not end.
    #[error("the proxy {proxy} closed the connection instead of opening a tunnel: {reason}")]
    Closed { proxy: Proxy, reason: String },
    /// The proxy has answered that it does not connect.
    #[error("the proxy {proxy} answered {answer}")]
    Refused { proxy: Proxy, cause: Cause, answer: String },
}

impl ProxyError {
    /// Returns the cause, which decides on the advice.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Refused { cause, .. } => *cause,
            Self::Unreachable { .. } => Cause::ProxyUnreachable,
            Self::NoAnswer { .. } | Self::Closed { .. } => Cause::ProxySilent,
        }
    }
}
