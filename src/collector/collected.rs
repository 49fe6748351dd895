//! The received telemetry, and queries on it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::export::Export;
use super::telemetry::{self, CollectedLog, CollectedMetric, CollectedSpan, HistogramValue, hex};
use crate::settings::Signal;

/// One received request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The gRPC metadata.
    pub metadata: HeaderMap,
    /// The message; after a partial success without the items that were rejected.
    pub export: Export,
    /// When it was accepted.
    pub time: SystemTime,
}

impl Request {
    /// Creates a request that was accepted now.
    pub(crate) fn new(metadata: HeaderMap, export: Export) -> Self {
        Self { metadata, export, time: SystemTime::now() }
    }

    /// The first value of this metadata key, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.metadata.get(name)?.to_str().ok()
    }
}

/// A snapshot of the telemetry that a [`Collector`](super::Collector) has received. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct CollectedTelemetry {
    /// In the order of arrival. Shared between snapshots, so that a snapshot copies only pointers.
    requests: Vec<Arc<Request>>,
    /// Counted as requests arrive, because conditions of `wait_for` ask for the numbers at every arrival.
    spans: usize,
    /// Data points; see `spans`.
    points: usize,
    /// Log records; see `spans`.
    logs: usize,
}

impl CollectedTelemetry {
    /// Appends a request and counts its items.
    pub(crate) fn push(&mut self, request: Request) {
        let count = match request.export.signal() {
            Signal::Traces => &mut self.spans,
            Signal::Metrics => &mut self.points,
            Signal::Logs => &mut self.logs,
        };
        *count += request.export.item_count();
        self.requests.push(Arc::new(request));
    }

    /// Requests of this signal, in the order of arrival.
    pub fn requests(&self, signal: Signal) -> impl Iterator<Item = &Request> {
        self.requests.iter().map(AsRef::as_ref).filter(move |request| request.export.signal() == signal)
    }

    /// Spans. Costs nothing, unlike counting [`spans`](Self::spans).
    #[must_use]
    pub fn span_count(&self) -> usize {
        self.spans
    }

    /// Log records. Costs nothing.
    #[must_use]
    pub fn log_count(&self) -> usize {
        self.logs
    }

    /// Data points, those of each collection counted anew. Costs nothing.
    #[must_use]
    pub fn point_count(&self) -> usize {
        self.points
    }

    /// Every span, in the order of arrival.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.exports().flat_map(telemetry::spans).collect()
    }

    /// Every log record, in the order of arrival.
    #[must_use]
    pub fn logs(&self) -> Vec<CollectedLog> {
        self.exports().flat_map(telemetry::logs).collect()
    }

    /// Every metric of every collection, in the order of arrival.
    #[must_use]
    pub fn metrics(&self) -> Vec<CollectedMetric> {
        self.exports().flat_map(telemetry::metrics).collect()
    }

    /// The spans of this name.
    #[must_use]
    pub fn spans_named(&self, name: &str) -> Vec<CollectedSpan> {
        self.spans().into_iter().filter(|span| span.name() == name).collect()
    }

    /// Ids of all traces, in the order in which their first spans began.
    #[must_use]
    pub fn trace_ids(&self) -> Vec<String> {
        let mut spans = self.spans();
        spans.sort_by_key(|span| span.span.start_time_unix_nano);
        let mut ids: Vec<String> = Vec::new();
        for span in &spans {
            let id = span.trace_id();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// The spans of one trace, in the order in which they began.
    #[must_use]
    pub fn trace(&self, trace_id: &str) -> Vec<CollectedSpan> {
        let mut spans = self.spans();
        spans.retain(|span| hex(&span.span.trace_id) == trace_id);
        spans.sort_by_key(|span| span.span.start_time_unix_nano);
        spans
    }

    /// The log records of one trace, in the order of their timestamps.
    #[must_use]
    pub fn logs_of(&self, trace_id: &str) -> Vec<CollectedLog> {
        let mut logs = self.logs();
        logs.retain(|log| hex(&log.record.trace_id) == trace_id);
        logs.sort_by_key(|log| log.record.time_unix_nano);
        logs
    }

    /// One trace as a tree, for people: a line a span, with kind, duration, error and attributes, and the log
    /// records inside it. Attributes that would only repeat the name (`rpc.method`), addresses and source code
    /// locations are left out.
    #[must_use]
    pub fn render_trace(&self, trace_id: &str) -> String {
        telemetry::tree(&self.trace(trace_id), &self.logs_of(trace_id))
    }

    /// Every series with its value now, a line each, for people.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        telemetry::table(&self.metrics())
    }

    /// The value of a sum or gauge now, over all series that have these attributes, or `None` if there is none.
    ///
    /// Of cumulative series the last collection counts, delta collections are added up.
    #[must_use]
    pub fn value(&self, metric: &str, attributes: &[(&str, &str)]) -> Option<f64> {
        telemetry::value(&self.metrics(), metric, attributes)
    }

    /// The value of a histogram with explicit buckets now, over all series that have these attributes.
    #[must_use]
    pub fn histogram(&self, metric: &str, attributes: &[(&str, &str)]) -> Option<HistogramValue> {
        telemetry::histogram(&self.metrics(), metric, attributes)
    }

    /// Returns the messages in the order of arrival.
    fn exports(&self) -> impl Iterator<Item = &Export> {
        self.requests.iter().map(|request| &request.export)
    }
}

impl fmt::Display for CollectedTelemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, spans, points, logs } = self;
        let requests = requests.len();
        write!(f, "{spans} spans, {logs} log records and {points} data points in {requests} requests")
    }
}

/// The error if the expected telemetry did not arrive in time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitError {
    /// The time waited.
    pub timeout: Duration,
    /// The telemetry that had arrived.
    pub received: CollectedTelemetry,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the condition was not met within {:?}: received {}", self.timeout, self.received)
    }
}

impl Error for WaitError {}
