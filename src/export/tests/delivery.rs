//! The outcome of items for each behaviour of a collector.

use std::time::Duration;

use super::*;
use crate::collector::{Fault, HttpAnswer};
use crate::semconv::GrpcCode;

over_each_protocol! {
    everything_arrives_and_is_counted,
    a_full_batch_is_sent_without_a_flush,
    a_batch_that_is_not_full_is_sent_after_the_delay,
    a_flush_answers_when_the_collector_has_everything,
    flush_reports_failures_and_keeps_what_can_be_retried,
    flush_does_not_count_items_dropped_meanwhile_as_delivered,
    collector_that_starts_late_gets_everything,
    a_collector_that_restarts_loses_nothing_that_fits,
    retryable_answers_lose_nothing,
    final_answers_are_not_retried,
    requested_pause_is_kept,
    partial_success_is_counted_and_logged_and_not_retried,
    a_connection_that_did_not_answer_in_time_is_not_used_again,
    an_outage_is_counted_from_the_request_that_was_not_answered,
    signals_with_one_target_share_a_connection,
    headers_are_sent,
    configured_user_agent_replaces_ours,
    compressed_requests_arrive,
    a_batch_that_failed_is_sent_before_later_ones,
    outage_beyond_the_limits_drops_the_newest_and_keeps_the_oldest,
    a_collector_slower_than_the_limit_gets_longer_limits_and_keeps_them,
    without_a_delay_items_are_sent_at_once,
    panic_while_reporting_an_outage_loses_no_item,
    absurd_counts_of_rejected_items_are_limited_to_what_was_sent,
}

fn everything_arrives_and_is_counted(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 250);
    let (took, counts) = pipeline.shutdown(PATIENCE);
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(counts, SignalStats { accepted: 250, delivered: 250, ..Default::default() });
    let spans = sorted_spans(&collector);
    assert_eq!(spans, numbers(0..250));
    assert_eq!(pipeline.lines(), Vec::<String>::new());
}

fn a_full_batch_is_sent_without_a_flush(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 99);
    assert_eq!(collector.request_count(), 0);
    pipeline.push_spans(99, 1);
    wait_for_spans(&collector, 100);
}

fn a_batch_that_is_not_full_is_sent_after_the_delay(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let limits = QueueSettings { delay: Duration::from_millis(20), ..QUEUE };
    let settings = export_settings(&collector.endpoint(), protocol);
    let pipeline = Pipeline::with(Signal::Traces, limits, settings);
    pipeline.push_spans(0, 3);
    wait_for_spans(&collector, 3);
}

fn a_flush_answers_when_the_collector_has_everything(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 130);
    pipeline.flush().unwrap();
    assert_eq!(spans(&collector).len(), 130);
}

fn flush_reports_failures_and_keeps_what_can_be_retried(protocol: Protocol) {
    let pipeline = Pipeline::to_nowhere(protocol);
    pipeline.push_spans(0, 3);
    let error = pipeline.flush().unwrap_err().to_string();
    assert!(error.contains("traces could not be delivered"), "{error}");
    assert_eq!(pipeline.counts(), SignalStats { accepted: 3, pending: 3, ..Default::default() });
}

fn flush_does_not_count_items_dropped_meanwhile_as_delivered(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence);
    let limits = QueueSettings { max_items: 10, ..QUEUE };
    let settings = export_settings(&collector.endpoint(), protocol);
    let pipeline = Pipeline::with(Signal::Traces, limits, settings);
    pipeline.push_spans(0, 10);
    let workers = pipeline.exporter.workers().clone();
    let flush = std::thread::spawn(move || workers.flush(None, Duration::from_millis(200)));
    wait_for_requests(&collector, 1);
    pipeline.push_spans(10, 40);
    assert!(pipeline.counts().dropped > 10);
    assert!(matches!(flush.join().unwrap(), Err(ExportError::Timeout(_))));
}

fn collector_that_starts_late_gets_everything(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.stop();
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 300);
    pipeline.flush().unwrap_err();
    collector.restart().unwrap();
    wait_for_spans(&collector, 300);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 300, delivered: 300, ..Default::default() });
    assert!(
        pipeline.lines()[1].contains("INFO telemetry is being delivered again"),
        "{:?}",
        pipeline.lines()
    );
}

fn a_collector_that_restarts_loses_nothing_that_fits(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 100);
    wait_for_spans(&collector, 100);
    collector.stop();
    pipeline.push_spans(100, 250);
    pipeline.flush().unwrap_err();
    collector.restart().unwrap();
    wait_for_spans(&collector, 350);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 350, delivered: 350, ..Default::default() });
    assert_eq!(sorted_spans(&collector), numbers(0..350));
}

fn retryable_answers_lose_nothing(protocol: Protocol) {
    for code in [
        GrpcCode::Unavailable,
        GrpcCode::Cancelled,
        GrpcCode::DeadlineExceeded,
        GrpcCode::Aborted,
        GrpcCode::OutOfRange,
        GrpcCode::DataLoss,
    ] {
        let collector = Collector::start().unwrap();
        collector.inject_fault(Fault::status(code, "not now").times(1));
        let mut pipeline = Pipeline::to(&collector, protocol);
        pipeline.push_spans(0, 10);
        let (_, counts) = pipeline.shutdown(PATIENCE);
        assert_eq!(counts, SignalStats { accepted: 10, delivered: 10, ..Default::default() }, "{code:?}");
        assert_eq!(collector.request_count(), 2, "{code:?}");
    }
}

fn final_answers_are_not_retried(protocol: Protocol) {
    for code in [
        GrpcCode::InvalidArgument,
        GrpcCode::Unimplemented,
        GrpcCode::Unauthenticated,
        GrpcCode::PermissionDenied,
        GrpcCode::Internal,
    ] {
        let collector = Collector::start().unwrap();
        collector.inject_fault(Fault::status(code, "never").times(1));
        let mut pipeline = Pipeline::to(&collector, protocol);
        pipeline.push_spans(0, 10);
        let error = pipeline.flush().unwrap_err().to_string();
        assert!(error.contains("never"), "{error}");
        let (_, counts) = pipeline.shutdown(PATIENCE);
        assert_eq!(counts, SignalStats { accepted: 10, failed: 10, ..Default::default() }, "{code:?}");
        assert_eq!(collector.request_count(), 1, "{code:?}");
    }
}

fn requested_pause_is_kept(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    // `Retry-After` has whole seconds.
    let pause = Duration::from_secs(1);
    collector.inject_fault(Fault::retry_after(pause).times(1));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 100);
    wait_for_requests(&collector, 1);
    let begin = Instant::now();
    wait_for_spans(&collector, 100);
    // Our own first pause is far shorter. The answer takes a moment to get here.
    assert!(begin.elapsed() > pause - Duration::from_millis(100), "{:?}", begin.elapsed());
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts.delivered, 100);
}

fn partial_success_is_counted_and_logged_and_not_retried(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::partial_success(4, "too old").times(1));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 10);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 10, delivered: 6, rejected: 4, ..Default::default() });
    assert_eq!(collector.request_count(), 1);
    assert!(pipeline.lines()[0].contains("rejected=4 reason=too old"), "{:?}", pipeline.lines());
}

fn a_connection_that_did_not_answer_in_time_is_not_used_again(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence.times(1));
    let settings = ExportSettings {
        timeout: Duration::from_millis(100),
        ..export_settings(&collector.endpoint(), protocol)
    };
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 100);
    wait_for_spans(&collector, 100);
    assert_eq!(collector.connections(), 2);
}

fn an_outage_is_counted_from_the_request_that_was_not_answered(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence.times(1));
    let settings = ExportSettings {
        timeout: Duration::from_secs(1),
        ..export_settings(&collector.endpoint(), protocol)
    };
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 100);
    wait_for_spans(&collector, 100);
    pipeline.shutdown(PATIENCE);
    let lines = pipeline.lines();
    let seconds = lines[1].split_once("seconds=").unwrap().1.split(' ').next().unwrap();
    assert!(seconds.parse::<f64>().unwrap() >= 1.0, "{lines:?}");
}

fn signals_with_one_target_share_a_connection(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let settings = export_settings(&collector.endpoint(), protocol);
    let queues = [Signal::Traces, Signal::Logs].map(|signal| (signal, queue(QUEUE)));
    let routes = queues.iter().map(|(signal, (_, consumer))| Route {
        signal: *signal,
        settings: DestinationSettings::Otlp(Box::new(ExportSettings {
            http_path: format!("/v1/{signal}").parse().unwrap(),
            ..settings.clone()
        })),
        queue: consumer.clone(),
        delay: QUEUE.delay,
    });
    let mut exporter = Exporter::start(routes.collect(), resource(), false, &Diagnostics::default()).unwrap();
    for (_, (queue, _)) in &queues {
        queue.push(&[], &[]);
    }
    exporter.shutdown(Instant::now() + PATIENCE);
    assert_eq!(collector.request_count(), 2);
    // HTTP/1.1 carries one request at a time.
    assert!(collector.connections() <= if protocol == Protocol::Grpc { 1 } else { 2 });
}

/// Exports a span with a configured header, and returns the values of a header of the request.
fn exported_header(protocol: Protocol, configured: (&str, &str), name: &str) -> Vec<String> {
    let collector = Collector::start().unwrap();
    let headers = vec![(configured.0.parse().unwrap(), configured.1.parse().unwrap())];
    let settings = ExportSettings { headers, ..export_settings(&collector.endpoint(), protocol) };
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 1);
    pipeline.shutdown(PATIENCE);
    let received = collector.received();
    let request = received.requests(Signal::Traces).next().unwrap();
    let values = request.metadata.get_all(name).iter();
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}

fn headers_are_sent(protocol: Protocol) {
    assert_eq!(exported_header(protocol, ("x-team", "blue"), "x-team"), ["blue"]);
    let [agent] = &exported_header(protocol, ("x-team", "blue"), "user-agent")[..] else { panic!("not one") };
    assert!(agent.starts_with("telemetry-bootstrap/"), "{agent}");
}

fn configured_user_agent_replaces_ours(protocol: Protocol) {
    assert_eq!(exported_header(protocol, ("user-agent", "shop/1"), "user-agent"), ["shop/1"]);
}

fn compressed_requests_arrive(protocol: Protocol) {
    for (compression, encoding) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
        if !cfg!(feature = "gzip") && encoding == "gzip" || !cfg!(feature = "zstd") && encoding == "zstd" {
            continue;
        }
        let collector = Collector::start().unwrap();
        let settings = ExportSettings { compression, ..export_settings(&collector.endpoint(), protocol) };
        let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
        pipeline.push_spans(0, 50);
        assert_eq!(pipeline.shutdown(PATIENCE).1.delivered, 50);
        let name = if protocol == Protocol::Grpc { "grpc-encoding" } else { "content-encoding" };
        let received = collector.received();
        assert_eq!(received.requests(Signal::Traces).next().unwrap().header(name), Some(encoding));
    }
}

fn a_batch_that_failed_is_sent_before_later_ones(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::status(GrpcCode::Unavailable, "later"));
    let pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 100);
    pipeline.flush().unwrap_err();
    pipeline.push_spans(100, 300);
    pipeline.flush().unwrap_err();
    collector.clear_faults();
    wait_for_spans(&collector, 400);
    // After a failure one request goes out alone, to try.
    assert_eq!(spans(&collector)[..100], numbers(0..100));
}

fn outage_beyond_the_limits_drops_the_newest_and_keeps_the_oldest(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.stop();
    let pipeline = Pipeline::with(
        Signal::Traces,
        QueueSettings { max_items: 150, ..QUEUE },
        export_settings(&collector.endpoint(), protocol),
    );
    pipeline.push_spans(0, 150);
    pipeline.flush().unwrap_err();
    pipeline.push_spans(150, 1000);
    pipeline.flush().unwrap_err();
    let counts = pipeline.counts();
    assert_eq!(counts.pending + counts.dropped, 1150);
    // What is on its way at the moment makes room for as much.
    assert!(counts.pending <= 150 + 100, "{counts:?}");
    collector.restart().unwrap();
    pipeline.wait_until(|counts| counts.pending == 0);
    let spans = sorted_spans(&collector);
    assert_eq!(spans[..150], numbers(0..150));
}

/// With the configured limit alone, each request would be sent three times.
fn a_collector_slower_than_the_limit_gets_longer_limits_and_keeps_them(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Delay(Duration::from_millis(500)));
    let settings = ExportSettings {
        timeout: Duration::from_millis(200),
        ..export_settings(&collector.endpoint(), protocol)
    };
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    let mut fewest = usize::MAX;
    // On a busy machine, an answer may be late once.
    for round in 0..5 {
        let before = collector.request_count();
        pipeline.push_spans(round * 100, 100);
        let all = (round as u64 + 1) * 100;
        pipeline.wait_until(|counts| counts.delivered == all);
        let requests = collector.request_count() - before;
        assert!(round > 0 || requests > 1, "the first limit was too short");
        fewest = fewest.min(requests);
    }
    assert_eq!(fewest, 1);
    assert_eq!(pipeline.counts().unanswered, 0);
}

fn without_a_delay_items_are_sent_at_once(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let limits = QueueSettings { delay: Duration::ZERO, ..QUEUE };
    let settings = export_settings(&collector.endpoint(), protocol);
    let mut pipeline = Pipeline::with(Signal::Traces, limits, settings);
    for number in 0..5 {
        pipeline.push_spans(number, 1);
        pipeline.wait_until(|counts| counts.delivered == number as u64 + 1);
    }
    // What comes while requests are under way is sent after them.
    collector.inject_fault(Fault::status(GrpcCode::Unavailable, "not now").times(3));
    pipeline.push_spans(5, 500);
    pipeline.wait_until(|counts| counts.delivered == 505);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 505, delivered: 505, ..Default::default() });
}

fn panic_while_reporting_an_outage_loses_no_item(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::status(GrpcCode::Unavailable, "not now").times(1));
    let diagnostics = Diagnostics::default();
    diagnostics.write_with(Box::new(|_, message, _| panic!("on purpose: {message}")));
    let settings = export_settings(&collector.endpoint(), protocol);
    let mut pipeline = Pipeline::with_diagnostics(Signal::Traces, QUEUE, settings, &diagnostics);
    pipeline.push_spans(0, 100);
    // One panic when the outage is reported, and one at its end.
    pipeline.wait_until(|counts| counts.delivered == 100);
    pipeline.push_spans(100, 50);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 150, delivered: 150, ..Default::default() });
    assert_eq!(sorted_spans(&collector), numbers(0..150));
}

fn absurd_counts_of_rejected_items_are_limited_to_what_was_sent(protocol: Protocol) {
    // Over gRPC such an answer is read in the tests of the destination.
    if protocol == Protocol::Grpc {
        return;
    }
    for (rejected, counted) in [(i64::MIN, 0), (-1, 0), (11, 10), (i64::MAX, 10)] {
        let collector = Collector::start().unwrap();
        let body = format!(r#"{{"partialSuccess":{{"rejectedSpans":"{rejected}"}}}}"#);
        let answer = HttpAnswer::new(200).header("content-type", "application/json").body(body);
        collector.inject_fault(answer);
        let mut pipeline = Pipeline::to(&collector, protocol);
        pipeline.push_spans(0, 10);
        let (_, counts) = pipeline.shutdown(PATIENCE);
        let expected =
            SignalStats { accepted: 10, rejected: counted, delivered: 10 - counted, ..Default::default() };
        assert_eq!(counts, expected, "{rejected}");
    }
}
