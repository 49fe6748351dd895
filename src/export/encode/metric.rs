//! Collections of metrics as OTLP's `ExportMetricsServiceRequest`.
//!
//! Compared with the conversion of `opentelemetry-proto`, integers above `i64::MAX` become doubles instead of 0, a key
//! is written once per point, and a histogram point without measurements has no minimum and maximum.
//!
//! ```text
//! ResourceMetrics ─ ScopeMetrics ─ Metric ─ Gauge | Sum | Histogram | ExponentialHistogram ─ data points
//! ```
//!
//! A single pass encodes the request and collects two values: the number of data points, which the ledger counts, and
//! the streams that have reached their limit of attribute sets. Metrics are not spread over requests: a collection is
//! one item, whose points belong together.
//!
//! Temporality is the reader's, except for observed counters: these are always collected as totals, and the difference
//! is made here ([`ObservedCounters`]) for a destination that takes deltas.
//!
//! | aggregation of the SDK | message | points |
//! |---|---|---|
//! | last value | `Gauge` | `NumberDataPoint` |
//! | sum | `Sum`, with temporality and monotonicity | `NumberDataPoint` |
//! | explicit buckets | `Histogram`, with temporality | `HistogramDataPoint` |
//! | base-2 exponential buckets | `ExponentialHistogram`, with temporality | `ExponentialHistogramDataPoint` |
//!
//! | value | written as |
//! |---|---|
//! | `f64` | `as_double`, also for 0, NaN and infinities |
//! | `i64` | `as_int` |
//! | `u64` up to `i64::MAX` | `as_int` |
//! | larger `u64` | `as_double`, the nearest one |
//! | sum, minimum, maximum of a histogram | doubles, whatever the instrument's type |

use std::time::SystemTime;

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Exemplar, ExponentialBucket, ExponentialHistogram, Gauge, Histogram, Metric,
    MetricData, ResourceMetrics, ScopeMetrics, Sum,
};

use super::attributes::attributes;
use super::number::Number;
use super::observed_counters::{ObservedCounters, Stream};
use super::request;
use super::wire::{bytes, double, fixed64, message, nanos, packed_fixed64, packed_varints, sint32, uint};
use crate::settings::AttributeLimits;

/// An encoded collection.
///
/// A collection without data points has a request anyway, with the resource alone; the queue leaves it out.
#[derive(Debug, Default)]
pub(crate) struct EncodedMetrics {
    /// An `ExportMetricsServiceRequest` with one resource.
    pub(crate) request: Vec<u8>,
    /// Its data points.
    pub(crate) points: u64,
    /// The streams that had more attribute sets than their limit, as `(scope, instrument)`. What exceeds the limit is
    /// added up under `otel.metric.overflow`, and each such stream is reported once.
    pub(crate) overflowing: Vec<(String, String)>,
}

/// Encodes a collection. With `observed_counters`, cumulative monotonic sums become deltas.
pub(crate) fn metrics(
    collected: &ResourceMetrics,
    observed_counters: Option<&mut ObservedCounters>,
) -> EncodedMetrics {
    let mut encoder = Encoder { points: 0, overflows: false, overflowing: Vec::new(), observed_counters };
    let mut request = Vec::new();
    message(&mut request, request::RESOURCE_ITEMS, |out| {
        out.extend_from_slice(&request::resource(collected.resource()));
        for scope in collected.scope_metrics() {
            message(out, request::SCOPE_ITEMS, |out| encoder.scope(out, scope));
        }
    });
    let Encoder { points, overflowing, .. } = encoder;
    EncodedMetrics { request, points, overflowing }
}

/// Values collected over all metrics of a collection during encoding.
struct Encoder<'a> {
    /// Data points so far.
    points: u64,
    /// The current metric has a point for what exceeded the limit of attribute sets.
    overflows: bool,
    /// See [`EncodedMetrics::overflowing`].
    overflowing: Vec<(String, String)>,
    /// The last values of observed counters, if the destination requires deltas.
    observed_counters: Option<&'a mut ObservedCounters>,
}

impl Encoder<'_> {
    /// Appends the fields of a `ScopeMetrics`.
    ///
    /// The encoded scope is copied once, as a part of the identity of observed counters.
    fn scope(&mut self, out: &mut Vec<u8>, scope: &ScopeMetrics) {
        let start = out.len();
        request::scope(out, scope.scope(), None);
        let encoded_scope = out[start..].to_vec();
        for metric in scope.metrics() {
            message(out, request::ITEMS, |out| self.metric(out, metric, &encoded_scope));
            if std::mem::take(&mut self.overflows) {
                self.overflowing.push((scope.scope().name().to_owned(), metric.name().to_owned()));
            }
        }
    }

    /// Appends the fields of a `Metric`. `scope` is the encoded scope, which identifies the metric together with its
    /// name.
    fn metric(&mut self, out: &mut Vec<u8>, metric: &Metric, scope: &[u8]) {
        bytes(out, METRIC_NAME, metric.name().as_bytes());
        bytes(out, METRIC_DESCRIPTION, metric.description().as_bytes());
        bytes(out, METRIC_UNIT, metric.unit().as_bytes());
        match metric.data() {
            AggregatedMetrics::F64(data) => self.data(out, metric, data, scope),
            AggregatedMetrics::U64(data) => self.data(out, metric, data, scope),
            AggregatedMetrics::I64(data) => self.data(out, metric, data, scope),
        }
    }

    /// Appends the one field that holds the points, by the kind of the aggregation.
    fn data<T: Number>(&mut self, out: &mut Vec<u8>, metric: &Metric, data: &MetricData<T>, scope: &[u8]) {
        match data {
            MetricData::Gauge(data) => message(out, GAUGE, |out| self.gauge(out, data)),
            MetricData::Sum(data) => message(out, SUM, |out| self.sum(out, metric, data, scope)),
            MetricData::Histogram(data) => message(out, HISTOGRAM, |out| self.histogram(out, data)),
            MetricData::ExponentialHistogram(data) => {
                message(out, EXPONENTIAL_HISTOGRAM, |out| self.exponential_histogram(out, data));
            }
        }
    }

    /// Appends the fields of a `Gauge`, which has no temporality. Each point has the time of the collection.
    fn gauge<T: Number>(&mut self, out: &mut Vec<u8>, gauge: &Gauge<T>) {
        for point in gauge.data_points() {
            message(out, DATA_POINTS, |out| {
                times(out, gauge.start_time(), gauge.time());
                point.value().encode(out, AS_DOUBLE, AS_INT);
                point.exemplars().for_each(|exemplar| self::exemplar(out, NUMBER_EXEMPLARS, exemplar));
                self.attributes(out, NUMBER_ATTRIBUTES, || point.attributes());
            });
        }
    }

    /// Appends the fields of a `Sum`. Cumulative values of observed counters become differences where deltas are
    /// required: the SDK computes them without a check, and panics when a counter was reset.
    fn sum<T: Number>(&mut self, out: &mut Vec<u8>, metric: &Metric, sum: &Sum<T>, scope: &[u8]) {
        let is_observed = sum.is_monotonic() && sum.temporality() == Temporality::Cumulative;
        let mut stream = match &mut self.observed_counters {
            Some(counters) if is_observed => {
                Some(counters.stream(scope, metric, sum.start_time(), sum.time()))
            }
            _ => None,
        };
        let start = stream.as_ref().map_or(sum.start_time(), Stream::start);
        for point in sum.data_points() {
            let value = match &mut stream {
                Some(stream) => stream.delta(point.attributes(), point.value()),
                None => point.value(),
            };
            message(out, DATA_POINTS, |out| {
                times(out, Some(start), sum.time());
                value.saturated().encode(out, AS_DOUBLE, AS_INT);
                point.exemplars().for_each(|exemplar| self::exemplar(out, NUMBER_EXEMPLARS, exemplar));
                self.attributes(out, NUMBER_ATTRIBUTES, || point.attributes());
            });
        }
        let reported = match &stream {
            Some(_) => DELTA,
            None => temporality(sum.temporality()),
        };
        uint(out, TEMPORALITY, reported);
        uint(out, IS_MONOTONIC, u64::from(sum.is_monotonic()));
        if let (Some(stream), Some(counters)) = (stream, &mut self.observed_counters) {
            counters.put_back(stream);
        }
    }

    /// Appends the fields of a `Histogram`. Minimum and maximum of a point without measurements would be infinities,
    /// and are left out.
    fn histogram<T: Number>(&mut self, out: &mut Vec<u8>, histogram: &Histogram<T>) {
        for point in histogram.data_points() {
            message(out, DATA_POINTS, |out| {
                times(out, Some(histogram.start_time()), histogram.time());
                fixed64(out, COUNT, point.count());
                double(out, POINT_SUM, point.sum().saturated().as_f64());
                packed_fixed64(out, BUCKET_COUNTS, point.bucket_counts());
                packed_fixed64(out, EXPLICIT_BOUNDS, point.bounds().map(f64::to_bits));
                point.exemplars().for_each(|exemplar| self::exemplar(out, HISTOGRAM_EXEMPLARS, exemplar));
                self.attributes(out, HISTOGRAM_ATTRIBUTES, || point.attributes());
                if point.count() > 0 {
                    optional_double(out, HISTOGRAM_MIN, point.min());
                    optional_double(out, HISTOGRAM_MAX, point.max());
                }
            });
        }
        uint(out, TEMPORALITY, temporality(histogram.temporality()));
    }

    /// Appends the fields of an `ExponentialHistogram`. The fields are in the order of `opentelemetry-proto`, so the
    /// tests can compare bytes.
    fn exponential_histogram<T: Number>(&mut self, out: &mut Vec<u8>, histogram: &ExponentialHistogram<T>) {
        for point in histogram.data_points() {
            message(out, DATA_POINTS, |out| {
                self.attributes(out, EXPONENTIAL_ATTRIBUTES, || point.attributes());
                times(out, Some(histogram.start_time()), histogram.time());
                fixed64(out, COUNT, point.count() as u64);
                double(out, POINT_SUM, point.sum().saturated().as_f64());
                sint32(out, SCALE, point.scale().into());
                fixed64(out, ZERO_COUNT, point.zero_count());
                message(out, POSITIVE, |out| buckets(out, point.positive_bucket()));
                message(out, NEGATIVE, |out| buckets(out, point.negative_bucket()));
                point.exemplars().for_each(|exemplar| self::exemplar(out, EXPONENTIAL_EXEMPLARS, exemplar));
                if point.count() > 0 {
                    optional_double(out, EXPONENTIAL_MIN, point.min());
                    optional_double(out, EXPONENTIAL_MAX, point.max());
                }
                fixed64(out, ZERO_THRESHOLD, point.zero_threshold().to_bits());
            });
        }
        uint(out, TEMPORALITY, temporality(histogram.temporality()));
    }

    /// Appends the attributes of a point, each key once. Every point passes here.
    ///
    /// Counts the point, and notes whether it is the one for attribute sets beyond the limit. `point` is called twice.
    fn attributes<'a, I>(&mut self, out: &mut Vec<u8>, field: u8, point: impl Fn() -> I)
    where
        I: Iterator<Item = &'a KeyValue>,
    {
        self.points += 1;
        self.overflows |= point().any(is_overflow);
        let pairs = || point().map(|attribute| (attribute.key.as_str(), &attribute.value));
        attributes(out, field, AttributeLimits::UNLIMITED, pairs);
    }
}

/// Returns `true` for the one attribute of the point that holds what exceeded the limit of attribute sets.
fn is_overflow(attribute: &KeyValue) -> bool {
    attribute.key.as_str() == OVERFLOW && attribute.value == Value::Bool(true)
}

/// Appends start and time of a point. If the clock was set back in between, both are the start.
pub(super) fn times(out: &mut Vec<u8>, start: Option<SystemTime>, time: SystemTime) {
    let start = start.map_or(0, nanos);
    fixed64(out, START_TIME, start);
    fixed64(out, TIME, nanos(time).max(start));
}

/// Appends one side of an exponential histogram: the offset of its first bucket, and the counts. Each count is a
/// varint.
fn buckets(out: &mut Vec<u8>, bucket: &ExponentialBucket) {
    sint32(out, OFFSET, bucket.offset());
    packed_varints(out, BUCKETS, bucket.counts());
}

/// Appends an exemplar, with the attributes that a view removed from its point.
fn exemplar<T: Number>(out: &mut Vec<u8>, field: u8, exemplar: &Exemplar<T>) {
    message(out, field, |out| {
        fixed64(out, EXEMPLAR_TIME, nanos(exemplar.time()));
        exemplar.value.encode(out, EXEMPLAR_DOUBLE, EXEMPLAR_INT);
        bytes(out, EXEMPLAR_SPAN_ID, exemplar.span_id());
        bytes(out, EXEMPLAR_TRACE_ID, exemplar.trace_id());
        let filtered = || {
            let attributes = exemplar.filtered_attributes();
            attributes.map(|attribute| (attribute.key.as_str(), &attribute.value))
        };
        attributes(out, EXEMPLAR_ATTRIBUTES, AttributeLimits::UNLIMITED, filtered);
    });
}

/// Appends a field with presence: a value of 0 is written, none is not.
fn optional_double<T: Number>(out: &mut Vec<u8>, field: u8, value: Option<T>) {
    if let Some(value) = value {
        double(out, field, value.as_f64());
    }
}

/// Returns the number of a temporality. The SDK resolves its preferences to one of the two for each instrument.
fn temporality(temporality: Temporality) -> u64 {
    match temporality {
        Temporality::Delta => DELTA,
        _ => CUMULATIVE,
    }
}

/// The key of the attribute that marks the point for everything that exceeded the limit of attribute sets (metrics SDK
/// specification, "Overflow attribute").
const OVERFLOW: &str = "otel.metric.overflow";

// AggregationTemporality
/// Points hold what was measured since the last collection.
const DELTA: u64 = 1;
/// Points hold what was measured since the start time.
const CUMULATIVE: u64 = 2;
// Metric
/// `name`, as the view has it.
const METRIC_NAME: u8 = 1;
/// `description`; left out if it is empty.
const METRIC_DESCRIPTION: u8 = 2;
/// `unit`, in UCUM.
const METRIC_UNIT: u8 = 3;
/// `gauge`, the first of the `oneof` of data.
const GAUGE: u8 = 5;
/// `sum`, of counters and up-down counters.
const SUM: u8 = 7;
/// `histogram`, with explicit boundaries.
const HISTOGRAM: u8 = 9;
/// `exponential_histogram`.
const EXPONENTIAL_HISTOGRAM: u8 = 10;
// Gauge, Sum, Histogram, ExponentialHistogram
/// `data_points`. `points` relies on the number being the same in all kinds.
const DATA_POINTS: u8 = 1;
/// `aggregation_temporality`: [`DELTA`] or [`CUMULATIVE`]. A gauge has none.
const TEMPORALITY: u8 = 2;
/// `is_monotonic`, of a sum alone.
const IS_MONOTONIC: u8 = 3;
// All kinds of data points
/// `start_time_unix_nano`: `fixed64`, from when on the value counts.
const START_TIME: u8 = 2;
/// `time_unix_nano`: `fixed64`, when it was collected.
const TIME: u8 = 3;
// NumberDataPoint
/// `as_double`, one half of the `oneof` of values.
const AS_DOUBLE: u8 = 4;
/// `exemplars`.
const NUMBER_EXEMPLARS: u8 = 5;
/// `as_int`: `sfixed64`.
const AS_INT: u8 = 6;
/// `attributes`. Each kind of point has another number for them.
const NUMBER_ATTRIBUTES: u8 = 7;
// HistogramDataPoint and ExponentialHistogramDataPoint
/// `count`: `fixed64`, the number of measurements.
const COUNT: u8 = 4;
/// `sum`: a `double`, which is optional: receivers must not take an absent one for 0.
const POINT_SUM: u8 = 5;
// HistogramDataPoint
/// `bucket_counts`: packed `fixed64`, one more than boundaries.
const BUCKET_COUNTS: u8 = 6;
/// `explicit_bounds`: packed doubles, strictly increasing.
const EXPLICIT_BOUNDS: u8 = 7;
/// `exemplars`.
const HISTOGRAM_EXEMPLARS: u8 = 8;
/// `attributes`.
const HISTOGRAM_ATTRIBUTES: u8 = 9;
/// `min`: an optional `double`.
const HISTOGRAM_MIN: u8 = 11;
/// `max`: an optional `double`.
const HISTOGRAM_MAX: u8 = 12;
// ExponentialHistogramDataPoint
/// `attributes`.
const EXPONENTIAL_ATTRIBUTES: u8 = 1;
/// `scale`: `sint32`; buckets grow by the factor 2^(2^-scale).
const SCALE: u8 = 6;
/// `zero_count`: `fixed64`, measurements within the zero threshold.
const ZERO_COUNT: u8 = 7;
/// `positive`: the buckets of positive measurements.
const POSITIVE: u8 = 8;
/// `negative`: the buckets of negative ones, by their absolute value.
const NEGATIVE: u8 = 9;
/// `exemplars`.
const EXPONENTIAL_EXEMPLARS: u8 = 11;
/// `min`: an optional `double`.
const EXPONENTIAL_MIN: u8 = 12;
/// `max`: an optional `double`.
const EXPONENTIAL_MAX: u8 = 13;
/// `zero_threshold`: the largest absolute value that counts as zero.
const ZERO_THRESHOLD: u8 = 14;
// Buckets
/// `offset`: `sint32`, the index of the first bucket.
const OFFSET: u8 = 1;
/// `bucket_counts`: packed varints, since most are small.
const BUCKETS: u8 = 2;
// Exemplar
/// `time_unix_nano`: `fixed64`, when it was measured.
const EXEMPLAR_TIME: u8 = 2;
/// `as_double`, one half of a `oneof`.
const EXEMPLAR_DOUBLE: u8 = 3;
/// `span_id`: 8 bytes, of the span in which it was measured.
const EXEMPLAR_SPAN_ID: u8 = 4;
/// `trace_id`: 16 bytes, of the same span.
const EXEMPLAR_TRACE_ID: u8 = 5;
/// `as_int`: `sfixed64`.
const EXEMPLAR_INT: u8 = 6;
/// `filtered_attributes`: those that the series does not have.
const EXEMPLAR_ATTRIBUTES: u8 = 7;
