//! Whatever metrics and attributes are called, a scraper can read the answer.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::settings::AttributeSelection;

const TRANSLATIONS: [NameTranslation; 4] = [
    NameTranslation::UnderscoresWithSuffixes,
    NameTranslation::Underscores,
    NameTranslation::Utf8WithSuffixes,
    NameTranslation::Unchanged,
];

/// Reads a name: a plain one up to a character that cannot be in it, or one in quotes. Returns it with the rest.
fn name(text: &str, is_metric: bool, has_utf8: bool) -> (String, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        assert!(has_utf8, "a quoted name: {text}");
        return value(quoted);
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || (is_metric && c == ':');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    assert!(!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()), "no name: {text}");
    (name.to_owned(), rest)
}

/// Reads a text behind its first quote. Returns it with what follows the last one.
fn value(text: &str) -> (String, &str) {
    let mut read = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (read, &text[at + 1..]),
            '\\' => read.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('"' | '\\'))) => escaped,
                other => panic!("not an escape: {other:?} in {text}"),
            }),
            character => read.push(character),
        }
    }
    panic!("a quote without its end: {text}")
}

/// Reads a series: its name, and its labels in their order.
fn series(line: &str, has_utf8: bool) -> (String, Vec<(String, String)>) {
    let (mut metric, mut labels) = (None, Vec::new());
    let mut rest = line;
    if !line.starts_with('{') {
        let (plain, behind) = name(line, true, has_utf8);
        (metric, rest) = (Some(plain), behind);
    }
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (key, behind) = name(rest, false, has_utf8);
            match behind.strip_prefix("=\"") {
                Some(quoted) => {
                    let (text, behind) = value(quoted);
                    labels.push((key, text));
                    rest = behind;
                }
                None => {
                    assert!(metric.is_none() && labels.is_empty(), "a name among labels: {line}");
                    metric = Some(key);
                    rest = behind;
                }
            }
            match rest.strip_prefix('}') {
                Some(behind) => {
                    rest = behind;
                    break;
                }
                None => rest = rest.strip_prefix(',').unwrap(),
            }
        }
    }
    let number = rest.strip_prefix(' ').unwrap();
    assert!(number.parse::<f64>().is_ok() || ["+Inf", "-Inf", "NaN"].contains(&number), "{line}");
    (metric.unwrap(), labels)
}

/// Checks that no name is that of two labels, and no series is there twice.
fn check(text: &str, has_utf8: bool) {
    let mut known = HashSet::new();
    let mut types = HashSet::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let (family, kind) = name(head, true, has_utf8);
            assert!([" counter", " gauge", " histogram", " info"].contains(&kind), "{line}");
            assert!(types.insert(family), "two types: {line}\n{text}");
        } else if !line.starts_with('#') {
            let (name, labels) = series(line, has_utf8);
            let keys: HashSet<_> = labels.iter().map(|(key, _)| key).collect();
            assert_eq!(keys.len(), labels.len(), "a label twice: {line}");
            assert!(known.insert((name, labels)), "a series twice: {line}\n{text}");
        }
    }
}

/// Keys that become one another easily.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab_.]{0,3}",
        "(exported_){0,2}le",
        "otel[._]scope[._]name",
        "[0-9]a?",
        "__[a._]{0,2}__",
        "(?s).{0,4}"
    ]
}

proptest! {
    #[test]
    fn answers_can_be_read_whatever_things_are_called(
        metrics in prop::collection::vec(
            (
                prop_oneof!["[ab_.]{1,4}", "a(_total|_bytes|_sum|_count|_bucket|_created)?", "(?s).{1,5}"],
                prop_oneof!["", "By", "1", "s/min", "(?s).{0,3}"],
                0..4_usize,
                prop::collection::vec((key(), "(?s).{0,3}"), 0..4),
            ),
            0..6,
        ),
        resource in prop::collection::vec((key(), "(?s).{0,3}"), 0..3),
        scope_labels: bool,
    ) {
        let metrics = metrics.iter().map(|(name, unit, kind, pairs)| {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| (&**key, &**value)).collect();
            let points = vec![point(Number::AsInt(1), &pairs)];
            let data = match kind {
                0 => counter(points),
                1 => up_down_counter(points),
                2 => gauge(points),
                _ => {
                    let attributes = attributes(&pairs);
                    let point = HistogramDataPoint { attributes, count: 1, sum: Some(1.0), ..Default::default() };
                    Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 2 })
                }
            };
            metric(name, unit, "", data)
        });
        let scope = InstrumentationScope { name: "shop".to_owned(), ..Default::default() };
        let scope_metrics =
            vec![ScopeMetrics { scope: Some(scope), metrics: metrics.collect(), ..Default::default() }];
        let pairs: Vec<_> = resource.iter().map(|(key, value)| (&**key, &**value)).collect();
        let resource = Some(Resource { attributes: attributes(&pairs), ..Default::default() });
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..Default::default() }];
        let request = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
        for names in TRANSLATIONS {
            let options = PrometheusText {
                scope_labels,
                resource_labels: Some(AttributeSelection::including(["*"])),
                created_series: true,
                names,
                ..PrometheusText::default()
            };
            for has_utf8 in [false, names.has_utf8()] {
                let families = Families::new(&request, &options, has_utf8);
                check(&families.to_text(Format::Text), has_utf8);
                if names.has_suffixes() {
                    check(&families.to_text(Format::OpenMetrics), has_utf8);
                }
            }
        }
    }
}
