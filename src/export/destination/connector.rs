//! Connection setup: name resolution or Unix socket, proxy, TLS.
//!
//! | target | steps |
//! |---|---|
//! | `http://` | name → TCP |
//! | `https://` | name → TCP → TLS, with `h2` negotiated where gRPC is spoken |
//! | `https://`, or gRPC, through a proxy | proxy → `CONNECT` → TLS where it is `https://` |
//! | `http://` through a proxy | proxy; each request has the whole address |
//! | through a proxy of SOCKS5 | proxy → its handshake → TLS where the target is `https://` |
//! | `unix:` | socket |
//!
//! A proxy whose own address is `https://` has TLS before these steps.
//!
//! # Time
//!
//! All steps together have one limit, [`CONNECT_TIMEOUT`], whatever the timeout of a request is: signals share connections.
//! A step that hangs, such as a proxy that accepts and never answers, therefore costs one try, not the worker. Half of it
//! is for the certificate files, which are read on another thread.
//!
//! # Ownership
//!
//! The HTTP client (hyper-util's) owns the connections and decides when a new one is made: for HTTP/2 one that all
//! requests share, for HTTP/1 as many as there are requests at a time. A connector is cloned for each.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service;

use super::connection::Http;
use super::explain::{deepest, explain};
#[cfg(feature = "tls")]
use super::peer::FirstBytes;
use super::peer::{Peer, Watched};
use super::proxy::{ProxyError, open_tunnel};
use super::resolver::{NameNotResolved, Resolver};
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::diagnostics::Diagnostics;
use crate::settings::{Proxy, ProxyProtocol, Target};

/// The error of a step, as hyper-util takes it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections to one target. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector {
    /// Resolves names and connects. Tries all addresses of a name, IPv6 and IPv4 in turns.
    tcp: HttpConnector<Resolver>,
    /// The resolver of `tcp`.
    resolver: Resolver,
    /// The HTTP versions that the connection may use, for ALPN and for the choice between forwarding and a tunnel.
    http: Http,
    /// The proxy to connect through. `NO_PROXY` was applied when the settings were read.
    proxy: Option<Proxy>,
    /// A Unix socket in place of host and port.
    socket: Option<PathBuf>,
    /// State of the peer, for explanations of errors.
    peer: Peer,
    /// `None` for `http://`.
    #[cfg(feature = "tls")]
    tls: Option<Arc<Tls>>,
    /// For connections to the proxy itself.
    #[cfg(feature = "tls")]
    proxy_tls: Option<Arc<Tls>>,
}

impl Connector {
    /// Prepares connections to a target. `diagnostics` gets warnings about certificates.
    pub(super) fn new(target: &Target, http: Http, resolver: &Resolver, diagnostics: &Diagnostics) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(resolver.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Keeps gateways from closing an idle connection.
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        #[cfg(not(feature = "tls"))]
        let _ = diagnostics;
        Self {
            tcp,
            resolver: resolver.clone(),
            http,
            proxy: target.proxy.clone(),
            socket: target.socket.clone(),
            peer: Peer::default(),
            #[cfg(feature = "tls")]
            tls: Tls::for_target(target, http == Http::Two, CONNECT_TIMEOUT / 2, diagnostics).map(Arc::new),
            #[cfg(feature = "tls")]
            proxy_tls: Tls::for_proxy(target, CONNECT_TIMEOUT / 2, diagnostics).map(Arc::new),
        }
    }

    /// Returns a connector whose connections report to this peer.
    pub(super) fn with_peer(&self, peer: Peer) -> Self {
        Self { peer, ..self.clone() }
    }

    /// Returns `true` if connections to the receiver are encrypted. TLS to a proxy does not count.
    pub(super) fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Returns the proxy if requests are sent to it as they are, with the whole address of the receiver.
    ///
    /// That is so for `http://` and HTTP/1. Everything else goes through a tunnel, in which the proxy sees no requests.
    pub(super) fn forwarding_proxy(&self) -> Option<&Proxy> {
        let speaks_http = |proxy: &&Proxy| matches!(proxy.protocol, ProxyProtocol::Http { .. });
        self.proxy.as_ref().filter(speaks_http).filter(|_| self.http == Http::Any && !self.is_tls())
    }

    /// Connects, and negotiates TLS if required.
    ///
    /// # Errors
    ///
    /// Those of any step. The caller has the limit of time.
    async fn connect(mut self, uri: Uri) -> Result<TokioIo<Stream>, BoxError> {
        self.peer.set_reached(false);
        let io = self.open(&uri).await?;
        self.peer.set_reached(true);
        let is_forwarded = self.forwarding_proxy().is_some();
        let watched = Watched::new(io, self.peer.clone());
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let host = uri.host().unwrap_or_default();
            let stream = tls.connect(host, watched).await?;
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let inside = Watched::new(stream, self.peer);
            return Ok(TokioIo::new(Stream { io: Box::new(inside), is_http2, is_forwarded }));
        }
        Ok(TokioIo::new(Stream { io: Box::new(watched), is_http2: false, is_forwarded }))
    }

    /// Opens the connection on which the receiver is spoken to: a socket, or a tunnel through a proxy. TLS with the
    /// receiver follows.
    async fn open(&mut self, uri: &Uri) -> Result<Box<dyn Io>, BoxError> {
        if let Some(path) = &self.socket {
            return open_socket(path).await;
        }
        let Some(proxy) = self.proxy.clone() else {
            return Ok(Box::new(self.tcp.call(uri.clone()).await?.into_inner()));
        };
        let mut stream = self.open_proxy(&proxy).await?;
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 });
        if self.forwarding_proxy().is_none() {
            open_tunnel(&mut stream, &proxy, host, port).await?;
        }
        Ok(stream)
    }

    /// Connects to a proxy, and negotiates TLS with it if its address says so.
    async fn open_proxy(&mut self, proxy: &Proxy) -> Result<Box<dyn Io>, ProxyError> {
        let unreachable = |reason: String| ProxyError::Unreachable { proxy: proxy.clone(), reason };
        let connected = self.tcp.call(proxy.uri.clone()).await;
        let stream = connected.map_err(|error| unreachable(deepest(&error).to_string()))?.into_inner();
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.proxy_tls {
            let secured = tls.connect(proxy.uri.host().unwrap_or_default(), stream).await;
            return match secured {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(unreachable(explain(&error, FirstBytes::None, self.http, true).text)),
            };
        }
        Ok(Box::new(stream))
    }

    /// Returns the error of a connection that took too long: of the name server, if that has not answered. Behind a proxy the proxy is named: it is the peer that did
    /// not answer.
    fn timed_out(&self, uri: &Uri) -> BoxError {
        let host = self.proxy.as_ref().map_or(uri, |proxy| &proxy.uri).host().unwrap_or_default();
        if self.resolver.is_looking_up(host) {
            return NameNotResolved::unanswered(CONNECT_TIMEOUT).into();
        }
        if self.is_tls() && self.peer.is_reached() {
            return HandshakeUnanswered.into();
        }
        match &self.proxy {
            Some(proxy) => ProxyError::NoAnswer { proxy: proxy.clone() }.into(),
            None => io::Error::from(io::ErrorKind::TimedOut).into(),
        }
    }
}

/// The error of a peer that takes the connection and does not answer in TLS.
#[derive(Debug, thiserror::Error)]
#[error("no answer to the TLS handshake within {CONNECT_TIMEOUT:?}")]
pub(super) struct HandshakeUnanswered;

/// Connects to a Unix socket.
#[cfg(unix)]
async fn open_socket(path: &Path) -> Result<Box<dyn Io>, BoxError> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn open_socket(_path: &Path) -> Result<Box<dyn Io>, BoxError> {
    // Refused when the settings were read.
    Err(io::Error::from(io::ErrorKind::Unsupported).into())
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let peer = self.peer.clone();
        let (http, is_tls) = (self.http, self.is_tls());
        let connector = self.clone();
        Box::pin(async move {
            let connect = connector.clone().connect(uri.clone());
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, connect).await;
            let connected = connected.unwrap_or_else(|_| Err(connector.timed_out(&uri)));
            let failure = connected.as_ref().err();
            peer.set_connect_failure(
                failure.map(|error| explain(error.as_ref(), peer.first_bytes(), http, is_tls)),
            );
            connected
        })
    }
}

/// The common interface of TCP, Unix sockets and TLS.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection of any kind.
pub(super) struct Stream {
    /// The connection, with everything below it.
    io: Box<dyn Io>,
    /// TLS has negotiated `h2`.
    is_http2: bool,
    /// The peer is a proxy that passes requests on: it needs the whole address in each.
    is_forwarded: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.is_forwarded);
        if self.is_http2 { connected.negotiated_h2() } else { connected }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

/// The longest time to connect. Without it, a host that drops packets holds an export for minutes.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time without traffic until the system probes a connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
