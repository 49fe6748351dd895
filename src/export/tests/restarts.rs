//! A collector that is replaced while a program flushes or ends: nothing is lost that the deadline allows for.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

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
    after_unavailable_a_new_connection_reaches_the_successor,
}

/// How long the collector stays away: far longer than the tries against one that is absent take.
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
