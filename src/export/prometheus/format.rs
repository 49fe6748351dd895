//! Formats, and which of them a scraper accepts.
//!
//! Negotiation follows RFC 9110, section 12.5.1, as far as scrapers use it: media ranges with a `q` value. A range
//! whose `version` is none of those that are written here is left out. So is one with a `q` that is no number.
//!
//! | `Accept` | answer |
//! |---|---|
//! | none, `*/*`, `text/plain`, `text/html` | text 0.0.4 |
//! | `application/openmetrics-text` with version 1.0.0 or none | OpenMetrics |
//! | both | the one with the higher `q`; of equal ones the first |

use http::{HeaderMap, header};

/// The format of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// The text format of Prometheus, version 0.0.4. It is the one without an `Accept` header.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Returns the format that the scraper prefers. A scraper that accepts neither gets text.
    pub(super) fn negotiate(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accepted = values.flat_map(|value| value.split(',')).filter_map(accepted);
        // Of equal ones the first counts, as scrapers list them by preference.
        let best = accepted.fold(None, |best: Option<(Self, f32)>, (format, quality)| match best {
            Some((_, highest)) if highest >= quality => best,
            _ => Some((format, quality)),
        });
        best.map_or(Self::Text, |(format, _)| format)
    }

    /// Returns the value of the header `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Reads one media range: its format, and its weight, more than 0 and up to 1. `None` if the format is neither of the
/// two.
fn accepted(range: &str) -> Option<(Format, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next()?.to_ascii_lowercase();
    let (mut version, mut quality) = (None, 1.0);
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value.trim().trim_matches('"')),
            "q" => quality = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let format = match (&*media_type, version) {
        ("application/openmetrics-text", None | Some("1.0.0")) => Format::OpenMetrics,
        ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => Format::Text,
        _ => return None,
    };
    (quality > 0.0).then_some((format, quality))
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
            assert_eq!(Format::negotiate(&headers), expected, "{accept}");
        }
    }
}
