//! A tunnel through a proxy that speaks HTTP: `CONNECT` of HTTP/1.1.
//!
//! The answer is read byte by byte. What follows it belongs to the receiver, and a receiver of HTTP/2 may send first.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::outcome::Cause;
use crate::settings::Proxy;

/// Why there is no way through the proxy.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error("cannot connect to the proxy {proxy}: {reason}")]
    Unreachable { proxy: Proxy, reason: String },
    #[error("no connection through the proxy {proxy} in time")]
    NoAnswer { proxy: Proxy },
    #[error("the proxy {proxy} closed the connection instead of opening a tunnel: {reason}")]
    Closed { proxy: Proxy, reason: String },
    #[error("the proxy {proxy} answered {answer}")]
    Refused { proxy: Proxy, cause: Cause, answer: String },
}

impl ProxyError {
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Refused { cause, .. } => *cause,
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::Closed { .. } => Cause::ProxyUnreachable,
        }
    }
}

/// Turns a connection to the proxy into one to `host` and `port`.
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

/// Status line and headers.
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

const MAX_HEAD: usize = 16 << 10;
