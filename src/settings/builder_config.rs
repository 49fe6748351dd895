//! The configuration given in code, unchecked.

use std::fmt;
use std::time::Duration;

use opentelemetry::{Key, Value};

use super::endpoint;
use super::secrets::shown_name;
use super::types::{Compression, Protocol, TlsSettings};
use super::values::Values;

/// Everything that was given in code. What is absent or empty was not given.
#[derive(Debug, Default)]
pub(crate) struct BuilderConfig {
    /// In the order of the calls; a later one replaces an earlier one of the same key.
    pub(crate) resource: Vec<(Key, Value)>,
    pub(crate) common: SignalConfig,
    pub(crate) traces: SignalConfig,
    pub(crate) metrics: SignalConfig,
    pub(crate) logs: SignalConfig,
    pub(crate) log_output: Values,
}

/// The configuration of one signal, or of all.
#[derive(Debug, Default)]
pub(crate) struct SignalConfig {
    pub(crate) values: Values,
    pub(crate) otlp: OtlpConfig,
}

/// Where and how one signal is sent.
#[derive(Clone, Default)]
pub(crate) struct OtlpConfig {
    pub(crate) export: Option<bool>,
    pub(crate) endpoint: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) compression: Option<Compression>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) tls: Option<TlsSettings>,
}

impl fmt::Debug for OtlpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| shown_name(name)).collect();
        f.debug_struct("OtlpConfig")
            .field("export", &self.export)
            .field("endpoint", &self.endpoint.as_deref().map(endpoint::redacted))
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .field("protocol", &self.protocol)
            .field("tls", &self.tls)
            .finish()
    }
}
