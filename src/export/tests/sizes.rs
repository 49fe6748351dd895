//! Requests that are larger than the receiver takes, or than the settings allow.

use super::*;
use crate::collector::Fault;

over_each_protocol! {
    requests_too_large_for_the_collector_are_split,
    one_item_too_large_for_the_collector_fails_alone,
    batches_are_built_to_fit_into_the_limit_of_requests,
    an_item_over_the_limit_of_requests_fails_alone_and_is_explained_once,
}

fn requests_too_large_for_the_collector_are_split(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::MaxMessageSize(500));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 100);
    push_span(&pipeline.queue, &"x".repeat(120));
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 101, delivered: 101, ..Default::default() });
    assert_eq!(spans(&collector).len(), 101);
    assert_eq!(pipeline.lines(), Vec::<String>::new(), "a split is no outage");
}

fn one_item_too_large_for_the_collector_fails_alone(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::MaxMessageSize(90));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 5);
    push_span(&pipeline.queue, &"x".repeat(120));
    pipeline.push_spans(5, 5);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 11, delivered: 10, failed: 1, ..Default::default() });
}

fn batches_are_built_to_fit_into_the_limit_of_requests(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::MaxMessageSize(2000));
    let settings =
        ExportSettings { max_request_size: 2000, ..export_settings(&collector.endpoint(), protocol) };
    let limits = QueueSettings { max_export_batch_size: 1000, ..QUEUE }.within(settings.max_request_size);
    let mut pipeline = Pipeline::with(Signal::Traces, limits, settings);
    pipeline.push_spans(0, 500);
    push_span(&pipeline.queue, &"x".repeat(120));
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 501, delivered: 501, ..Default::default() });
    // As JSON they are larger, and are split when they are sent.
    if protocol != Protocol::HttpJson {
        let received = collector.received();
        let sizes: Vec<_> =
            received.requests(Signal::Traces).map(|request| request.export.item_count()).collect();
        assert!(sizes.len() <= 6, "few and full: {sizes:?}");
    }
    assert_eq!(pipeline.lines(), [""; 0]);
}

fn an_item_over_the_limit_of_requests_fails_alone_and_is_explained_once(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let settings =
        ExportSettings { max_request_size: 300, ..export_settings(&collector.endpoint(), protocol) };
    let limits = QUEUE.within(settings.max_request_size);
    let mut pipeline = Pipeline::with(Signal::Traces, limits, settings);
    pipeline.push_spans(0, 5);
    (0..3).for_each(|_| push_span(&pipeline.queue, &"x".repeat(127)));
    (0..3).for_each(|_| {
        encode::with_scratch(|scratch| {
            encode::scope_name(&mut scratch.scope, "tests");
            scratch.item.extend([5 << 3 | 2, 0x90, 3]);
            scratch.item.extend([b'x'; 400]);
            pipeline.queue.push(&scratch.scope, &scratch.item);
        })
    });
    pipeline.push_spans(5, 5);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 16, delivered: 13, failed: 3, ..Default::default() });
    let lines = pipeline.lines();
    let explained = lines.iter().filter(|line| line.contains("OTEL_RUST_EXPORTER_OTLP_MAX_REQUEST_SIZE"));
    assert_eq!(explained.count(), 1, "{lines:?}");
}
