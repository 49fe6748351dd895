//! Failures on the I/O thread itself: what it holds is delivered nevertheless, or counted.

use std::io::{Read as _, Write as _};

use std::time::Duration;

use super::*;
use crate::collector::Fault;
use crate::semconv::GrpcCode;
use crate::settings::HeaderSource;

over_each_protocol! {
    a_runtime_that_fails_is_replaced_and_nothing_is_lost,
    request_in_flight_when_the_runtime_fails_is_retried,
    credential_source_that_panics_on_drop_costs_no_other_signal,
    credential_source_with_an_undroppable_panic_costs_one_try,
    an_item_over_the_limit_of_the_collector_is_named,
}

fn a_runtime_that_fails_is_replaced_and_nothing_is_lost(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let mut pipeline = Pipeline::to(&collector, protocol);
    for round in 0..3 {
        pipeline.push_spans(100 * round, 100);
        // Confirmed, not only received: what is under way when the runtime fails is sent again.
        pipeline.flush().unwrap();
        pipeline.exporter.workers().fail_runtime();
    }
    pipeline.push_spans(300, 50);
    pipeline.flush().unwrap();
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 350, delivered: 350, ..Default::default() });
    assert_eq!(sorted_spans(&collector), numbers(0..350));
}

fn request_in_flight_when_the_runtime_fails_is_retried(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::Silence.times(2));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 200);
    wait_for_requests(&collector, 2);
    pipeline.exporter.workers().fail_runtime();
    wait_for_spans(&collector, 200);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 200, delivered: 200, ..Default::default() });
    assert_eq!(sorted_spans(&collector), numbers(0..200));
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped on purpose");
        }
    }
}

fn credential_source_that_panics_on_drop_costs_no_other_signal(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    // The worker of the traces, which owns the source, ends long before that of the logs.
    collector.inject_fault(Fault::Delay(Duration::from_millis(300)).on(Signal::Logs));
    let queues = [Signal::Traces, Signal::Logs].map(|signal| (signal, queue(QUEUE)));
    let routes = queues.iter().map(|(signal, (_, consumer))| {
        let mut settings = ExportSettings {
            http_path: format!("/v1/{signal}").parse().unwrap(),
            ..export_settings(&collector.endpoint(), protocol)
        };
        if *signal == Signal::Traces {
            let panics = PanicsOnDrop;
            let source = move || {
                let _ = &panics;
                "token".to_owned()
            };
            settings.credentials.sources = vec![("x-token".parse().unwrap(), HeaderSource::from_fn(source))];
        }
        let settings = DestinationSettings::Otlp(Box::new(settings));
        Route { signal: *signal, settings, queue: consumer.clone(), delay: QUEUE.delay }
    });
    let mut exporter = Exporter::start(routes.collect(), resource(), true, &Diagnostics::default()).unwrap();
    for (_, (queue, _)) in &queues {
        (0..10).for_each(|_| queue.push(&[], &[]));
    }
    assert!(exporter.shutdown(Instant::now() + PATIENCE), "the thread has ended");
    let received = collector.received();
    assert_eq!((received.span_count(), received.log_count()), (10, 10));
    for (_, (_, consumer)) in &queues {
        let expected = SignalStats { accepted: 10, delivered: 10, ..Default::default() };
        assert_eq!(consumer.ledger().snapshot(), expected);
    }
}

fn credential_source_with_an_undroppable_panic_costs_one_try(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let source = move || match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => std::panic::panic_any(PanicsOnDrop),
        _ => "token".to_owned(),
    };
    let mut settings = export_settings(&collector.endpoint(), protocol);
    settings.credentials.sources = vec![("x-token".parse().unwrap(), HeaderSource::from_fn(source))];
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 100);
    wait_for_spans(&collector, 100);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 100, delivered: 100, ..Default::default() });
}

fn an_item_over_the_limit_of_the_collector_is_named(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::MaxMessageSize(120));
    let pipeline = Pipeline::to(&collector, protocol);
    push_span(&pipeline.queue, "small");
    push_span(&pipeline.queue, &"long".repeat(30));
    assert!(pipeline.flush().is_err());
    let line = pipeline.first_line();
    let name = format!("the span \"{}…\" of 122 bytes", "long".repeat(20));
    assert!(line.contains(&name), "{line}");
    assert_eq!(spans(&collector), ["small"]);
}

#[test]
fn rate_limit_without_retry_after_is_explained() {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::status(GrpcCode::ResourceExhausted, "quota"));
    let pipeline = Pipeline::to(&collector, Protocol::Grpc);
    pipeline.push_spans(0, 1);
    assert!(pipeline.flush().is_err());
    let line = pipeline.first_line();
    for words in ["quota", "it does not say when to come back", "the collector limits the rate"] {
        assert!(line.contains(words), "{line}");
    }
}

/// A gateway closes the connection for what is in two requests, and takes everything else.
#[test]
fn items_that_a_gateway_does_not_let_through_fail_alone() {
    std::thread::scope(|scope| {
        for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc] {
            // Neighbours in one batch, in both halves of one, and in batches next to each other.
            for distance in [0, 40, 100] {
                scope.spawn(move || two_items_fail(protocol, distance));
            }
        }
    });
}

/// Sends two items that a gateway refuses, this far from each other, and further ones for as long as it takes.
fn two_items_fail(protocol: Protocol, distance: usize) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || match protocol {
        Protocol::Grpc => grpc_gateway(listener),
        _ => {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || gateway(stream));
            }
        }
    });
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, export_settings(&endpoint, protocol));
    pipeline.push_spans(0, 30);
    push_span(&pipeline.queue, "poison");
    pipeline.push_spans(30, distance);
    push_span(&pipeline.queue, "poison");
    pipeline.push_spans(30 + distance, 30);
    // Something is always delivered meanwhile.
    let begin = Instant::now();
    while pipeline.counts().failed < 2 {
        assert!(begin.elapsed() < 3 * PATIENCE, "still {:?}, {protocol:?} {distance}", pipeline.counts());
        pipeline.push_spans(100, 1);
        std::thread::sleep(Duration::from_millis(5));
    }
    let (_, counts) = pipeline.shutdown(PATIENCE);
    let expected = SignalStats {
        accepted: counts.accepted,
        delivered: counts.accepted - 2,
        failed: 2,
        unanswered: 2,
        ..Default::default()
    };
    assert_eq!(counts, expected, "{protocol:?} {distance}");
}

/// Answers requests, but for those with a certain word.
fn gateway(mut stream: std::net::TcpStream) {
    loop {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            if !matches!(stream.read(&mut byte), Ok(1)) {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.split_once("content-length: ").unwrap().1.lines().next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        if body.windows(6).any(|part| part == b"poison") {
            return;
        }
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

/// The same over gRPC. All requests share a connection, and break with it.
fn grpc_gateway(listener: std::net::TcpListener) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_grpc(stream));
        }
    });
}

async fn serve_grpc(stream: tokio::net::TcpStream) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let (close, mut closed) = tokio::sync::mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            _ = closed.recv() => return,
        };
        let Some(Ok((request, mut respond))) = accepted else { return };
        let close = close.clone();
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut content = Vec::new();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                content.extend_from_slice(&data);
            }
            if content.windows(6).any(|part| part == b"poison") {
                let _ = close.send(()).await;
                return;
            }
            let head = http::Response::builder().header("content-type", "application/grpc");
            let head = head.header("grpc-status", "0").body(()).unwrap();
            let _ = respond.send_response(head, true);
        });
    }
}
