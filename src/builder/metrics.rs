//! Settings of metrics.

use std::fmt;
use std::time::Duration;

use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{Instrument, MeterProviderBuilder, PeriodicReader, Stream, Temporality};

use crate::provider::{BuilderHooks, View};
#[cfg(feature = "prometheus")]
use crate::settings::PrometheusExporter;
use crate::settings::{
    self, BuiltInMetrics, Compression, Destination, HeaderSource, HistogramAggregation, Protocol,
    SignalConfig, TlsSettings,
};

/// Settings of metrics only, passed to the closure of [`Builder::metrics`](crate::Builder::metrics).
///
/// They replace the builder's settings for all signals.
///
/// ```
/// use std::time::Duration;
///
/// # let _ =
/// telemetry_bootstrap::init().metrics(|metrics| metrics.interval(Duration::from_secs(30)));
/// ```
#[derive(Default)]
#[must_use = "return it from the closure"]
pub struct Metrics {
    pub(super) config: SignalConfig,
    pub(super) hooks: BuilderHooks<MeterProviderBuilder>,
    pub(super) views: Vec<View>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("config", &self.config)
            .field("hooks", &self.hooks)
            .field("views", &self.views.len())
            .finish()
    }
}

super::exporter_setters!(Metrics, METRICS_EXPORTER, OTLP_METRICS, "metrics", "METRICS");

impl Metrics {
    /// Sets the interval between collections. Each collection is exported.
    ///
    /// Overridden by `OTEL_METRIC_EXPORT_INTERVAL` (milliseconds). Default: 10 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().metrics(|metrics| metrics.interval(Duration::from_secs(60)));
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.config.values.set(&settings::METRIC_INTERVAL, interval);
        self
    }

    /// Sets the time limit for exporting one collection, including retries. Zero: none.
    ///
    /// Overridden by `OTEL_METRIC_EXPORT_TIMEOUT` (milliseconds). Default: 30 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().metrics(|metrics| metrics.export_timeout(Duration::from_secs(5)));
    /// ```
    pub fn export_timeout(mut self, timeout: Duration) -> Self {
        self.config.values.set(&settings::METRIC_EXPORT_TIMEOUT, timeout);
        self
    }

    /// Sets the temporality of sums and histograms: exported since the start, or since the last collection.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`: `cumulative`, `delta`, `lowmemory`.
    /// Default: since the start (`Cumulative`), as Prometheus requires.
    ///
    /// Deltas of observable counters are the differences of the observed values. If a callback skips an
    /// attribute set in one collection, that set restarts from zero: observations of 7, none and 9 are
    /// exported as 7 and 9. Callbacks should therefore observe every set each time. An observable counter
    /// that a view turns into a histogram stays cumulative.
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry_sdk::metrics::Temporality;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().metrics(|metrics| metrics.temporality(Temporality::Delta));
    /// ```
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.config.values.set(&settings::METRIC_TEMPORALITY, temporality);
        self
    }

    /// Sets the default histogram aggregation, for histograms that no view configures.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`: `explicit_bucket_histogram`,
    /// `base2_exponential_bucket_histogram`. Default: explicit buckets.
    ///
    /// ```
    /// use telemetry_bootstrap::HistogramAggregation;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init()
    ///     .metrics(|metrics| metrics.histogram_aggregation(HistogramAggregation::Base2Exponential));
    /// ```
    pub fn histogram_aggregation(mut self, aggregation: HistogramAggregation) -> Self {
        self.config.values.set(&settings::HISTOGRAM_AGGREGATION, aggregation);
        self
    }

    /// Selects the exported metrics about the program itself: its telemetry, its process, its runtime.
    ///
    /// Overridden by `OTEL_RUST_BUILT_IN_METRICS`, a list of `sdk`, `process` and `tokio`, or `all`. Default: none.
    ///
    /// ```
    /// use telemetry_bootstrap::BuiltInMetrics;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init()
    ///     .metrics(|metrics| metrics.built_in([BuiltInMetrics::Sdk, BuiltInMetrics::Process]));
    /// ```
    pub fn built_in(mut self, groups: impl IntoIterator<Item = BuiltInMetrics>) -> Self {
        let groups: Vec<_> = groups.into_iter().collect();
        self.config.values.set(&settings::BUILT_IN_METRICS, groups.into());
        self
    }

    /// Exposes the metrics to Prometheus scrapes, in addition to an export if there is one. Needs the feature
    /// `prometheus`.
    ///
    /// Overridden by `OTEL_METRICS_EXPORTER`: a list enables it if it contains `prometheus`, and disables it
    /// otherwise. Default: off.
    ///
    /// ```
    /// use telemetry_bootstrap::PrometheusExporter;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().metrics(|metrics| metrics.prometheus(PrometheusExporter::new().port(9100)));
    /// ```
    #[cfg(feature = "prometheus")]
    pub fn prometheus(mut self, exporter: PrometheusExporter) -> Self {
        self.config.values.extend(exporter.into_values());
        self
    }

    /// Adds a metric reader with a custom exporter, in addition to the built-in export.
    ///
    /// With delta temporality, the SDK subtracts the previous value of an observable counter from the current
    /// one without a check. If a callback observes less than before, as after a reset, such a reader exports
    /// a wrong value in a release build, and panics in a build with overflow checks. The export of this crate
    /// restarts from zero instead.
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry_sdk::metrics::PeriodicReader;
    /// use telemetry_bootstrap::opentelemetry_sdk::metrics::exporter::PushMetricExporter;
    ///
    /// # fn with(exporter: impl PushMetricExporter) {
    /// let reader = PeriodicReader::builder(exporter).build();
    /// # let _ =
    /// telemetry_bootstrap::init().metrics(|metrics| metrics.reader(reader));
    /// # }
    /// ```
    pub fn reader<E: PushMetricExporter>(mut self, reader: PeriodicReader<E>) -> Self {
        self.hooks.push(move |builder| builder.with_reader(reader));
        self
    }

    /// Adds a view, which renames instruments, drops attributes or changes the aggregation. Each view that
    /// matches an instrument creates a metric stream
    /// ([specification](https://opentelemetry.io/docs/specs/otel/metrics/sdk/#measurement-processing)), so
    /// views that match the same instrument should give it different names. Instruments that match no view
    /// use the default aggregation and limit. Views from a configuration file take precedence: this closure
    /// is not called for instruments they select. A view may be called more than once for an instrument.
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry_sdk::metrics::{Instrument, Stream};
    ///
    /// let rename = |instrument: &Instrument| {
    ///     let is_old = instrument.name() == "shop.old";
    ///     is_old.then(|| Stream::builder().with_name("shop.new").build().ok()).flatten()
    /// };
    /// # let _ =
    /// telemetry_bootstrap::init().metrics(|metrics| metrics.view(rename));
    /// ```
    pub fn view(mut self, view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static) -> Self {
        self.views.push(Box::new(view));
        self
    }
}
