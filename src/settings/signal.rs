//! The three signals of telemetry.

use std::fmt;

/// Traces, metrics or logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

/// Something that each signal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerSignal<T> {
    /// That of traces.
    pub(crate) traces: T,
    /// That of metrics.
    pub(crate) metrics: T,
    /// That of log records.
    pub(crate) logs: T,
}

impl<T> PerSignal<T> {
    /// Returns each signal with what it has.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Signal, &T)> {
        let Self { traces, metrics, logs } = self;
        [(Signal::Traces, traces), (Signal::Metrics, metrics), (Signal::Logs, logs)].into_iter()
    }

    /// Returns what one signal has.
    pub(crate) fn get(&self, signal: Signal) -> &T {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }

    /// Returns the same for references.
    pub(crate) fn as_ref(&self) -> PerSignal<&T> {
        PerSignal { traces: &self.traces, metrics: &self.metrics, logs: &self.logs }
    }

    /// Makes something else of what each signal has.
    pub(crate) fn map<U>(self, mut map: impl FnMut(Signal, T) -> U) -> PerSignal<U> {
        PerSignal {
            traces: map(Signal::Traces, self.traces),
            metrics: map(Signal::Metrics, self.metrics),
            logs: map(Signal::Logs, self.logs),
        }
    }
}

impl Signal {
    /// Returns the name as setters, paths and messages have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
