//! Metrics for scrapers: the text format of Prometheus, and OpenMetrics.
//!
//! There is no queue here. A scrape makes the reader collect, and the collection is encoded as for all other
//! destinations; what this module does begins with these bytes.
//!
//! | file | what it knows |
//! |---|---|
//! | `names` | names of metrics and labels, units as words |
//! | `labels` | labels of series, names as a scraper accepts them |
//! | `text` | the formats |
//! | `value` | values of series, and buckets of histograms |
//! | `format` | which of them a scraper accepts |
//! | `handler` | scrapes, one collection at a time, as HTTP responses; mountable in any server |
//! | `server` | the server of its own |
//! | `compression` | gzip, for the scrapers of that server |
//!
//! ```text
//! scraper ─▶ server ─▶ handler ─▶ thread `otel-scrape` ─▶ PullReader ─▶ OTLP bytes ─▶ text ─▶ answer
//!            (or a router of the program)
//! ```
//!
//! The sources of the rules are the compatibility document of the OpenTelemetry specification ("Prometheus and
//! OpenMetrics Compatibility"), the text format 0.0.4 of Prometheus, OpenMetrics 1.0.0, and, for names and units,
//! what Prometheus itself does with metrics that arrive by OTLP, so a dashboard works whichever way they came.

mod compression;
mod format;
mod handler;
mod labels;
mod names;
mod server;
mod text;
mod value;

pub use self::handler::PrometheusHandler;
pub(crate) use self::server::Server;

/// Returns the content type of the answer to a scraper with these headers.
#[cfg(fuzzing)]
pub(crate) fn content_type(headers: &http::HeaderMap) -> &'static str {
    format::Accepted::negotiate(headers, crate::settings::NameTranslation::default()).content_type()
}
