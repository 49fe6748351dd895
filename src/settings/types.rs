//! Settings as plain data: everything optional has been decided.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::Temporality;

/// What was asked for, by code and environment, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `OTEL_SDK_DISABLED`: no providers, no export; context propagation and log lines stay.
    pub(crate) disabled: bool,
    /// Attributes of the resource, `service.name` among them, without duplicates.
    pub(crate) resource: Vec<KeyValue>,
    pub(crate) propagators: Vec<Propagator>,
    pub(crate) traces: TraceSettings,
    pub(crate) metrics: MetricSettings,
    pub(crate) logs: LogSettings,
    pub(crate) lines: LineSettings,
    /// Directives that decide which `tracing` spans become OpenTelemetry spans.
    pub(crate) span_filter: Directives,
    /// One deadline for the whole shutdown.
    pub(crate) shutdown_timeout: Duration,
    pub(crate) rpc_conventions: RpcConventions,
    pub(crate) exception_signal: ExceptionSignal,
    /// Mistakes in the environment, in words for the operator; said once a log output exists.
    pub(crate) warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct TraceSettings {
    /// `None`: spans are made (lines carry their ids) but not exported.
    pub(crate) export: Option<ExportSettings>,
    pub(crate) sampler: SamplerSetting,
    pub(crate) limits: SpanLimitSettings,
    pub(crate) queue: QueueSettings,
}

#[derive(Clone, Debug)]
pub(crate) struct MetricSettings {
    pub(crate) export: Option<ExportSettings>,
    /// Time between two collections.
    pub(crate) interval: Duration,
    /// Limit for delivering one collection.
    pub(crate) timeout: Duration,
    pub(crate) temporality: Temporality,
    pub(crate) histograms: HistogramAggregation,
}

#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    pub(crate) export: Option<ExportSettings>,
    /// Directives that decide which events become OTLP log records.
    pub(crate) filter: Directives,
    pub(crate) limits: AttributeLimits,
    pub(crate) queue: QueueSettings,
}

/// The log output for people and log shippers.
#[derive(Clone, Debug)]
pub(crate) struct LineSettings {
    pub(crate) format: super::LogFormat,
    pub(crate) filter: Directives,
}

/// Filter directives with the place they came from, for messages. Syntax is checked by `subscriber::filter`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Directives {
    pub(crate) text: String,
    /// `.log_filter()`, `RUST_LOG`, or `default`.
    pub(crate) origin: &'static str,
}

/// Where and how one signal is sent.
#[derive(Clone, PartialEq)]
pub(crate) struct ExportSettings {
    pub(crate) target: Target,
    /// Values are secrets: not in `Debug`.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Limit for one export of one batch.
    pub(crate) timeout: Duration,
    pub(crate) compression: Compression,
}

impl fmt::Debug for ExportSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("ExportSettings")
            .field("target", &self.target)
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .finish()
    }
}

/// One connection: signals with equal targets share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// Scheme and authority; no credentials, no path.
    pub(crate) uri: Uri,
    pub(crate) tls: TlsFiles,
}

/// PEM files that replace the defaults of an `https` connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TlsFiles {
    /// Trusted roots, beside the system's.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
    pub(crate) client_certificate: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
}

/// Limits of one signal's queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct QueueSettings {
    /// Items waiting; the newest are dropped when full.
    pub(crate) max_items: usize,
    /// Bytes waiting.
    pub(crate) max_bytes: usize,
    /// Items in one request.
    pub(crate) max_batch_items: usize,
    /// Longest wait before a batch that is not full is sent.
    pub(crate) delay: Duration,
}

#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::enum_variant_names, reason = "the specification's names")]
pub(crate) enum SamplerSetting {
    AlwaysOn,
    AlwaysOff,
    TraceIdRatio(f64),
    ParentBasedAlwaysOn,
    ParentBasedAlwaysOff,
    ParentBasedTraceIdRatio(f64),
    /// The sampler given in code: no variable overrides it.
    Custom,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SpanLimitSettings {
    pub(crate) attributes: AttributeLimits,
    pub(crate) events: u32,
    pub(crate) links: u32,
    pub(crate) attributes_per_event: u32,
    pub(crate) attributes_per_link: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AttributeLimits {
    pub(crate) count: u32,
    /// In characters; longer strings are cut.
    pub(crate) value_length: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistogramAggregation {
    ExplicitBuckets,
    Base2Exponential,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagator {
    TraceContext,
    Baggage,
}

/// Which names RPC telemetry carries: `OTEL_SEMCONV_STABILITY_OPT_IN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RpcConventions {
    #[default]
    Stable,
    Old,
    Both,
}

/// Where an error value is recorded: `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ExceptionSignal {
    #[default]
    SpanEvent,
    Logs,
    Both,
}
