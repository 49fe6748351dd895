//! Types of settings.

use std::borrow::Cow;
use std::path::PathBuf;

use super::exporter::TlsFiles;

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
    /// As they were given.
    pub(crate) text: String,
    /// `.log_filter()`, `RUST_LOG`, or `default`.
    pub(crate) origin: Cow<'static, str>,
}

impl Directives {
    /// Returns `true` if a setter or a configuration file gave them: a mistake is then an error, and not a warning as
    /// for a variable.
    pub(crate) fn is_strict(&self) -> bool {
        self.origin.starts_with('.') || self.origin.starts_with("line ")
    }

    /// Returns `true` unless a source of settings has them.
    pub(crate) fn is_default(&self) -> bool {
        self.origin == "default"
    }
}

/// The protocol in which telemetry is sent.
///
/// ```
/// use telemetry_bootstrap::Protocol;
///
/// # let _ =
/// telemetry_bootstrap::init()
///     .endpoint("https://otlp.example.com/otlp")
///     .protocol(Protocol::HttpProtobuf)
///     .header("authorization", "Bearer …");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// By the endpoint: gRPC for port 4317, HTTP/protobuf for port 4318 and for an endpoint with a path, gRPC for all
    /// others. If the collector turns out to speak the other protocol, that one is used from then on. Nothing is lost
    /// by it, and one line of level INFO says so.
    #[default]
    Auto,
    /// OTLP over gRPC; needs the feature `otlp-grpc`.
    Grpc,
    /// OTLP over HTTP, as protobuf; needs the feature `otlp-http`.
    HttpProtobuf,
    /// OTLP over HTTP, as JSON; needs the feature `otlp-http`.
    HttpJson,
}

impl Protocol {
    /// As in `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
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
    /// With zstd, which takes less time and makes requests smaller than gzip; needs the feature `zstd`, and a receiver
    /// that knows it, as the OpenTelemetry Collector does.
    Zstd,
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
    /// Paths, unchecked.
    pub(crate) files: TlsFiles,
}

impl TlsSettings {
    /// The system's root certificates, and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Certificates of authorities to trust beside the system's, for the endpoint and for a proxy whose address is
    /// `https://`.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_CERTIFICATE` and its form for one signal.
    pub fn certificate(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.certificate = Some(path.into());
        self
    }

    /// The client's certificate chain, for collectors that request one. Requires [`client_key`](Self::client_key).
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

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SamplerSetting {
    /// All spans.
    AlwaysOn,
    /// No span.
    AlwaysOff,
    /// A part of all traces, decided by the trace id alone.
    TraceIdRatio(f64),
    /// All roots; children as their parents.
    ParentBasedAlwaysOn,
    /// No root; children as their parents.
    ParentBasedAlwaysOff,
    /// A part of all roots; children as their parents.
    ParentBasedTraceIdRatio(f64),
    /// By the parent of a span.
    #[cfg_attr(not(feature = "config-file"), expect(dead_code, reason = "only a file can say so much"))]
    ParentBased(Box<ParentSampling>),
    /// The sampler given in code; no variable overrode it.
    Custom,
}

/// The samplers for each kind of parent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParentSampling {
    /// For spans without a parent.
    pub(crate) root: SamplerSetting,
    /// For spans whose parent is in another process, and sampled.
    pub(crate) remote_sampled: SamplerSetting,
    /// For spans whose parent is in another process, and not sampled.
    pub(crate) remote_not_sampled: SamplerSetting,
    /// For spans whose parent is in this process, and sampled.
    pub(crate) local_sampled: SamplerSetting,
    /// For spans whose parent is in this process, and not sampled.
    pub(crate) local_not_sampled: SamplerSetting,
}

/// How histograms without a view of their own are aggregated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistogramAggregation {
    /// Fixed boundaries: those of the instrument, or the SDK's.
    #[default]
    ExplicitBuckets,
    /// Boundaries that adapt to the values: more precise and without configuration, but not supported by every backend.
    Base2Exponential,
}

/// A format in which the context of a trace travels between services; see
/// [`Builder::propagators`](crate::Builder::propagators).
///
/// All of them follow the same rules: a header that is broken, or sent twice, counts as absent; ids of zero are no
/// parent; nothing is sent without a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Propagator {
    /// W3C Trace Context: `traceparent` and `tracestate`. In the environment `tracecontext`.
    TraceContext,
    /// W3C Baggage: `baggage`. In the environment `baggage`.
    Baggage,
    /// B3, as one header: `b3`. Several headers are read, too. In the environment `b3`.
    B3,
    /// B3, as several headers: `X-B3-TraceId` and so on. The single header is read, too. In the environment `b3multi`.
    B3Multi,
    /// Jaeger: `uber-trace-id`, and baggage in `uberctx-…`. In the environment `jaeger`.
    Jaeger,
    /// AWS X-Ray: `X-Amzn-Trace-Id`. In the environment `xray`.
    XRay,
}

/// Metrics about the program itself; see [`Metrics::built_in`](crate::Metrics::built_in).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuiltInMetrics {
    /// What became of telemetry, the numbers of [`ExportStats`](crate::ExportStats), by the conventions for SDKs
    /// (`otel.sdk.…`), which are in development: `….exporter.span.exported`, `….processor.span.processed`,
    /// `….processor.span.queue.size` and `.capacity`, the same of `log`, `….exporter.metric_data_point.exported`,
    /// `….exporter.operation.duration`, `….metric_reader.collection.duration`, `….log.created`, `….span.started` and
    /// `….span.live`. In the environment `sdk`.
    ///
    /// Spans are then counted when they start and when they end, which costs an addition each.
    Sdk,
    /// `process.cpu.time`, `process.memory.usage`, `process.memory.virtual`, `process.thread.count`,
    /// `process.unix.file_descriptor.count`, `process.paging.faults`, `process.uptime`. On Linux alone. In the
    /// environment `process`.
    Process,
    /// `tokio.runtime.worker.count`, `tokio.runtime.task.count` (of tasks that have not ended) and
    /// `tokio.runtime.global_queue.size`. In the environment `tokio`.
    ///
    /// Of the runtime in which `build()` is called, or else of the one in which a layer for gRPC or HTTP gets its first
    /// call or [`shutdown_signal`](crate::shutdown_signal) is first awaited;
    /// [`TelemetryGuard::observe_runtime`](crate::TelemetryGuard::observe_runtime) names another. Until one is known,
    /// these metrics are absent.
    Tokio,
}

impl BuiltInMetrics {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::Sdk, Self::Process, Self::Tokio];
}

/// What is read from the system for the resource; see
/// [`Builder::resource_detectors`](crate::Builder::resource_detectors).
///
/// Each detector reads a few small files and variables at the start. What cannot be read is left out. None reads
/// command lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceDetector {
    /// `process.pid`, `process.creation.time`, `process.executable.name`, `process.executable.path`,
    /// `process.parent_pid`, `process.owner`. In the environment `process`.
    ///
    /// Never the command line (`process.command`, `process.command_args`, `process.command_line`), because it can hold
    /// secrets: add what you need of it with [`Builder::resource_attribute`](crate::Builder::resource_attribute). The
    /// creation time and the owner are known on Linux, the parent on Unix.
    Process,
    /// `host.name`, `host.id`, `host.arch`. In the environment `host`.
    Host,
    /// `os.type`, `os.name`, `os.version`, `os.description`, `os.build_id`. In the environment `os`.
    Os,
    /// `container.id`, from the control groups or the mounts of Docker, containerd, CRI-O, Podman and Amazon ECS. In
    /// the environment `container`.
    Container,
    /// `k8s.pod.name`, `k8s.pod.uid`, `k8s.namespace.name`, `k8s.node.name`, `k8s.container.name`, from variables of
    /// the downward API (`K8S_POD_NAME` or `POD_NAME`, `…_POD_UID`, `…_NAMESPACE_NAME`, `…_NODE_NAME`,
    /// `…_CONTAINER_NAME`) or its files in `/etc/podinfo`, and from the service account. In the environment `k8s`.
    Kubernetes,
}

impl ResourceDetector {
    /// Every detector.
    pub const ALL: [Self; 5] = [Self::Process, Self::Host, Self::Os, Self::Container, Self::Kubernetes];
}

/// The names in RPC telemetry: `OTEL_SEMCONV_STABILITY_OPT_IN`.
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
    /// An event `exception` on the span.
    #[default]
    SpanEvent,
    /// The log record of the event alone.
    Logs,
    Both,
}
