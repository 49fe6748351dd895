//! Settings as plain data: everything optional has been decided.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::Temporality;
use tracing_core::LevelFilter;

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
    /// The most verbose level that becomes a record, of what the filter lets pass.
    pub(crate) minimum_severity: LevelFilter,
    /// Leaves out records of traces that are not sampled.
    pub(crate) sampled_traces_only: bool,
    /// Records carry the fields of the spans around them.
    pub(crate) span_fields: bool,
    pub(crate) limits: AttributeLimits,
    pub(crate) queue: QueueSettings,
}

/// The log output for people and log shippers.
#[derive(Clone, Debug)]
pub(crate) struct LineSettings {
    pub(crate) format: LogFormat,
    /// `NO_COLOR`: text for people is not coloured, wherever it goes.
    pub(crate) no_color: bool,
    pub(crate) filter: Directives,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// [`Pretty`](Self::Pretty) when the output is a terminal, [`Json`](Self::Json) otherwise.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Pretty,
    /// No lines.
    Off,
}

/// Filter directives with the place they came from, for messages. Syntax is checked by `subscriber::filter`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Directives {
    pub(crate) text: String,
    /// `.log_filter()`, `RUST_LOG`, or `default`.
    pub(crate) origin: &'static str,
}

impl Directives {
    /// Whether a setter gave them: a mistake is then the program's, not the operator's.
    pub(crate) fn is_from_code(&self) -> bool {
        self.origin.starts_with('.')
    }
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

/// PEM files for an `https` connection. None for one that is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TlsFiles {
    /// Trusted roots, beside the system's.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
    pub(crate) client_certificate: Option<PathBuf>,
    /// The operator named one of them: a mistake in it must not keep the program from starting.
    pub(crate) from_env: bool,
}

/// How export requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// With gzip; needs the feature `gzip`.
    Gzip,
}

/// PEM files for connections to `https` endpoints; needs the feature `tls`.
///
/// Without any of them the system's root certificates are trusted.
///
/// ```
/// use telemetry_bootstrap::TlsSettings;
///
/// let mutual = TlsSettings::new()
///     .certificate("/etc/otel/ca.pem")
///     .client_certificate("/etc/otel/client.pem")
///     .client_key("/etc/otel/client.key");
/// # let _ = telemetry_bootstrap::init().tls(mutual);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "the settings have no effect until they are given to `tls`"]
pub struct TlsSettings {
    pub(crate) files: TlsFiles,
}

impl TlsSettings {
    /// The system's root certificates, and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Certificates of authorities to trust beside the system's.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_CERTIFICATE` and its form for one signal.
    pub fn certificate(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.certificate = Some(path.into());
        self
    }

    /// This side's certificate chain, where the collector asks for one. Goes with [`client_key`](Self::client_key).
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and its form for one signal.
    pub fn client_certificate(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.client_certificate = Some(path.into());
        self
    }

    /// The private key of [`client_certificate`](Self::client_certificate).
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_CLIENT_KEY` and its form for one signal.
    pub fn client_key(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.client_key = Some(path.into());
        self
    }
}

/// Limits of one signal's queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct QueueSettings {
    /// Items waiting; the newest are dropped when full.
    pub(crate) max_items: usize,
    /// Bytes waiting.
    pub(crate) max_bytes: usize,
    /// Items in one request.
    pub(crate) max_export_batch_size: usize,
    /// Longest wait before a batch that is not full is sent.
    pub(crate) delay: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SamplerSetting {
    AlwaysOn,
    AlwaysOff,
    TraceIdRatio(f64),
    ParentBasedAlwaysOn,
    ParentBasedAlwaysOff,
    ParentBasedTraceIdRatio(f64),
    /// The sampler given in code; no variable overrode it.
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

/// How histograms without a view of their own are aggregated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistogramAggregation {
    /// Fixed boundaries: those of the instrument, or the SDK's.
    #[default]
    ExplicitBuckets,
    /// Boundaries that adapt to the values: no choice to make, more precise, not known to every backend.
    Base2Exponential,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagator {
    TraceContext,
    Baggage,
    /// Those given in code; no variable overrode them.
    Custom,
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
