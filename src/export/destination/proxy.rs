//! A tunnel through a proxy that speaks HTTP: `CONNECT` of HTTP/1.1.
//!
//! The answer is read byte by byte. What follows it belongs to the receiver, and a receiver of HTTP/2 may send first.
//!
//! ```text
//! CONNECT collector:4317 HTTP/1.1            HTTP/1.1 200 Connection established
//! Host: collector:4317               ─▶  ◀─  …
//! Proxy-Authorization: Basic …
//! ```
//!
//! | status | result |
//! |---|---|
//! | 2xx | the connection is a tunnel |
//! | 407 | [`Cause::ProxyAuthentication`] |
//! | other, or no HTTP | [`Cause::ProxyRefused`] |

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::outcome::Cause;
use crate::settings::Proxy;

/// Why there is no way through the proxy. The text names the proxy, without its credentials.
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
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::Closed { .. } => Cause::ProxyUnreachable,
        }
    }
}

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
    let closed = |error: io::Error| ProxyError::Closed { proxy: proxy.clone(), reason: error.to_string() };
    stream.write_all(&request(proxy, host, port)).await.map_err(closed)?;
    stream.flush().await.map_err(closed)?;
    let head = read_head(stream).await.map_err(closed)?;
    let answer = head.lines().next().unwrap_or_default();
    let answer = answer.split_once(' ').map_or("something else than HTTP", |(_, answer)| answer.trim());
    let status = answer.get(..3).and_then(|status| status.parse::<u16>().ok());
    if matches!(status, Some(200..=299)) {
        return Ok(());
    }
    let cause = if status == Some(407) { Cause::ProxyAuthentication } else { Cause::ProxyRefused };
    let answer = super::exchange::plain_text(answer.as_bytes());
    Err(ProxyError::Refused { proxy: proxy.clone(), cause, answer })
}

/// Returns the head of the request, with `Proxy-Authorization` if the proxy has credentials.
fn request(proxy: &Proxy, host: &str, port: u16) -> Vec<u8> {
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(authorization) = proxy.authorization() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// Reads the status line and the headers, byte by byte up to the empty line.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        if head.len() == MAX_HEAD {
            return Err(io::Error::other("the answer is too long"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 16 << 10;
