//! A flush of the meter provider delivers everything that was recorded, and drops nothing.

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::Temporality;

use super::sdk::{meter_provider_for, metrics_to};
use super::*;
use crate::collector::Fault;

#[test]
fn flush_and_shutdown_of_the_meter_provider_return_when_the_collector_has_the_metrics() {
    let collector = Collector::start().unwrap();
    let pipeline = metrics_to(&collector.endpoint());
    let workers = pipeline.exporter.workers().clone();
    let provider =
        meter_provider_for(&pipeline.queue, workers, Temporality::Cumulative, Diagnostics::default());
    let counter = provider.meter("tests").u64_counter("requests").build();
    for number in 1..=20 {
        counter.add(1, &[]);
        provider.force_flush().unwrap();
        assert_eq!(collector.received().value("requests", &[]), Some(f64::from(number)));
    }
    counter.add(1, &[]);
    provider.shutdown().unwrap();
    assert_eq!(collector.received().value("requests", &[]), Some(21.0));
}

#[test]
fn flush_of_the_meter_provider_returns_failures() {
    let endpoint = Collector::closed_endpoint().unwrap();
    let pipeline = metrics_to(&endpoint);
    let workers = pipeline.exporter.workers().clone();
    let provider =
        meter_provider_for(&pipeline.queue, workers, Temporality::Cumulative, Diagnostics::default());
    provider.meter("tests").u64_counter("requests").build().add(1, &[]);
    assert!(provider.force_flush().is_err());
}

#[test]
fn deltas_of_many_threads_that_flush_all_arrive() {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Delay(Duration::from_millis(5)));
    let limits = QueueSettings { max_items: 5, ..MetricQueue::LIMITS };
    let settings = settings_for(Signal::Metrics, &collector.endpoint());
    let pipeline = Pipeline::with(Signal::Metrics, limits, settings);
    let workers = pipeline.exporter.workers().clone();
    let provider = meter_provider_for(&pipeline.queue, workers, Temporality::Delta, Diagnostics::default());
    let counter = provider.meter("tests").u64_counter("requests").build();
    std::thread::scope(|scope| {
        for _ in 0..300 {
            scope.spawn(|| {
                counter.add(1, &[]);
                provider.force_flush().unwrap();
            });
        }
    });
    assert_eq!(pipeline.counts().lost(), 0);
    assert_eq!(collector.received().value("requests", &[]), Some(300.0));
}

#[test]
fn deltas_are_kept_in_the_sdk_while_the_queue_is_full() {
    let few = QueueSettings { max_items: 3, ..MetricQueue::LIMITS };
    let small = QueueSettings { max_bytes: 1_000, ..MetricQueue::LIMITS };
    for limits in [few, small] {
        let (queue, consumer) = queue(limits);
        let provider =
            meter_provider_for(&queue, Workers::default(), Temporality::Delta, Diagnostics::default());
        let counter = provider.meter("tests").u64_counter("requests").build();
        let flush = || {
            counter.add(1, &[]);
            provider.collect()
        };
        let failed = (0..40).filter(|_| flush().is_err()).count();
        let counts = consumer.ledger().snapshot();
        assert_eq!((counts.dropped, counts.pending + failed as u64), (0, 40), "{counts:?}");
        assert!(failed > 0, "{counts:?}");
        // A place is left for the last collection, which has what the others would have had.
        let before = consumer.waiting();
        provider.shutdown().unwrap();
        assert_eq!((consumer.ledger().snapshot().dropped, consumer.waiting()), (0, before + 1));
    }
}

#[test]
fn collection_over_the_limit_of_the_queue_is_sent_if_nothing_else_waits() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let collector = Collector::start().unwrap();
        let limits = QueueSettings { max_bytes: 1_000, ..MetricQueue::LIMITS };
        let settings = settings_for(Signal::Metrics, &collector.endpoint());
        let mut pipeline = Pipeline::with(Signal::Metrics, limits, settings);
        let workers = pipeline.exporter.workers().clone();
        let provider = meter_provider_for(&pipeline.queue, workers, temporality, Diagnostics::default());
        let counter = provider.meter("tests").u64_counter("requests").build();
        for _ in 0..2 {
            (0..200).for_each(|number| counter.add(1, &[opentelemetry::KeyValue::new("number", number)]));
            provider.force_flush().unwrap();
        }
        let (_, counts) = pipeline.shutdown(PATIENCE);
        assert_eq!(counts, SignalStats { accepted: 400, delivered: 400, ..Default::default() });
    }
}
