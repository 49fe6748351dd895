//! The meter provider.

use std::time::Duration;

use super::Apply;
use super::exporters::Exporter;
use super::processors::located;
use crate::settings::file::model::{
    CardinalityLimits as Limits, DefaultHistogramAggregation, ExemplarFilter, MetricReader, Positive,
    PushMetricExporter, TemporalityPreference,
};
use crate::settings::metrics::{
    HISTOGRAM_AGGREGATION, METRIC_EXPORT_TIMEOUT, METRIC_INTERVAL, METRIC_TEMPORALITY,
};
use crate::settings::value_kind::or_unlimited;
use crate::settings::views::CardinalityLimits;
use crate::settings::{Settings, exporter as exporters};

impl Apply<'_> {
    /// The first pass: interval, timeout and preferences of the periodic reader.
    pub(super) fn metric_values(&mut self) {
        let Some(provider) = &self.document.meter_provider else { return };
        let periodic = provider.readers.0.iter().find_map(|reader| match reader {
            MetricReader::Periodic(periodic) => Some(&**periodic),
            MetricReader::Pull(_) => None,
        });
        let Some(periodic) = periodic else { return };
        self.number(METRIC_INTERVAL.key(), located(&periodic.interval), DEFAULT_INTERVAL, &periodic.at);
        self.number(METRIC_EXPORT_TIMEOUT.key(), located(&periodic.timeout), DEFAULT_TIMEOUT, &periodic.at);
        let (temporality, histograms) = preferences(&periodic.exporter);
        let temporality = match temporality {
            Some(TemporalityPreference::Delta) => "delta",
            Some(TemporalityPreference::LowMemory) => "lowmemory",
            Some(TemporalityPreference::Cumulative) | None => "cumulative",
        };
        self.values.set(METRIC_TEMPORALITY.key(), temporality, &periodic.at);
        let histograms = match histograms {
            Some(DefaultHistogramAggregation::Base2Exponential) => "base2_exponential_bucket_histogram",
            Some(DefaultHistogramAggregation::ExplicitBuckets) | None => "explicit_bucket_histogram",
        };
        self.values.set(HISTOGRAM_AGGREGATION.key(), histograms, &periodic.at);
    }

    /// The second pass: the exporter, views, and limits of cardinality.
    pub(super) fn metrics(&mut self, settings: &mut Settings) {
        settings.metrics.destinations.clear();
        let Some(provider) = &self.document.meter_provider else { return };
        let mut is_first = true;
        for reader in &provider.readers.0 {
            let periodic = match reader {
                MetricReader::Periodic(periodic) => periodic,
                MetricReader::Pull(pull) => {
                    self.unsupported(&pull.at, "metrics are sent, not fetched, so far");
                    continue;
                }
            };
            if !std::mem::take(&mut is_first) {
                self.unsupported(&periodic.at, "more than one reader");
                continue;
            }
            if let Some(size) = &periodic.max_export_batch_size {
                self.unsupported(&size.at, "a collection is sent as a whole");
            }
            settings.metrics.cardinality =
                periodic.cardinality_limits.as_ref().map(cardinality).unwrap_or_default();
            let timeout =
                periodic.timeout.as_ref().map_or(DEFAULT_TIMEOUT, |timeout| timeout.value.unsigned());
            let timeout = or_unlimited(Duration::from_millis(timeout));
            if let PushMetricExporter::Console(console) = &periodic.exporter
                && console
                    .temporality_preference
                    .is_some_and(|given| given != TemporalityPreference::Cumulative)
            {
                self.warn(&console.at, "temporality_preference has no effect: totals are printed");
            }
            let exporter = Exporter::from(&periodic.exporter);
            settings.metrics.destinations.extend(self.destination(&exporters::METRICS, &exporter, timeout));
        }
        settings.metrics.views = self.views();
        if let Some(filter) = &provider.exemplar_filter {
            match filter.value {
                ExemplarFilter::AlwaysOff => {}
                // The default of the schema: files that spell it out must not be refused for it.
                ExemplarFilter::TraceBased => {
                    self.warn(&filter.at, "has no effect: the SDK records no exemplars")
                }
                ExemplarFilter::AlwaysOn => self.unsupported(
                    &filter.at,
                    "the SDK records no exemplars; leave it out, or use `always_off`",
                ),
            }
        }
    }
}

/// Returns what the exporter prefers, which the schema has for every kind of exporter.
fn preferences(
    exporter: &PushMetricExporter,
) -> (Option<TemporalityPreference>, Option<DefaultHistogramAggregation>) {
    match exporter {
        PushMetricExporter::OtlpHttp(otlp) => {
            (otlp.temporality_preference, otlp.default_histogram_aggregation)
        }
        PushMetricExporter::OtlpGrpc(otlp) => {
            (otlp.temporality_preference, otlp.default_histogram_aggregation)
        }
        PushMetricExporter::OtlpFile(file) => {
            (file.temporality_preference, file.default_histogram_aggregation)
        }
        PushMetricExporter::Console(console) => {
            (console.temporality_preference, console.default_histogram_aggregation)
        }
    }
}

/// Returns the limit of each kind of instrument: its own, or else the default of the reader.
fn cardinality(limits: &Limits) -> CardinalityLimits {
    let limit = |own: Option<Positive>| {
        own.or(limits.default)
            .map(|limit| usize::try_from(limit.unsigned()).unwrap_or(MAX_CARDINALITY).min(MAX_CARDINALITY))
    };
    CardinalityLimits {
        counter: limit(limits.counter),
        gauge: limit(limits.gauge),
        histogram: limit(limits.histogram),
        observable_counter: limit(limits.observable_counter),
        observable_gauge: limit(limits.observable_gauge),
        observable_up_down_counter: limit(limits.observable_up_down_counter),
        up_down_counter: limit(limits.up_down_counter),
    }
}

// The schema's defaults.
const DEFAULT_INTERVAL: u64 = 60_000;
const DEFAULT_TIMEOUT: u64 = 30_000;
/// The SDK reserves memory for as many.
pub(super) const MAX_CARDINALITY: usize = 10_000_000;
