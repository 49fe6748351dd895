//! Values of series: numbers, and histograms with cumulative buckets.
//!
//! | point | series |
//! |---|---|
//! | number | one, with the value |
//! | histogram | `_bucket` with cumulative counts, `_sum` and `_count` |
//! | exponential histogram | the same, with powers of two as boundaries |
//! | summary | `_sum` and `_count`, and the bucket `+Inf` |

use std::collections::BTreeMap;

use crate::export::render::{Exponential, Point, PointValue};

/// The value of one series.
#[derive(Debug)]
pub(super) enum Value {
    /// A number of either type.
    Number(PointValue),
    /// Without a sum if it can fall.
    Histogram { count: u64, sum: Option<f64>, buckets: Vec<(f64, u64)> },
}

impl Value {
    /// Takes the value of a point. Buckets become cumulative: each counts what is at most its boundary.
    pub(super) fn new(point: Point) -> Self {
        let total = |sum| Some(sum).filter(|_| point.has_rising_sum);
        match point.value {
            PointValue::Histogram { count, sum, boundaries, buckets } => {
                let mut below = 0;
                let cumulative = boundaries.into_iter().zip(buckets).map(|(boundary, count)| {
                    below += count;
                    (boundary, below)
                });
                Self::Histogram { count, sum: total(sum), buckets: cumulative.collect() }
            }
            PointValue::Exponential(histogram) => Self::Histogram {
                count: histogram.count,
                sum: total(histogram.sum),
                buckets: powers_of_two(&histogram),
            },
            PointValue::Summary { count, sum } => {
                Self::Histogram { count, sum: total(sum), buckets: Vec::new() }
            }
            number => Self::Number(number),
        }
    }
}

/// Returns the buckets of an exponential histogram with powers of two as upper boundaries, each with the count of all
/// values up to it.
///
/// Buckets of a finer scale are added up, which is exact: a power of two is always a boundary of theirs. Zeros and
/// negative values are in a bucket with the boundary 0.
pub(super) fn powers_of_two(histogram: &Exponential) -> Vec<(f64, u64)> {
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    for (place, count) in histogram.positive.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let index = i64::from(histogram.positive.offset) + i64::try_from(place).unwrap_or(i64::MAX);
        *counts.entry(exponent(index, histogram.scale)).or_default() += count;
    }
    let mut below = histogram.zero_count + histogram.negative.counts.iter().sum::<u64>();
    let mut buckets = Vec::new();
    if below > 0 {
        buckets.push((0.0, below));
    }
    let (first, last) = (counts.keys().next().copied(), counts.keys().next_back().copied());
    if let (Some(first), Some(last)) = (first, last) {
        // Without gaps, so the set of series changes only when the range grows.
        for exponent in first..=last {
            below += counts.get(&exponent).copied().unwrap_or_default();
            // `powi` cannot compute the smallest powers.
            let boundary = f64::from(i32::try_from(exponent).unwrap_or(i32::MAX)).exp2();
            // The bucket without a boundary follows in any case.
            if boundary.is_finite() {
                buckets.push((boundary, below));
            }
        }
    }
    buckets
}

/// Returns the power of two that no value of a bucket exceeds. Bucket `index` holds values up to `2^((index + 1) /
/// 2^scale)`.
///
/// Clamped to the exponents of finite numbers, and one more.
pub(super) fn exponent(index: i64, scale: i32) -> i64 {
    let upper = index.saturating_add(1);
    let exponent = match u32::try_from(scale) {
        Ok(scale) => upper.saturating_add((1_i64 << scale.min(62)) - 1) >> scale.min(62),
        Err(_) => upper.saturating_mul(1_i64 << scale.unsigned_abs().min(62)),
    };
    // The exponents of finite numbers, and one more.
    exponent.clamp(-1074, 1024)
}
