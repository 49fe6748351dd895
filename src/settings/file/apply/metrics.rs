//! The meter provider.
//!
//! | in the file | here |
//! |---|---|
//! | `periodic` readers | a destination each; interval and histogram aggregation are those of the first, and of all |
//! | `pull` reader with `prometheus/development` | the exporter for Prometheus; at most one |
//! | `cardinality_limits` | the same for all readers, applied by views |
//! | `views` | see `views` |
//! | `exemplar_filter` | `always_off`; the SDK records no exemplars |
//! | `producers` | refused by the model |
//!
//! The SDK has one set of streams for all readers, which is why readers share what would otherwise need a pipeline
//! each. Temporality is the exception: destinations with another one get streams of their own.
//!
//! # Keys and settings
//!
//! | key of `periodic` | setting | shared by all readers |
//! |---|---|---|
//! | `interval` | `metrics.interval` | yes |
//! | `timeout` | `metrics.export_timeout`, and the limit of the destination | no |
//! | `exporter` | the destination | no |
//! | `temporality_preference` | `metrics.temporality`, or that of the destination | no; yes for files |
//! | `default_histogram_aggregation` | `metrics.histogram_aggregation` | yes |
//! | `cardinality_limits` | `cardinality` of [`Settings::metrics`] | yes, also by pull readers |
//! | `max_export_batch_size/development` | refused | – |
//!
//! # Messages
//!
//! | mistake | message |
//! |---|---|
//! | two pull readers | `not supported: more than one pull reader` |
//! | readers with different intervals | `not supported: the periodic readers share interval and …` |
//! | a file with another temporality | `not supported: a file has the temporality of the first reader` |
//! | `exemplar_filter: always_on` | `not supported: the SDK records no exemplars; …` |
//! | `interval: 0` | `"0": must be at least 1 ms` |

use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

use super::Apply;
use super::exporters::Exporter;
use super::processors::located;
use crate::settings::file::model::{
    At, CardinalityLimits as Limits, DefaultHistogramAggregation, ExemplarFilter, Located, MetricReader,
    PeriodicReader, Positive, PullMetricExporter, PushMetricExporter, TemporalityPreference,
};
use crate::settings::metrics::{
    HISTOGRAM_AGGREGATION, METRIC_EXPORT_TIMEOUT, METRIC_INTERVAL, METRIC_TEMPORALITY,
};
use crate::settings::value_kind::or_unlimited;
use crate::settings::views::CardinalityLimits;
use crate::settings::{DestinationSettings, Settings, exporter};

impl Apply<'_> {
    /// The first pass: interval, timeout and preferences of the periodic reader.
    ///
    /// Values of the first periodic reader become those of the settings. With pull readers alone, there is nothing to
    /// collect periodically, and the settings keep their defaults.
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

    /// The second pass: readers with their exporters, views, and limits of cardinality. Without a provider in the file
    /// there is no destination.
    ///
    /// A pull reader replaces the exporter for Prometheus of code; a file without one has none. Views of code stay
    /// beside those of the file.
    pub(super) fn metrics(&mut self, settings: &mut Settings) {
        settings.metrics.destinations.clear();
        let prometheus_in_code = settings.metrics.prometheus.take();
        let Some(provider) = &self.document.meter_provider else { return };
        let (mut first, mut limits) = (None, None);
        for reader in &provider.readers.0 {
            match reader {
                MetricReader::Pull(reader) if settings.metrics.prometheus.is_some() => {
                    self.unsupported(&reader.at, "more than one pull reader");
                }
                MetricReader::Periodic(reader) => {
                    let first = *first.get_or_insert(reader);
                    self.cardinality(reader.cardinality_limits.as_ref(), &reader.at, &mut limits);
                    let destination = self.periodic(reader, first, settings.metrics.temporality);
                    settings.metrics.destinations.extend(destination);
                }
                MetricReader::Pull(reader) => {
                    self.cardinality(reader.cardinality_limits.as_ref(), &reader.at, &mut limits);
                    let PullMetricExporter::Prometheus(exporter) = &reader.exporter;
                    settings.metrics.prometheus = self.prometheus(exporter, prometheus_in_code.as_ref());
                }
            }
        }
        settings.metrics.cardinality = limits.unwrap_or_default();
        settings.metrics.views = self.views();
        if let Some(filter) = &provider.exemplar_filter {
            self.exemplar_filter(filter);
        }
    }

    /// Returns the destination of a periodic reader. `common` is the temporality of the first one.
    ///
    /// `reader` is compared with `first`, which may be the same one. `None` after a mistake in the exporter.
    fn periodic(
        &mut self,
        reader: &PeriodicReader,
        first: &PeriodicReader,
        common: Temporality,
    ) -> Option<DestinationSettings> {
        let interval = |reader: &PeriodicReader| {
            located(&reader.interval).map_or(DEFAULT_INTERVAL, |(_, interval)| interval)
        };
        let (preferred, histograms) = preferences(&reader.exporter);
        if interval(reader) != interval(first) || histograms != preferences(&first.exporter).1 {
            self.unsupported(
                &reader.at,
                "the periodic readers share `interval` and `default_histogram_aggregation`: write the same for each",
            );
        }
        if let Some(size) = &reader.max_export_batch_size {
            self.unsupported(&size.at, "a collection is sent as a whole");
        }
        let timeout = reader.timeout.as_ref().map_or(DEFAULT_TIMEOUT, |timeout| timeout.value.unsigned());
        let timeout = or_unlimited(Duration::from_millis(timeout));
        if let PushMetricExporter::Console(console) = &reader.exporter
            && console.temporality_preference.is_some_and(|given| given != TemporalityPreference::Cumulative)
        {
            self.warn(&console.at, "temporality_preference has no effect: totals are printed");
        }
        let temporality = preferred.map_or(Temporality::Cumulative, Temporality::from);
        let mut destination =
            self.destination(&exporter::METRICS, &Exporter::from(&reader.exporter), timeout)?;
        match &mut destination {
            DestinationSettings::Otlp(export) => {
                export.temporality = (temporality != common).then_some(temporality);
            }
            DestinationSettings::Output(_) if temporality != common => {
                self.unsupported(&reader.at, "a file has the temporality of the first reader");
            }
            DestinationSettings::Output(_) | DestinationSettings::Console => {}
        }
        Some(destination)
    }

    /// Reads the limits of a reader. Limits are those of views, so that all readers have the same.
    ///
    /// `common` has the limits of the first reader, once it was read; a reader that differs is a mistake at `at`. A
    /// reader without limits counts as one with none.
    fn cardinality(&mut self, limits: Option<&Limits>, at: &At, common: &mut Option<CardinalityLimits>) {
        let limits = limits.map(cardinality).unwrap_or_default();
        if *common.get_or_insert(limits) != limits {
            self.unsupported(
                at,
                "the readers share their `cardinality_limits`: write the same for each of them",
            );
        }
    }

    /// Accepts a filter under which no exemplars are recorded, warns of the schema's default, and refuses `always_on`:
    /// a file that asks for it expects exemplars.
    fn exemplar_filter(&mut self, filter: &Located<ExemplarFilter>) {
        match filter.value {
            ExemplarFilter::AlwaysOff => {}
            // The default of the schema: files that spell it out must not be refused for it.
            ExemplarFilter::TraceBased => {
                self.warn(&filter.at, "has no effect: the SDK records no exemplars");
            }
            ExemplarFilter::AlwaysOn => self
                .unsupported(&filter.at, "the SDK records no exemplars; leave it out, or use `always_off`"),
        }
    }
}

impl From<TemporalityPreference> for Temporality {
    fn from(preference: TemporalityPreference) -> Self {
        match preference {
            TemporalityPreference::Cumulative => Self::Cumulative,
            TemporalityPreference::Delta => Self::Delta,
            TemporalityPreference::LowMemory => Self::LowMemory,
        }
    }
}

/// Returns what the exporter prefers, which the schema has for every kind of exporter.
///
/// The first is the temporality, the second the aggregation of histograms.
///
/// `None` for a preference that is absent: its default is the schema's, cumulative and explicit buckets.
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
///
/// `None` leaves the SDK's limit. More than [`MAX_CARDINALITY`] counts as that.
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
/// Milliseconds between two collections.
const DEFAULT_INTERVAL: u64 = 60_000;
/// Milliseconds for one collection with its export.
const DEFAULT_TIMEOUT: u64 = 30_000;
/// The SDK reserves memory for as many.
///
/// More attribute sets than this cost gigabytes; a larger limit in a file counts as this one.
pub(super) const MAX_CARDINALITY: usize = 10_000_000;
