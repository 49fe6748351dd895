//! A tunnel through a proxy that speaks HTTP: `CONNECT` of HTTP/1.1.
//!
//! ```text
//! CONNECT collector:4317 HTTP/1.1            HTTP/1.1 200 Connection established
//! Host: collector:4317               ─▶  ◀─  …
//! Proxy-Authorization: Basic …
//! ```
//!
//! | status | result |
//! |---|---|
//! | 1xx but 101 | the answer that counts comes next |
//! | 2xx | the connection is a tunnel |
//! | 407; 401, which tinyproxy answers to a wrong password | [`Cause::ProxyAuthentication`] |
//! | other, or no HTTP/1 | [`Cause::ProxyRefused`] |

use std::io;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::ProxyError;
use crate::export::destination::exchange::plain_text;
use crate::export::destination::outcome::Cause;
use crate::settings::Proxy;
use crate::settings::secrets::shown_words;

/// Turns a connection to the proxy into one to `host` and `port`.
pub(super) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    let closed = |error: io::Error| ProxyError::Closed { proxy: proxy.clone(), reason: error.to_string() };
    stream.write_all(&request(proxy, host, port)).await.map_err(closed)?;
    stream.flush().await.map_err(closed)?;
    let mut left = MAX_ANSWER;
    let (status, answer) = loop {
        let head = read_head(stream, &mut left).await.map_err(closed)?;
        let Some((status, answer)) = status_line(&head) else {
            break (None, "something other than HTTP".to_owned());
        };
        // Interim answers may come before the one that counts; after 101 the connection speaks something else.
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            break (Some(status), shown_words(&plain_text(answer)));
        }
    };
    let cause = match status {
        Some(status) if status.is_success() => return Ok(()),
        Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED) => {
            Cause::ProxyAuthentication
        }
        _ => Cause::ProxyRefused,
    };
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

/// Reads status line and headers byte by byte: what follows them belongs to the receiver. All heads together have a limit.
async fn read_head(stream: &mut (impl AsyncRead + Unpin), left: &mut usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        *left = left.checked_sub(1).ok_or_else(|| io::Error::other("the answer is too long"))?;
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

/// Returns the status, and the line after the version of HTTP, which must be 1.0 or 1.1.
fn status_line(head: &[u8]) -> Option<(StatusCode, &[u8])> {
    let line = head.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    let answer = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    let (digits, rest) = answer.split_at_checked(3)?;
    let is_whole = matches!(rest, [] | [b' ', ..]);
    StatusCode::from_bytes(digits).ok().filter(|_| is_whole).map(|status| (status, answer))
}

/// The longest answer, with those that came before it, in bytes.
const MAX_ANSWER: usize = 16 << 10;
