//! Names as Prometheus has them. A metric gets the name that Prometheus gives it when it arrives by OTLP
//! (<https://github.com/prometheus/otlptranslator>): by default, characters that are not allowed become underscores, the
//! unit follows as a word, and counters end with `_total`.
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
//! With UTF-8 in names, which only a configuration file chooses, the same words follow a name that stays as it is. A
//! scraper that does not accept such a name gets it with an underscore for each other character ([`escaped`]).
//!
//! A name without any allowed character becomes an underscore. Two metrics can get the same name in any of these
//! ways; [`text`](super::text) decides what is shown then.

use std::borrow::Cow;

use crate::settings::NameTranslation;

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
    pub(super) fn new(name: &str, unit: &str, kind: Kind, translation: NameTranslation) -> Self {
        match translation {
            NameTranslation::UnderscoresWithSuffixes => Self::with_underscores(name, unit, kind),
            NameTranslation::Underscores => Self::with_underscores_alone(name),
            NameTranslation::Utf8WithSuffixes => Self::utf8(name, unit, kind),
            NameTranslation::Unchanged => Self::without_unit(name.to_owned()),
        }
    }

    /// Puts the words of name and unit together, with an underscore between two.
    fn with_underscores(name: &str, unit: &str, kind: Kind) -> Self {
        let mut words: Vec<&str> =
            name.split(|character| !is_letter(character)).filter(|word| !word.is_empty()).collect();
        let (main, per) = unit_words(unit);
        let (main, per) = (unit_with_underscores(main), unit_with_underscores(&per));
        let per = if per == PER { "" } else { per.strip_suffix('_').unwrap_or(&per) };
        // A word that the name has is not repeated. What is behind a slash is never one word.
        let main = if words.contains(&&*main) { "" } else { &*main };
        let main = if per.is_empty() { main } else { main.strip_suffix('_').unwrap_or(main) };
        words.extend([main, per].into_iter().filter(|part| !part.is_empty()));
        if kind == Kind::Counter {
            words.retain(|word| *word != TOTAL);
        }
        if is_ratio(unit, kind) {
            words.retain(|word| *word != RATIO);
            words.push(RATIO);
        }
        let unit = match is_ratio(unit, kind) {
            true => RATIO.to_owned(),
            false => unit_name(unit, true),
        };
        Self::with_unit(with_valid_start(words.join("_"), "_"), unit)
    }

    /// Returns the name alone: neither the unit nor the type of the metric is added.
    fn with_underscores_alone(name: &str) -> Self {
        let is_allowed = |character: char| is_letter(character) || character == '_';
        let words = name.split(|character| !is_allowed(character)).filter(|word| !word.is_empty());
        Self::without_unit(with_valid_start(words.collect::<Vec<_>>().join("_"), "_"))
    }

    /// Leaves the name as it is, and appends its unit. What it ends with already is not repeated.
    fn utf8(name: &str, unit: &str, kind: Kind) -> Self {
        let without = |name: &str, suffix: &str| match name.strip_suffix(suffix) {
            // Without the separator before it, which can be any character.
            Some(rest) if rest.len() > 1 => {
                rest.char_indices().last().map_or_else(String::new, |(end, _)| rest[..end].to_owned())
            }
            _ => name.to_owned(),
        };
        let mut family = name.to_owned();
        if is_ratio(unit, kind) {
            family = without(&family, RATIO);
        }
        if kind == Kind::Counter {
            family = without(&family, TOTAL);
        }
        let (main, per) = unit_words(unit);
        if !per.is_empty() {
            family = without(&family, &per);
        }
        if !main.is_empty() && !family.ends_with(main) {
            family = format!("{family}_{main}");
        }
        if !per.is_empty() {
            family = format!("{family}_{per}");
        }
        let unit = match is_ratio(unit, kind) {
            true => {
                family = format!("{family}_{RATIO}");
                RATIO.to_owned()
            }
            false => unit_name(unit, false),
        };
        Self::with_unit(family, unit)
    }

    /// A name whose metric has a unit, if the name ends with it.
    fn with_unit(family: String, unit: String) -> Self {
        // Nothing quotes a unit.
        let is_word = |unit: &str| !unit.contains(|c: char| c.is_control() || c.is_whitespace());
        let has_unit = !unit.is_empty() && is_word(&unit) && family.ends_with(&format!("_{unit}"));
        Self { family, unit: if has_unit { unit } else { String::new() } }
    }

    fn without_unit(family: String) -> Self {
        Self { family: if family.is_empty() { "_".to_owned() } else { family }, unit: String::new() }
    }
}

/// Returns the name of a label for a key.
///
/// | key | underscores | UTF-8 |
/// |---|---|---|
/// | `http.route` | `http_route` | `http.route` |
/// | `1st` | `key_1st` | `1st` |
/// | `a..b`, `a__b` | `a_b` | as it is |
/// | `__a__` | `__a__` | as it is |
/// | `__name__`, which Prometheus has for the name of the metric | `_name_` | `_name_` |
/// | nothing but other characters | `_` | as it is |
pub(super) fn label(key: &str, translation: NameTranslation) -> String {
    if key == METRIC_NAME {
        return "_name_".to_owned();
    }
    if translation.has_utf8() {
        return if key.is_empty() { "_".to_owned() } else { key.to_owned() };
    }
    let is_allowed = |character: char| character.is_ascii_alphanumeric();
    let reserved = key.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
    match reserved.map(|inner| sanitized(inner, is_allowed)).filter(|inner| inner.contains(is_allowed)) {
        Some(inner) => format!("__{inner}__"),
        None => with_valid_start(sanitized(key, is_allowed), "key_"),
    }
}

/// Returns `true` if a name needs no quotes: letters, digits and underscores, and no digit at first; in names of metrics
/// colons as well.
pub(super) fn is_plain(name: &str, is_metric: bool) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|character| is_plain_character(character, is_metric))
}

/// Returns a name with an underscore for each character that is not allowed without quotes, for scrapers that do not
/// accept UTF-8 in names.
pub(super) fn escaped(name: &str, is_metric: bool) -> String {
    let is_allowed = |(place, character): (usize, char)| {
        is_plain_character(character, is_metric) && !(place == 0 && character.is_ascii_digit())
    };
    let escaped = name.char_indices().map(|at| if is_allowed(at) { at.1 } else { '_' });
    escaped.collect()
}

fn is_plain_character(character: char, is_metric: bool) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || (is_metric && character == ':')
}

/// Returns `true` for the characters that words of a name consist of.
fn is_letter(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == ':'
}

/// Puts `prefix` before a digit, with which no name may begin. An empty name becomes an underscore.
fn with_valid_start(mut name: String, prefix: &str) -> String {
    if name.is_empty() {
        name.push('_');
    } else if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, prefix);
    }
    name
}

/// Returns `true` if a unit is that of a ratio. Of anything but a gauge it means a count.
fn is_ratio(unit: &str, kind: Kind) -> bool {
    unit == "1" && kind == Kind::Gauge
}

/// Returns a unit of UCUM as words: `By/s` is `bytes` and `per_second`. Annotations in braces are left out, and symbols
/// that are not known stay as they are.
fn unit_words(unit: &str) -> (&str, Cow<'static, str>) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let word = |unit: &'_ str, known: &[(&str, &'static str)]| {
        known.iter().find(|(symbol, _)| *symbol == unit).map(|(_, word)| *word)
    };
    let bare = |unit: &'_ str| -> bool { !unit.is_empty() && !unit.contains(['{', '}']) };
    let (main, per) = (main.trim(), per.trim());
    let main = if bare(main) { word(main, &UNITS).unwrap_or(main) } else { "" };
    let per = match bare(per) {
        true => format!("{PER}{}", word(per, &PER_UNITS).unwrap_or(per)).into(),
        false => Cow::Borrowed(""),
    };
    (main, per)
}

/// Returns a unit as OpenMetrics has it in `# UNIT`.
fn unit_name(unit: &str, has_underscores: bool) -> String {
    let (main, per) = unit_words(unit);
    let parts = match has_underscores {
        true => [unit_with_underscores(main), unit_with_underscores(&per)],
        false => [main.to_owned(), per.into_owned()],
    };
    let parts = parts.iter().filter(|part| !part.is_empty()).map(String::as_str);
    let unit = parts.collect::<Vec<_>>().join("_");
    let unit = unit.strip_prefix('_').unwrap_or(&unit);
    unit.strip_suffix('_').unwrap_or(unit).to_owned()
}

/// Replaces characters that are not allowed in a unit.
fn unit_with_underscores(unit: &str) -> String {
    let unit = sanitized(unit, is_letter);
    unit.strip_prefix('_').map(str::to_owned).unwrap_or(unit)
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
/// The word at the end of counters, which is not part of the family.
const TOTAL: &str = "total";
/// Before the words for what is behind a slash.
const PER: &str = "per_";
/// The label that Prometheus has for the name of the metric.
const METRIC_NAME: &str = "__name__";

/// The words for units, as in Prometheus.
const UNITS: [(&str, &str); 26] = [
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
const PER_UNITS: [(&str, &str); 7] = [
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

#[cfg(test)]
mod tests;
