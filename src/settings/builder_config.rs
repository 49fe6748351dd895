//! What the builder was told, unchecked.

use std::fmt;
use std::time::Duration;

use opentelemetry::{Key, Value};
use opentelemetry_sdk::metrics::Temporality;
use tracing_core::Level;

use super::endpoint;
use super::types::{Compression, HistogramAggregation, LogFormat, TlsSettings};

/// Everything that was said in code. `None` and empty: nothing was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct BuilderConfig {
    pub(crate) service_name: Option<String>,
    /// In the order of the calls; a later one replaces an earlier one of the same key.
    pub(crate) resource: Vec<(Key, Value)>,
    pub(crate) otlp: OtlpRequested,
    pub(crate) traces: TracesRequested,
    pub(crate) metrics: MetricsRequested,
    pub(crate) logs: LogsRequested,
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) log_filter: Option<String>,
    pub(crate) span_filter: Option<String>,
    pub(crate) shutdown_timeout: Option<Duration>,
    /// Propagators were added in code.
    pub(crate) custom_propagators: bool,
}

/// Where and how to send.
#[derive(Clone, Default)]
pub(crate) struct OtlpRequested {
    pub(crate) endpoint: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) compression: Option<Compression>,
    pub(crate) tls: Option<TlsSettings>,
}

impl fmt::Debug for OtlpRequested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("OtlpRequested")
            .field("endpoint", &self.endpoint.as_deref().map(endpoint::redacted))
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .field("tls", &self.tls)
            .finish()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct TracesRequested {
    pub(crate) export: Option<bool>,
    pub(crate) otlp: OtlpRequested,
    /// A sampler was given in code.
    pub(crate) custom_sampler: bool,
    pub(crate) max_attributes: Option<u32>,
    pub(crate) max_value_length: Option<usize>,
    pub(crate) max_events: Option<u32>,
    pub(crate) max_links: Option<u32>,
    pub(crate) max_attributes_per_event: Option<u32>,
    pub(crate) max_attributes_per_link: Option<u32>,
    pub(crate) queue: QueueRequested,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MetricsRequested {
    pub(crate) export: Option<bool>,
    pub(crate) otlp: OtlpRequested,
    pub(crate) interval: Option<Duration>,
    pub(crate) export_timeout: Option<Duration>,
    pub(crate) temporality: Option<Temporality>,
    pub(crate) histograms: Option<HistogramAggregation>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct LogsRequested {
    pub(crate) export: Option<bool>,
    pub(crate) otlp: OtlpRequested,
    pub(crate) filter: Option<String>,
    pub(crate) minimum_severity: Option<Level>,
    pub(crate) sampled_traces_only: bool,
    pub(crate) span_fields: bool,
    pub(crate) max_attributes: Option<u32>,
    pub(crate) max_value_length: Option<usize>,
    pub(crate) queue: QueueRequested,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueueRequested {
    pub(crate) max_items: Option<usize>,
    pub(crate) max_bytes: Option<usize>,
    pub(crate) max_export_batch_size: Option<usize>,
    pub(crate) delay: Option<Duration>,
}
