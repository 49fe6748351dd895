//! What becomes of items, for each thing a collector can do.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::collector::{Answer, Collector};
use super::*;

#[test]
fn everything_arrives_and_is_counted() {
    let collector = Collector::start();
    let mut pipeline = Pipeline::to(collector.address);
    pipeline.push_spans(0, 250);
    let (took, counts) = pipeline.shutdown(PATIENCE);
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(counts, SignalStats { accepted: 250, delivered: 250, ..Default::default() });
    let mut spans = collector.spans();
    spans.sort_by_key(|name| name.parse::<usize>().unwrap());
    assert_eq!(spans, numbers(0..250));
    assert_eq!(pipeline.lines(), Vec::<String>::new());
}

#[test]
fn a_full_batch_is_sent_without_a_flush() {
    let collector = Collector::start();
    let pipeline = Pipeline::to(collector.address);
    pipeline.push_spans(0, 99);
    assert_eq!(collector.requests(), 0);
    pipeline.push_spans(99, 1);
    collector.wait_for_spans(100);
}

#[test]
fn a_batch_that_is_not_full_is_sent_after_the_delay() {
    let collector = Collector::start();
    let limits = QueueSettings { delay: Duration::from_millis(20), ..QUEUE };
    let settings = export_settings(&format!("http://{}", collector.address));
    let pipeline = Pipeline::with(Signal::Traces, limits, settings);
    pipeline.push_spans(0, 3);
    collector.wait_for_spans(3);
}

#[test]
fn a_flush_answers_when_the_collector_has_everything() {
    let collector = Collector::start();
    let pipeline = Pipeline::to(collector.address);
    pipeline.push_spans(0, 130);
    pipeline.flush().unwrap();
    assert_eq!(collector.spans().len(), 130);
}

#[test]
fn a_flush_says_what_failed_and_keeps_what_can_be_tried_again() {
    let pipeline = Pipeline::to(nowhere());
    pipeline.push_spans(0, 3);
    let error = pipeline.flush().unwrap_err().to_string();
    assert!(error.contains("traces could not be delivered"), "{error}");
    assert_eq!(pipeline.counts(), SignalStats { accepted: 3, pending: 3, ..Default::default() });
}

#[test]
fn a_flush_does_not_take_items_dropped_meanwhile_for_delivered_ones() {
    let collector = Collector::start();
    collector.answer_always(Answer::Silent);
    let limits = QueueSettings { max_items: 10, ..QUEUE };
    let settings = export_settings(&format!("http://{}", collector.address));
    let pipeline = Pipeline::with(Signal::Traces, limits, settings);
    pipeline.push_spans(0, 10);
    let workers = pipeline.exporter.workers().clone();
    let flush = std::thread::spawn(move || workers.flush(None, Duration::from_millis(200)));
    collector.wait_for_requests(1);
    pipeline.push_spans(10, 40);
    assert!(pipeline.counts().dropped > 10);
    assert!(matches!(flush.join().unwrap(), Err(ExportError::Timeout(_))));
}

#[test]
fn a_collector_that_comes_later_gets_everything() {
    let address = nowhere();
    let mut pipeline = Pipeline::to(address);
    pipeline.push_spans(0, 300);
    pipeline.flush().unwrap_err();
    let collector = Collector::start_with(address, None);
    collector.wait_for_spans(300);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 300, delivered: 300, ..Default::default() });
    assert!(
        pipeline.lines()[1].contains("INFO telemetry is being delivered again"),
        "{:?}",
        pipeline.lines()
    );
}

#[test]
fn a_collector_that_restarts_loses_nothing_that_fits() {
    let first = Collector::start();
    let address = first.address;
    let mut pipeline = Pipeline::to(address);
    pipeline.push_spans(0, 100);
    first.wait_for_spans(100);
    drop(first);
    pipeline.push_spans(100, 250);
    pipeline.flush().unwrap_err();
    let second = Collector::start_with(address, None);
    second.wait_for_spans(200);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 350, delivered: 350, ..Default::default() });
    let mut spans = second.spans();
    spans.sort_by_key(|name| name.parse::<usize>().unwrap());
    assert_eq!(spans, numbers(100..350));
}

#[test]
fn retryable_answers_lose_nothing() {
    for code in [
        Code::Unavailable,
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::DataLoss,
    ] {
        let collector = Collector::start();
        collector.answer_next([Answer::Status(Status::new(code, "not now"))]);
        let mut pipeline = Pipeline::to(collector.address);
        pipeline.push_spans(0, 10);
        let (_, counts) = pipeline.shutdown(PATIENCE);
        assert_eq!(counts, SignalStats { accepted: 10, delivered: 10, ..Default::default() }, "{code:?}");
        assert_eq!(collector.requests(), 2, "{code:?}");
    }
}

#[test]
fn final_answers_are_not_repeated() {
    for code in [
        Code::InvalidArgument,
        Code::Unimplemented,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Internal,
        Code::ResourceExhausted,
    ] {
        let collector = Collector::start();
        collector.answer_next([Answer::Status(Status::new(code, "never"))]);
        let mut pipeline = Pipeline::to(collector.address);
        pipeline.push_spans(0, 10);
        let error = pipeline.flush().unwrap_err().to_string();
        assert!(error.contains("never"), "{error}");
        let (_, counts) = pipeline.shutdown(PATIENCE);
        assert_eq!(counts, SignalStats { accepted: 10, failed: 10, ..Default::default() }, "{code:?}");
        assert_eq!(collector.requests(), 1, "{code:?}");
    }
}

#[test]
fn a_pause_that_the_collector_asks_for_is_kept() {
    let collector = Collector::start();
    let pause = Duration::from_millis(700);
    let details = ErrorDetails::with_retry_info(Some(pause));
    let full = Status::with_error_details(Code::ResourceExhausted, "slow down", details);
    collector.answer_next([Answer::Status(full)]);
    let mut pipeline = Pipeline::to(collector.address);
    pipeline.push_spans(0, 100);
    collector.wait_for_requests(1);
    let begin = Instant::now();
    collector.wait_for_spans(100);
    // Our own first pause is far shorter. The answer takes a moment to get here.
    assert!(begin.elapsed() > pause - Duration::from_millis(100), "{:?}", begin.elapsed());
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts.delivered, 100);
}

#[test]
fn partly_taken_requests_are_counted_and_said_but_not_repeated() {
    let collector = Collector::start();
    collector.answer_next([Answer::Reject(4, "too old")]);
    let mut pipeline = Pipeline::to(collector.address);
    pipeline.push_spans(0, 10);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 10, delivered: 6, rejected: 4, ..Default::default() });
    assert_eq!(collector.requests(), 1);
    assert!(pipeline.lines()[0].contains("rejected=4 reason=too old"), "{:?}", pipeline.lines());
}

#[test]
fn absurd_counts_of_rejected_items_do_not_break_the_ledger() {
    for rejected in [i64::MAX, -5] {
        let collector = Collector::start();
        collector.answer_next([Answer::Reject(rejected, "?")]);
        let mut pipeline = Pipeline::to(collector.address);
        pipeline.push_spans(0, 10);
        let (_, counts) = pipeline.shutdown(PATIENCE);
        assert_eq!((counts.accepted, counts.delivered + counts.rejected), (10, 10));
    }
}

#[test]
fn requests_too_large_for_the_collector_are_split() {
    let collector = Collector::start_with(SocketAddr::from(([127, 0, 0, 1], 0)), Some(500));
    let mut pipeline = Pipeline::to(collector.address);
    pipeline.push_spans(0, 100);
    push_span(&pipeline.queue, &"x".repeat(120));
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 101, delivered: 101, ..Default::default() });
    assert_eq!(collector.spans().len(), 101);
    assert_eq!(pipeline.lines(), Vec::<String>::new(), "a split is no outage");
}

#[test]
fn one_item_too_large_for_the_collector_fails_alone() {
    let collector = Collector::start_with(SocketAddr::from(([127, 0, 0, 1], 0)), Some(90));
    let mut pipeline = Pipeline::to(collector.address);
    pipeline.push_spans(0, 5);
    push_span(&pipeline.queue, &"x".repeat(120));
    pipeline.push_spans(5, 5);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 11, delivered: 10, failed: 1, ..Default::default() });
}

#[test]
fn a_connection_that_did_not_answer_in_time_is_not_used_again() {
    let collector = Collector::start();
    collector.answer_next([Answer::Silent]);
    let settings = ExportSettings {
        timeout: Duration::from_millis(100),
        ..export_settings(&format!("http://{}", collector.address))
    };
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 100);
    collector.wait_for_spans(100);
    assert_eq!(collector.peers().len(), 2);
}

#[test]
fn an_outage_is_counted_from_the_request_that_was_not_answered() {
    let collector = Collector::start();
    collector.answer_next([Answer::Silent]);
    let settings = ExportSettings {
        timeout: Duration::from_secs(1),
        ..export_settings(&format!("http://{}", collector.address))
    };
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 100);
    collector.wait_for_spans(100);
    pipeline.shutdown(PATIENCE);
    let lines = pipeline.lines();
    let seconds = lines[1].split_once("seconds=").unwrap().1.split(' ').next().unwrap();
    assert!(seconds.parse::<f64>().unwrap() >= 1.0, "{lines:?}");
}

#[test]
fn signals_with_one_target_share_a_connection() {
    let collector = Collector::start();
    let settings = export_settings(&format!("http://{}", collector.address));
    let queues = [Signal::Traces, Signal::Logs]
        .map(|signal| (signal, Arc::new(Queue::new(QUEUE, Arc::new(Ledger::default())))));
    let routes = queues.iter().map(|(signal, queue)| Route {
        signal: *signal,
        settings: settings.clone(),
        queue: Arc::clone(queue),
        delay: QUEUE.delay,
    });
    let mut exporter = Exporter::start(routes.collect(), resource(), &Diagnostics::default()).unwrap();
    for (_, queue) in &queues {
        queue.push(&[], &[]);
    }
    exporter.shutdown(Instant::now() + PATIENCE);
    assert_eq!(collector.requests(), 2);
    assert_eq!(collector.peers().len(), 1);
}

#[test]
fn headers_are_sent() {
    let collector = Collector::start();
    let headers = vec![("x-team".parse().unwrap(), "blue".parse().unwrap())];
    let settings = ExportSettings { headers, ..export_settings(&format!("http://{}", collector.address)) };
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 1);
    pipeline.shutdown(PATIENCE);
    assert_eq!(collector.header("x-team").as_deref(), Some("blue"));
    assert!(collector.header("user-agent").unwrap().starts_with("telemetry-bootstrap/"));
}

#[cfg(feature = "gzip")]
#[test]
fn compressed_requests_arrive() {
    let collector = Collector::start();
    let settings = ExportSettings {
        compression: Compression::Gzip,
        ..export_settings(&format!("http://{}", collector.address))
    };
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 50);
    assert_eq!(pipeline.shutdown(PATIENCE).1.delivered, 50);
    assert_eq!(collector.header("grpc-encoding").as_deref(), Some("gzip"));
}

#[test]
fn a_batch_that_failed_is_sent_before_later_ones() {
    let collector = Collector::start();
    collector.answer_always(Answer::Status(Status::unavailable("later")));
    let pipeline = Pipeline::to(collector.address);
    pipeline.push_spans(0, 100);
    pipeline.flush().unwrap_err();
    pipeline.push_spans(100, 300);
    pipeline.flush().unwrap_err();
    collector.answer_always(Answer::Accept);
    collector.wait_for_spans(400);
    // After a failure one request goes out alone, to try.
    assert_eq!(collector.spans()[..100], numbers(0..100));
}

#[test]
fn what_is_recorded_during_an_outage_beyond_the_limits_is_dropped_and_the_oldest_kept() {
    let address = nowhere();
    let pipeline = Pipeline::with(
        Signal::Traces,
        QueueSettings { max_items: 150, ..QUEUE },
        export_settings(&format!("http://{address}")),
    );
    pipeline.push_spans(0, 150);
    pipeline.flush().unwrap_err();
    pipeline.push_spans(150, 1000);
    pipeline.flush().unwrap_err();
    let counts = pipeline.counts();
    assert_eq!(counts.pending + counts.dropped, 1150);
    // What is on its way at the moment makes room for as much.
    assert!(counts.pending <= 150 + 100, "{counts:?}");
    let collector = Collector::start_with(address, None);
    pipeline.wait_until(|counts| counts.pending == 0);
    let mut spans = collector.spans();
    spans.sort_by_key(|name| name.parse::<usize>().unwrap());
    assert_eq!(spans[..150], numbers(0..150));
}
