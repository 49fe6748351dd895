//! The setters that concern signals, and the contexts that travel between services.

use opentelemetry::propagation::TextMapPropagator;

use super::{Builder, Logs, Metrics, Traces};
use crate::settings::{self, Propagator, ResourceDetector};

/// The signals, one by one.
impl Builder {
    /// Settings of traces alone.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.max_events(32));
    /// ```
    pub fn traces(mut self, settings: impl FnOnce(Traces) -> Traces) -> Self {
        self.traces = settings(self.traces);
        self
    }

    /// Settings of metrics alone.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().metrics(|metrics| metrics.export(false));
    /// ```
    pub fn metrics(mut self, settings: impl FnOnce(Metrics) -> Metrics) -> Self {
        self.metrics = settings(self.metrics);
        self
    }

    /// Settings of exported log records alone.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.filter("warn"));
    /// ```
    pub fn logs(mut self, settings: impl FnOnce(Logs) -> Logs) -> Self {
        self.logs = settings(self.logs);
        self
    }

    /// Formats in which contexts travel between services. All of them are sent, and read in this order: where several
    /// find a parent, the last one counts.
    ///
    /// Overridden by `OTEL_PROPAGATORS` (`tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, `xray`, `none`).
    /// Default: W3C Trace Context and Baggage.
    ///
    /// ```
    /// use telemetry_bootstrap::Propagator;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().propagators([Propagator::B3, Propagator::TraceContext, Propagator::Baggage]);
    /// ```
    pub fn propagators(mut self, propagators: impl IntoIterator<Item = Propagator>) -> Self {
        let propagators: Vec<_> = propagators.into_iter().collect();
        self.config.common.values.set(&settings::PROPAGATORS, propagators.into());
        self
    }

    /// Sets what is read from the system for the resource: process, host, operating system, container, Kubernetes.
    ///
    /// Attributes that are set in code or by `OTEL_RESOURCE_ATTRIBUTES` win. Each detector reads a few small files, and
    /// what cannot be read is left out. `service.instance.id` is always there.
    ///
    /// Overridden by `OTEL_EXPERIMENTAL_RESOURCE_DETECTORS`, a list of `process`, `host`, `os`, `container` and `k8s`,
    /// or `all`. Default: none.
    ///
    /// ```
    /// use telemetry_bootstrap::ResourceDetector;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().resource_detectors([ResourceDetector::Container, ResourceDetector::Kubernetes]);
    /// ```
    pub fn resource_detectors(mut self, detectors: impl IntoIterator<Item = ResourceDetector>) -> Self {
        let detectors: Vec<_> = detectors.into_iter().collect();
        self.config.common.values.set(&settings::RESOURCE_DETECTORS, detectors.into());
        self
    }

    /// Adds a propagator beside those of [`propagators`](Self::propagators).
    ///
    /// Overridden by `OTEL_PROPAGATORS`, which then names all that are used. Default: none.
    ///
    /// ```
    /// # let own = telemetry_bootstrap::opentelemetry::propagation::TextMapCompositePropagator::new(Vec::new());
    /// # let _ =
    /// telemetry_bootstrap::init().propagator(own);
    /// ```
    pub fn propagator(mut self, propagator: impl TextMapPropagator + Send + Sync + 'static) -> Self {
        self.additions.propagators.push(Box::new(propagator));
        self
    }

    /// Directives that decide which `tracing` spans become OpenTelemetry spans, in the syntax of `RUST_LOG`. They are
    /// separate from the log filter: `RUST_LOG=warn` must not end the traces.
    ///
    /// Overridden by `OTEL_RUST_SPAN_FILTER`. Default: `info,otel::tracing=trace`, which has the spans of
    /// `#[instrument]`, and those of `axum-tracing-opentelemetry` and its companions, and leaves out the DEBUG and
    /// TRACE spans of HTTP and gRPC libraries.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().span_filter("info,my_crate=debug");
    /// ```
    pub fn span_filter(mut self, directives: impl Into<String>) -> Self {
        self.config.common.values.set(&settings::SPAN_FILTER, directives.into());
        self
    }
}
