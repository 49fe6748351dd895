//! The configuration given in code, unchecked.

use std::fmt;

use opentelemetry::{Key, Value};

use super::exporter::Destination;
use super::secrets::shown;
use super::values::Values;

/// Everything that was given in code. Absent and empty values were not given.
#[derive(Default)]
pub(crate) struct BuilderConfig {
    /// In the order of the calls; a later one replaces an earlier one of the same key.
    pub(crate) resource: Vec<(Key, Value)>,
    /// Setters of the builder itself.
    pub(crate) common: SignalConfig,
    /// Setters of [`Builder::traces`](crate::Builder::traces).
    pub(crate) traces: SignalConfig,
    /// Setters of [`Builder::metrics`](crate::Builder::metrics).
    pub(crate) metrics: SignalConfig,
    /// Setters of [`Builder::logs`](crate::Builder::logs).
    pub(crate) logs: SignalConfig,
    /// Setters of [`Builder::log_output`](crate::Builder::log_output).
    pub(crate) log_output: Values,
}

impl fmt::Debug for BuilderConfig {
    /// Values of the resource may hold secrets by mistake, which nothing can tell from other texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.resource.iter().map(|(key, _)| shown(key.as_str())).collect();
        f.debug_struct("BuilderConfig")
            .field("resource", &keys)
            .field("common", &self.common)
            .field("traces", &self.traces)
            .field("metrics", &self.metrics)
            .field("logs", &self.logs)
            .field("log_output", &self.log_output)
            .finish()
    }
}

/// The configuration of one signal, or of all.
#[derive(Debug, Default)]
pub(crate) struct SignalConfig {
    /// By the path of each setter.
    pub(crate) values: Values,
    /// Beside the one that the values describe.
    pub(crate) destinations: Vec<Destination>,
}
