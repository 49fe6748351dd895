//! Formats, and which of them a scraper accepts.
//!
//! Negotiation follows RFC 9110, section 12.5.1, as far as scrapers use it: media ranges with a `q` value. A range
//! whose `version` is none of those that are written here is left out. So is one with a `q` that is not a number.
//!
//! | `Accept` | answer |
//! |---|---|
//! | none, `*/*`, `text/plain`, `text/html` | text 0.0.4 |
//! | `application/openmetrics-text` with version 1.0.0 or none | OpenMetrics |
//! | both | the one with the higher `q`; of equal ones the first |
//!
//! Scrapers that know UTF-8 in names, such as Prometheus 3, say by `escaping` which names they accept. Unless the
//! settings keep UTF-8 in names, all of them have underscores instead of other characters; the answer says so to
//! those that send the parameter.
//!
//! | `escaping` | by default | with UTF-8 in names |
//! |---|---|---|
//! | none | underscores, not declared | the same |
//! | `allow-utf-8` | `underscores` | `allow-utf-8`: OpenMetrics 1.0.0 or text 1.0.0 |
//! | `underscores`, `dots`, `values` | `underscores` | `underscores` |

use http::{HeaderMap, header};

use crate::settings::NameTranslation;

/// The format of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// The text format of Prometheus, version 0.0.4, or 1.0.0 with UTF-8 in names. It is the one without an `Accept`
    /// header.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

/// How names are written, as the parameter `escaping` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escaping {
    /// With an underscore for each character that needs quotes.
    Underscores,
    /// In quotes where they need them.
    AllowUtf8,
}

/// What a scraper accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) format: Format,
    /// `None` if the scraper does not know the parameter; names are then written as with underscores.
    pub(super) escaping: Option<Escaping>,
}

impl Accepted {
    /// The text format, which every scraper reads.
    const TEXT: Self = Self { format: Format::Text, escaping: None };

    /// Returns what the scraper prefers, of what these names can be written in. A scraper that accepts nothing of it gets
    /// text.
    ///
    /// OpenMetrics requires the suffix of counters, so names without suffixes are written as text alone.
    pub(super) fn negotiate(headers: &HeaderMap, names: NameTranslation) -> Self {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accepted = values.flat_map(|value| value.split(',')).filter_map(|range| accepted(range, names));
        // Of equal ones the first wins, as scrapers list them by preference.
        let best = accepted.fold(None, |best: Option<(Self, f32)>, (accepted, quality)| match best {
            Some((_, highest)) if highest >= quality => best,
            _ => Some((accepted, quality)),
        });
        best.map_or(Self::TEXT, |(accepted, _)| accepted)
    }

    /// Returns `true` if names may have any characters.
    pub(super) fn has_utf8(self) -> bool {
        self.escaping == Some(Escaping::AllowUtf8)
    }

    /// Returns the value of the header `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match (self.format, self.escaping) {
            (Format::Text, None) => "text/plain; version=0.0.4; charset=utf-8",
            (Format::Text, Some(Escaping::Underscores)) => {
                "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
            }
            (Format::Text, Some(Escaping::AllowUtf8)) => {
                "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            (Format::OpenMetrics, None) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            (Format::OpenMetrics, Some(Escaping::Underscores)) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
            (Format::OpenMetrics, Some(Escaping::AllowUtf8)) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
        }
    }
}

/// Reads one media range, and its weight, more than 0 and up to 1. `None` if these names cannot be written in it.
fn accepted(range: &str, names: NameTranslation) -> Option<(Accepted, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next()?.to_ascii_lowercase();
    let (mut version, mut quality, mut escaping) = (None, 1.0, None);
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value.trim_matches('"')),
            "q" => quality = value.parse().ok()?,
            "escaping" => {
                let accepts_utf8 = value.trim_matches('"').eq_ignore_ascii_case("allow-utf-8");
                escaping = Some(match accepts_utf8 && names.has_utf8() {
                    true => Escaping::AllowUtf8,
                    false => Escaping::Underscores,
                });
            }
            _ => {}
        }
    }
    // Version 0.0.4 has no quotes around names.
    let without_utf8 = escaping.map(|_| Escaping::Underscores);
    let (format, escaping) = match (&*media_type, version) {
        ("application/openmetrics-text", None | Some("1.0.0")) if names.has_suffixes() => {
            (Format::OpenMetrics, escaping)
        }
        ("text/plain", Some("1.0.0")) if escaping == Some(Escaping::AllowUtf8) => (Format::Text, escaping),
        ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => (Format::Text, without_utf8),
        _ => return None,
    };
    (quality > 0.0).then_some((Accepted { format, escaping }, quality))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_format_that_the_scraper_prefers_is_chosen() {
        for (accept, expected) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("text/plain;q=0.5, application/openmetrics-text; version=\"1.0.0\"", Format::OpenMetrics),
            ("text/plain, application/openmetrics-text;q=0.3", Format::Text),
            (
                "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5",
                Format::Text,
            ),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=x", Format::Text),
            // Prometheus 2.42
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            // Prometheus 3
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Format::OpenMetrics,
            ),
        ] {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            }
            let accepted = Accepted::negotiate(&headers, NameTranslation::default());
            assert_eq!((accepted.format, accepted.has_utf8()), (expected, false), "{accept}");
        }
    }

    #[test]
    fn names_have_utf8_where_settings_and_scraper_have_it() {
        use NameTranslation::{Unchanged, Underscores, UnderscoresWithSuffixes, Utf8WithSuffixes};
        const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let text = "text/plain; version=0.0.4; charset=utf-8";
        let text_with_utf8 = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
        for (accept, names, expected) in [
            (prometheus_3, UnderscoresWithSuffixes, format!("{OPEN_METRICS}; escaping=underscores")),
            (prometheus_3, Utf8WithSuffixes, format!("{OPEN_METRICS}; escaping=allow-utf-8")),
            (prometheus_3, Underscores, text.to_owned()),
            (prometheus_3, Unchanged, text_with_utf8.to_owned()),
            ("application/openmetrics-text", Utf8WithSuffixes, OPEN_METRICS.to_owned()),
            (
                "application/openmetrics-text;escaping=dots",
                Utf8WithSuffixes,
                format!("{OPEN_METRICS}; escaping=underscores"),
            ),
            (
                "text/plain;version=0.0.4;escaping=allow-utf-8",
                Unchanged,
                format!("{text}; escaping=underscores"),
            ),
            ("text/plain;version=1.0.0;escaping=\"allow-utf-8\"", Unchanged, text_with_utf8.to_owned()),
            ("text/plain;version=1.0.0", Unchanged, text.to_owned()),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Accepted::negotiate(&headers, names).content_type(), expected, "{names:?} {accept}");
        }
    }
}
