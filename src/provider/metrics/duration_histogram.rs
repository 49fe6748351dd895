//! Histograms of durations, in seconds.

use std::borrow::Cow;

use opentelemetry::metrics::{Histogram, HistogramBuilder, Meter};

use crate::semconv::DURATION_BOUNDARIES;

/// A histogram for durations in seconds, with the buckets that the semantic conventions advise: 5 ms to 10 s.
///
/// The default buckets of OpenTelemetry are made for milliseconds: of durations in seconds they put everything into
/// the first one, from which the median of 15 ms is estimated as 2.5 s.
///
/// ```
/// use std::time::Instant;
/// use telemetry_bootstrap::opentelemetry::{KeyValue, global};
///
/// let meter = global::meter("greeter");
/// let duration = telemetry_bootstrap::duration_histogram(&meter, "greeter.request.duration")
///     .with_description("Request processing duration")
///     .build();
///
/// let start = Instant::now();
/// duration.record(start.elapsed().as_secs_f64(), &[KeyValue::new("method", "Greet")]);
/// ```
#[must_use = "the histogram is made by `.build()`"]
pub fn duration_histogram(
    meter: &Meter,
    name: impl Into<Cow<'static, str>>,
) -> HistogramBuilder<'_, Histogram<f64>> {
    meter.f64_histogram(name).with_unit("s").with_boundaries(DURATION_BOUNDARIES.to_vec())
}
