//! A program that records everything does not record its own collector, nor its own exporting.

use std::time::Duration;

use telemetry_bootstrap::LogFormat;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::tracing::info;

#[test]
fn exporting_to_a_collector_in_the_same_process_feeds_nothing_back() {
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .service_name("test")
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Off))
        .log_filter("trace")
        .span_filter("trace")
        .build()
        .unwrap();
    info!("the only event");
    for _ in 0..5 {
        telemetry.force_flush(Duration::from_secs(5)).unwrap();
    }
    let received = collector.received();
    let bodies: Vec<_> = received.logs().iter().map(|log| log.body()).collect();
    assert_eq!(bodies, ["the only event"]);
    assert_eq!(received.span_count(), 0);
    telemetry.shutdown().unwrap();
}
