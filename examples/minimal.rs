//! The least a program needs.
//!
//! `cargo run --example minimal` prints log lines. With `OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317` the spans
//! and log records are exported there as well.
//!
//! With `OTEL_TRACES_EXPORTER=console` and `OTEL_LOGS_EXPORTER=console` they are printed as a tree, with
//! `OTEL_TRACES_EXPORTER=otlp_file` and a path in `OTEL_RUST_EXPORTER_OTLP_FILE_PATH` written to a file that the
//! OpenTelemetry Collector reads.

use telemetry_bootstrap::tracing::{info, instrument};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _telemetry = telemetry_bootstrap::init()
        .service_name("minimal")
        .service_version(env!("CARGO_PKG_VERSION"))
        .build()?;

    info!(answer = add(40, 2), "done");
    Ok(())
} // the guard flushes traces, metrics and logs here

#[instrument]
fn add(left: u32, right: u32) -> u32 {
    info!("adding");
    left + right
}
