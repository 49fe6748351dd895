//! Settings of metrics.
//!
//! Views and limits of cardinality come from a configuration file only. Views that a program adds in code are closures
//! of the SDK's type, and are kept beside the settings.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

use super::builder_config::BuilderConfig;
use super::choices::list_of;
use super::exporter::{self, DestinationSettings, PrometheusSettings};
use super::resolve::Resolver;
use super::setting::settings;
use super::types::{BuiltInMetrics, HistogramAggregation};
use super::value_kind::{DURATION, HISTOGRAMS, TEMPORALITY, TIMEOUT, or_unlimited};
use super::views::{CardinalityLimits, ViewSetting};

/// Resolved settings of metrics.
#[derive(Clone, Debug)]
pub(crate) struct MetricSettings {
    /// Each gets every collection.
    pub(crate) destinations: Vec<DestinationSettings>,
    /// The exporter that Prometheus scrapes.
    pub(crate) prometheus: Option<PrometheusSettings>,
    /// The time between two collections.
    pub(crate) interval: Duration,
    /// That of destinations without one of their own.
    pub(crate) temporality: Temporality,
    /// For histograms that no view is for.
    pub(crate) histograms: HistogramAggregation,
    /// Each view that fits an instrument makes a metric of its own.
    pub(crate) views: Vec<ViewSetting>,
    /// Limits of attribute sets, by kind of instrument.
    pub(crate) cardinality: CardinalityLimits,
    /// Groups of metrics about the program itself.
    pub(crate) built_in: Vec<BuiltInMetrics>,
}

impl MetricSettings {
    /// Returns the temporality of one of the destinations. People read totals.
    ///
    /// A stream of JSON lines has the temporality of all, since `Destination` has no setter for it there.
    pub(crate) fn temporality_of(&self, destination: &DestinationSettings) -> Temporality {
        match destination {
            DestinationSettings::Otlp(export) => export.temporality.unwrap_or(self.temporality),
            DestinationSettings::Output(_) => self.temporality,
            DestinationSettings::Console => Temporality::Cumulative,
        }
    }
}

settings! {
    /// The time between two collections. The specification's default is 60 s, which is long during an incident.
    METRIC_INTERVAL: Duration =
        "metrics.interval", ["OTEL_METRIC_EXPORT_INTERVAL"], DURATION, Duration::from_secs(10);
    /// The limit for delivering one collection. The default is the specification's.
    METRIC_EXPORT_TIMEOUT: Duration =
        "metrics.export_timeout", ["OTEL_METRIC_EXPORT_TIMEOUT"], TIMEOUT, Duration::from_secs(30);
    /// Whether sums and histograms are exported since the start or since the last collection.
    METRIC_TEMPORALITY: Temporality =
        "metrics.temporality",
        ["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"],
        TEMPORALITY,
        Temporality::Cumulative;
    /// How histograms without a view of their own are aggregated.
    HISTOGRAM_AGGREGATION: HistogramAggregation =
        "metrics.histogram_aggregation",
        ["OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"],
        HISTOGRAMS,
        HistogramAggregation::ExplicitBuckets;
    /// Metrics about the program itself.
    BUILT_IN_METRICS: Cow<'static, [BuiltInMetrics]> =
        "metrics.built_in", ["OTEL_RUST_BUILT_IN_METRICS"], list_of!(BUILT_IN_NAMES), Cow::Borrowed(&[]);
}

impl Resolver<'_> {
    /// Resolves the settings of metrics.
    pub(super) fn metrics(&mut self, config: &BuilderConfig) -> MetricSettings {
        let values = &config.metrics.values;
        let chosen = self.exporters(&exporter::METRICS, values);
        let prometheus = self.prometheus(chosen.as_ref(), &config.metrics);
        let destinations = self.destinations(&exporter::METRICS, &config.metrics, &config.common, chosen);
        let timeout = or_unlimited(self.resolve_limit(&[(&METRIC_EXPORT_TIMEOUT, values)]));
        MetricSettings {
            // A collection is one request.
            destinations: destinations.into_iter().map(|destination| destination.within(timeout)).collect(),
            prometheus,
            interval: self.resolve_limit(&[(&METRIC_INTERVAL, values)]),
            temporality: self.resolve(&METRIC_TEMPORALITY, values),
            histograms: self.resolve(&HISTOGRAM_AGGREGATION, values),
            views: Vec::new(),
            cardinality: CardinalityLimits::default(),
            built_in: self.choices(&BUILT_IN_METRICS, &BUILT_IN_NAMES, values),
        }
    }
}

/// The names of groups, and what each stands for.
pub(super) static BUILT_IN_NAMES: [(&str, &[BuiltInMetrics]); 5] = [
    ("sdk", &[BuiltInMetrics::Sdk]),
    ("process", &[BuiltInMetrics::Process]),
    ("tokio", &[BuiltInMetrics::Tokio]),
    ("all", &BuiltInMetrics::ALL),
    ("none", &[]),
];
