//! The exporter's own server: `GET /metrics`, on its own thread.
//!
//! Every client that reaches the port can connect. So connections are limited in number and in time, and headers in
//! size. Each connection serves one request, so an idle one takes no place.
//!
//! | limit | value | against |
//! |---|---|---|
//! | connections | 32 | clients that open many |
//! | time for the head | 5 s | clients that send nothing |
//! | time for a connection | 30 s | clients that read nothing |
//! | size of the head | 16 KiB | large headers |
//!
//! It listens on the loopback address unless the settings say otherwise, has no TLS and no authentication: a program
//! that needs these mounts the [`PrometheusHandler`] in its own server.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, join_all};
use futures_util::{FutureExt as _, TryFutureExt as _};
use http::{Method, Request, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tower_service::Service as _;

use super::compression::{accepts_gzip, compressed};
use super::handler::{PrometheusHandler, plain};
use crate::export::delivery::new_runtime;
use crate::export::own_threads::{Fork, become_io_thread};

/// A server that listens until it is dropped.
///
/// Dropping it closes the port, and waits for the thread for up to [`GRACE`].
#[derive(Debug)]
pub(crate) struct Server {
    /// `true` once the server is to end.
    stop: watch::Sender<bool>,
    /// Closed at the end of the thread. Locked only so that the server can be shared.
    ended: Mutex<Receiver<()>>,
    fork: Fork,
}

impl Server {
    /// Binds all addresses of a host, such as `127.0.0.1` and `::1` of `localhost`: scrapers may connect to any of them,
    /// and another program must not have one. Port 0 becomes the same free port for all.
    ///
    /// Resolving the host may block. `host` may be an IPv6 address in brackets.
    ///
    /// # Errors
    ///
    /// Those of the resolution, and that of an address that is in use or not allowed. An address that the machine does
    /// not have, as without IPv6, counts only if there is no other.
    pub(crate) fn bind(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
        let host = host.trim_matches(['[', ']']);
        let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
        addresses.sort_unstable();
        addresses.dedup();
        for _ in 1..PORT_TRIES {
            match bind_all(&addresses) {
                // The free port of one address may be in use at another.
                Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                bound => return bound,
            }
        }
        bind_all(&addresses)
    }

    /// Starts the server's thread.
    ///
    /// Returns when the thread has its runtime and listens.
    ///
    /// # Errors
    ///
    /// The operating system's, if it refuses the thread or the runtime's descriptors.
    pub(crate) fn start(listeners: Vec<TcpListener>, handler: PrometheusHandler) -> io::Result<Self> {
        listeners.iter().try_for_each(|listener| listener.set_nonblocking(true))?;
        let (stop, stopped) = watch::channel(false);
        let (alive, ended) = sync_channel(0);
        let (started, has_started) = sync_channel(1);
        std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || run(listeners, handler, stopped, &started, alive))?;
        has_started.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
        Ok(Self { stop, ended: Mutex::new(ended), fork: Fork::new() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.fork.is_child() {
            return;
        }
        self.stop.send_replace(true);
        // The port is free afterwards.
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _: Result<(), RecvTimeoutError> = ended.recv_timeout(GRACE);
    }
}

/// The body of the thread: builds its runtime, and accepts connections until the server is dropped. `alive` is dropped
/// at its end.
fn run(
    listeners: Vec<TcpListener>,
    handler: PrometheusHandler,
    mut stopped: watch::Receiver<bool>,
    started: &SyncSender<io::Result<()>>,
    alive: SyncSender<()>,
) {
    become_io_thread();
    let _suppressed = opentelemetry::Context::enter_telemetry_suppressed_scope();
    let start = new_runtime().and_then(|runtime| {
        let listeners: Vec<_> = {
            let _inside = runtime.enter();
            listeners.into_iter().map(tokio::net::TcpListener::from_std).collect::<io::Result<_>>()?
        };
        Ok((runtime, listeners))
    });
    let (runtime, listeners) = match start {
        Ok(started) => started,
        Err(error) => return drop(started.send(Err(error))),
    };
    let _ = started.send(Ok(()));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    runtime.block_on(async {
        tokio::select! {
            _ = join_all(listeners.iter().map(|listener| accept(listener, &places, &handler))) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    });
    drop(listeners);
    runtime.shutdown_background();
    drop(alive);
}

/// Binds these addresses. A port of 0 becomes that of the first one.
fn bind_all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut absent = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let mut address = *address;
        if let Some(first) = bound.first()
            && address.port() == 0
        {
            address.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(address) {
            Ok(listener) => bound.push(listener),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) =>
            {
                return Err(error);
            }
            Err(error) => absent = error,
        }
    }
    if bound.is_empty() { Err(absent) } else { Ok(bound) }
}

/// Accepts connections until it is dropped. Each takes one of the places, of which all listeners share
/// [`MAX_CONNECTIONS`].
async fn accept(listener: &tokio::net::TcpListener, places: &Arc<Semaphore>, handler: &PrometheusHandler) {
    loop {
        // Further connections wait in the system's queue.
        let accepted = listener.accept().await;
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
        match accepted {
            Ok((stream, _)) => {
                let serving = serve(stream, handler.clone());
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(CONNECTION_LIMIT, serving).await;
                    drop(place);
                });
            }
            // Out of descriptors, for example.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Answers one request, and closes the connection.
///
/// | path | answer |
/// |---|---|
/// | `/metrics` | that of the handler, perhaps compressed |
/// | `/` | 200, with a line for people |
/// | any other | 404 |
async fn serve(stream: TcpStream, handler: PrometheusHandler) {
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let mut handler = handler.clone();
        let accepts_gzip = accepts_gzip(request.headers());
        let answer = match request.uri().path() {
            "/metrics" => Either::Left(handler.call(request)),
            "/" if request.method() == Method::GET => {
                Either::Right(std::future::ready(Ok(plain(StatusCode::OK, "see /metrics\n"))))
            }
            _ => Either::Right(std::future::ready(Ok(plain(StatusCode::NOT_FOUND, "see /metrics\n")))),
        };
        answer.map_ok(move |response| compressed(response, accepts_gzip))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), answer);
    // The scraper notices a connection that fails, and tries again.
    connection.map(drop).await;
}

/// The name of the thread. Linux shows 15 bytes.
const THREAD_NAME: &str = "otel-prometheus";
/// The most connections at once. Scrapers are few.
const MAX_CONNECTIONS: usize = 32;
/// The number of attempts to find a port that is free on all addresses.
const PORT_TRIES: u32 = 16;
/// The time for a request's head.
const HEADER_LIMIT: Duration = Duration::from_secs(5);
/// The time for a whole connection: head, collection and answer. Scrapers give up after 10 seconds.
const CONNECTION_LIMIT: Duration = Duration::from_secs(30);
/// The largest head of a request, in bytes.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The time to wait for the end of the thread.
const GRACE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
