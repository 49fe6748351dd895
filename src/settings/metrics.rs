//! Settings of metrics.

use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

use super::builder_config::BuilderConfig;
use super::exporter::{self, DestinationSettings};
use super::resolve::Resolver;
use super::setting::settings;
use super::types::HistogramAggregation;
use super::value_kind::{DURATION, HISTOGRAMS, TEMPORALITY, TIMEOUT, or_unlimited};
use super::views::{CardinalityLimits, ViewSetting};

/// Resolved settings of metrics.
#[derive(Clone, Debug)]
pub(crate) struct MetricSettings {
    pub(crate) destinations: Vec<DestinationSettings>,
    /// The time between two collections.
    pub(crate) interval: Duration,
    pub(crate) temporality: Temporality,
    pub(crate) histograms: HistogramAggregation,
    /// Each view that fits an instrument makes a metric of its own.
    pub(crate) views: Vec<ViewSetting>,
    pub(crate) cardinality: CardinalityLimits,
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
}

impl Resolver<'_> {
    pub(super) fn metrics(&mut self, config: &BuilderConfig) -> MetricSettings {
        let values = &config.metrics.values;
        let destinations = self.destinations(&exporter::METRICS, &config.metrics, &config.common);
        let timeout = or_unlimited(self.resolve_limit(&[(&METRIC_EXPORT_TIMEOUT, values)]));
        MetricSettings {
            // A collection is one request.
            destinations: destinations.into_iter().map(|destination| destination.within(timeout)).collect(),
            interval: self.resolve_limit(&[(&METRIC_INTERVAL, values)]),
            temporality: self.resolve(&METRIC_TEMPORALITY, values),
            histograms: self.resolve(&HISTOGRAM_AGGREGATION, values),
            views: Vec::new(),
            cardinality: CardinalityLimits::default(),
        }
    }
}
