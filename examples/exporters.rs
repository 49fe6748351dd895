//! One program, whose telemetry goes where environment variables direct it: no code depends on the destination.
//!
//! | variables | what happens |
//! |---|---|
//! | none | log lines only |
//! | `OTEL_TRACES_EXPORTER=console`, `OTEL_LOGS_EXPORTER=console`, `OTEL_METRICS_EXPORTER=console` | each trace is printed as a tree with the log records in it, metrics as a table |
//! | the same with `otlp/stdout` | OTLP is printed as lines of JSON |
//! | the same with `otlp_file`, and a path in `OTEL_RUST_EXPORTER_OTLP_FILE_PATH` | the lines are appended to the file, which the receiver `otlpjsonfile` of the OpenTelemetry Collector reads |
//! | `OTEL_METRICS_EXPORTER=prometheus` | Prometheus scrapes `http://localhost:9464/metrics`; the program waits for Ctrl-C |
//! | `OTEL_PROPAGATORS=b3`, `b3multi`, `jaeger`, `xray` | the message to the next service has the headers of that format |
//! | `OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=all` | process, host, operating system, container and pod are described |
//! | `OTEL_RUST_BUILT_IN_METRICS=all` | metrics about the export, the process and the tokio runtime: `otel.sdk.*`, `process.*`, `tokio.*` |
//!
//! They can be combined:
//!
//! ```sh
//! OTEL_TRACES_EXPORTER=console OTEL_METRICS_EXPORTER=prometheus OTEL_RUST_BUILT_IN_METRICS=all cargo run --example exporters
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the output is meant for people")]

use std::error::Error;

use telemetry_bootstrap::opentelemetry::{KeyValue, global};
use telemetry_bootstrap::tracing::{info, instrument};
use telemetry_bootstrap::{context_headers, shutdown_signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run().await
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let telemetry = telemetry_bootstrap::init().service_name("shop").build()?;
    for basket in 1..=3 {
        checkout(basket).await;
    }
    if let Some(address) = telemetry.prometheus().and_then(|prometheus| prometheus.address()) {
        // Called first: a signal that comes right after the line ends the program in order.
        let is_ended = shutdown_signal();
        println!("metrics are at http://{address}/metrics until Ctrl-C");
        is_ended.await;
    }
    // Losses are logged as well; the program need not fail because of them.
    if let Err(loss) = telemetry.shutdown_async().await {
        eprintln!("{loss}");
    }
    Ok(())
}

#[instrument]
async fn checkout(basket: u64) {
    let meter = global::meter("shop");
    meter.u64_counter("shop.orders").build().add(1, &[KeyValue::new("kind", "book")]);
    meter.u64_histogram("shop.basket.size").with_unit("{item}").build().record(basket, &[]);
    info!(items = basket, "paid");
    ship().await;
}

/// Sends a message to the service that ships.
#[instrument(fields(otel.kind = "producer"))]
async fn ship() {
    for (name, value) in context_headers() {
        println!("header {name}: {value}");
    }
}
