//! Metrics of any kind, read from their encoded form.
//!
//! | field of `Metric` | data | points |
//! |---|---|---|
//! | 5, 7 | `Gauge`, `Sum` | `NumberDataPoint` |
//! | 9 | `Histogram` | `HistogramDataPoint` |
//! | 10 | `ExponentialHistogram` | `ExponentialHistogramDataPoint` |
//! | 11 | `Summary` | `SummaryDataPoint` |
//!
//! Repeated numbers are read packed and unpacked, as protobuf demands of every reader.

use super::attributes::{self, Attribute};
use super::text;
use crate::export::encode::{WireValue, fields, read_varint};

/// A metric of one collection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metric {
    /// The name of the instrument, or the one that a view gave it.
    pub(crate) name: String,
    /// May be empty.
    pub(crate) description: String,
    /// In UCUM, such as `s` or `By`; empty without one.
    pub(crate) unit: String,
    /// `true` if its points hold what came since the last collection, not since the start.
    pub(crate) is_delta: bool,
    /// `true` for the data of a counter or an up-down counter.
    pub(crate) is_sum: bool,
    /// `true` for a sum that only grows, as that of a counter.
    pub(crate) is_monotonic: bool,
    /// One for each set of attributes.
    pub(crate) points: Vec<Point>,
}

/// A data point of any kind.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// The key of the series within its metric.
    pub(crate) attributes: Vec<Attribute>,
    /// The start time of a cumulative value in nanoseconds since 1970; 0 if unknown.
    #[cfg_attr(not(any(test, feature = "prometheus")), expect(dead_code, reason = "only a scrape has it"))]
    pub(crate) start: u64,
    /// Nanoseconds since 1970. The time of the collection.
    pub(crate) time: u64,
    /// The measured value or distribution.
    pub(crate) value: PointValue,
    /// `true` for a histogram with a sum that only grows, since no value is negative.
    #[cfg_attr(not(any(test, feature = "prometheus")), expect(dead_code, reason = "only a scrape has it"))]
    pub(crate) has_rising_sum: bool,
}

/// The value of a data point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PointValue {
    /// The value of an integer sum or gauge.
    Int(i64),
    /// The value of a floating-point sum or gauge. NaN if the point has no value.
    Double(f64),
    /// A histogram with explicit buckets.
    Histogram {
        count: u64,
        sum: f64,
        /// Upper boundaries; one more bucket is above the last.
        boundaries: Vec<f64>,
        /// Counts of each bucket, one more than boundaries.
        buckets: Vec<u64>,
    },
    /// A base-2 exponential histogram. Boxed, because it is much larger than the others.
    Exponential(Box<Exponential>),
    /// A summary, as other systems produce it. Its quantiles are not read.
    Summary { count: u64, sum: f64 },
}

/// A base-2 exponential histogram: bucket `index` holds values up to `2^((index + 1) / 2^scale)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exponential {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    /// The resolution: buckets grow by the factor `2^(2^-scale)`.
    pub(crate) scale: i32,
    /// Measurements that were zero, or too close to it.
    pub(crate) zero_count: u64,
    /// The buckets of positive values.
    pub(crate) positive: Buckets,
    /// The buckets of negative values, by their absolute value.
    pub(crate) negative: Buckets,
}

/// Counts of buckets in a row, from the index `offset` on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Buckets {
    /// The index of the first bucket.
    pub(crate) offset: i32,
    /// The counts, one for each index.
    pub(crate) counts: Vec<u64>,
}

impl Metric {
    /// Reads an encoded `Metric`.
    pub(crate) fn decode(metric: &[u8]) -> Self {
        let mut decoded = Self::default();
        for field in fields(metric) {
            match field {
                (1, WireValue::Bytes(name)) => decoded.name = text(name),
                (2, WireValue::Bytes(description)) => decoded.description = text(description),
                (3, WireValue::Bytes(unit)) => decoded.unit = text(unit),
                (kind @ (GAUGE | SUM), WireValue::Bytes(data)) => {
                    decoded.is_sum = kind == SUM;
                    decoded.read(data, number);
                }
                (HISTOGRAM, WireValue::Bytes(data)) => decoded.read(data, histogram),
                (EXPONENTIAL, WireValue::Bytes(data)) => decoded.read(data, exponential),
                (SUMMARY, WireValue::Bytes(data)) => decoded.read(data, summary),
                _ => {}
            }
        }
        decoded
    }

    /// Reads the data of any kind: points, temporality and monotonicity have the same field numbers in all that have
    /// them.
    fn read(&mut self, data: &[u8], point: fn(&[u8]) -> Point) {
        for field in fields(data) {
            match field {
                (1, WireValue::Bytes(encoded)) => self.points.push(point(encoded)),
                (2, WireValue::Varint(temporality)) => self.is_delta = temporality == DELTA,
                (3, WireValue::Varint(is_monotonic)) => self.is_monotonic = is_monotonic != 0,
                _ => {}
            }
        }
    }
}

/// Reads a `NumberDataPoint`. Without a value it is NaN.
fn number(point: &[u8]) -> Point {
    let mut value = PointValue::Double(f64::NAN);
    for field in fields(point) {
        match field {
            (4, WireValue::Fixed64(bits)) => value = PointValue::Double(f64::from_bits(bits)),
            (6, WireValue::Fixed64(int)) => value = PointValue::Int(int as i64),
            _ => {}
        }
    }
    Point::new(point, 7, value)
}

/// Reads a `HistogramDataPoint`.
fn histogram(point: &[u8]) -> Point {
    let (mut boundaries, mut buckets) = (Vec::new(), Vec::new());
    for field in fields(point) {
        match field {
            (6, WireValue::Bytes(packed)) => buckets.extend(fixed64s(packed)),
            (6, WireValue::Fixed64(count)) => buckets.push(count),
            (7, WireValue::Bytes(packed)) => boundaries.extend(fixed64s(packed).map(f64::from_bits)),
            (7, WireValue::Fixed64(bits)) => boundaries.push(f64::from_bits(bits)),
            _ => {}
        }
    }
    let (count, sum) = count_and_sum(point);
    let is_positive = boundaries.first().is_none_or(|first| *first >= 0.0);
    let has_rising_sum = is_positive && is_sum_rising(point, 11);
    let value = PointValue::Histogram { count, sum, boundaries, buckets };
    Point { has_rising_sum, ..Point::new(point, 9, value) }
}

/// Reads an `ExponentialHistogramDataPoint`.
fn exponential(point: &[u8]) -> Point {
    let (count, sum) = count_and_sum(point);
    let mut value = Exponential { count, sum, ..Exponential::default() };
    for field in fields(point) {
        match field {
            (6, WireValue::Varint(scale)) => value.scale = zigzag(scale),
            (7, WireValue::Fixed64(count)) => value.zero_count = count,
            (8, WireValue::Bytes(buckets)) => value.positive = Buckets::decode(buckets),
            (9, WireValue::Bytes(buckets)) => value.negative = Buckets::decode(buckets),
            _ => {}
        }
    }
    let is_positive = value.negative.counts.iter().all(|count| *count == 0);
    let has_rising_sum = is_positive && is_sum_rising(point, 12);
    Point { has_rising_sum, ..Point::new(point, 1, PointValue::Exponential(Box::new(value))) }
}

/// Reads a `SummaryDataPoint`, without its quantiles.
fn summary(point: &[u8]) -> Point {
    let (count, sum) = count_and_sum(point);
    let value = PointValue::Summary { count, sum };
    Point { has_rising_sum: true, ..Point::new(point, 7, value) }
}

impl Point {
    /// Reads what all kinds of points have, which has the same field numbers but for the attributes.
    fn new(point: &[u8], attributes: u32, value: PointValue) -> Self {
        Self {
            attributes: attributes::decode(point, attributes),
            start: fixed64(point, 2).unwrap_or_default(),
            time: fixed64(point, 3).unwrap_or_default(),
            value,
            has_rising_sum: false,
        }
    }
}

impl Buckets {
    /// Reads encoded `Buckets`.
    fn decode(buckets: &[u8]) -> Self {
        let mut decoded = Self::default();
        for field in fields(buckets) {
            match field {
                (1, WireValue::Varint(offset)) => decoded.offset = zigzag(offset),
                (2, WireValue::Varint(count)) => decoded.counts.push(count),
                (2, WireValue::Bytes(packed)) => decoded.counts.extend(varints(packed)),
                _ => {}
            }
        }
        decoded
    }
}

/// Returns the number in a field of fixed size.
fn fixed64(point: &[u8], number: u32) -> Option<u64> {
    fields(point).find_map(|(field, value)| match value {
        WireValue::Fixed64(value) if field == number => Some(value),
        _ => None,
    })
}

/// Returns `true` if a point has a sum, and no negative minimum in the field `minimum`.
fn is_sum_rising(point: &[u8], minimum: u32) -> bool {
    let is_negative = |bits: u64| f64::from_bits(bits) < 0.0;
    fixed64(point, 5).is_some() && !fixed64(point, minimum).is_some_and(is_negative)
}

/// Reads count and sum of a point, which are in the same fields for all kinds that have them.
fn count_and_sum(point: &[u8]) -> (u64, f64) {
    let (mut count, mut sum) = (0, 0.0);
    for field in fields(point) {
        match field {
            (4, WireValue::Fixed64(value)) => count = value,
            (5, WireValue::Fixed64(bits)) => sum = f64::from_bits(bits),
            _ => {}
        }
    }
    (count, sum)
}

/// Reads packed numbers of fixed size. A rest of fewer than eight bytes is left out.
fn fixed64s(packed: &[u8]) -> impl Iterator<Item = u64> {
    packed.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Reads packed varints, up to the first that is malformed.
fn varints(mut packed: &[u8]) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        let (value, rest) = read_varint(packed)?;
        packed = rest;
        Some(value)
    })
}

/// Decodes a `sint32`: 0, 1, 2, 3 are 0, -1, 1, -2.
fn zigzag(value: u64) -> i32 {
    ((value >> 1) as i64 ^ -((value & 1) as i64)) as i32
}

// Metric
/// `gauge`.
const GAUGE: u32 = 5;
/// `sum`.
const SUM: u32 = 7;
/// `histogram`.
const HISTOGRAM: u32 = 9;
/// `exponential_histogram`.
const EXPONENTIAL: u32 = 10;
/// `summary`.
const SUMMARY: u32 = 11;
// AggregationTemporality
/// `AGGREGATION_TEMPORALITY_DELTA`. Every other value is shown as cumulative.
const DELTA: u64 = 1;
