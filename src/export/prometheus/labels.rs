//! Labels of series, and names as one answer has them: with UTF-8 or without.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::names::{self, Kind, MetricName, is_plain, label};
use crate::export::render::{self, Attribute, Metric};
use crate::settings::NameTranslation;

/// Naming scheme of one response.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names {
    /// That of the settings.
    pub(super) translation: NameTranslation,
    /// The scraper accepts names with any characters.
    pub(super) has_utf8: bool,
}

impl Names {
    /// Returns the name of a metric.
    pub(super) fn metric(self, metric: &Metric, kind: Kind) -> MetricName {
        let name = MetricName::new(&metric.name, &metric.unit, kind, self.translation);
        match self.has_utf8 {
            true => name,
            false => MetricName {
                family: names::escaped(&name.family, true),
                unit: names::escaped(&name.unit, true),
            },
        }
    }

    /// Returns the name of a label for a key.
    fn label(self, key: &str) -> String {
        let label = label(key, self.translation);
        if self.has_utf8 { label } else { names::escaped(&label, false) }
    }
}

/// Returns the name of an instrumentation scope, and its labels `otel_scope_…`. Empty ones are left out.
pub(super) fn scope(of_scope: &[u8], names: Names) -> (String, Vec<Attribute>) {
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
        if !labels.iter().any(|(own, _)| *own == names.label(&key)) {
            labels.push((key, value));
        }
    }
    labels.retain(|(_, value)| !value.is_empty());
    (name, labels)
}

/// Returns the labels of a series, sorted: `a="1",b="2"`.
///
/// | case | label |
/// |---|---|
/// | two keys become one label | one label, with the values joined by `;` |
/// | a key of a label of the scope or resource | prefixed with `exported_` |
/// | `le` of a histogram, of whatever origin | prefixed with `exported_` |
/// | a name that needs quotes | in quotes |
pub(super) fn labels(common: &[Attribute], attributes: &[Attribute], kind: Kind, names: Names) -> String {
    let is_boundary = |name: &str| kind == Kind::Histogram && name == "le";
    let common = common.iter().map(|(key, value)| {
        let name = names.label(key);
        (if is_boundary(&name) { format!("{EXPORTED}{name}") } else { name }, value.clone())
    });
    let common: BTreeMap<String, String> = common.collect();
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in sorted {
        let mut name = names.label(key);
        while common.contains_key(&name) || is_boundary(&name) {
            name.insert_str(0, EXPORTED);
        }
        match all.get_mut(&name) {
            Some(joined) => joined.extend([";", &**value]),
            None => drop(all.insert(name, value.clone())),
        }
    }
    all.extend(common);
    let pairs =
        all.iter().map(|(name, value)| format!("{}=\"{}\"", shown(name, false), escaped(value, true)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Escapes backslashes and line feeds, and quotes where the text stands in them.
pub(super) fn escaped(text: &str, escapes_quotes: bool) -> String {
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
/// Returns a name as it is written by itself: in quotes if it needs them.
pub(super) fn shown(name: &str, is_metric: bool) -> Cow<'_, str> {
    match is_plain(name, is_metric) {
        true => Cow::Borrowed(name),
        false => Cow::Owned(format!("\"{}\"", escaped(name, true))),
    }
}

/// Before the name of an attribute that is taken by a label of another origin.
const EXPORTED: &str = "exported_";
