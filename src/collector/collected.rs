//! The received telemetry, and queries on it.
//!
//! The OTLP messages are kept as they arrived. Queries decode and sort on each call, which is cheap for the amounts
//! in a test. Counts are kept as well, because conditions read them at every arrival.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::export::Export;
use super::telemetry::{self, CollectedLog, CollectedMetric, CollectedSpan, HistogramValue, hex};
use crate::settings::Signal;

/// One received request.
///
/// ```
/// use std::time::Duration;
/// use telemetry_bootstrap::Signal;
/// use telemetry_bootstrap::testing::Collector;
///
/// let collector = Collector::start()?;
/// let (_, telemetry) = telemetry_bootstrap::init()
///     .ignore_env()
///     .endpoint(collector.endpoint())
///     .header("x-team", "blue")
///     .build_local::<tracing_subscriber::Registry>()?;
/// telemetry.meter("shop").u64_counter("orders").build().add(1, &[]);
/// telemetry.force_flush(Duration::from_secs(5))?;
///
/// let received = collector.received();
/// let request = received.requests(Signal::Metrics).next().ok_or("no request")?;
/// assert_eq!(request.header("x-team"), Some("blue"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The gRPC metadata, or the headers of an HTTP request.
    pub metadata: HeaderMap,
    /// The message; after a partial success, without the rejected items.
    pub export: Export,
    /// The time at which it was accepted, after the delays of faults.
    pub time: SystemTime,
}

impl Request {
    /// Creates a request that was accepted now.
    pub(crate) fn new(metadata: HeaderMap, export: Export) -> Self {
        Self { metadata, export, time: SystemTime::now() }
    }

    /// Returns the first value of this metadata key or header, if it is a string.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.metadata.get(name)?.to_str().ok()
    }
}

/// A snapshot of the telemetry that a [`Collector`](super::Collector) has received. Cheap to clone.
///
/// ```
/// use telemetry_bootstrap::testing;
/// use telemetry_bootstrap::tracing::{info, info_span};
///
/// let telemetry = testing::capture();
/// info_span!("checkout").in_scope(|| info!("paid"));
///
/// let received = telemetry.received();
/// let trace = &received.trace_ids()[0];
/// assert_eq!(received.trace(trace).len(), 1);
/// assert_eq!(received.logs_of(trace).len(), 1);
/// println!("{}", received.render_trace(trace));
/// ```
#[derive(Clone, Debug, Default)]
pub struct CollectedTelemetry {
    /// In the order of arrival. Shared between snapshots, so that a snapshot copies only pointers.
    requests: Vec<Arc<Request>>,
    /// Counted as requests arrive, because conditions of `wait_for` read the counts at every arrival.
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

    /// Returns the requests of this signal, in the order of arrival.
    pub fn requests(&self, signal: Signal) -> impl Iterator<Item = &Request> {
        self.requests.iter().map(AsRef::as_ref).filter(move |request| request.export.signal() == signal)
    }

    /// Returns the number of spans. The count is stored, so this is cheaper than counting [`spans`](Self::spans).
    #[must_use]
    pub fn span_count(&self) -> usize {
        self.spans
    }

    /// Returns the number of log records, which is stored.
    #[must_use]
    pub fn log_count(&self) -> usize {
        self.logs
    }

    /// Returns the number of data points, which is stored. The points of every collection are counted.
    #[must_use]
    pub fn point_count(&self) -> usize {
        self.points
    }

    /// Returns all spans, in the order of arrival.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.exports().flat_map(telemetry::spans).collect()
    }

    /// Returns all log records, in the order of arrival.
    #[must_use]
    pub fn logs(&self) -> Vec<CollectedLog> {
        self.exports().flat_map(telemetry::logs).collect()
    }

    /// Returns all metrics of all collections, in the order of arrival. For current values see
    /// [`value`](Self::value).
    #[must_use]
    pub fn metrics(&self) -> Vec<CollectedMetric> {
        self.exports().flat_map(telemetry::metrics).collect()
    }

    /// Returns the spans with this name, in the order of arrival.
    #[must_use]
    pub fn spans_named(&self, name: &str) -> Vec<CollectedSpan> {
        self.spans().into_iter().filter(|span| span.name() == name).collect()
    }

    /// Returns the ids of all traces, in the order in which their first spans began.
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

    /// Returns the spans of one trace, in the order in which they began. Empty if there is no such trace.
    #[must_use]
    pub fn trace(&self, trace_id: &str) -> Vec<CollectedSpan> {
        let mut spans = self.spans();
        spans.retain(|span| hex(&span.span.trace_id) == trace_id);
        spans.sort_by_key(|span| span.span.start_time_unix_nano);
        spans
    }

    /// Returns the log records of one trace, in the order of their timestamps.
    #[must_use]
    pub fn logs_of(&self, trace_id: &str) -> Vec<CollectedLog> {
        let mut logs = self.logs();
        logs.retain(|log| hex(&log.record.trace_id) == trace_id);
        logs.sort_by_key(|log| log.record.time_unix_nano);
        logs
    }

    /// Returns one trace as a human-readable tree: one line per span, with kind, duration, error and attributes, and
    /// the log records, span events and links inside it.
    ///
    /// Attributes that would only repeat the name (`rpc.method`), addresses and code locations are omitted.
    #[must_use]
    pub fn render_trace(&self, trace_id: &str) -> String {
        telemetry::tree(&self.trace(trace_id), &self.logs_of(trace_id))
    }

    /// Returns all series with their current values, in a human-readable form, one per line.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        telemetry::table(&self.metrics())
    }

    /// Returns the current value of a sum or gauge, summed over all series that have at least these attributes.
    /// `None` if there is none.
    ///
    /// For cumulative series, this is the value of the last collection; delta collections are added up.
    ///
    /// ```
    /// use telemetry_bootstrap::opentelemetry::KeyValue;
    /// use telemetry_bootstrap::testing;
    ///
    /// let telemetry = testing::capture();
    /// let orders = telemetry.meter("shop").u64_counter("orders").build();
    /// orders.add(2, &[KeyValue::new("region", "eu")]);
    /// orders.add(3, &[KeyValue::new("region", "us")]);
    ///
    /// let received = telemetry.received();
    /// assert_eq!(received.value("orders", &[("region", "eu")]), Some(2.0));
    /// assert_eq!(received.value("orders", &[]), Some(5.0));
    /// ```
    #[must_use]
    pub fn value(&self, metric: &str, attributes: &[(&str, &str)]) -> Option<f64> {
        telemetry::value(&self.metrics(), metric, attributes)
    }

    /// Returns the current value of a histogram with explicit buckets, merged over all series that have at least
    /// these attributes. `None` if there is none.
    ///
    /// ```
    /// use telemetry_bootstrap::testing;
    ///
    /// let telemetry = testing::capture();
    /// let duration = telemetry_bootstrap::duration_histogram(&telemetry.meter("shop"), "checkout.duration").build();
    /// duration.record(0.02, &[]);
    ///
    /// let value = telemetry.received().histogram("checkout.duration", &[]);
    /// assert_eq!(value.map(|value| value.count), Some(1));
    /// ```
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

/// The error of [`Collector::wait_for`](super::Collector::wait_for): the expected telemetry did not arrive in time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitError {
    /// The time that was waited.
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
