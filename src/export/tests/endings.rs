//! The end of the I/O thread: bounded in time, with everything counted.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use super::*;
use crate::collector::Fault;
use crate::semconv::GrpcCode;

over_each_protocol! {
    absent_collector_ends_the_shutdown_soon_with_everything_counted,
    a_pause_beyond_the_deadline_ends_the_shutdown,
    a_silent_collector_holds_the_shutdown_until_the_deadline_only,
    a_request_that_hangs_at_the_end_is_sent_on_a_new_connection,
    a_request_that_hangs_beside_others_that_are_answered_is_not_repeated,
    hanging_request_does_not_prevent_retries_of_later_ones,
    a_listener_that_never_speaks_holds_the_shutdown_until_the_deadline_only,
    a_name_that_does_not_resolve_holds_the_shutdown_until_the_deadline_only,
    items_after_the_shutdown_count_as_dropped,
    dropping_the_exporter_ends_the_thread_and_fails_what_is_pending,
    shutdown_works_inside_a_runtime_of_one_thread,
    an_exporter_can_start_and_end_inside_a_runtime,
    unanswered_items_stay_counted_separately,
    a_connection_that_is_closed_without_an_answer_leaves_items_unanswered,
}

fn absent_collector_ends_the_shutdown_soon_with_everything_counted(protocol: Protocol) {
    let mut pipeline = Pipeline::to_nowhere(protocol);
    pipeline.push_spans(0, 250);
    let (took, counts) = pipeline.shutdown(Duration::from_secs(5));
    assert!(took < Duration::from_millis(300), "{took:?}");
    assert_eq!(counts, SignalStats { accepted: 250, failed: 250, ..Default::default() });
    let lines = pipeline.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN telemetry is not being delivered"), "{lines:?}");
    assert!(lines[0].contains("Connection refused"), "{lines:?}");
}

fn a_pause_beyond_the_deadline_ends_the_shutdown(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::retry_after(Duration::from_secs(60)));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 10);
    let (took, counts) = pipeline.shutdown(Duration::from_secs(5));
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(counts, SignalStats { accepted: 10, failed: 10, ..Default::default() });
}

fn a_silent_collector_holds_the_shutdown_until_the_deadline_only(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence);
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 250);
    let limit = Duration::from_millis(300);
    let (took, counts) = pipeline.shutdown(limit);
    assert!(took >= limit && took < limit + Duration::from_millis(100), "{took:?}");
    assert_eq!(counts, SignalStats { accepted: 250, failed: 250, unanswered: 250, ..Default::default() });
    assert!(pipeline.first_line().contains("no answer before the deadline"), "{:?}", pipeline.lines());
}

fn a_request_that_hangs_at_the_end_is_sent_on_a_new_connection(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence.times(2));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 200);
    wait_for_requests(&collector, 2);
    let (_, counts) = pipeline.shutdown(Duration::from_secs(2));
    assert_eq!(counts, SignalStats { accepted: 200, delivered: 200, ..Default::default() });
    assert_eq!(spans(&collector).len(), 200, "each of them once");
    // HTTP/1.1 carries one request at a time.
    assert_eq!(collector.connections(), if protocol == Protocol::Grpc { 2 } else { 4 });
    assert_eq!(pipeline.lines(), Vec::<String>::new());
}

fn a_request_that_hangs_beside_others_that_are_answered_is_not_repeated(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence.times(1));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 100);
    wait_for_requests(&collector, 1);
    pipeline.push_spans(100, 100);
    pipeline.wait_until(|counts| counts.delivered == 100);
    let (_, counts) = pipeline.shutdown(Duration::from_millis(400));
    let expected =
        SignalStats { accepted: 200, delivered: 100, failed: 100, unanswered: 100, ..Default::default() };
    assert_eq!(counts, expected);
    assert_eq!(collector.request_count(), 2);
}

fn hanging_request_does_not_prevent_retries_of_later_ones(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence.times(1));
    collector.inject_fault(Fault::status(GrpcCode::Unavailable, "not now").times(1));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 100);
    wait_for_requests(&collector, 1);
    pipeline.push_spans(100, 300);
    wait_for_requests(&collector, 2);
    let (_, counts) = pipeline.shutdown(Duration::from_millis(800));
    let expected =
        SignalStats { accepted: 400, delivered: 300, failed: 100, unanswered: 100, ..Default::default() };
    assert_eq!(counts, expected);
}

fn a_listener_that_never_speaks_holds_the_shutdown_until_the_deadline_only(protocol: Protocol) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, export_settings(&endpoint, protocol));
    pipeline.push_spans(0, 10);
    let limit = Duration::from_millis(300);
    let (took, counts) = pipeline.shutdown(limit);
    assert!(took < limit + Duration::from_millis(100), "{took:?}");
    assert_eq!(counts, SignalStats { accepted: 10, failed: 10, unanswered: 10, ..Default::default() });
}

fn a_name_that_does_not_resolve_holds_the_shutdown_until_the_deadline_only(protocol: Protocol) {
    let settings = export_settings("http://collector.invalid:4317", protocol);
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 10);
    let limit = Duration::from_millis(500);
    let (took, counts) = pipeline.shutdown(limit);
    assert!(took < limit + Duration::from_millis(100), "{took:?}");
    assert_eq!(counts, SignalStats { accepted: 10, failed: 10, ..Default::default() });
}

#[test]
fn the_handle_can_be_shared_between_threads() {
    fn is_shareable<T: Send + Sync>() {}
    is_shareable::<Exporter>();
}

fn items_after_the_shutdown_count_as_dropped(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 3);
    pipeline.shutdown(PATIENCE);
    pipeline.push_spans(3, 2);
    let expected = SignalStats { accepted: 5, delivered: 3, dropped: 2, ..Default::default() };
    assert_eq!(pipeline.counts(), expected);
    assert!(pipeline.flush().is_ok(), "nothing is left to flush");
}

fn dropping_the_exporter_ends_the_thread_and_fails_what_is_pending(protocol: Protocol) {
    let pipeline = Pipeline::to_nowhere(protocol);
    pipeline.push_spans(0, 3);
    let Pipeline { ledger, exporter, .. } = pipeline;
    let workers = exporter.workers().clone();
    drop(exporter);
    assert_eq!(ledger.snapshot(), SignalStats { accepted: 3, failed: 3, ..Default::default() });
    workers.flush(None, PATIENCE).unwrap();
}

fn shutdown_works_inside_a_runtime_of_one_thread(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let counts = runtime.block_on(async {
        let mut pipeline = Pipeline::to(&collector, protocol);
        pipeline.push_spans(0, 150);
        pipeline.exporter.workers().flush(None, PATIENCE).unwrap();
        pipeline.push_spans(150, 50);
        pipeline.exporter.shutdown(Instant::now() + PATIENCE);
        pipeline.counts()
    });
    assert_eq!(counts, SignalStats { accepted: 200, delivered: 200, ..Default::default() });
}

fn an_exporter_can_start_and_end_inside_a_runtime(protocol: Protocol) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { drop(Pipeline::to_nowhere(protocol)) });
}

fn unanswered_items_stay_counted_separately(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence.times(1));
    collector.inject_fault(Fault::status(GrpcCode::Unavailable, "not now"));
    let settings = ExportSettings {
        timeout: Duration::from_millis(200),
        ..export_settings(&collector.endpoint(), protocol)
    };
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 100);
    wait_for_requests(&collector, 2);
    // These are refused from the first try on.
    pipeline.push_spans(100, 30);
    let (_, counts) = pipeline.shutdown(Duration::from_millis(300));
    let expected = SignalStats { accepted: 130, failed: 130, unanswered: 100, ..Default::default() };
    assert_eq!(counts, expected);
    assert_eq!(counts.to_string(), "0 of 130 delivered, 130 failed (100 sent, no answer)");
}

/// The request is sent again at once, and finds no process any more.
#[test]
fn items_that_were_sent_are_unanswered_although_the_collector_is_absent_afterwards() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            read_request(&mut stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            read_request(&mut stream);
            drop(listener);
        });
        let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, export_settings(&endpoint, protocol));
        pipeline.push_spans(0, 10);
        pipeline.flush().unwrap();
        pipeline.push_spans(10, 5);
        pipeline.flush().unwrap_err();
        server.join().unwrap();
        let (_, counts) = pipeline.shutdown(Duration::from_millis(300));
        let expected =
            SignalStats { accepted: 15, delivered: 10, failed: 5, unanswered: 5, ..Default::default() };
        assert_eq!(counts, expected);
    }
}

/// Reads head and body of one request.
fn read_request(stream: &mut std::net::TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split_once("content-length: ").unwrap().1.lines().next().unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
}

fn a_connection_that_is_closed_without_an_answer_leaves_items_unanswered(protocol: Protocol) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = std::io::Read::read(&mut stream.unwrap(), &mut [0; 65536]);
        }
    });
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, export_settings(&endpoint, protocol));
    pipeline.push_spans(0, 10);
    let (_, counts) = pipeline.shutdown(Duration::from_millis(300));
    assert_eq!(counts, SignalStats { accepted: 10, failed: 10, unanswered: 10, ..Default::default() });
}
