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
//!
//! Scrapers that know UTF-8 in names, such as Prometheus 3, say by `escaping` which names they accept. All names that are
//! written here have underscores in the place of other characters; the answer says so to those that send the parameter.

use http::{HeaderMap, header};

/// The format of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// The text format of Prometheus, version 0.0.4. It is the one without an `Accept` header.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

/// What a scraper accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) format: Format,
    /// The scraper has sent `escaping`, so that the answer must declare how names are escaped.
    names_escaping: bool,
}

impl Accepted {
    /// The text format, which every scraper reads.
    pub(super) const TEXT: Self = Self { format: Format::Text, names_escaping: false };

    /// Returns what the scraper prefers. A scraper that accepts neither format gets text.
    pub(super) fn negotiate(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accepted = values.flat_map(|value| value.split(',')).filter_map(accepted);
        // Of equal ones the first counts, as scrapers list them by preference.
        let best = accepted.fold(None, |best: Option<(Self, f32)>, (accepted, quality)| match best {
            Some((_, highest)) if highest >= quality => best,
            _ => Some((accepted, quality)),
        });
        best.map_or(Self::TEXT, |(accepted, _)| accepted)
    }

    /// Returns the value of the header `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match (self.format, self.names_escaping) {
            (Format::Text, false) => "text/plain; version=0.0.4; charset=utf-8",
            (Format::Text, true) => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            (Format::OpenMetrics, false) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            (Format::OpenMetrics, true) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
        }
    }
}

/// Reads one media range, and its weight, more than 0 and up to 1. `None` if the format is neither of the two.
fn accepted(range: &str) -> Option<(Accepted, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next()?.to_ascii_lowercase();
    let (mut version, mut quality, mut names_escaping) = (None, 1.0, false);
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value.trim().trim_matches('"')),
            "q" => quality = value.trim().parse().ok()?,
            "escaping" => names_escaping = true,
            _ => {}
        }
    }
    let format = match (&*media_type, version) {
        ("application/openmetrics-text", None | Some("1.0.0")) => Format::OpenMetrics,
        ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => Format::Text,
        _ => return None,
    };
    (quality > 0.0).then_some((Accepted { format, names_escaping }, quality))
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
            assert_eq!(Accepted::negotiate(&headers).format, expected, "{accept}");
        }
    }
}
