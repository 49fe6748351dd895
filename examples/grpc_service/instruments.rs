//! The metrics of the service, and how one request is measured.

use std::time::{Duration, Instant};

use telemetry_bootstrap::opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use telemetry_bootstrap::opentelemetry::{KeyValue, global};

/// The service's own instruments; those of the calls themselves come from the layers.
#[derive(Debug)]
pub(crate) struct Instruments {
    total: Counter<u64>,
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
}

impl Instruments {
    pub(crate) fn new() -> Self {
        Self::of(&global::meter("myservice"))
    }

    fn of(meter: &Meter) -> Self {
        Self {
            total: meter
                .u64_counter("myservice.requests.total")
                .with_description("Total number of requests processed")
                .with_unit("{requests}")
                .build(),
            duration: telemetry_bootstrap::duration_histogram(meter, "myservice.request.duration")
                .with_description("Request processing duration")
                .build(),
            active: meter
                .i64_up_down_counter("myservice.requests.active")
                .with_description("Number of requests currently being processed")
                .with_unit("{requests}")
                .build(),
        }
    }

    /// Begins to measure a request. Before anything can fail.
    pub(crate) fn request(&self, method: &'static str) -> Measured<'_> {
        self.active.add(1, &[KeyValue::new("method", method)]);
        Measured { instruments: self, method, start: Instant::now(), succeeded: false }
    }
}

/// A request that is being measured. Dropped on every path, also when the call is cancelled or panics, so that each
/// request is counted once and the number of active ones returns to zero.
#[derive(Debug)]
pub(crate) struct Measured<'a> {
    instruments: &'a Instruments,
    method: &'static str,
    start: Instant,
    succeeded: bool,
}

impl Measured<'_> {
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn succeeded(&mut self) {
        self.succeeded = true;
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let method = KeyValue::new("method", self.method);
        let error = KeyValue::new("error", if self.succeeded { "false" } else { "true" });
        let outcome = [method.clone(), error];
        self.instruments.total.add(1, &outcome);
        self.instruments.duration.record(self.elapsed().as_secs_f64(), &outcome);
        self.instruments.active.add(-1, &[method]);
    }
}
