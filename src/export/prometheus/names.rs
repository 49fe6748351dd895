//! Names as Prometheus has them. A metric gets the name that Prometheus gives it when it arrives by OTLP: characters that
//! are not allowed become underscores, the unit follows as a word, and counters end with `_total`.
//!
//! | instrument | unit | name |
//! |---|---|---|
//! | counter `requests` | `{request}` | `requests_total` |
//! | histogram `http.server.request.duration` | `s` | `http_server_request_duration_seconds` |
//! | counter `process.disk.io` | `By` | `process_disk_io_bytes_total` |
//! | gauge `cpu.utilization` | `1` | `cpu_utilization_ratio` |
//! | gauge `speed` | `m/s` | `speed_meters_per_second` |
//! | counter `requests_total` | – | `requests_total`, not `requests_total_total` |
//!
//! Two metrics can get the same name in this way; [`text`](super::text) decides what is shown then.

use std::borrow::Cow;

/// The kind of a metric, which decides on the suffix of its name and on its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A sum that only grows: `_total`.
    Counter,
    /// A gauge for Prometheus, but no ratio: its unit `1` means a count.
    UpDownCounter,
    /// A last value. Its unit `1` is a ratio.
    Gauge,
    /// A distribution, with series for buckets, sum and count.
    Histogram,
}

/// The name of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MetricName {
    /// The name with its unit, without `_total`.
    pub(super) family: String,
    /// The unit as words, if the name ends with it. OpenMetrics requires that; otherwise it is empty.
    pub(super) unit: String,
}

impl MetricName {
    /// Translates the name of an instrument, with its unit in UCUM.
    pub(super) fn new(name: &str, unit: &str, kind: Kind) -> Self {
        let is_separator = |character: char| !character.is_ascii_alphanumeric() && character != ':';
        let mut words: Vec<&str> = name.split(is_separator).filter(|word| !word.is_empty()).collect();
        if kind == Kind::Counter {
            words.retain(|word| *word != "total");
        }
        let (main, per) = unit_words(unit, kind);
        let mut of_unit: Vec<&str> = Vec::new();
        if !main.is_empty() {
            of_unit.push(&main);
        }
        if !per.is_empty() {
            of_unit.extend(["per", &*per]);
        }
        if main == RATIO {
            words.retain(|word| *word != RATIO);
        }
        // What the name contains is not repeated, as in `request_seconds_max`.
        let (of_main, of_per) = of_unit.split_at(usize::from(!main.is_empty()));
        for part in [of_main, of_per] {
            if !part.is_empty() && !words.windows(part.len()).any(|words| words == part) {
                words.extend(part);
            }
        }
        let family = with_valid_start(words.join("_"));
        let unit = of_unit.join("_");
        let has_unit = !unit.is_empty() && family.ends_with(&format!("_{unit}"));
        Self { family, unit: if has_unit { unit } else { String::new() } }
    }

    /// Returns the name alone: neither the unit nor the type of the metric is added.
    pub(super) fn without_suffixes(name: &str) -> Self {
        let is_allowed =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, ':' | '_');
        let words = name.split(|character| !is_allowed(character)).filter(|word| !word.is_empty());
        Self { family: with_valid_start(words.collect::<Vec<_>>().join("_")), unit: String::new() }
    }
}

/// Puts an underscore before a digit, with which no name may begin.
fn with_valid_start(mut name: String) -> String {
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Returns a unit of UCUM as words: `By/s` is `bytes` and `second`. Annotations in braces are left out.
///
/// The unit `1` is `ratio` for gauges and nothing for all others, where it means a count.
fn unit_words(unit: &str, kind: Kind) -> (Cow<'_, str>, Cow<'_, str>) {
    if unit == "1" {
        let main = if kind == Kind::Gauge { RATIO } else { "" };
        return (main.into(), "".into());
    }
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    (word(main, &UNITS), word(per, &PER_UNITS))
}

/// Returns the word for a symbol. One that is not known stays as it is, without characters that are not allowed.
fn word<'a>(unit: &'a str, known: &[(&str, &'static str)]) -> Cow<'a, str> {
    let unit = unit.trim();
    if unit.is_empty() || unit.contains(['{', '}']) {
        return "".into();
    }
    match known.iter().find(|(symbol, _)| *symbol == unit) {
        Some((_, word)) => Cow::Borrowed(word),
        None => {
            sanitized(unit, |character| character.is_ascii_alphanumeric()).trim_matches('_').to_owned().into()
        }
    }
}

/// Returns the name of a label for a key: other characters than letters, digits and underscores become underscores.
pub(super) fn label(key: &str) -> String {
    with_valid_start(sanitized(key, |character| character.is_ascii_alphanumeric() || character == '_'))
}

/// Replaces characters that are not allowed; of several underscores in a row one is left.
fn sanitized(text: &str, is_allowed: impl Fn(char) -> bool) -> String {
    let mut sanitized = String::with_capacity(text.len());
    for character in text.chars() {
        let character = if is_allowed(character) { character } else { '_' };
        if character != '_' || !sanitized.ends_with('_') {
            sanitized.push(character);
        }
    }
    sanitized
}

/// The word for the unit `1` of a gauge.
const RATIO: &str = "ratio";

/// The words for units, as in Prometheus: <https://github.com/prometheus/otlptranslator>.
const UNITS: [(&str, &str); 27] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("kBy", "kilobytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// The words for units behind a slash.
const PER_UNITS: [(&str, &str); 8] = [
    ("s", "second"),
    ("m", "minute"),
    ("min", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_the_name_that_prometheus_gives_it() {
        use Kind::{Counter, Gauge, Histogram};
        for (name, unit, kind, family, expected_unit) in [
            ("shop.requests.total", "{request}", Counter, "shop_requests", ""),
            ("shop.requests", "", Counter, "shop_requests", ""),
            ("shop.requests_total.seconds", "s", Counter, "shop_requests_seconds", "seconds"),
            ("rpc.server.call.duration", "s", Histogram, "rpc_server_call_duration_seconds", "seconds"),
            ("call_duration_seconds", "s", Histogram, "call_duration_seconds", "seconds"),
            ("process.cpu.utilization", "1", Gauge, "process_cpu_utilization_ratio", "ratio"),
            ("hit.ratio", "1", Gauge, "hit_ratio", "ratio"),
            ("hits", "1", Counter, "hits", ""),
            ("disk.io", "By", Counter, "disk_io_bytes", "bytes"),
            ("disk.speed", "By/s", Gauge, "disk_speed_bytes_per_second", "bytes_per_second"),
            ("rate", "{request}/s", Gauge, "rate_per_second", "per_second"),
            ("requests.per.user", "{request}/s", Gauge, "requests_per_user_per_second", "per_second"),
            ("second.count", "By/s", Gauge, "second_count_bytes_per_second", "bytes_per_second"),
            ("speed.per.second", "By/s", Gauge, "speed_per_second_bytes", ""),
            ("bytes.moved", "By/s", Gauge, "bytes_moved_per_second", ""),
            ("température..été", "Cel", Gauge, "temp_rature_t_celsius", "celsius"),
            ("__a__b__", "", Gauge, "a_b", ""),
            ("ns:a", "", Gauge, "ns:a", ""),
            ("9lives", "", Gauge, "_9lives", ""),
            ("size", "foo.bar", Gauge, "size_foo_bar", "foo_bar"),
            ("bytes.used", "By", Gauge, "bytes_used", ""),
        ] {
            let expected = MetricName { family: family.to_owned(), unit: expected_unit.to_owned() };
            assert_eq!(MetricName::new(name, unit, kind), expected, "{name} in {unit}");
        }
    }

    #[test]
    fn name_without_suffixes_has_valid_characters() {
        for (name, expected) in [
            ("disk.io", "disk_io"),
            ("a..b", "a_b"),
            ("a__b", "a__b"),
            ("ns:a", "ns:a"),
            ("9é", "_9"),
            ("é", "_"),
        ] {
            assert_eq!(MetricName::without_suffixes(name).family, expected, "{name}");
        }
    }

    #[test]
    fn labels_are_valid() {
        for (key, expected) in [
            ("http.route", "http_route"),
            ("a..b", "a_b"),
            ("__name__", "_name_"),
            ("1st", "_1st"),
            ("", "_"),
            ("ключ", "_"),
        ] {
            assert_eq!(label(key), expected, "{key}");
        }
    }
}
