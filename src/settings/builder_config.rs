//! The configuration given in code, unchecked.

use opentelemetry::{Key, Value};

use super::exporter::Destination;
use super::values::Values;

/// Everything that was given in code. Absent and empty values were not given.
#[derive(Debug, Default)]
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

/// The configuration of one signal, or of all.
#[derive(Debug, Default)]
pub(crate) struct SignalConfig {
    /// By the path of each setter.
    pub(crate) values: Values,
    /// Beside the one that the values describe.
    pub(crate) destinations: Vec<Destination>,
}
