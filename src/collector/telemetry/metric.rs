//! Metrics, and their current values.
//!
//! A metric arrives once for each collection. Its value *now* depends on its temporality:
//!
//! | temporality | value |
//! |---|---|
//! | gauge, cumulative | the value of the last collection |
//! | delta | the sum over all collections |
//!
//! Series are identified by name, attributes, scope and resource, so equal series of two scopes are counted
//! separately.

use std::sync::Arc;

use opentelemetry::logs::AnyValue;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use crate::collector::attributes;
use crate::collector::export::Export;
use crate::export::render::terminal::Colors;
use crate::export::render::{self, SeriesValue};

/// A metric of one collection, as it was exported.
///
/// ```
/// use telemetry_bootstrap::opentelemetry::KeyValue;
/// use telemetry_bootstrap::testing;
///
/// let telemetry = testing::capture();
/// let orders = telemetry.meter("shop").u64_counter("orders").with_unit("{order}").build();
/// orders.add(2, &[KeyValue::new("region", "eu")]);
///
/// let metrics = telemetry.metrics();
/// assert_eq!((metrics[0].name(), metrics[0].unit()), ("orders", "{order}"));
/// assert_eq!(metrics[0].series(), ["region=eu"]);
/// ```
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
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metric.name
    }

    /// Returns the UCUM unit, empty if there is none.
    #[must_use]
    pub fn unit(&self) -> &str {
        &self.metric.unit
    }

    /// Returns the value of a resource attribute.
    #[must_use]
    pub fn resource_attribute(&self, key: &str) -> Option<AnyValue> {
        attributes::find(&self.resource.attributes, key)
    }

    /// Returns the attributes of each data point: `method=ProcessRequest error=false`.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        points(&self.metric).iter().map(|point| attributes::line(point.attributes)).collect()
    }

    /// Returns the metric in the form used for rendering.
    fn to_rendered(&self) -> render::Collected {
        render::Collected {
            resource: attributes::sorted_line(&self.resource.attributes),
            scope: self.scope.name.clone(),
            metric: render::Metric::decode(&self.metric.encode_to_vec()),
        }
    }
}

/// The part that data points of all metric kinds share.
pub(in crate::collector) struct Point<'a> {
    /// The attributes of the series.
    attributes: &'a [KeyValue],
}

/// Returns the data points of a metric of any kind.
pub(in crate::collector) fn points(metric: &Metric) -> Vec<Point<'_>> {
    macro_rules! points {
        ($data:expr) => {{
            let points = $data.data_points.iter();
            points.map(|point| Point { attributes: &point.attributes }).collect()
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

/// The value of a histogram with explicit buckets.
///
/// Returned by [`CollectedTelemetry::histogram`](crate::testing::CollectedTelemetry::histogram).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HistogramValue {
    /// The number of measurements.
    pub count: u64,
    /// The sum of the measurements.
    pub sum: f64,
    /// The upper boundaries of the buckets. One more bucket holds values above the last boundary.
    pub boundaries: Vec<f64>,
    /// The number of measurements in each bucket.
    pub buckets: Vec<u64>,
}

impl HistogramValue {
    /// Returns the quantile as estimated by Prometheus' `histogram_quantile`, which interpolates linearly within a
    /// bucket. `None` without measurements; the last boundary for quantiles above it.
    ///
    /// `quantile` is between 0 and 1: 0.95 for the 95th percentile.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        render::quantile(self.count, &self.boundaries, &self.buckets, quantile)
    }
}

/// Returns the metrics of a request, in its order. Empty for other signals.
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

/// Returns the sum of all series with this name and at least these attributes.
pub(in crate::collector) fn value(
    metrics: &[CollectedMetric],
    name: &str,
    wanted: &[(&str, &str)],
) -> Option<f64> {
    match sum_of_series(metrics, name, wanted)? {
        SeriesValue::Number(value) => Some(value),
        _ => None,
    }
}

/// Returns the sum of all histograms with this name and at least these attributes.
pub(in crate::collector) fn histogram(
    metrics: &[CollectedMetric],
    name: &str,
    wanted: &[(&str, &str)],
) -> Option<HistogramValue> {
    match sum_of_series(metrics, name, wanted)? {
        SeriesValue::Histogram { count, sum, boundaries, buckets } => {
            Some(HistogramValue { count, sum, boundaries, buckets })
        }
        _ => None,
    }
}

/// Returns a headline for each metric, and a line for each of its series: the value, then the attributes.
pub(in crate::collector) fn table(metrics: &[CollectedMetric]) -> String {
    let rendered: Vec<_> = metrics.iter().map(CollectedMetric::to_rendered).collect();
    render::table(&rendered, Colors::Off)
}

/// Returns the sum of the series of this metric that have these attributes. `None` if there are none.
fn sum_of_series(metrics: &[CollectedMetric], name: &str, wanted: &[(&str, &str)]) -> Option<SeriesValue> {
    let named = metrics.iter().filter(|metric| metric.name() == name);
    let rendered: Vec<_> = named.map(CollectedMetric::to_rendered).collect();
    let has = |point: &render::Point, wanted: &(&str, &str)| {
        point.attributes.iter().any(|(key, value)| (&**key, &**value) == *wanted)
    };
    let series = render::series(&rendered, |_, point| wanted.iter().all(|wanted| has(point, wanted)));
    series.into_values().reduce(|mut sum, value| {
        sum.add(&value);
        sum
    })
}
