//! Metrics that the environment turns off: observable instruments are not reported as errors.

mod child_process;

use opentelemetry::global;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogFormat, tracing};

#[test]
fn observable_instruments_are_not_errors_with_metrics_turned_off() {
    for (variable, value) in [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "true")] {
        let collector = Collector::start().unwrap();
        let endpoint = collector.endpoint();
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), (variable, value)];
        let (_, lines) = child_process::passed("child", &variables);
        assert!(lines.contains("measuring"), "{lines}");
        assert!(!lines.contains("ERROR") && !lines.contains("WARN"), "{variable}: {lines}");
        assert_eq!(collector.received().value("observed", &[]), None);
    }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn child() {
    let guard = telemetry_bootstrap::init()
        .service_name("silent")
        .log_output(|output| output.format(LogFormat::Json))
        .build()
        .unwrap();
    let meter = global::meter("shop");
    meter.u64_observable_counter("observed").with_callback(|counter| counter.observe(1, &[])).build();
    guard.meter("shop").i64_observable_gauge("observed").with_callback(|gauge| gauge.observe(1, &[])).build();
    tracing::info!("measuring");
    guard.shutdown().unwrap();
}
