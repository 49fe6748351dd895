//! Shows a person what the collector received.

use telemetry_bootstrap::Delivery;
use telemetry_bootstrap::testing::Received;

/// Traces with the log records in them, then metrics, then what became of everything that was recorded.
pub(crate) fn print(received: &Received, delivery: &Delivery) {
    for trace_id in received.trace_ids() {
        headline(&format!("trace {trace_id}"));
        print!("{}", received.trace_tree(&trace_id));
    }
    headline("log records outside of traces");
    for log in received.logs().iter().filter(|log| log.trace_id().is_none()) {
        println!("· {} {}", log.severity(), log.body());
    }
    headline("metrics");
    print!("{}", received.metric_table());
    headline("delivered");
    println!("{delivery}");
}

fn headline(text: &str) {
    println!("\n── {text}");
}
