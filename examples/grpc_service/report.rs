//! Runs a program with a collector in the same process, and shows a person what the collector received.

use std::error::Error;

use telemetry_bootstrap::testing::{CollectedTelemetry, Collector};
use telemetry_bootstrap::{ExportStats, InitError, TelemetryGuard};

/// Runs `program` with the telemetry that `init` starts for an endpoint. If `OTEL_EXPORTER_OTLP_ENDPOINT` is set,
/// telemetry goes there, and only its amount is shown.
pub(crate) async fn run(
    init: impl FnOnce(Option<String>) -> Result<TelemetryGuard, InitError>,
    program: impl AsyncFnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    if let Ok(endpoint) = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT") {
        let telemetry = init(None)?;
        program().await?;
        println!("\nSent to {endpoint}: {}", telemetry.shutdown()?);
        return Ok(());
    }
    let collector = Collector::start()?;
    let telemetry = init(Some(collector.endpoint()))?;
    program().await?;
    let stats = telemetry.shutdown()?;
    print(&collector.received(), &stats);
    Ok(())
}

/// Traces with the log records in them, then metrics, then what became of everything that was recorded.
fn print(received: &CollectedTelemetry, stats: &ExportStats) {
    for trace_id in received.trace_ids() {
        headline(&format!("trace {trace_id}"));
        print!("{}", received.render_trace(&trace_id));
    }
    headline("log records outside of traces");
    for log in received.logs().iter().filter(|log| log.trace_id().is_none()) {
        println!("· {} {}", log.severity(), log.body());
    }
    headline("metrics");
    print!("{}", received.render_metrics());
    headline("delivered");
    println!("{stats}");
}

fn headline(text: &str) {
    println!("\n── {text}");
}
