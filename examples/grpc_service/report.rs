//! Shows a person what the collector received.

use telemetry_bootstrap::ExportStats;
use telemetry_bootstrap::testing::CollectedTelemetry;

/// Traces with the log records in them, then metrics, then what became of everything that was recorded.
pub(crate) fn print(received: &CollectedTelemetry, delivery: &ExportStats) {
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
    println!("{delivery}");
}

fn headline(text: &str) {
    println!("\n── {text}");
}
