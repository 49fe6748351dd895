//! The metrics of requests.
//!
//! | instrument | unit | kind | made |
//! |---|---|---|---|
//! | `http.{server,client}.request.duration` | s | histogram with the advised boundaries | always |
//! | `http.{server,client}.active_requests` | `{request}` | up-down counter | on request |
//! | `http.{server,client}.request.body.size` | By | histogram | on request |
//! | `http.{server,client}.response.body.size` | By | histogram | on request |
//!
//! Source: "Semantic conventions for HTTP metrics".

use std::time::Duration;

use opentelemetry::metrics::{Histogram, Meter, UpDownCounter};

use super::options::Options;
use super::series::Series;
use crate::calls::Side;
use crate::semconv;

/// The instruments of one layer.
pub(super) struct Instruments {
    /// Seconds from the start to the end of the response.
    duration: Histogram<f64>,
    /// Requests under way.
    active: Option<UpDownCounter<i64>>,
    /// Bytes of bodies: of requests, then of responses.
    sizes: Option<(Histogram<u64>, Histogram<u64>)>,
}

impl Instruments {
    /// Creates the instruments that the options request.
    pub(super) fn new(meter: &Meter, options: &Options) -> Self {
        let names = match options.side {
            Side::Server => &SERVER,
            Side::Client => &CLIENT,
        };
        let sizes = |(name, description): (&'static str, &'static str)| {
            meter.u64_histogram(name).with_unit("By").with_description(description).build()
        };
        let (name, description) = names.active;
        let active =
            || meter.i64_up_down_counter(name).with_unit("{request}").with_description(description).build();
        Self {
            duration: meter
                .f64_histogram(names.duration.0)
                .with_unit("s")
                .with_description(names.duration.1)
                .with_boundaries(semconv::DURATION_BOUNDARIES.to_vec())
                .build(),
            active: options.active_requests.then(active),
            sizes: options.body_sizes.then(|| (sizes(names.request_size), sizes(names.response_size))),
        }
    }

    /// Records the duration of a finished request.
    pub(super) fn record_duration(&self, duration: Duration, series: &Series) {
        let bound = series.duration.get_or_init(|| self.duration.bind(&series.attributes));
        bound.record(duration.as_secs_f64());
    }

    /// Adds `change` to the number of requests under way.
    pub(super) fn add_active(&self, change: i64, series: &Series) {
        if let Some(counter) = &self.active {
            series.active.get_or_init(|| counter.bind(&series.attributes)).add(change);
        }
    }

    /// Records the sizes of both bodies; `request` is `None` if its length was not declared.
    pub(super) fn record_sizes(&self, request: Option<u64>, response: Option<u64>, series: &Series) {
        if let Some((requests, responses)) = &self.sizes {
            if let Some(size) = request {
                series.request_size.get_or_init(|| requests.bind(&series.attributes)).record(size);
            }
            if let Some(size) = response {
                series.response_size.get_or_init(|| responses.bind(&series.attributes)).record(size);
            }
        }
    }
}

/// The names and descriptions of one side.
struct Names {
    /// A histogram, in seconds.
    duration: (&'static str, &'static str),
    /// An up-down counter, in requests.
    active: (&'static str, &'static str),
    /// A histogram, in bytes.
    request_size: (&'static str, &'static str),
    /// A histogram, in bytes.
    response_size: (&'static str, &'static str),
}

/// Descriptions are those of the conventions.
const SERVER: Names = Names {
    duration: (semconv::HTTP_SERVER_REQUEST_DURATION, "Duration of HTTP server requests."),
    active: (semconv::HTTP_SERVER_ACTIVE_REQUESTS, "Number of active HTTP server requests."),
    request_size: (semconv::HTTP_SERVER_REQUEST_BODY_SIZE, "Size of HTTP server request bodies."),
    response_size: (semconv::HTTP_SERVER_RESPONSE_BODY_SIZE, "Size of HTTP server response bodies."),
};

/// The counterpart of [`SERVER`]; the conventions word the second description without "client".
const CLIENT: Names = Names {
    duration: (semconv::HTTP_CLIENT_REQUEST_DURATION, "Duration of HTTP client requests."),
    active: (semconv::HTTP_CLIENT_ACTIVE_REQUESTS, "Number of active HTTP requests."),
    request_size: (semconv::HTTP_CLIENT_REQUEST_BODY_SIZE, "Size of HTTP client request bodies."),
    response_size: (semconv::HTTP_CLIENT_RESPONSE_BODY_SIZE, "Size of HTTP client response bodies."),
};
