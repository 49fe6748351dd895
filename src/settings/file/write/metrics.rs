//! The meter provider.
//!
//! Each destination becomes a periodic reader, and the exporter for Prometheus a pull reader. Interval, histograms and
//! limits of cardinality are the same for all readers here, so that each repeats them: a file in which they differ is
//! refused.
//!
//! | setting | in the file |
//! |---|---|
//! | `metrics.interval` | `interval` of each periodic reader, in milliseconds |
//! | the exporter's timeout | `timeout` of the reader and of the exporter; 0 for no limit |
//! | `metrics.temporality` | `temporality_preference` of the exporter, with `low_memory` |
//! | `metrics.histogram_aggregation` | `default_histogram_aggregation` of the exporter |
//! | limits of cardinality | `cardinality_limits` of each reader |
//! | the exporter for Prometheus | a pull reader with `prometheus/development` |
//! | views of a file | `views` |

use opentelemetry_sdk::metrics::Temporality;

use super::Writer;
use super::traces_and_logs::{component, limit};
use super::yaml::{Map, Yaml};
use crate::settings::exporter::prometheus::{NameTranslation, PrometheusSettings, PrometheusText};
use crate::settings::exporter::{DestinationSettings, METRICS};
use crate::settings::metrics::{HISTOGRAM_AGGREGATION, METRIC_INTERVAL, METRIC_TEMPORALITY, MetricSettings};
use crate::settings::views::CardinalityLimits;
use crate::settings::{AttributeSelection, Signal};

impl Writer<'_> {
    /// Returns the meter provider, or `None` and a note if metrics are neither exported nor scraped. A file without one
    /// has no metrics.
    pub(super) fn meter_provider(&mut self) -> Option<Map> {
        let metrics = &self.settings.metrics;
        let limits = cardinality(&metrics.cardinality);
        let mut readers = Vec::new();
        for (index, destination) in metrics.destinations.iter().enumerate() {
            let mut reader = self.periodic(metrics, index, destination);
            reader.set_some("cardinality_limits", Some(limits.clone()));
            readers.push(Map::from_entry("periodic", reader));
        }
        if let Some(prometheus) = &metrics.prometheus {
            let exporter = component("prometheus/development", self.prometheus(prometheus));
            let mut reader = Map::from_entry("exporter", exporter);
            reader.set_some("cardinality_limits", Some(limits));
            readers.push(Map::from_entry("pull", reader));
        }
        if readers.is_empty() {
            self.note_absent(Signal::Metrics, "the file has no `meter_provider`");
            return None;
        }
        let mut provider = Map::from_entry("readers", readers);
        provider.set_some("views", Some(self.views(&metrics.views)));
        Some(provider)
    }

    /// Returns the options of a periodic reader.
    ///
    /// Its `timeout` is that of the exporter, which is never longer than the reader's. The console prints totals, so
    /// that it has no preference for a temporality.
    ///
    /// `index` is the place among the destinations, which decides on the comments: only the first one can come from
    /// variables.
    fn periodic(&mut self, metrics: &MetricSettings, index: usize, destination: &DestinationSettings) -> Map {
        let mut reader = Map::default();
        reader.set_from("interval", metrics.interval, self.origin(METRIC_INTERVAL.key()));
        if let DestinationSettings::Otlp(export) = destination {
            reader.set("timeout", limit(export.timeout));
        }
        let (name, mut exporter) = self.exporter(&METRICS, index, destination);
        if !matches!(destination, DestinationSettings::Console) {
            let temporality = match metrics.temporality_of(destination) {
                Temporality::Delta => "delta",
                Temporality::LowMemory => "low_memory",
                _ => "cumulative",
            };
            let origin = self.origin(METRIC_TEMPORALITY.key());
            exporter.set_from("temporality_preference", temporality, origin);
        }
        let histograms = (HISTOGRAM_AGGREGATION.kind.show)(&metrics.histograms);
        let origin = self.origin(HISTOGRAM_AGGREGATION.key());
        exporter.set_from("default_histogram_aggregation", histograms, origin);
        reader.set("exporter", component(name, exporter));
        reader
    }

    /// Returns the options of the exporter for Prometheus. Those of the text are left out where they are the schema's
    /// default.
    ///
    /// An exporter without a server, which the program mounts in its own, cannot be written: reading the file would
    /// start one. A note says so.
    ///
    /// Host and port are written together, with the origin of the server.
    fn prometheus(&mut self, PrometheusSettings { server, text }: &PrometheusSettings) -> Map {
        let mut exporter = Map::default();
        match server {
            Some(server) => {
                exporter.set_from("host", &*server.host, &*server.origin);
                exporter.set_from("port", server.port, &*server.origin);
            }
            None => self.note("the exporter for Prometheus has no server: keep `without_server` in code"),
        }
        let PrometheusText { scope_labels, target_info, resource_labels, names, created_series } = text;
        if *created_series {
            self.note(
                "the exporter for Prometheus writes when series began: keep `write_created_series` in code",
            );
        }
        if !scope_labels {
            exporter.set("scope_info_enabled", false);
        }
        if !target_info {
            exporter.set("target_info_enabled/development", false);
        }
        exporter.set_some("resource_constant_labels", resource_labels.as_ref().map(selection));
        let strategy = match names {
            NameTranslation::UnderscoresWithSuffixes => None,
            NameTranslation::Underscores => Some("underscore_escaping_without_suffixes/development"),
            NameTranslation::Utf8WithSuffixes => Some("no_utf8_escaping_with_suffixes/development"),
            NameTranslation::Unchanged => Some("no_translation/development"),
        };
        exporter.set_some("translation_strategy", strategy);
        exporter
    }
}

/// Patterns of attributes. All of them are selected if nothing is given.
///
/// Never empty, because the schema allows neither an empty list nor a selection without keys here.
pub(super) fn selection(AttributeSelection { included, excluded }: &AttributeSelection) -> Map {
    let mut map = Map::default();
    for (key, patterns) in [("included", included), ("excluded", excluded)] {
        let patterns: Vec<Yaml> = patterns.iter().map(|pattern| pattern.as_str().into()).collect();
        map.set_some(key, Some(patterns));
    }
    if map.is_empty() {
        map.set("included", vec!["*"]);
    }
    map
}

/// Returns the limits that were given, by the kind of the instrument.
///
/// Empty if all kinds have the SDK's limit.
fn cardinality(limits: &CardinalityLimits) -> Map {
    let mut map = Map::default();
    for (key, limit) in [
        ("counter", limits.counter),
        ("gauge", limits.gauge),
        ("histogram", limits.histogram),
        ("observable_counter", limits.observable_counter),
        ("observable_gauge", limits.observable_gauge),
        ("observable_up_down_counter", limits.observable_up_down_counter),
        ("up_down_counter", limits.up_down_counter),
    ] {
        map.set_some(key, limit);
    }
    map
}
