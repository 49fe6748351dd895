//! A listener that never responds.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// An endpoint that accepts connections and never responds until it is dropped, as a hanging collector does.
///
/// For a collector that hangs only temporarily, or for one signal, see [`Fault::Silence`](super::Fault::Silence).
///
/// ```
/// use std::time::Duration;
/// use telemetry_bootstrap::testing::Collector;
///
/// let silent = Collector::silent()?;
/// let (_, telemetry) = telemetry_bootstrap::init()
///     .ignore_env()
///     .endpoint(silent.endpoint())
///     .shutdown_timeout(Duration::from_millis(100))
///     .build_local::<tracing_subscriber::Registry>()?;
/// telemetry.meter("shop").u64_counter("orders").build().add(1, &[]);
/// let lost = telemetry.shutdown().err().ok_or("delivered")?;
/// assert_eq!(lost.stats().metrics.failed, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct UnresponsiveEndpoint {
    /// The address, with the port that the operating system has chosen.
    endpoint: String,
    /// Connections are never accepted: the kernel completes the handshakes of the first hundred clients.
    _listener: TcpListener,
}

impl UnresponsiveEndpoint {
    /// Opens a listener on a free port of the loopback interface.
    pub(super) fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Self { endpoint: format!("http://{}", listener.local_addr()?), _listener: listener })
    }

    /// Returns `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }
}
