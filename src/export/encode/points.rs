//! The data points of a metrics request: counted, and parted where a request is too large.

use std::ops::Range;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;

pub(in crate::export) fn count(request: &ExportMetricsServiceRequest) -> usize {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    scopes.flat_map(|scope| &scope.metrics).map(count_of).sum()
}

/// Two requests with half of the points each, and how many these are, unless there is only one point.
pub(in crate::export) fn halves(request: &[u8]) -> Option<[(Bytes, u64); 2]> {
    let request = ExportMetricsServiceRequest::decode(request).ok()?;
    let count = count(&request);
    let half = count / 2;
    let part = |range: Range<usize>| {
        let points = range.len() as u64;
        let mut part = request.clone();
        keep(&mut part, &range);
        (Bytes::from(part.encode_to_vec()), points)
    };
    (half > 0).then(|| [part(0..half), part(half..count)])
}

/// Keeps the points at these positions, and what is around them.
fn keep(request: &mut ExportMetricsServiceRequest, range: &Range<usize>) {
    let mut position = 0;
    for resource in &mut request.resource_metrics {
        for scope in &mut resource.scope_metrics {
            for data in scope.metrics.iter_mut().filter_map(|metric| metric.data.as_mut()) {
                keep_of(data, &mut position, range);
            }
            scope.metrics.retain(|metric| count_of(metric) > 0);
        }
        resource.scope_metrics.retain(|scope| !scope.metrics.is_empty());
    }
    request.resource_metrics.retain(|resource| !resource.scope_metrics.is_empty());
}

fn count_of(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    }
}

fn keep_of(data: &mut Data, position: &mut usize, range: &Range<usize>) {
    match data {
        Data::Gauge(gauge) => cut(&mut gauge.data_points, position, range),
        Data::Sum(sum) => cut(&mut sum.data_points, position, range),
        Data::Histogram(histogram) => cut(&mut histogram.data_points, position, range),
        Data::ExponentialHistogram(histogram) => cut(&mut histogram.data_points, position, range),
        Data::Summary(summary) => cut(&mut summary.data_points, position, range),
    }
}

/// `position` is that of the first of these points among all, and then that of the first one after them.
fn cut<T>(points: &mut Vec<T>, position: &mut usize, range: &Range<usize>) {
    let here = |wanted: usize| wanted.saturating_sub(*position).min(points.len());
    let (start, end) = (here(range.start), here(range.end));
    *position += points.len();
    points.truncate(end);
    points.drain(..start);
}
