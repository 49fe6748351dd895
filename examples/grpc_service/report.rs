//! Runs a program with a collector in the same process, and shows a person what the collector received.

use std::error::Error;

use telemetry_bootstrap::ExportStats;
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector};

use super::telemetry;

/// Runs `program` with the telemetry of `service`, which goes to a collector of its own. If `OTEL_EXPORTER_OTLP_ENDPOINT` is
/// set, telemetry goes there, and only its amount is shown.
pub(crate) async fn run(
    service: &str,
    program: impl AsyncFnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    if let Ok(endpoint) = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT") {
        let telemetry = telemetry::init(service, None)?;
        program().await?;
        match telemetry.shutdown() {
            Ok(stats) => println!("\nSent to {endpoint}: {stats}"),
            // Losses are logged as well; the program need not fail because of them.
            Err(loss) => println!("\nSent to {endpoint}: {loss}"),
        }
        return Ok(());
    }
    let collector = Collector::start()?;
    let telemetry = telemetry::init(service, Some(collector.endpoint()))?;
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
