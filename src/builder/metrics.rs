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

/// Settings of metrics alone; given to the closure of [`Builder::metrics`](crate::Builder::metrics).
///
/// These settings replace the builder's settings for all signals.
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
    /// Time between two collections; each is exported.
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

    /// Limit for delivering one collection, including retries. Zero: none.
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

    /// Whether sums and histograms are exported since the start or since the last collection.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`: `cumulative`, `delta`, `lowmemory`. Default:
    /// since the start (`Cumulative`), as Prometheus needs it.
    ///
    /// Deltas of observed counters are the differences of what callbacks observe. An attribute set that a callback
    /// leaves out at one collection, while it observes others, starts again at zero: observed as 7, not at all, and as
    /// 9, it is exported as 7 and 9. So a callback should observe each set every time. An observed counter that a view
    /// makes a histogram stays cumulative.
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

    /// How histograms without a view of their own are aggregated.
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

    /// Sets which metrics about the program itself are exported: of its telemetry, of its process, of its runtime.
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

    /// Lets Prometheus scrape the metrics, beside the export if there is one. Needs the feature `prometheus`.
    ///
    /// Overridden by `OTEL_METRICS_EXPORTER`: `prometheus` in its list turns it on, a list without it off. Default:
    /// off.
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

    /// Adds a reader beside the export: it passes what it collects to an exporter of the user's own.
    ///
    /// With deltas, the SDK subtracts the last value of an observed counter from the newest one without a check. If a
    /// callback observes less than before, as after a reset, such a reader exports a wrong value in a release build,
    /// and ends in a build with overflow checks. The export of this crate starts again at zero instead.
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

    /// Adds a view, which renames instruments, drops attributes or changes the aggregation. Each view that matches an
    /// instrument makes a stream of it
    /// ([specification](https://opentelemetry.io/docs/specs/otel/metrics/sdk/#measurement-processing)), so two that
    /// match the same one should differ in name. Without a match, the instrument has the default aggregation and limit.
    /// Views of a configuration file come first: these are not called for the instruments that those select. A view may
    /// be called more than once for an instrument.
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
