//! A collection in the formats of Prometheus and OpenMetrics.
//!
//! Metrics of one name, from several instrumentation scopes, are one family: with one type, one description, and the
//! scope in the labels `otel_scope_…` of each series. What would make the whole answer invalid is left out and returned
//! as a [`Conflict`]: another type under a name that is taken, or the same series from another scope.
//!
//! Exponential histograms need a format that is not text. They get buckets with powers of two as boundaries, so that
//! quantiles can be computed from them, if coarsely.
//!
//! ```text
//! # TYPE http_server_request_duration_seconds histogram
//! # HELP http_server_request_duration_seconds Duration of HTTP server requests.
//! http_server_request_duration_seconds_bucket{http_route="/items",otel_scope_name="shop",le="0.005"} 12
//! http_server_request_duration_seconds_bucket{http_route="/items",otel_scope_name="shop",le="+Inf"} 13
//! http_server_request_duration_seconds_sum{http_route="/items",otel_scope_name="shop"} 0.031
//! http_server_request_duration_seconds_count{http_route="/items",otel_scope_name="shop"} 13
//! ```
//!
//! | | text 0.0.4 | OpenMetrics 1.0.0 |
//! |---|---|---|
//! | name in the head of a counter | `requests_total` | `requests` |
//! | unit | – | `# UNIT` |
//! | quotes in descriptions | as they are | escaped |
//! | boundary 1 | `le="1"` | `le="1.0"` |
//! | attributes of the resource | gauge `target_info` | info `target` |
//! | end | – | `# EOF` |
//!
//! Families and labels are sorted, so that two scrapes differ in their values alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Write};

use super::format::Format;
use super::names::{Kind, MetricName, label};
use crate::export::render::{self, Attribute, Exponential, Metric, PointValue};
use crate::settings::PrometheusText;

/// A metric that is left out because another one has its name, and a different type or the same labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Conflict {
    pub(super) scope: String,
    pub(super) metric: String,
    /// The name in the formats of Prometheus.
    pub(super) name: String,
}

/// Families of metrics, ready to be written in any format.
///
/// The names of all series are known to it, not only those of families: a gauge `a_count` and a histogram `a` would
/// both have the series `a_count`.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// By their names.
    families: BTreeMap<String, Family>,
    /// Every name that a series has, with the family it belongs to.
    taken: HashMap<String, String>,
    target: Vec<Attribute>,
    options: PrometheusText,
    pub(super) conflicts: Vec<Conflict>,
}

/// Metrics of one name and kind.
#[derive(Debug)]
struct Family {
    kind: Kind,
    description: String,
    unit: String,
    series: Vec<(String, Value)>,
    /// The labels of the series: two with the same ones are not allowed.
    labels: HashSet<String>,
}

/// The value of one series.
#[derive(Debug)]
enum Value {
    Number(PointValue),
    Histogram { count: u64, sum: f64, buckets: Vec<(f64, u64)> },
}

impl Families {
    /// Reads an encoded export request.
    pub(super) fn new(request: &[u8], options: &PrometheusText) -> Self {
        let mut families = Self { options: options.clone(), ..Self::default() };
        if options.target_info {
            let own = [TARGET, TARGET_INFO].map(|name| (name.to_owned(), TARGET_INFO.to_owned()));
            families.taken.extend(own);
        }
        for of_resource in render::messages(request, 1) {
            let resource = render::messages(of_resource, 1).next().unwrap_or_default();
            let target = render::decode_attributes(resource, 1);
            let selection = options.resource_labels.as_ref();
            let is_label = |(key, _): &&Attribute| selection.is_some_and(|selection| selection.keeps(key));
            let resource_labels: Vec<_> = target.iter().filter(is_label).cloned().collect();
            families.target = if options.target_info { target } else { Vec::new() };
            for of_scope in render::messages(of_resource, 2) {
                let (scope, mut labels) = scope(of_scope);
                labels.retain(|_| options.scope_labels);
                labels.extend_from_slice(&resource_labels);
                for metric in render::messages(of_scope, 2) {
                    families.add(&scope, &labels, Metric::decode(metric));
                }
            }
        }
        families
    }

    /// Adds a metric; `common_labels` are those of the scope and of the resource.
    ///
    /// The kind comes from the first point; a metric without points is left out. Of two series with the same labels the
    /// first is kept: Prometheus would refuse the whole answer.
    fn add(&mut self, scope: &str, common_labels: &[Attribute], metric: Metric) {
        let is_histogram =
            |point: &render::Point| !matches!(point.value, PointValue::Int(_) | PointValue::Double(_));
        let kind = match metric.points.first() {
            None => return,
            Some(point) if is_histogram(point) => Kind::Histogram,
            Some(_) if metric.is_monotonic => Kind::Counter,
            Some(_) => Kind::Gauge,
        };
        let has_suffixes = self.options.name_suffixes;
        let MetricName { family: name, unit } = match has_suffixes {
            true => MetricName::new(&metric.name, &metric.unit, kind),
            false => MetricName::without_suffixes(&metric.name),
        };
        let key = if has_suffixes && kind == Kind::Counter { format!("{name}_total") } else { name.clone() };
        let conflict = Conflict { scope: scope.to_owned(), metric: metric.name, name: key.clone() };
        if !self.take(&name, &key, kind) {
            return self.conflicts.push(conflict);
        }
        let family = self.families.entry(key).or_insert_with(|| Family {
            kind,
            description: metric.description.clone(),
            unit,
            series: Vec::new(),
            labels: HashSet::new(),
        });
        let mut is_shown = true;
        for point in metric.points {
            let labels = labels(common_labels, &point.attributes, kind);
            match family.labels.insert(labels.clone()) {
                true => family.series.push((labels, Value::new(point.value))),
                false => is_shown = false,
            }
        }
        if !is_shown {
            self.conflicts.push(conflict);
        }
    }

    /// Takes the names of a family. Returns `false` if another family has one of them.
    fn take(&mut self, name: &str, key: &str, kind: Kind) -> bool {
        if let Some(family) = self.families.get(key) {
            return family.kind == kind;
        }
        let suffixes: &[&str] = match kind {
            Kind::Counter if self.options.name_suffixes => &["", "_total"],
            Kind::Counter | Kind::Gauge => &[""],
            Kind::Histogram => &["", "_bucket", "_sum", "_count"],
        };
        let names: Vec<_> = suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect();
        let is_free = names.iter().all(|name| !self.taken.contains_key(name));
        if is_free {
            self.taken.extend(names.into_iter().map(|name| (name, key.to_owned())));
        }
        is_free
    }

    /// Writes all families.
    pub(super) fn to_text(&self, format: Format) -> String {
        let mut text = Text { out: String::new(), format };
        // Writing to a `String` cannot fail.
        let _ = text.families(self);
        text.out
    }
}

impl Value {
    /// Takes the value of a point. Buckets become cumulative: each counts what is at most its boundary.
    fn new(value: PointValue) -> Self {
        match value {
            PointValue::Histogram { count, sum, boundaries, buckets } => {
                let mut below = 0;
                let cumulative = boundaries.into_iter().zip(buckets).map(|(boundary, count)| {
                    below += count;
                    (boundary, below)
                });
                Self::Histogram { count, sum, buckets: cumulative.collect() }
            }
            PointValue::Exponential(histogram) => Self::Histogram {
                count: histogram.count,
                sum: histogram.sum,
                buckets: powers_of_two(&histogram),
            },
            PointValue::Summary { count, sum } => Self::Histogram { count, sum, buckets: Vec::new() },
            number => Self::Number(number),
        }
    }
}

/// Returns the buckets of an exponential histogram with powers of two as upper boundaries, each with the count of all
/// values up to it.
///
/// Buckets of a finer scale are added up, which is exact: a power of two is always a boundary of theirs. Zeros and
/// negative values are in a bucket with the boundary 0.
fn powers_of_two(histogram: &Exponential) -> Vec<(f64, u64)> {
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
        // Without gaps, so that the set of series changes only when the range grows.
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

/// The power of two that no value of a bucket exceeds. Bucket `index` holds values up to `2^((index + 1) / 2^scale)`.
fn exponent(index: i64, scale: i32) -> i64 {
    let upper = index.saturating_add(1);
    let exponent = match u32::try_from(scale) {
        Ok(scale) => upper.saturating_add((1_i64 << scale.min(62)) - 1) >> scale.min(62),
        Err(_) => upper.saturating_mul(1_i64 << scale.unsigned_abs().min(62)),
    };
    // The exponents of finite numbers, and one more.
    exponent.clamp(-1074, 1024)
}

/// The name of an instrumentation scope, and its labels.
fn scope(of_scope: &[u8]) -> (String, Vec<Attribute>) {
    let text = |message, number| {
        let bytes = render::messages(message, number).next().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let scope = render::messages(of_scope, 1).next().unwrap_or_default();
    let name = text(scope, 1);
    let own = [
        ("otel_scope_name", name.clone()),
        ("otel_scope_version", text(scope, 2)),
        ("otel_scope_schema_url", text(of_scope, 3)),
    ];
    let mut labels: Vec<Attribute> = own.map(|(name, value)| (name.to_owned(), value)).into();
    for (key, value) in render::decode_attributes(scope, 3) {
        let key = format!("otel_scope_{key}");
        if !labels.iter().any(|(own, _)| *own == label(&key)) {
            labels.push((key, value));
        }
    }
    labels.retain(|(_, value)| !value.is_empty());
    (name, labels)
}

/// The labels of a series: `a="1",b="2"`. Values of keys that become one label are joined with `;`.
fn labels(common: &[Attribute], attributes: &[Attribute], kind: Kind) -> String {
    let common: BTreeMap<String, String> =
        common.iter().map(|(key, value)| (label(key), value.clone())).collect();
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in sorted {
        let mut name = label(key);
        if common.contains_key(&name) || (kind == Kind::Histogram && name == "le") {
            name.insert_str(0, "exported_");
        }
        match all.get_mut(&name) {
            Some(joined) => joined.extend([";", &**value]),
            None => drop(all.insert(name, value.clone())),
        }
    }
    all.extend(common);
    let pairs = all.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Escapes backslashes and line feeds, and quotes where the text stands in them.
fn escaped(text: &str, escapes_quotes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if escapes_quotes => escaped.push_str("\\\""),
            character => escaped.push(character),
        }
    }
    escaped
}

/// The text under construction.
struct Text {
    out: String,
    format: Format,
}

impl Text {
    /// Writes the resource, then every family: its head, then its series.
    fn families(&mut self, families: &Families) -> fmt::Result {
        self.target(&families.target)?;
        for (key, family) in &families.families {
            // OpenMetrics has the suffix of counters on their series alone.
            let name = match self.format {
                Format::OpenMetrics if family.kind == Kind::Counter => {
                    key.strip_suffix("_total").unwrap_or(key)
                }
                _ => key,
            };
            self.head(name, family.kind.name(), &family.unit, &family.description)?;
            for (labels, value) in &family.series {
                self.series(key, labels, value)?;
            }
        }
        match self.format {
            Format::Text => Ok(()),
            Format::OpenMetrics => self.out.write_str("# EOF\n"),
        }
    }

    /// The attributes of the resource, as labels of a series of their own.
    fn target(&mut self, attributes: &[Attribute]) -> fmt::Result {
        if attributes.is_empty() {
            return Ok(());
        }
        match self.format {
            Format::Text => self.head(TARGET_INFO, "gauge", "", TARGET_DESCRIPTION)?,
            Format::OpenMetrics => self.head(TARGET, "info", "", TARGET_DESCRIPTION)?,
        }
        writeln!(self.out, "{TARGET_INFO}{{{}}} 1", labels(&[], attributes, Kind::Gauge))
    }

    /// Writes `# TYPE`, `# UNIT` and `# HELP`. A unit must be the end of the name, which [`MetricName`] has ensured.
    fn head(&mut self, name: &str, kind: &str, unit: &str, description: &str) -> fmt::Result {
        let is_open_metrics = self.format == Format::OpenMetrics;
        writeln!(self.out, "# TYPE {name} {kind}")?;
        if is_open_metrics && !unit.is_empty() {
            writeln!(self.out, "# UNIT {name} {unit}")?;
        }
        if !description.is_empty() {
            writeln!(self.out, "# HELP {name} {}", escaped(description, is_open_metrics))?;
        }
        Ok(())
    }

    /// Writes the lines of one series. Of a histogram, the bucket `+Inf` has the count of all, also of values that have
    /// no bucket.
    fn series(&mut self, name: &str, labels: &str, value: &Value) -> fmt::Result {
        let braced = |labels: &str| if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        match value {
            Value::Number(PointValue::Int(value)) => writeln!(self.out, "{name}{} {value}", braced(labels)),
            Value::Number(PointValue::Double(value)) => {
                writeln!(self.out, "{name}{} {}", braced(labels), number(*value))
            }
            Value::Number(_) => Ok(()),
            Value::Histogram { count, sum, buckets } => {
                let separator = if labels.is_empty() { "" } else { "," };
                for (boundary, below) in buckets.iter().chain([&(f64::INFINITY, *count)]) {
                    let boundary = self.boundary(*boundary);
                    writeln!(self.out, "{name}_bucket{{{labels}{separator}le=\"{boundary}\"}} {below}")?;
                }
                writeln!(self.out, "{name}_sum{} {}", braced(labels), number(*sum))?;
                writeln!(self.out, "{name}_count{} {count}", braced(labels))
            }
        }
    }

    /// The same boundary must be the same text at every scrape: OpenMetrics has it with a decimal point.
    fn boundary(&self, boundary: f64) -> String {
        let text = number(boundary);
        match self.format {
            Format::OpenMetrics if !text.contains(['.', 'e', 'n', 'N']) => format!("{text}.0"),
            _ => text,
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Returns the shortest text that reads as the same number, and the names of Prometheus for those that are not finite.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        let text = zmij::Buffer::new().format(value).to_owned();
        text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
    }
}

/// The family of the resource's attributes, and its one series.
const TARGET: &str = "target";
const TARGET_INFO: &str = "target_info";
const TARGET_DESCRIPTION: &str = "Target metadata";

#[cfg(test)]
mod tests;
