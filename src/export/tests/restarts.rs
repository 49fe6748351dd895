//! A collector that is replaced while a program flushes or ends: nothing is lost that the deadline allows for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use super::network::{address, splice};
use super::*;
use crate::collector::Fault;
use crate::semconv::GrpcCode;

over_each_protocol! {
    a_collector_that_restarts_during_the_shutdown_gets_everything,
    a_collector_that_restarts_during_a_flush_gets_everything,
    a_collector_that_does_not_come_back_holds_the_shutdown_until_the_deadline_only,
    a_collector_that_does_not_come_back_holds_a_flush_until_its_limit_only,
    an_unavailable_collector_is_tried_again_within_a_flush,
    a_requested_pause_beyond_its_limit_ends_a_flush,
    a_collector_that_never_answered_does_not_hold_up_a_flush,
    a_flush_waits_for_the_end_of_a_requested_pause,
    flushes_in_a_long_requested_pause_send_nothing,
    after_unavailable_a_new_connection_reaches_the_successor,
}

/// The downtime of the collector: far longer than the attempts against an absent one take.
const AWAY: Duration = Duration::from_millis(700);

/// A pipeline whose collector has answered, and was stopped after that.
fn with_stopped_collector(protocol: Protocol) -> (Collector, Pipeline) {
    let collector = Collector::start().unwrap();
    let pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 100);
    wait_for_spans(&collector, 100);
    pipeline.wait_until(|counts| counts.delivered == 100);
    collector.stop();
    (collector, pipeline)
}

/// Starts the collector again a while after `work` has begun.
fn restarting<T>(collector: &Collector, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(AWAY);
            collector.restart().unwrap();
        });
        work()
    })
}

fn a_collector_that_restarts_during_the_shutdown_gets_everything(protocol: Protocol) {
    let (collector, mut pipeline) = with_stopped_collector(protocol);
    pipeline.push_spans(100, 250);
    let (took, counts) = restarting(&collector, || pipeline.shutdown(PATIENCE));
    assert_eq!(counts, SignalStats { accepted: 350, delivered: 350, ..Default::default() });
    assert_eq!(sorted_spans(&collector), numbers(0..350));
    assert!(took < PATIENCE / 2, "{took:?}");
}

fn a_collector_that_restarts_during_a_flush_gets_everything(protocol: Protocol) {
    let (collector, pipeline) = with_stopped_collector(protocol);
    pipeline.push_spans(100, 250);
    restarting(&collector, || pipeline.flush()).unwrap();
    assert_eq!(sorted_spans(&collector), numbers(0..350));
    assert_eq!(pipeline.counts(), SignalStats { accepted: 350, delivered: 350, ..Default::default() });
}

fn a_collector_that_does_not_come_back_holds_the_shutdown_until_the_deadline_only(protocol: Protocol) {
    let (_collector, mut pipeline) = with_stopped_collector(protocol);
    pipeline.push_spans(100, 250);
    let limit = Duration::from_millis(600);
    let (took, counts) = pipeline.shutdown(limit);
    assert!(took < limit + Duration::from_millis(100), "{took:?}");
    assert_eq!(counts, SignalStats { accepted: 350, delivered: 100, failed: 250, ..Default::default() });
    let lines = pipeline.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("no process listens there"), "{lines:?}");
}

fn a_collector_that_does_not_come_back_holds_a_flush_until_its_limit_only(protocol: Protocol) {
    let (_collector, pipeline) = with_stopped_collector(protocol);
    pipeline.push_spans(100, 5);
    let begin = Instant::now();
    let limit = Duration::from_millis(400);
    let error = pipeline.exporter.workers().flush(None, limit).unwrap_err();
    assert!(matches!(error, ExportError::Timeout(_)), "{error}");
    assert!(begin.elapsed() >= limit, "{:?}", begin.elapsed());
    let expected = SignalStats { accepted: 105, delivered: 100, pending: 5, ..Default::default() };
    assert_eq!(pipeline.counts(), expected);
}

fn an_unavailable_collector_is_tried_again_within_a_flush(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::status(GrpcCode::Unavailable, "starting").times(3));
    let pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 5);
    pipeline.flush().unwrap();
    assert_eq!(sorted_spans(&collector), numbers(0..5));
}

fn a_requested_pause_beyond_its_limit_ends_a_flush(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::retry_after(Duration::from_secs(60)));
    let pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 5);
    let begin = Instant::now();
    let error = pipeline.flush().unwrap_err().to_string();
    assert!(error.contains("too many requests"), "{error}");
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
}

fn a_flush_waits_for_the_end_of_a_requested_pause(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::retry_after(Duration::from_millis(700)).times(1));
    let pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 5);
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| pipeline.flush().unwrap());
        while pipeline.lines().is_empty() {
            assert!(begin.elapsed() < PATIENCE, "the pause does not begin");
            thread::yield_now();
        }
        pipeline.flush().unwrap();
    });
    assert!(begin.elapsed() >= Duration::from_millis(650), "{:?}", begin.elapsed());
    assert_eq!(collector.request_count(), 2, "no try in between");
}

fn flushes_in_a_long_requested_pause_send_nothing(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::retry_after(Duration::from_secs(60)));
    let pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 5);
    pipeline.flush().unwrap_err();
    for _ in 0..5 {
        let error = pipeline.flush().unwrap_err().to_string();
        assert!(error.contains("has requested a longer pause"), "{error}");
    }
    assert_eq!(collector.request_count(), 1);
}

fn a_collector_that_never_answered_does_not_hold_up_a_flush(protocol: Protocol) {
    let pipeline = Pipeline::to_nowhere(protocol);
    pipeline.push_spans(0, 5);
    let begin = Instant::now();
    pipeline.flush().unwrap_err();
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
}

/// The one address of two collectors, as a load balancer has it: established connections stay with the old one.
fn after_unavailable_a_new_connection_reaches_the_successor(protocol: Protocol) {
    let (old, new) = (Collector::start().unwrap(), Collector::start().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let target = Arc::new(Mutex::new(address(&old)));
    let current = Arc::clone(&target);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(current.lock().unwrap().as_str()).unwrap();
            let copies = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || splice(client, server, copies, TcpStream::shutdown, TcpStream::shutdown));
        }
    });
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, export_settings(&endpoint, protocol));
    pipeline.push_spans(0, 100);
    pipeline.wait_until(|counts| counts.delivered == 100);
    *target.lock().unwrap() = address(&new);
    old.inject_fault(Fault::status(GrpcCode::Unavailable, "shutting down"));
    pipeline.push_spans(100, 250);
    let (_, counts) = pipeline.shutdown(Duration::from_secs(5));
    assert_eq!(counts, SignalStats { accepted: 350, delivered: 350, ..Default::default() });
    assert_eq!(sorted_spans(&old), numbers(0..100));
    assert_eq!(sorted_spans(&new), numbers(100..350));
}

/// The reaction of a peer to an HTTP/2 request.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Accept,
    /// Accepts it, and announces that it takes no further one on this connection.
    AcceptAndGoAway,
    RefuseStream,
}

/// A receiver of OTLP/gRPC. `answer` gets the number of the request. Returns its endpoint, and how many it accepted.
fn http2_peer(answer: fn(usize) -> Answer) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (requests, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&accepted);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (requests, accepted) = (Arc::clone(&requests), Arc::clone(&counter));
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let answer = answer(requests.fetch_add(1, Ordering::SeqCst));
                        if answer == Answer::RefuseStream {
                            respond.send_reset(h2::Reason::REFUSED_STREAM);
                            continue;
                        }
                        if answer == Answer::AcceptAndGoAway {
                            connection.graceful_shutdown();
                        }
                        let accepted = Arc::clone(&accepted);
                        tokio::spawn(async move { accept(request.into_body(), respond, &accepted).await });
                    }
                });
            }
        });
    });
    (endpoint, accepted)
}

async fn accept(
    mut body: h2::RecvStream,
    mut respond: h2::server::SendResponse<Bytes>,
    accepted: &AtomicUsize,
) {
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    let head = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut stream = respond.send_response(head, false).unwrap();
    stream.send_data(Bytes::from_static(&[0; 5]), false).unwrap();
    accepted.fetch_add(1, Ordering::SeqCst);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    stream.send_trailers(trailers).unwrap();
}

#[test]
fn connection_age_limit_of_the_collector_is_not_an_outage() {
    let (endpoint, accepted) = http2_peer(|_| Answer::AcceptAndGoAway);
    let settings = export_settings(&endpoint, Protocol::Grpc);
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    for round in 0..10 {
        pipeline.push_spans(100 * round, 100);
        if round % 2 == 0 {
            pipeline.flush().unwrap();
        }
    }
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 1_000, delivered: 1_000, ..Default::default() });
    assert_eq!(accepted.load(Ordering::SeqCst), 10, "each batch once");
    assert_eq!(pipeline.lines(), [""; 0]);
}

#[test]
fn streams_refused_during_shutdown_are_retried() {
    let (endpoint, accepted) = http2_peer(|request| match request {
        1..=4 => Answer::RefuseStream,
        _ => Answer::Accept,
    });
    let settings = export_settings(&endpoint, Protocol::Grpc);
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 100);
    pipeline.wait_until(|counts| counts.delivered == 100);
    pipeline.push_spans(100, 100);
    let (took, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 200, delivered: 200, ..Default::default() });
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
    assert!(took < PATIENCE / 2, "{took:?}");
}

/// Reads a request of HTTP/1.1 with its body.
fn read_request(reader: &mut BufReader<TcpStream>) {
    let mut length = 0;
    for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((_, value)) = line.to_lowercase().split_once("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
}

/// A receiver of OTLP/HTTP that answers the first request of each connection with these bytes, and closes it or lets it
/// open. Returns its endpoint, and how many requests it got.
fn abrupt_peer(answer: &'static str, closes: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            read_request(&mut BufReader::new(stream.try_clone().unwrap()));
            count.fetch_add(1, Ordering::SeqCst);
            stream.write_all(answer.as_bytes()).unwrap();
            if !closes {
                open.push(stream);
            }
        }
    });
    (endpoint, requests)
}

#[test]
fn the_head_of_an_answer_decides_even_if_its_body_does_not_come() {
    for closes in [true, false] {
        for (answer, is_delivered) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100\r\n\r\n\n\x02",
                true,
            ),
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 1000\r\n\r\nshort", false),
            ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 9\r\n\r\n", false),
        ] {
            let (endpoint, requests) = abrupt_peer(answer, closes);
            let settings = export_settings(&endpoint, Protocol::HttpProtobuf);
            let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
            pipeline.push_spans(0, 5);
            let (_, counts) = pipeline.shutdown(PATIENCE);
            let (delivered, failed) = if is_delivered { (5, 0) } else { (0, 5) };
            let expected = SignalStats { accepted: 5, delivered, failed, ..Default::default() };
            assert_eq!(counts, expected, "{answer:?} {closes}");
            assert_eq!(requests.load(Ordering::SeqCst), 1, "{answer:?} {closes}");
        }
    }
}

/// The end of an answer says what was rejected.
#[test]
fn the_body_of_a_success_is_waited_for_as_long_as_a_try_takes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (release, released) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut BufReader::new(stream.try_clone().unwrap()));
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 4\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let _ = released.recv();
        // Two rejected spans.
        stream.write_all(&[0x0a, 2, 8, 2]).unwrap();
        thread::sleep(PATIENCE);
    });
    let mut pipeline =
        Pipeline::with(Signal::Traces, QUEUE, export_settings(&endpoint, Protocol::HttpProtobuf));
    pipeline.push_spans(0, 5);
    // Later than the rest of an error may come.
    let error = pipeline.exporter.workers().flush(None, Duration::from_millis(1500)).unwrap_err();
    assert!(matches!(error, ExportError::Timeout(_)), "{error}");
    release.send(()).unwrap();
    pipeline.wait_until(|counts| counts.pending == 0);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 5, delivered: 3, rejected: 2, ..Default::default() });
}

/// A receiver of OTLP/HTTP that closes each connection under its second request, without an answer.
fn forgetful_peer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                for is_answered in [true, false] {
                    read_request(&mut reader);
                    if is_answered {
                        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                        stream.write_all(head.as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    endpoint
}

#[test]
fn connection_closed_during_a_request_is_not_an_outage_if_the_next_one_works() {
    let settings = export_settings(&forgetful_peer(), Protocol::HttpProtobuf);
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    for round in 0..5 {
        pipeline.push_spans(100 * round, 100);
        pipeline.flush().unwrap();
    }
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 500, delivered: 500, ..Default::default() });
    assert_eq!(pipeline.lines(), [""; 0]);
}
