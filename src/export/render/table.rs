//! Metrics as a table of text.
//!
//! ```text
//! http.server.request.duration in s
//!    13 measured, p50 0.1750, p95 0.2425  http.route=/items
//! orders
//!    42  region=eu
//! ```
//!
//! Quantiles are estimates from buckets: they cannot be finer than the boundaries.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::attributes::{shown, sorted_line};
use super::metric::{Metric, Point, PointValue};
use crate::export::render::terminal::{BOLD, Colors, DIM};

/// A metric of one collection, and where it was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Collected {
    /// The attributes of the resource, as text.
    pub(crate) resource: String,
    /// The name of the instrumentation scope.
    pub(crate) scope: String,
    /// The metric with its points.
    pub(crate) metric: Metric,
}

/// The identity of a series.
///
/// Two series of the same name in different scopes or resources stay apart, though the table does not show these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    /// The name of the metric.
    name: String,
    /// The attributes of the point, in the order of their keys.
    attributes: String,
    /// The name of the instrumentation scope.
    scope: String,
    /// The attributes of the resource.
    resource: String,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SeriesValue {
    /// The value of a sum or gauge.
    Number(f64),
    /// With explicit buckets, one more than boundaries.
    Histogram { count: u64, sum: f64, boundaries: Vec<f64>, buckets: Vec<u64> },
    /// A distribution without explicit buckets: an exponential histogram or a summary.
    Distribution { count: u64, sum: f64 },
}

impl SeriesValue {
    /// Takes the value of a point. Integers become `f64`, which is exact up to 2⁵³.
    fn new(value: &PointValue) -> Self {
        match value {
            PointValue::Int(value) => Self::Number(*value as f64),
            PointValue::Double(value) => Self::Number(*value),
            PointValue::Histogram { count, sum, boundaries, buckets } => Self::Histogram {
                count: *count,
                sum: *sum,
                boundaries: boundaries.clone(),
                buckets: buckets.clone(),
            },
            PointValue::Exponential(value) => Self::Distribution { count: value.count, sum: value.sum },
            PointValue::Summary { count, sum } => Self::Distribution { count: *count, sum: *sum },
        }
    }

    /// Adds what another collection, or another series, has. Buckets with other boundaries cannot be added. Values of
    /// different kinds are left as they are.
    pub(crate) fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Number(sum), Self::Number(value)) => *sum += value,
            (
                Self::Histogram { count, sum, boundaries, buckets },
                Self::Histogram { count: more, sum: more_sum, boundaries: others, buckets: added },
            ) => {
                *count += more;
                *sum += more_sum;
                if boundaries == others {
                    buckets.iter_mut().zip(added).for_each(|(sum, count)| *sum += count);
                }
            }
            (Self::Distribution { count, sum }, Self::Distribution { count: more, sum: more_sum }) => {
                *count += more;
                *sum += more_sum;
            }
            _ => {}
        }
    }

    /// Returns the text of a row: a number, or the count with two quantiles. Without boundaries there is only a mean.
    fn shown(&self) -> String {
        match self {
            Self::Number(value) => value.to_string(),
            Self::Histogram { count, sum, boundaries, .. } if boundaries.is_empty() => mean(*count, *sum),
            Self::Histogram { count, boundaries, buckets, .. } => {
                let quantile = |of: f64| quantile(*count, boundaries, buckets, of).unwrap_or_default();
                format!("{count} measured, p50 {:.4}, p95 {:.4}", quantile(0.5), quantile(0.95))
            }
            Self::Distribution { count, sum } => mean(*count, *sum),
        }
    }
}

/// Returns count and mean. Without measurements the mean is 0.
fn mean(count: u64, sum: f64) -> String {
    format!("{count} measured, mean {:.4}", if count == 0 { 0.0 } else { sum / count as f64 })
}

/// Returns the quantile as Prometheus' `histogram_quantile` estimates it: linear within a bucket, from 0 in the first
/// one.
///
/// `None` without measurements. For what lies above the last boundary, it is that boundary.
pub(crate) fn quantile(count: u64, boundaries: &[f64], buckets: &[u64], quantile: f64) -> Option<f64> {
    let rank = quantile * count as f64;
    let (mut below, mut lower) = (0.0, 0.0);
    for (count, upper) in buckets.iter().zip(boundaries) {
        let in_bucket = *count as f64;
        if in_bucket > 0.0 && below + in_bucket >= rank {
            return Some(lower + (upper - lower) * ((rank - below) / in_bucket));
        }
        below += in_bucket;
        lower = *upper;
    }
    (count > 0).then_some(lower)
}

/// Returns the value of each series now, from the points that `is_wanted` selects.
///
/// For cumulative series, the last collection is used; the collections of delta series are added up.
pub(crate) fn series(
    collected: &[Collected],
    is_wanted: impl Fn(&Metric, &Point) -> bool,
) -> BTreeMap<Series, SeriesValue> {
    let mut points: Vec<_> = collected
        .iter()
        .flat_map(|collected| collected.metric.points.iter().map(move |point| (collected, point)))
        .filter(|(collected, point)| is_wanted(&collected.metric, point))
        .collect();
    // Requests that were in flight at the same time arrive in any order.
    points.sort_by_key(|(_, point)| point.time);
    let mut series: BTreeMap<Series, SeriesValue> = BTreeMap::new();
    for (Collected { resource, scope, metric }, point) in points {
        let identity = Series {
            name: metric.name.clone(),
            attributes: sorted_line(&point.attributes),
            scope: scope.clone(),
            resource: resource.clone(),
        };
        let value = SeriesValue::new(&point.value);
        match series.get_mut(&identity).filter(|_| metric.is_delta) {
            Some(sum) => sum.add(&value),
            None => drop(series.insert(identity, value)),
        }
    }
    series
}

/// Returns a headline for each metric, and a line for each of its series: the value, then the attributes.
pub(crate) fn table(collected: &[Collected], colors: Colors) -> String {
    let units: BTreeMap<&str, &str> =
        collected.iter().map(|collected| (&*collected.metric.name, &*collected.metric.unit)).collect();
    let mut table = String::new();
    let mut headline = None;
    let series = series(collected, |_, _| true);
    for (Series { name, attributes, .. }, value) in &series {
        // Writing to a `String` cannot fail.
        if headline.replace(name) != Some(name) {
            let unit = units.get(&**name).copied().unwrap_or_default();
            let unit = if unit.is_empty() { String::new() } else { format!(" in {}", shown(unit)) };
            let _ = writeln!(table, "{}{unit}", colors.paint(BOLD, &shown(name)));
        }
        let row = format!("   {}  {}", value.shown(), colors.paint(DIM, attributes));
        let _ = writeln!(table, "{}", row.trim_end());
    }
    table
}
