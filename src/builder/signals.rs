//! Setters for signals and propagation.

use std::borrow::Cow;

use opentelemetry::propagation::TextMapPropagator;

use super::{Builder, Logs, Metrics, Traces};
use crate::settings::{self, Propagator, ResourceDetector};

/// Settings of each signal.
impl Builder {
    /// Sets options of traces only.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().traces(|traces| traces.max_events(32));
    /// ```
    pub fn traces(mut self, settings: impl FnOnce(Traces) -> Traces) -> Self {
        self.traces = settings(self.traces);
        self
    }

    /// Sets options of metrics only.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().metrics(|metrics| metrics.export(false));
    /// ```
    pub fn metrics(mut self, settings: impl FnOnce(Metrics) -> Metrics) -> Self {
        self.metrics = settings(self.metrics);
        self
    }

    /// Sets options of exported log records only.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().logs(|logs| logs.filter("warn"));
    /// ```
    pub fn logs(mut self, settings: impl FnOnce(Logs) -> Logs) -> Self {
        self.logs = settings(self.logs);
        self
    }

    /// Sets the context propagation formats. All are injected; on extraction they run in this order, and the
    /// last one that finds a parent wins.
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

    /// Selects the resource detectors: process, host, operating system, container, Kubernetes.
    ///
    /// Attributes set in code or by `OTEL_RESOURCE_ATTRIBUTES` win. Each detector reads a few small files and
    /// skips what it cannot read. `service.instance.id` is always present.
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

    /// Adds a propagator, in addition to those of [`propagators`](Self::propagators).
    ///
    /// Overridden by `OTEL_PROPAGATORS`, which replaces all propagators. Default: none.
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

    /// Sets the filter directives that select which `tracing` spans become OpenTelemetry spans, in the syntax
    /// of `RUST_LOG`. They are separate from the log filter, so `RUST_LOG=warn` does not disable traces.
    ///
    /// Overridden by `OTEL_RUST_SPAN_FILTER`. Default: `info,otel::tracing=trace`, which enables the spans of
    /// `#[instrument]` and those of `axum-tracing-opentelemetry` and its companions, and excludes the DEBUG
    /// and TRACE spans of HTTP and gRPC libraries.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().span_filter("info,my_crate=debug");
    /// ```
    pub fn span_filter(mut self, directives: impl Into<String>) -> Self {
        self.config.common.values.set(&settings::SPAN_FILTER, Cow::Owned(directives.into()));
        self
    }
}
