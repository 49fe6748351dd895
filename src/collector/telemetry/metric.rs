//! Metrics, and their current values.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use opentelemetry::logs::AnyValue;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::collector::attributes;
use crate::collector::export::Export;

/// A metric of one collection, as it was exported.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CollectedMetric {
    /// The resource that recorded it.
    pub resource: Arc<Resource>,
    /// The instrumentation that recorded it.
    pub scope: Arc<InstrumentationScope>,
    /// The OTLP message.
    pub metric: Metric,
}

impl CollectedMetric {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metric.name
    }

    /// Its unit.
    #[must_use]
    pub fn unit(&self) -> &str {
        &self.metric.unit
    }

    /// The value of an attribute of its resource.
    #[must_use]
    pub fn resource_attribute(&self, key: &str) -> Option<AnyValue> {
        attributes::find(&self.resource.attributes, key)
    }

    /// The attributes of each of its data points: `method=ProcessRequest error=false`.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        points(&self.metric).iter().map(|point| attributes::line(point.attributes)).collect()
    }

    /// The time of its collection, which all of its points have.
    fn time(&self) -> u64 {
        points(&self.metric).first().map(|point| point.time).unwrap_or_default()
    }

    fn numbers(&self) -> (&[NumberDataPoint], Temporality) {
        match &self.metric.data {
            Some(Data::Gauge(gauge)) => (&gauge.data_points, Temporality::LastCounts),
            Some(Data::Sum(sum)) => (&sum.data_points, Temporality::from_otlp(sum.aggregation_temporality())),
            _ => (&[], Temporality::LastCounts),
        }
    }

    fn histograms(&self) -> (&[HistogramDataPoint], Temporality) {
        match &self.metric.data {
            Some(Data::Histogram(data)) => {
                (&data.data_points, Temporality::from_otlp(data.aggregation_temporality()))
            }
            _ => (&[], Temporality::LastCounts),
        }
    }
}

/// What the data points of every kind of metric have.
pub(in crate::collector) struct Point<'a> {
    attributes: &'a [KeyValue],
    time: u64,
}

/// The data points of a metric of any kind.
pub(in crate::collector) fn points(metric: &Metric) -> Vec<Point<'_>> {
    macro_rules! points {
        ($data:expr) => {{
            let points = $data.data_points.iter();
            points.map(|point| Point { attributes: &point.attributes, time: point.time_unix_nano }).collect()
        }};
    }
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => points!(data),
        Some(Data::Sum(data)) => points!(data),
        Some(Data::Histogram(data)) => points!(data),
        Some(Data::ExponentialHistogram(data)) => points!(data),
        Some(Data::Summary(data)) => points!(data),
    }
}

/// Measurements of a histogram with explicit buckets.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HistogramValue {
    /// How many measurements.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Upper boundaries of the buckets; one more bucket is above the last.
    pub boundaries: Vec<f64>,
    /// Measurements in each bucket.
    pub buckets: Vec<u64>,
}

impl HistogramValue {
    /// The quantile as Prometheus' `histogram_quantile` estimates it: linear within a bucket. `None` without
    /// measurements; the last boundary for what lies above it.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = quantile * self.count as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for (count, upper) in self.buckets.iter().zip(&self.boundaries) {
            let in_bucket = *count as f64;
            if in_bucket > 0.0 && below + in_bucket >= rank {
                return Some(lower + (upper - lower) * ((rank - below) / in_bucket));
            }
            below += in_bucket;
            lower = *upper;
        }
        (self.count > 0).then_some(lower)
    }

    fn summary(&self) -> String {
        let quantile = |quantile| self.quantile(quantile).unwrap_or_default();
        format!("{} measured, p50 {:.4}, p95 {:.4}", self.count, quantile(0.5), quantile(0.95))
    }

    fn add(mut self, other: &Self) -> Self {
        self.count += other.count;
        self.sum += other.sum;
        if self.buckets.is_empty() {
            self.boundaries.clone_from(&other.boundaries);
            self.buckets.clone_from(&other.buckets);
        } else if self.boundaries == other.boundaries {
            self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, count)| *sum += count);
        }
        self
    }
}

impl From<&HistogramDataPoint> for HistogramValue {
    fn from(point: &HistogramDataPoint) -> Self {
        Self {
            count: point.count,
            sum: point.sum.unwrap_or_default(),
            boundaries: point.explicit_bounds.clone(),
            buckets: point.bucket_counts.clone(),
        }
    }
}

/// How the collections of one series combine to its value.
#[derive(Clone, Copy)]
enum Temporality {
    LastCounts,
    AddUp,
}

impl Temporality {
    fn from_otlp(temporality: AggregationTemporality) -> Self {
        match temporality {
            AggregationTemporality::Delta => Self::AddUp,
            _ => Self::LastCounts,
        }
    }
}

/// The identity of a series.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    name: String,
    attributes: String,
    scope: String,
    resource: String,
}

impl Series {
    fn new(metric: &CollectedMetric, attributes: &[KeyValue]) -> Self {
        Self {
            name: metric.name().to_owned(),
            attributes: attributes::sorted_line(attributes),
            scope: metric.scope.name.clone(),
            resource: attributes::sorted_line(&metric.resource.attributes),
        }
    }
}

pub(in crate::collector) fn metrics(export: &Export) -> Vec<CollectedMetric> {
    let Export::Metrics(request) = export else { return Vec::new() };
    let mut metrics = Vec::new();
    for of_resource in &request.resource_metrics {
        let resource = Arc::new(of_resource.resource.clone().unwrap_or_default());
        for of_scope in &of_resource.scope_metrics {
            let scope = Arc::new(of_scope.scope.clone().unwrap_or_default());
            metrics.extend(of_scope.metrics.iter().map(|metric| CollectedMetric {
                resource: Arc::clone(&resource),
                scope: Arc::clone(&scope),
                metric: metric.clone(),
            }));
        }
    }
    metrics
}

pub(in crate::collector) fn value(
    metrics: &[CollectedMetric],
    name: &str,
    wanted: &[(&str, &str)],
) -> Option<f64> {
    let named = metrics.iter().filter(|metric| metric.name() == name);
    number_series(named, wanted).into_values().reduce(|sum, value| sum + value)
}

pub(in crate::collector) fn histogram(
    metrics: &[CollectedMetric],
    name: &str,
    wanted: &[(&str, &str)],
) -> Option<HistogramValue> {
    let named = metrics.iter().filter(|metric| metric.name() == name);
    histogram_series(named, wanted).into_values().reduce(|sum, value| sum.add(&value))
}

/// A headline for each metric, and a line for each of its series: the value, then the attributes.
pub(in crate::collector) fn table(metrics: &[CollectedMetric]) -> String {
    let numbers = number_series(metrics.iter(), &[]).into_iter();
    let histograms = histogram_series(metrics.iter(), &[]).into_iter();
    let rows: BTreeMap<Series, String> = numbers
        .map(|(series, value)| (series, value.to_string()))
        .chain(histograms.map(|(series, value)| (series, value.summary())))
        .collect();
    let units: BTreeMap<&str, &str> = metrics.iter().map(|metric| (metric.name(), metric.unit())).collect();

    let mut table = String::new();
    let mut headline = None;
    for (Series { name, attributes, .. }, value) in &rows {
        // Writing to a `String` cannot fail.
        if headline.replace(name) != Some(name) {
            let _ = writeln!(table, "{name} in {}", units.get(&**name).copied().unwrap_or_default());
        }
        let _ = writeln!(table, "{}", format!("   {value}  {attributes}").trim_end());
    }
    table
}

fn number_series<'a>(
    metrics: impl Iterator<Item = &'a CollectedMetric>,
    wanted: &[(&str, &str)],
) -> BTreeMap<Series, f64> {
    let mut series: BTreeMap<Series, f64> = BTreeMap::new();
    for metric in in_order(metrics) {
        let (points, temporality) = metric.numbers();
        for point in points.iter().filter(|point| attributes::contain(&point.attributes, wanted)) {
            let value = series.entry(Series::new(metric, &point.attributes)).or_default();
            match temporality {
                Temporality::LastCounts => *value = number(point),
                Temporality::AddUp => *value += number(point),
            }
        }
    }
    series
}

fn histogram_series<'a>(
    metrics: impl Iterator<Item = &'a CollectedMetric>,
    wanted: &[(&str, &str)],
) -> BTreeMap<Series, HistogramValue> {
    let mut series: BTreeMap<Series, HistogramValue> = BTreeMap::new();
    for metric in in_order(metrics) {
        let (points, temporality) = metric.histograms();
        for point in points.iter().filter(|point| attributes::contain(&point.attributes, wanted)) {
            let value = series.entry(Series::new(metric, &point.attributes)).or_default();
            *value = match temporality {
                Temporality::LastCounts => point.into(),
                Temporality::AddUp => std::mem::take(value).add(&point.into()),
            };
        }
    }
    series
}

/// Requests that were in flight at the same time arrive in any order.
fn in_order<'a>(metrics: impl Iterator<Item = &'a CollectedMetric>) -> Vec<&'a CollectedMetric> {
    let mut metrics: Vec<_> = metrics.collect();
    metrics.sort_by_key(|metric| metric.time());
    metrics
}

fn number(point: &NumberDataPoint) -> f64 {
    match point.value {
        Some(Value::AsDouble(value)) => value,
        Some(Value::AsInt(value)) => value as f64,
        None => 0.0,
    }
}
