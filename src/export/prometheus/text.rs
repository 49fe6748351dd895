//! A collection in the formats of Prometheus and OpenMetrics.
//!
//! Metrics of one name, from several instrumentation scopes, are one family: with one type, one description, and the
//! scope in the labels `otel_scope_…` of each series. What would make the whole answer invalid is left out and returned
//! as a [`Conflict`]: another type under a name that is taken, or the same series from another scope.
//!
//! Exponential histograms need a format that is not text. They get buckets with powers of two as boundaries, so
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
//! | start of a counter or a histogram, on request | – | `requests_created` |
//! | histogram with negative values, whose sum can fall | no `_sum` | no `_sum`, no `_count` |
//! | end | – | `# EOF` |
//!
//! With UTF-8 in names, which a scraper has to accept, names that need quotes have them: `{"disk.io","disk.name"="a"} 1`.
//!
//! Families and labels are sorted, so two scrapes differ in their values alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Write};

use super::format::Format;
use super::labels::{Names, escaped, labels, scope, shown};
use super::names::{Kind, MetricName, is_plain};
use super::value::Value;
use crate::export::render::{self, Attribute, Metric, Point, PointValue};
use crate::settings::PrometheusText;

/// A metric that is left out because another one has its name, and a different type or the same labels. Reported once
/// by the handler.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Conflict {
    /// The instrumentation scope of the metric that is left out.
    pub(super) scope: String,
    /// The name of its instrument.
    pub(super) metric: String,
    /// The name in the formats of Prometheus.
    pub(super) name: String,
}

/// Families of metrics, ready to be written in any format.
///
/// It tracks the names of all series, not only of families: a gauge `a_count` and a histogram `a` would both have the
/// series `a_count`.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// The families by their names, in the order in which they are written.
    families: BTreeMap<String, Family>,
    /// Every name that a series has, with the family it belongs to. A name that belongs to another family is a
    /// conflict.
    taken: HashMap<String, String>,
    /// The attributes of the resource, if they are shown.
    target: Vec<Attribute>,
    /// The settings of the exporter: suffixes, labels of scope and resource.
    options: PrometheusText,
    /// The characters that names may consist of.
    names: Names,
    /// The metrics that were omitted.
    pub(super) conflicts: Vec<Conflict>,
}

/// Metrics of one name and kind.
#[derive(Debug)]
struct Family {
    /// The type of all its series.
    kind: Kind,
    /// That of the first metric of the name.
    description: String,
    /// The unit as words; empty without one.
    unit: String,
    /// In the order of the collection.
    series: Vec<Series>,
    /// The labels of the series: two with the same ones are not allowed.
    labels: HashSet<String>,
}

/// One set of labels, and its value.
#[derive(Debug)]
struct Series {
    /// The labels as they are written, without braces.
    labels: String,
    /// The number or the histogram.
    value: Value,
    /// The start time of the value in nanoseconds since 1970, if it is shown.
    created: Option<u64>,
}

impl Families {
    /// Reads an encoded export request. `has_utf8`: names may have any characters, if the options do not escape them.
    pub(super) fn new(request: &[u8], options: &PrometheusText, has_utf8: bool) -> Self {
        let names = Names { translation: options.names, has_utf8 };
        let mut families = Self { options: options.clone(), names, ..Self::default() };
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
                let (scope, mut labels) = scope(of_scope, names);
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
        let is_histogram = |point: &Point| !matches!(point.value, PointValue::Int(_) | PointValue::Double(_));
        let kind = match metric.points.first() {
            None => return,
            Some(point) if is_histogram(point) => Kind::Histogram,
            Some(_) if metric.is_sum && metric.is_monotonic => Kind::Counter,
            Some(_) if metric.is_sum => Kind::UpDownCounter,
            Some(_) => Kind::Gauge,
        };
        let has_suffixes = self.options.names.has_suffixes();
        let MetricName { family: name, unit } = self.names.metric(&metric, kind);
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
        let has_created = self.options.created_series && matches!(kind, Kind::Counter | Kind::Histogram);
        let mut is_shown = true;
        for point in metric.points {
            let labels = labels(common_labels, &point.attributes, kind, self.names);
            if !family.labels.insert(labels.clone()) {
                is_shown = false;
                continue;
            }
            let created = Some(point.start).filter(|start| has_created && *start > 0);
            family.series.push(Series { labels, value: Value::new(point), created });
        }
        if !is_shown {
            self.conflicts.push(conflict);
        }
    }

    /// Takes the names of a family. Returns `false` if another family has one of them.
    fn take(&mut self, name: &str, key: &str, kind: Kind) -> bool {
        if let Some(family) = self.families.get(key) {
            return family.kind.name() == kind.name();
        }
        let suffixes: &[&str] = match kind {
            Kind::Counter if self.options.names.has_suffixes() => &["", "_total"],
            Kind::Counter | Kind::UpDownCounter | Kind::Gauge => &[""],
            Kind::Histogram => &["", "_bucket", "_sum", "_count"],
        };
        let created = matches!(kind, Kind::Counter | Kind::Histogram).then_some(CREATED);
        let created = created.filter(|_| self.options.created_series);
        let suffixes = suffixes.iter().copied().chain(created);
        let names: Vec<_> = suffixes.map(|suffix| format!("{name}{suffix}")).collect();
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

/// The text under construction.
struct Text {
    /// The text written so far.
    out: String,
    /// Decides on heads, suffixes and the end.
    format: Format,
}

impl Text {
    /// Writes the resource, then every family: its head, then its series.
    fn families(&mut self, families: &Families) -> fmt::Result {
        self.target(&families.target, families.names)?;
        for (key, family) in &families.families {
            // OpenMetrics has the suffix of counters on their series alone.
            let name = match self.format {
                Format::OpenMetrics if family.kind == Kind::Counter => {
                    key.strip_suffix("_total").unwrap_or(key)
                }
                _ => key,
            };
            self.head(name, family.kind.name(), &family.unit, &family.description)?;
            for series in &family.series {
                self.series(key, &series.labels, &series.value)?;
                if let (Some(created), Format::OpenMetrics) = (series.created, self.format) {
                    self.created(name, &series.labels, created)?;
                }
            }
        }
        match self.format {
            Format::Text => Ok(()),
            Format::OpenMetrics => self.out.write_str("# EOF\n"),
        }
    }

    /// Writes the attributes of the resource, as labels of a series of their own. Nothing without any.
    fn target(&mut self, attributes: &[Attribute], names: Names) -> fmt::Result {
        if attributes.is_empty() {
            return Ok(());
        }
        match self.format {
            Format::Text => self.head(TARGET_INFO, "gauge", "", TARGET_DESCRIPTION)?,
            Format::OpenMetrics => self.head(TARGET, "info", "", TARGET_DESCRIPTION)?,
        }
        writeln!(self.out, "{TARGET_INFO}{{{}}} 1", labels(&[], attributes, Kind::Gauge, names))
    }

    /// Writes `# TYPE`, `# UNIT` and `# HELP`. A unit must be the end of the name, which [`MetricName`] has ensured.
    fn head(&mut self, name: &str, kind: &str, unit: &str, description: &str) -> fmt::Result {
        let is_open_metrics = self.format == Format::OpenMetrics;
        let name = shown(name, true);
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
        match value {
            Value::Number(PointValue::Int(value)) => writeln!(self.out, "{} {value}", identity(name, labels)),
            Value::Number(PointValue::Double(value)) => {
                writeln!(self.out, "{} {}", identity(name, labels), number(*value))
            }
            Value::Number(_) => Ok(()),
            Value::Histogram { count, sum, buckets } => {
                let separator = if labels.is_empty() { "" } else { "," };
                let bucket = format!("{name}_bucket");
                for (boundary, below) in buckets.iter().chain([&(f64::INFINITY, *count)]) {
                    let boundary = self.boundary(*boundary);
                    let labels = format!("{labels}{separator}le=\"{boundary}\"");
                    writeln!(self.out, "{} {below}", identity(&bucket, &labels))?;
                }
                if let Some(sum) = sum {
                    writeln!(self.out, "{} {}", identity(&format!("{name}_sum"), labels), number(*sum))?;
                } else if self.format == Format::OpenMetrics {
                    // There the count belongs to the sum.
                    return Ok(());
                }
                writeln!(self.out, "{} {count}", identity(&format!("{name}_count"), labels))
            }
        }
    }

    /// Writes when the value of a series began, in seconds.
    fn created(&mut self, name: &str, labels: &str, nanos: u64) -> fmt::Result {
        let (seconds, millis) = (nanos / 1_000_000_000, nanos / 1_000_000 % 1_000);
        writeln!(self.out, "{} {seconds}.{millis:03}", identity(&format!("{name}{CREATED}"), labels))
    }

    /// Returns the text of a boundary, which must be the same at every scrape: OpenMetrics has it with a decimal point.
    fn boundary(&self, boundary: f64) -> String {
        let text = number(boundary);
        match self.format {
            Format::OpenMetrics if !text.contains(['.', 'e', 'n', 'N']) => format!("{text}.0"),
            _ => text,
        }
    }
}

impl Kind {
    /// Returns the type as both formats name it.
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter | Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Returns what identifies a series: `name{labels}`, or `{"name",labels}` if the name needs quotes.
fn identity(name: &str, labels: &str) -> String {
    match (is_plain(name, true), labels.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{name}{{{labels}}}"),
        (false, true) => format!("{{{}}}", shown(name, true)),
        (false, false) => format!("{{{},{labels}}}", shown(name, true)),
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

/// The name of the family of the resource's attributes, in OpenMetrics.
const TARGET: &str = "target";
/// The name of its one series, and of the family in the text format.
const TARGET_INFO: &str = "target_info";
/// The text of its `# HELP` line.
const TARGET_DESCRIPTION: &str = "Target metadata";
/// Suffix of the series that say when those of counters and histograms began.
const CREATED: &str = "_created";

#[cfg(test)]
mod tests;
