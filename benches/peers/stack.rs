//! What the other layers record with and export through: the SDK, its batch processor, and `opentelemetry-otlp`.

use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Providers that are global, with defaults where there are any, and the runtime that their exporters need.
pub(crate) struct Stack {
    runtime: Runtime,
    tracers: SdkTracerProvider,
    meters: Option<SdkMeterProvider>,
}

impl Stack {
    pub(crate) fn of_traces(endpoint: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let inside = runtime.enter();
        let spans =
            SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().expect("an exporter");
        drop(inside);
        let tracers = SdkTracerProvider::builder().with_batch_exporter(spans).build();
        global::set_tracer_provider(tracers.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        Self { runtime, tracers, meters: None }
    }

    pub(crate) fn with_metrics(self, endpoint: &str) -> Self {
        let inside = self.runtime.enter();
        let metrics =
            MetricExporter::builder().with_tonic().with_endpoint(endpoint).build().expect("an exporter");
        drop(inside);
        let meters = SdkMeterProvider::builder().with_periodic_exporter(metrics).build();
        global::set_meter_provider(meters.clone());
        Self { meters: Some(meters), ..self }
    }

    /// For layers that make their spans by `tracing`.
    pub(crate) fn subscribe(&self, filter: impl Layer<Registry> + Send + Sync) {
        tracing_subscriber::registry()
            .with(filter)
            .with(tracing_opentelemetry::layer().with_tracer(self.tracers.tracer("bench")))
            .init();
    }

    pub(crate) fn flush(&self) {
        self.tracers.force_flush().expect("a live collector");
        if let Some(meters) = &self.meters {
            meters.force_flush().expect("a live collector");
        }
    }
}
