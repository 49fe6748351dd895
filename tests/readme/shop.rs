use std::time::Instant;
use telemetry_bootstrap::opentelemetry::KeyValue;
use telemetry_bootstrap::opentelemetry::metrics::{Counter, Histogram, Meter};
use tracing::{info, instrument};

struct Shop {
    orders: Counter<u64>,
    duration: Histogram<f64>,
}

impl Shop {
    /// Creates the instruments once. In `main`, after `build()`: `Shop::new(&telemetry.meter("shop"))`.
    fn new(meter: &Meter) -> Self {
        Self {
            orders: meter.u64_counter("shop.orders").with_unit("{order}").build(),
            duration: telemetry_bootstrap::duration_histogram(meter, "shop.order.duration").build(),
        }
    }

    /// Runs in a span that is a child of the call's span.
    #[instrument(skip(self))]
    async fn order(&self, id: u64) -> std::io::Result<()> {
        let start = Instant::now();
        let placed = place(id).await;
        match &placed {
            Ok(()) => info!(order.id = id, "order placed"), // trace_id and span_id are added
            // Span status, one exception event, one ERROR line with all causes.
            Err(error) => telemetry_bootstrap::record_error(error),
        }
        self.orders.add(1, &[KeyValue::new("error", placed.is_err())]);
        self.duration.record(start.elapsed().as_secs_f64(), &[]);
        placed
    }
}

async fn place(id: u64) -> std::io::Result<()> {
    tracing::debug!(id, "placing"); // the work
    Ok(())
}
