//! Connections to collectors, and what is known of them.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::settings::{ExportSettings, Target};

/// One connection for each distinct target; must be used inside the I/O runtime, where their tasks live.
#[derive(Default)]
pub(in crate::export) struct Connections {
    open: HashMap<Target, Connection>,
}

impl Connections {
    /// `endpoint` is that of the target.
    pub(in crate::export) fn to(&mut self, target: &Target, endpoint: Endpoint) -> Connection {
        self.open.entry(target.clone()).or_insert_with(|| Connection::new(endpoint)).clone()
    }
}

/// What signals with one target share. Connects when there is something to send, and again when it was closed.
///
/// A connection whose packets are swallowed (a firewall that forgot it, a host that is gone) is never closed by
/// anybody: every request on it would time out, for as long as TCP repeats itself. So one that did not answer in
/// time is not used again. Pings would find out too, but servers commonly treat them as an attack: those in Go end a
/// connection that pings more than every five minutes.
#[derive(Clone)]
pub(in crate::export) struct Connection {
    endpoint: Endpoint,
    current: Arc<Mutex<Current>>,
}

#[derive(Clone)]
pub(in crate::export) struct Current {
    pub(in crate::export) channel: Channel,
    generation: u64,
    /// How many came on this connection.
    answers: Arc<AtomicU64>,
}

impl Current {
    fn new(endpoint: &Endpoint, generation: u64) -> Self {
        Self { channel: endpoint.connect_lazy(), generation, answers: Arc::default() }
    }

    pub(in crate::export) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::export) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

impl Connection {
    fn new(endpoint: Endpoint) -> Self {
        let current = Current::new(&endpoint, 0);
        Self { endpoint, current: Arc::new(Mutex::new(current)) }
    }

    pub(in crate::export) fn uri(&self) -> &http::Uri {
        self.endpoint.uri()
    }

    pub(in crate::export) fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Later requests get a new connection, unless they have one already. Requests under way keep the old one.
    pub(in crate::export) fn replace(&self, failed: &Current) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.generation == failed.generation {
            *current = Current::new(&self.endpoint, failed.generation + 1);
        }
    }
}

/// The endpoint that a target describes. Reads the TLS files it names.
pub(in crate::export) fn endpoint(
    settings: &ExportSettings,
) -> Result<Endpoint, Box<dyn Error + Send + Sync>> {
    let endpoint = Endpoint::from(settings.target.uri.clone())
        .user_agent(USER_AGENT)?
        // Without it, a host that drops packets holds an export for minutes.
        .connect_timeout(settings.timeout.min(CONNECT_TIMEOUT))
        .tcp_nodelay(true)
        // So that a gateway between does not forget an idle connection.
        .tcp_keepalive(Some(KEEP_ALIVE));
    with_tls(endpoint, &settings.target)
}

#[cfg(feature = "tls")]
fn with_tls(endpoint: Endpoint, target: &Target) -> Result<Endpoint, Box<dyn Error + Send + Sync>> {
    use tonic::transport::{Certificate, ClientTlsConfig, Identity};

    if target.uri.scheme() != Some(&http::uri::Scheme::HTTPS) {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    if let Some(certificate) = &target.tls.certificate {
        tls = tls.ca_certificate(Certificate::from_pem(std::fs::read(certificate)?));
    }
    if let (Some(certificate), Some(key)) = (&target.tls.client_certificate, &target.tls.client_key) {
        tls = tls.identity(Identity::from_pem(std::fs::read(certificate)?, std::fs::read(key)?));
    }
    match endpoint.clone().tls_config(tls.clone().with_enabled_roots()) {
        // A container without any certificates of its own can still trust the one that is given.
        Err(_) if target.tls.certificate.is_some() => Ok(endpoint.tls_config(tls)?),
        result => Ok(result?),
    }
}

#[cfg(not(feature = "tls"))]
fn with_tls(endpoint: Endpoint, _target: &Target) -> Result<Endpoint, Box<dyn Error + Send + Sync>> {
    // `https` was refused when the settings were read.
    Ok(endpoint)
}

/// Our name in front of the exporter's, as the specification allows a distribution.
const USER_AGENT: &str =
    concat!("telemetry-bootstrap/", env!("CARGO_PKG_VERSION"), " OTel-OTLP-Exporter-Rust/0.33");
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(30);
