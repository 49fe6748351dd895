//! Accessors of the guard: providers, tracers and meters.

use std::borrow::Cow;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use super::TelemetryGuard;
#[cfg(feature = "prometheus")]
use crate::export::prometheus::PrometheusHandler;
use crate::provider::TelemetryMeterProvider;

impl TelemetryGuard {
    /// Returns the tracer provider, for libraries that take one.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// let provider = telemetry.tracer_provider().clone();
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.running.providers.tracer
    }

    /// Returns the meter provider, for libraries that take one.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// let provider = telemetry.meter_provider().clone();
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn meter_provider(&self) -> &TelemetryMeterProvider {
        &self.running.providers.meter
    }

    /// Selects the runtime whose metrics are exported ([`BuiltInMetrics::Tokio`](crate::BuiltInMetrics)).
    ///
    /// Rarely needed: by default, this is the runtime in which `build()` is called. If there is none, it is the first
    /// runtime in which a gRPC or HTTP layer handles a call or [`shutdown_signal`](crate::shutdown_signal) is
    /// awaited. Use it if the program has several runtimes, or none of these. Has no effect unless runtime metrics
    /// are enabled.
    ///
    /// ```
    /// use telemetry_bootstrap::BuiltInMetrics;
    ///
    /// # let (_, telemetry) = telemetry_bootstrap::init()
    /// #     .metrics(|metrics| metrics.built_in([BuiltInMetrics::Tokio]))
    /// #     .build_local::<tracing_subscriber::Registry>()?;
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// telemetry.observe_runtime(runtime.handle());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observe_runtime(&self, runtime: &Handle) {
        self.running.providers.runtime.set(runtime);
    }

    /// Returns the handler for Prometheus scrapes, to mount in the program's server. `None` if the exporter is off.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().ignore_env().build_local::<tracing_subscriber::Registry>()?;
    /// assert!(telemetry.prometheus().is_none());
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn prometheus(&self) -> Option<PrometheusHandler> {
        Some(self.running.prometheus.as_ref()?.handler.clone())
    }

    /// Returns the logger provider, for bridges from other logging libraries.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// let provider = telemetry.logger_provider().clone();
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        &self.running.providers.logger
    }

    /// Returns a tracer with this instrumentation scope name, by convention the name of the crate or module.
    ///
    /// It is the SDK's tracer, which never sets the *random* flag (W3C Trace Context, level 2) on root spans. Root
    /// spans from `opentelemetry::global::tracer`, `tracing` and call layers have it.
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry::trace::Tracer as _;
    ///
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// telemetry.tracer("shop").in_span("checkout", |_context| { /* work */ });
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn tracer(&self, scope: impl Into<Cow<'static, str>>) -> SdkTracer {
        self.running.providers.tracer.tracer(scope)
    }

    /// Returns a meter with this instrumentation scope name, by convention the name of the crate or module.
    ///
    /// ```
    /// # let (_, telemetry) = telemetry_bootstrap::init().build_local::<tracing_subscriber::Registry>()?;
    /// let orders = telemetry.meter("shop").u64_counter("shop.orders").with_unit("{order}").build();
    /// orders.add(1, &[]);
    /// # Ok::<(), telemetry_bootstrap::InitError>(())
    /// ```
    #[must_use]
    pub fn meter(&self, scope: &'static str) -> Meter {
        self.running.providers.meter.meter(scope)
    }
}
