//! An in-process OTLP receiver on the loopback interface, for gRPC and HTTP, with its own thread and runtime.
//!
//! | file | concept |
//! |---|---|
//! | `server` | the thread, its runtime, connections, and the shutdown |
//! | `receiver` | decodes requests into [`Export`]s, for every protocol and compression |
//! | `fault` | injected faults, and their selection for a request |
//! | `reply` | the response, in the protocol of the request; a request is kept once its response is sent |
//! | `state` | the state that the thread and the handle share: kept requests, faults, counts |
//! | `collected`, `telemetry`, `attributes` | queries on the kept requests, and their rendering as text |
//!
//! The receiver shares the decoders of `export::encode` (OTLP/JSON, values) but not its encoders: requests are
//! decoded by `opentelemetry-proto`, so a wrong encoder cannot be confirmed by a matching decoder.

mod attributes;
mod collected;
mod export;
mod fault;
mod receiver;
mod reply;
mod server;
mod state;
mod telemetry;
mod unresponsive;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::net::TcpSocket;

pub use self::collected::{CollectedTelemetry, Request, WaitError};
pub use self::export::Export;
pub use self::fault::{Fault, FaultPlan, HttpAnswer};
pub use self::telemetry::{CollectedLog, CollectedMetric, CollectedSpan, HistogramValue};
pub use self::unresponsive::UnresponsiveEndpoint;

use self::server::{Ending, Server};
use self::state::State;

/// An OTLP receiver that keeps the telemetry it receives: gRPC, and HTTP with protobuf or JSON, on one port.
///
/// It listens on its own port of `127.0.0.1`, and has its own thread and runtime: a test needs no runtime, and one
/// that has a runtime may block it. Dropping the collector closes all connections and stops the thread.
///
/// **Only acknowledged requests are kept**: a request is recorded when the end of its successful response is passed
/// to the connection, and not if the client gave up before. Whether the client then reads the response is unknown
/// here; a connection that breaks at that moment is the only case in which a client may repeat a request that was
/// kept.
///
/// Like a collector with default settings, it accepts requests of up to 4 MiB, and gzip and zstd (with the features
/// of that name).
///
/// ```
/// use std::time::Duration;
/// use telemetry_bootstrap::testing::Collector;
/// use telemetry_bootstrap::tracing::{info, info_span};
///
/// let collector = Collector::start()?;
/// let telemetry = telemetry_bootstrap::init()
///     .ignore_env()
///     .service_name("shop")
///     .endpoint(collector.endpoint())
///     .build()?;
///
/// info_span!("checkout").in_scope(|| info!(items = 3, "paid"));
/// telemetry.force_flush(Duration::from_secs(5))?;
///
/// // For a program in another process:
/// let received = collector.wait_for(Duration::from_secs(5), |received| received.log_count() == 1)?;
/// let (span, log) = (received.span("checkout"), received.log("paid"));
/// assert_eq!(log.span_id(), Some(span.span_id()));
/// assert_eq!(log.resource_attribute("service.name"), Some("shop".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Collector {
    /// Shared with the server's thread, across all restarts.
    state: Arc<State>,
    /// The address, the same across all restarts.
    address: SocketAddr,
    /// Bound but never listening: while the collector is stopped, connections are refused and the port stays
    /// reserved.
    _reservation: TcpSocket,
    /// `None` while the collector is stopped.
    server: Mutex<Option<Server>>,
}

impl Collector {
    /// Starts a collector on a free port.
    ///
    /// # Errors
    /// Returns an error if no port can be bound or the thread cannot be spawned.
    ///
    /// ```
    /// use telemetry_bootstrap::testing::Collector;
    ///
    /// let collector = Collector::start()?;
    /// assert!(collector.endpoint().starts_with("http://127.0.0.1:"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// Starts a collector on this port of the loopback interface.
    ///
    /// # Errors
    /// Returns an error if the port is in use, or if the thread cannot be spawned.
    ///
    /// With port 0, the operating system chooses a free port, as for [`start`](Self::start).
    pub fn start_on(port: u16) -> io::Result<Self> {
        let reservation = reserve(port)?;
        let address = reservation.local_addr()?;
        let state = Arc::new(State::default());
        let server = Server::start(address, Arc::clone(&state))?;
        Ok(Self { state, address, _reservation: reservation, server: Mutex::new(Some(server)) })
    }

    /// Returns `http://127.0.0.1:PORT`. Does not change on [`stop`](Self::stop) and [`restart`](Self::restart).
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns an endpoint that refuses connections for the lifetime of the process: its port is reserved.
    ///
    /// # Errors
    /// Returns an error if no port can be bound.
    ///
    /// ```
    /// use telemetry_bootstrap::testing::Collector;
    ///
    /// let (_, telemetry) = telemetry_bootstrap::init()
    ///     .ignore_env()
    ///     .endpoint(Collector::closed_endpoint()?)
    ///     .build_local::<tracing_subscriber::Registry>()?;
    /// telemetry.meter("shop").u64_counter("orders").build().add(1, &[]);
    /// // The shutdown does not wait for an absent collector.
    /// let lost = telemetry.shutdown().err().ok_or("delivered")?;
    /// assert_eq!(lost.stats().metrics.failed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn closed_endpoint() -> io::Result<String> {
        static RESERVED: OnceLock<TcpSocket> = OnceLock::new();
        let reserved = match RESERVED.get() {
            Some(reserved) => reserved,
            None => {
                let reservation = reserve(0)?;
                RESERVED.get_or_init(|| reservation)
            }
        };
        Ok(format!("http://{}", reserved.local_addr()?))
    }

    /// Returns an endpoint that accepts connections and never responds.
    ///
    /// # Errors
    /// Returns an error if no port can be bound.
    pub fn silent() -> io::Result<UnresponsiveEndpoint> {
        UnresponsiveEndpoint::open()
    }

    /// Returns all telemetry kept so far.
    #[must_use]
    pub fn received(&self) -> CollectedTelemetry {
        self.state.received()
    }

    /// Returns all telemetry kept so far and discards it, for long runs and for exact counts.
    #[must_use]
    pub fn take(&self) -> CollectedTelemetry {
        self.state.take()
    }

    /// Discards all telemetry kept so far.
    pub fn clear(&self) {
        drop(self.take());
    }

    /// Returns all spans kept so far, in the order of arrival.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.received().spans()
    }

    /// Returns all log records kept so far, in the order of arrival.
    #[must_use]
    pub fn logs(&self) -> Vec<CollectedLog> {
        self.received().logs()
    }

    /// Returns all metrics of all collections kept so far, in the order of arrival.
    #[must_use]
    pub fn metrics(&self) -> Vec<CollectedMetric> {
        self.received().metrics()
    }

    /// Blocks until the received telemetry fulfils the condition, and returns it. The condition is checked again at
    /// each arrival.
    ///
    /// This blocks the thread: inside a `current_thread` runtime, the expected telemetry must not depend on that
    /// thread.
    ///
    /// # Errors
    /// Returns an error if the time has elapsed. It contains the telemetry that had arrived.
    pub fn wait_for(
        &self,
        timeout: Duration,
        condition: impl FnMut(&CollectedTelemetry) -> bool,
    ) -> Result<CollectedTelemetry, WaitError> {
        self.state.wait_for(timeout, condition)
    }

    /// Applies this fault to requests from now on, after faults that were injected earlier.
    ///
    /// A bare [`Fault`] applies to all signals, until [`clear_faults`](Self::clear_faults).
    pub fn inject_fault(&self, fault: impl Into<FaultPlan>) {
        self.state.add_fault(fault.into());
    }

    /// Removes all faults. Requests under [`Fault::Silence`] remain without a response.
    pub fn clear_faults(&self) {
        self.state.clear_faults();
    }

    /// Returns the number of requests received so far, including those that were not answered or kept.
    #[must_use]
    pub fn request_count(&self) -> usize {
        self.state.requests()
    }

    /// Returns the number of connections accepted so far, across all restarts.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections()
    }

    /// Stops listening and closes all connections. New connections are refused.
    ///
    /// Requests whose response has not begun fail with UNAVAILABLE and are not kept; responses that have begun are
    /// still sent. Clients that do not read them within a second are disconnected.
    pub fn stop(&self) {
        if let Some(server) = self.lock_server().take() {
            server.end(Ending::AnswersGoOut);
        }
    }

    /// Listens again, on the same port; stops first if it is running. Received telemetry and faults are kept.
    ///
    /// # Errors
    /// Returns an error if the thread cannot be spawned.
    ///
    /// ```
    /// use telemetry_bootstrap::testing::Collector;
    ///
    /// let collector = Collector::start()?;
    /// let endpoint = collector.endpoint();
    /// collector.stop();
    /// assert!(std::net::TcpStream::connect(("127.0.0.1", collector.port())).is_err());
    /// collector.restart()?;
    /// assert_eq!(collector.endpoint(), endpoint);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn restart(&self) -> io::Result<()> {
        self.stop();
        *self.lock_server() = Some(Server::start(self.address, Arc::clone(&self.state))?);
        Ok(())
    }

    /// Locks the server handle. A poisoned lock is used as it is.
    fn lock_server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(server) = self.lock_server().take() {
            server.end(Ending::AtOnce);
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Binds a port without listening. This also keeps a client from connecting to itself, which can happen on a free
/// port of the ephemeral range.
fn reserve(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Both the reservation and the listener need it to share the port.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}
