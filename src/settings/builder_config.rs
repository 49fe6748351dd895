//! The configuration given in code, unchecked.

use opentelemetry::{Key, Value};

use super::exporter::Destination;
use super::values::Values;

/// Everything that was given in code. Absent and empty values were not given.
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
    /// Beside the one that the values describe.
    pub(crate) destinations: Vec<Destination>,
}
