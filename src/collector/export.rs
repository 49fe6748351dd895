//! The message of a request, for any signal.
//!
//! An [`Export`] is the message that the client has sent, decoded by `opentelemetry-proto`. It is unchanged, except
//! that items rejected by a partial success are removed, so that only acknowledged items are kept.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::{DecodeError, Message};

use super::telemetry::points;
use crate::settings::Signal;

/// The content of one request. The variants hold the messages of [`opentelemetry_proto`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Export {
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Data points.
    Metrics(ExportMetricsServiceRequest),
    /// Log records.
    Logs(ExportLogsServiceRequest),
}

impl Export {
    /// Returns the signal of the request.
    #[must_use]
    pub fn signal(&self) -> Signal {
        match self {
            Self::Traces(_) => Signal::Traces,
            Self::Metrics(_) => Signal::Metrics,
            Self::Logs(_) => Signal::Logs,
        }
    }

    /// Returns the number of spans, data points or log records.
    #[must_use]
    pub fn item_count(&self) -> usize {
        match self {
            Self::Traces(request) => {
                let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
                scopes.map(|scope| scope.spans.len()).sum()
            }
            Self::Metrics(request) => {
                let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
                let metrics = scopes.flat_map(|scope| &scope.metrics);
                metrics.map(|metric| points(metric).len()).sum()
            }
            Self::Logs(request) => {
                let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
                scopes.map(|scope| scope.log_records.len()).sum()
            }
        }
    }

    /// Decodes the message of requests of this signal: binary protobuf, without the gRPC prefix and without
    /// compression.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not such a message.
    pub(crate) fn decode(signal: Signal, request: &[u8]) -> Result<Self, DecodeError> {
        Ok(match signal {
            Signal::Traces => Self::Traces(ExportTraceServiceRequest::decode(request)?),
            Signal::Metrics => Self::Metrics(ExportMetricsServiceRequest::decode(request)?),
            Signal::Logs => Self::Logs(ExportLogsServiceRequest::decode(request)?),
        })
    }

    /// Removes the last items, as a collector does that rejects part of a request.
    ///
    /// For metrics these are data points. A metric whose points are all removed stays, without points. If `items`
    /// exceeds the number of items, all are removed.
    pub(crate) fn reject(&mut self, items: usize) {
        let mut left = items;
        match self {
            Self::Traces(request) => {
                let scopes = request.resource_spans.iter_mut().rev();
                scopes
                    .flat_map(|resource| resource.scope_spans.iter_mut().rev())
                    .for_each(|scope| cut(&mut scope.spans, &mut left));
            }
            Self::Metrics(request) => {
                let scopes = request.resource_metrics.iter_mut().rev();
                scopes
                    .flat_map(|resource| resource.scope_metrics.iter_mut().rev())
                    .flat_map(|scope| scope.metrics.iter_mut().rev())
                    .filter_map(|metric| metric.data.as_mut())
                    .for_each(|data| cut_points(data, &mut left));
            }
            Self::Logs(request) => {
                let scopes = request.resource_logs.iter_mut().rev();
                scopes
                    .flat_map(|resource| resource.scope_logs.iter_mut().rev())
                    .for_each(|scope| cut(&mut scope.log_records, &mut left));
            }
        }
    }
}

/// Removes the last points of one metric. `left` counts the points still to be removed from the whole request.
fn cut_points(data: &mut Data, left: &mut usize) {
    match data {
        Data::Gauge(gauge) => cut(&mut gauge.data_points, left),
        Data::Sum(sum) => cut(&mut sum.data_points, left),
        Data::Histogram(histogram) => cut(&mut histogram.data_points, left),
        Data::ExponentialHistogram(histogram) => cut(&mut histogram.data_points, left),
        Data::Summary(summary) => cut(&mut summary.data_points, left),
    }
}

/// Removes up to `left` items from the end, and subtracts their number from `left`.
fn cut<T>(items: &mut Vec<T>, left: &mut usize) {
    let removed = items.len().min(*left);
    items.truncate(items.len() - removed);
    *left -= removed;
}
