//! A listener that never answers.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Accepts connections and never answers, until it is dropped: a collector that hangs.
///
/// For a collector that hangs only for a while, or for one signal, see [`Fault::Silence`](super::Fault::Silence).
#[derive(Debug)]
pub struct UnresponsiveEndpoint {
    endpoint: String,
    /// Never accepted from: the kernel completes the handshakes of the first hundred clients.
    _listener: TcpListener,
}

impl UnresponsiveEndpoint {
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
