//! The server: one thread with its own runtime, which serves gRPC and HTTP on one port.
//!
//! The thread is marked as one of this crate's own ([`own_threads`](crate::export::own_threads)), because a
//! subscriber under test would otherwise export the server's own events to the server.
//!
//! ```text
//! start ─▶ thread ─▶ bind, listen ─▶ accept ─┬─▶ connection ─▶ requests … ─▶ GOAWAY or close
//!                         │                  └─▶ connection …
//!                   ready ◀┘                              end: AnswersGoOut waits up to GRACE, AtOnce does not
//! ```

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::receiver::Receiver;
use super::state::State;
use crate::export::own_threads::become_io_thread;

/// A running server.
pub(super) struct Server {
    /// The way in which the server shuts down; `None` until then. Read by the accept loop, all connections and all
    /// requests.
    ending: watch::Sender<Option<Ending>>,
    /// Joined at shutdown, so that the port is free afterwards.
    thread: JoinHandle<()>,
}

/// The way in which a server shuts down.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ending {
    /// Responses that have begun are completed, within [`GRACE`].
    AnswersGoOut,
    /// Connections are closed even if clients have not received their responses.
    AtOnce,
}

/// The receiving side of a server's shutdown.
pub(super) type Ended = watch::Receiver<Option<Ending>>;

impl Server {
    /// Starts a server, and returns once it listens.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the address cannot be bound or a thread cannot be spawned.
    pub(super) fn start(address: SocketAddr, state: Arc<State>) -> io::Result<Self> {
        let (ending, ended) = watch::channel(None);
        let (ready, listening) = channel();
        let thread = std::thread::Builder::new()
            .name("otel-collector".to_owned())
            .spawn(move || run(address, &state, &ended, &ready))?;
        match listening.recv() {
            Ok(Ok(())) => Ok(Self { ending, thread }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the collector's thread ended")),
        }
    }

    /// Shuts the server down, and returns when its thread has exited.
    ///
    /// Blocks the calling thread for at most [`GRACE`] and the time that the thread needs to close its connections.
    pub(super) fn end(self, ending: Ending) {
        let _ = self.ending.send(Some(ending));
        let _ = self.thread.join();
    }
}

/// The body of the thread. An error before the server listens is passed to `ready`.
fn run(address: SocketAddr, state: &Arc<State>, ended: &Ended, ready: &Sender<io::Result<()>>) {
    // A subscriber of the program under test would see the server's own events, and export them to it.
    become_io_thread();
    let _suppressed = opentelemetry::Context::enter_telemetry_suppressed_scope();
    if let Err(error) = listen_and_serve(address, state, ended, ready) {
        let _ = ready.send(Err(error));
    }
}

/// Listens and serves, until the server is shut down and its connections are closed.
///
/// # Errors
///
/// The operating system's error, if the runtime cannot be created or the address cannot be bound.
fn listen_and_serve(
    address: SocketAddr,
    state: &Arc<State>,
    ended: &Ended,
    ready: &Sender<io::Result<()>>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = listen(address)?;
        let _ = ready.send(Ok(()));
        serve(listener, state, ended).await;
        Ok(())
    })
}

/// Binds the address and listens.
///
/// The collector itself reserves the address with a socket that never listens, which is why both need `SO_REUSEADDR`.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the shutdown, and then waits for open ones.
async fn serve(listener: TcpListener, state: &Arc<State>, ended: &Ended) {
    let mut connections = JoinSet::new();
    let mut end = pin!(end_of(ended.clone()));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    state.connected();
                    connections.spawn(serve_connection(stream, Arc::clone(state), ended.clone()));
                }
                // The process may be out of file descriptors for the moment.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = &mut end => break,
        }
    }
    drop(listener);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = clients_are_done(ended.clone()) => {}
    }
}

/// Serves HTTP/1 or HTTP/2, whichever the client uses. At shutdown, HTTP/2 clients receive a GOAWAY.
async fn serve_connection(stream: TcpStream, state: Arc<State>, ended: Ended) {
    let _ = stream.set_nodelay(true);
    let receiver = Receiver::new(state, ended.clone());
    let service = service_fn(move |request| {
        let receiver = receiver.clone();
        async move { Ok::<_, Infallible>(receiver.receive(request).await) }
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = end_of(ended) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Resolves when the server is to shut down.
pub(super) async fn end_of(mut ended: Ended) {
    // An error means that the handle was dropped, which has the same effect.
    let _ = ended.wait_for(Option::is_some).await;
}

/// Resolves when the connections must be closed, even if clients have not received their responses.
async fn clients_are_done(mut ended: Ended) {
    let ending = ended.wait_for(Option::is_some).await.map_or(None, |ending| *ending);
    if ending == Some(Ending::AnswersGoOut) {
        tokio::time::sleep(GRACE).await;
    }
}

/// The time after which connections are accepted again if accepting one failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// The number of connections that the kernel completes before they are accepted.
const BACKLOG: u32 = 1024;
/// The time that a stopping server waits for clients to read their responses.
const GRACE: Duration = Duration::from_secs(1);
