//! Set up OpenTelemetry in a Rust service with one call: traces, metrics and logs over OTLP (gRPC or HTTP), JSON log
//! lines with trace ids, and tower layers for gRPC and HTTP. Recorded telemetry is delivered on every kind of runtime
//! when the guard is dropped or the program panics, and telemetry that cannot be delivered is counted.
//!
//! ```
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let _telemetry = telemetry_bootstrap::init()
//!         .service_name("greeter")
//!         .service_version(env!("CARGO_PKG_VERSION"))
//!         .build()?;
//!     tracing::info!(port = 50051, "starting");
//!     Ok(())
//! } // the guard flushes traces, metrics and logs here, within one deadline
//! ```
//!
//! Nothing is sent until an endpoint is set, by [`Builder::endpoint`] or `OTEL_EXPORTER_OTLP_ENDPOINT`, or an
//! exporter is enabled: `OTEL_TRACES_EXPORTER=otlp` alone sends traces to `localhost:4317`. Log lines contain trace
//! ids either way.
//!
//! # Overview
//!
//! | task | API |
//! |---|---|
//! | startup: settings in code, overridden by the environment | [`init`] → [`Builder`] → [`TelemetryGuard`] |
//! | shutdown: flush, and report losses | [`TelemetryGuard::shutdown`], [`ExportStats`], [`shutdown_signal`] |
//! | spans and log records | the macros of [`tracing`] (and of the `log` crate) |
//! | metrics | the API of [`opentelemetry`]: [`TelemetryGuard::meter`] or `opentelemetry::global::meter`; [`duration_histogram`] |
//! | errors: one exception on the span, one line with all causes | [`record_error`] |
//! | fields on every event and span below a point | [`with_fields`] |
//! | a trace through queues, tasks and threads | [`context_headers`], [`context_from_headers`], [`spawn`], [`spawn_blocking`] |
//! | the OpenTelemetry span of a `tracing` span: parent, links, attributes | [`SpanExt`] |
#![cfg_attr(
    feature = "grpc",
    doc = "| gRPC servers and clients | [`grpc::ServerLayer`], [`grpc::ClientLayer`] |"
)]
#![cfg_attr(
    feature = "http",
    doc = "| HTTP servers and clients | [`http::ServerLayer`], [`http::ClientLayer`] |"
)]
//! | log lines in your own subscriber | [`json::JsonLayer`], [`NonBlockingWriter`] |
//! | your own subscriber, installed for the process | [`Builder::build_with`] |
//! | everything in your own subscriber, without globals | [`Builder::build_local`] |
#![cfg_attr(
    feature = "testing",
    doc = "| tests of a service's telemetry | [`testing::capture`], [`testing::Collector`] |"
)]
//!
//! [`Builder`] lists all environment variables. The chapters [`_documentation::configuration_file`],
//! [`_documentation::destinations`], [`_documentation::in_a_handler`], [`_documentation::own_subscriber`],
//! [`_documentation::migrating`] and [`_documentation::operating`] go into detail.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `grpc` | yes | the tower layers for gRPC |
//! | `http` | yes | the tower layers for HTTP |
//! | `axum` | no | `http.route` from axum's router, and the peer's address from its `ConnectInfo` |
//! | `reqwest` | no | `http::ClientLayer` as a middleware of reqwest 0.13 |
//! | `otlp-grpc` | yes | export over OTLP/gRPC |
//! | `otlp-http` | yes | export over OTLP/HTTP, as protobuf or JSON |
//! | `prometheus` | yes | metrics for Prometheus scrapes: `OTEL_METRICS_EXPORTER=prometheus`, [`Metrics`]`::prometheus` |
//! | `tls` | yes | `https://` endpoints, with rustls and the system's root certificates |
//! | `config-file` | yes | the standard configuration file: `OTEL_CONFIG_FILE`, [`Builder`]`::config_file` |
//! | `gzip` | yes | `OTEL_EXPORTER_OTLP_COMPRESSION=gzip` |
//! | `zstd` | no | `OTEL_EXPORTER_OTLP_COMPRESSION=zstd`; needs a C compiler |
//! | `testing` | no | the module `testing`; for `[dev-dependencies]` |
//!
//! # Guarantees
//!
//! - **Everything recorded is delivered** when the guard is dropped, provided a collector accepts it: on multi-thread
//!   and `current_thread` runtimes, inside a task on the only worker, after the runtime has ended, and without a
//!   runtime. A dedicated thread exports it, independently of the program's runtime.
//! - **Shutdown is bounded**: one deadline for all signals together, regardless of the collector.
//! - **Losses are reported**: [`ExportStats`] counts every item, at any time; a log line at shutdown reports losses.
//! - **The program comes first**: this crate does not panic, block the caller or grow without bound, and it does not
//!   exit the process (except on the second signal, if [`shutdown_signal`] is used). A value that panics while it is
//!   formatted costs only its own field. Only log lines of level `ERROR` block the caller, until they are written and
//!   for at most 50 ms, so that they are not lost if the program exits.
//! - **No secrets are printed**: not in errors, not in `Debug` output, not in warnings.
//! - **The public API uses the upstream types** (`SdkTracerProvider`, `SpanProcessor`, `MakeWriter`,
//!   `http::Request`). Telemetry from any library instrumented with `opentelemetry` or `tracing` is included.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
#[cfg(any(feature = "grpc", feature = "http"))]
mod calls;
#[cfg(feature = "testing")]
mod collector;
mod diagnostics;
mod error;
mod exception;
mod export;
mod lifecycle;
mod lines;
mod propagation;
mod provider;
mod semconv;
mod settings;
mod subscriber;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod trace_ids;
mod user_code;

pub use builder::{Builder, LogOutput, Logs, Metrics, Traces, init};
#[cfg(feature = "grpc")]
pub use calls::grpc;
#[cfg(feature = "http")]
pub use calls::http;
#[cfg(any(feature = "grpc", feature = "http"))]
pub use calls::{RemoteContext, ResponseBody, ResponseFuture};
#[cfg(feature = "config-file")]
pub use error::ConfigMistake;
pub use error::InitError;
#[cfg(feature = "prometheus")]
pub use export::prometheus::PrometheusHandler;
pub use export::{DestinationStats, ExportError, ExportStats, SignalStats};
#[cfg(feature = "config-file")]
pub use lifecycle::{ReloadError, ReloadSummary};
pub use lifecycle::{ShutdownError, TelemetryGuard, shutdown_signal, shutdown_signal_blocking};
pub use lines::context_fields::with_fields;
pub use lines::json;
pub use lines::redaction::Redaction;
pub use lines::writer::{LineWriter, LogDestination, NonBlockingWriter, OverflowPolicy};
pub use opentelemetry;
pub use opentelemetry_sdk;
pub use propagation::{context_from_headers, context_headers, spawn, spawn_blocking};
pub use provider::{TelemetryMeterProvider, duration_histogram};
#[cfg(any(feature = "grpc", feature = "testing"))]
pub use semconv::GrpcCode;
#[cfg(feature = "config-file")]
pub use settings::ConfigDocument;
#[cfg(feature = "prometheus")]
pub use settings::PrometheusExporter;
pub use settings::{
    BuiltInMetrics, Compression, Destination, HeaderSource, HeaderToken, HistogramAggregation, LogFormat,
    OtlpDestination, Propagator, Protocol, ResourceDetector, Signal, TlsSettings,
};
pub use subscriber::{FilterError, SpanExt, TelemetryLayer, record_error};
pub use tracing;
pub use tracing_opentelemetry::SetParentError;
pub use tracing_subscriber;

/// Chapters of the documentation. Their text is in the folder `docs` of the repository.
#[cfg(any(doc, doctest))]
pub mod _documentation {
    #[doc = include_str!("../docs/configuration-file.md")]
    pub mod configuration_file {}
    #[doc = include_str!("../docs/destinations.md")]
    pub mod destinations {}
    #[doc = include_str!("../docs/in-a-handler.md")]
    pub mod in_a_handler {}
    #[doc = include_str!("../docs/migrating.md")]
    pub mod migrating {}
    #[doc = include_str!("../docs/operating.md")]
    pub mod operating {}
    #[doc = include_str!("../docs/own-subscriber.md")]
    pub mod own_subscriber {}
}

/// The README, so that its code is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
