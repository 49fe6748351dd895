//! A connection through a SOCKS5 proxy: RFC 1928, and RFC 1929 for user and password.
//!
//! | step | sent | answer |
//! |---|---|---|
//! | methods | none, and user and password if there are some | the method that the proxy chooses |
//! | login | user and password, if chosen | 0 if they are right |
//! | request | CONNECT to a name or an address | 0 and the proxy's own address, or the reason why not |
//!
//! Names are sent as they are, so the proxy resolves them.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::ProxyError;
use crate::export::destination::outcome::Cause;
use crate::settings::{Proxy, ProxyLogin};

/// Turns a connection to the proxy into one to `host` and `port`.
///
/// `login` is offered if it is there; whether it is used is the proxy's choice.
///
/// # Errors
///
/// If the proxy refuses, requires other credentials, or closes the connection. The caller has the limit of time.
pub(super) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    login: Option<&ProxyLogin>,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    let mut connection = Connection { stream, proxy };
    let methods: &[u8] = if login.is_some() { &[NO_LOGIN, LOGIN] } else { &[NO_LOGIN] };
    connection.send(&[&[VERSION, methods.len() as u8], methods].concat()).await?;
    let [version, method] = connection.receive().await?;
    if version != VERSION {
        return Err(connection.refused(Cause::ProxyRefused, NOT_SOCKS5));
    }
    match (method, login) {
        (NO_LOGIN, _) => {}
        (LOGIN, Some(login)) => connection.log_in(login).await?,
        _ => return Err(connection.refused(Cause::ProxyAuthentication, "that it requires other credentials")),
    }
    connection.connect_to(host, port).await
}

/// A connection to the proxy, during the handshake.
struct Connection<'a, S> {
    /// The connection.
    stream: &'a mut S,
    /// Named in errors.
    proxy: &'a Proxy,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Sends user and password (RFC 1929), and reads whether they are right.
    async fn log_in(&mut self, login: &ProxyLogin) -> Result<(), ProxyError> {
        let message = login_message(login).map_err(|error| self.unreachable(&error))?;
        self.send(&message).await?;
        // The version is not checked: some proxies put 5 there.
        match self.receive().await? {
            [_, 0] => Ok(()),
            _ => Err(self.refused(Cause::ProxyAuthentication, "that the user name or password is wrong")),
        }
    }

    /// Requests a connection, and reads the reply with the proxy's own address, which is not used.
    async fn connect_to(&mut self, host: &str, port: u16) -> Result<(), ProxyError> {
        let host = host.trim_matches(['[', ']']);
        let address = match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => [&[IPV4][..], &address.octets()].concat(),
            Ok(IpAddr::V6(address)) => [&[IPV6][..], &address.octets()].concat(),
            Err(_) => {
                let name = sized(host.as_bytes()).map_err(|error| self.unreachable(&error))?;
                [&[NAME][..], &name].concat()
            }
        };
        self.send(&[&[VERSION, CONNECT, 0][..], &address, &port.to_be_bytes()].concat()).await?;
        let [version, reply, _, kind] = self.receive().await?;
        if version != VERSION {
            return Err(self.refused(Cause::ProxyRefused, NOT_SOCKS5));
        }
        if reply != 0 {
            return Err(self.refused(Cause::ProxyRefused, reason(reply)));
        }
        // The address and port that the proxy connects from.
        match kind {
            IPV4 => drop(self.receive::<6>().await?),
            IPV6 => drop(self.receive::<18>().await?),
            NAME => {
                let [length] = self.receive().await?;
                for _ in 0..u32::from(length) + 2 {
                    self.receive::<1>().await?;
                }
            }
            _ => return Err(self.refused(Cause::ProxyRefused, NOT_SOCKS5)),
        }
        Ok(())
    }

    /// Sends a message of the handshake.
    async fn send(&mut self, message: &[u8]) -> Result<(), ProxyError> {
        self.stream.write_all(message).await.map_err(|error| self.closed(&error))?;
        self.stream.flush().await.map_err(|error| self.closed(&error))
    }

    /// Reads exactly so many bytes: what follows them belongs to the receiver.
    async fn receive<const N: usize>(&mut self) -> Result<[u8; N], ProxyError> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).await.map_err(|error| self.closed(&error))?;
        Ok(bytes)
    }

    /// Returns the error for what the protocol cannot say.
    fn unreachable(&self, error: &io::Error) -> ProxyError {
        ProxyError::Unreachable { proxy: self.proxy.clone(), reason: error.to_string() }
    }

    /// Returns the error for a connection that ended during the handshake.
    fn closed(&self, error: &io::Error) -> ProxyError {
        ProxyError::Closed { proxy: self.proxy.clone(), reason: error.to_string() }
    }

    /// Returns the error for a reply; `answer` goes behind "answered".
    fn refused(&self, cause: Cause, answer: &str) -> ProxyError {
        ProxyError::Refused { proxy: self.proxy.clone(), cause, answer: answer.to_owned() }
    }
}

/// Returns the request of RFC 1929.
fn login_message(ProxyLogin { user, password }: &ProxyLogin) -> io::Result<Vec<u8>> {
    Ok([&[LOGIN_VERSION][..], &sized(user)?, &sized(password)?].concat())
}

/// Returns the length in one byte, and the text. The settings refuse longer names and credentials.
fn sized(text: &[u8]) -> io::Result<Vec<u8>> {
    let length = u8::try_from(text.len());
    let length = length.map_err(|_| io::Error::other("SOCKS5 has no names of more than 255 bytes"))?;
    Ok([&[length], text].concat())
}

/// Returns the meaning of the reply to a request, in the words of RFC 1928.
fn reason(reply: u8) -> &'static str {
    match reply {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "an unknown reply",
    }
}

/// The words for an answer of another protocol.
const NOT_SOCKS5: &str = "something other than SOCKS5";
/// The version of the protocol, first in each message but those of the login.
const VERSION: u8 = 5;
/// The method without authentication.
const NO_LOGIN: u8 = 0;
/// The method with user and password.
const LOGIN: u8 = 2;
/// The version of the login's own protocol.
const LOGIN_VERSION: u8 = 1;
/// The command that opens a connection.
const CONNECT: u8 = 1;
/// Types of addresses.
const IPV4: u8 = 1;
/// A name: one byte with its length, then the name.
const NAME: u8 = 3;
/// 16 bytes.
const IPV6: u8 = 4;
