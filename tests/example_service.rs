//! The example's service and client, seen from a collector.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "../examples/grpc_service/client.rs"]
mod client;
#[path = "../examples/grpc_service/instruments.rs"]
mod instruments;
#[path = "../examples/grpc_service/proto.rs"]
mod proto;
#[path = "../examples/grpc_service/server.rs"]
mod server;

use std::net::SocketAddr;

use telemetry_bootstrap::testing::{CollectedSpan, CollectedTelemetry, Collector, SpanKind, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const RPC: &str = "myservice.MyService/ProcessRequest";
const STREAM: &str = "myservice.MyService/ProcessRequests";

#[tokio::test]
async fn every_call_is_a_trace_with_its_logs_and_counts_once() {
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .service_name("test")
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(telemetry_bootstrap::LogFormat::Off))
        .build()
        .unwrap();
    let (address, stop) = start().await;
    let mut client = client::connect(address).unwrap();
    client::rounds(&mut client, Some(1)).await;
    cancel_a_call(address).await;
    drop(client);
    stop().await;
    let delivery = telemetry.shutdown().unwrap();
    assert_eq!(delivery.lost(), 0);

    let received = collector.received();
    successful_call(&received);
    failed_calls(&received);
    streaming_call(&received);
    cancelled_call(&received);
    metrics(&received);
}

fn successful_call(received: &CollectedTelemetry) {
    let root = client_op(received, "abc123");
    let trace = received.trace(&root.trace_id());
    let names: Vec<_> = trace.iter().map(|span| (span.name(), span.kind())).collect();
    let internal = SpanKind::Internal;
    assert_eq!(
        names,
        [
            ("client-op", internal),
            (RPC, SpanKind::Client),
            (RPC, SpanKind::Server),
            ("process-business-logic", internal),
            ("database-query", internal),
        ]
    );
    assert!(trace.windows(2).all(|pair| pair[0].is_parent_of(&pair[1])), "{trace:#?}");
    assert!(trace.iter().all(|span| span.status() == StatusCode::Unset));
    assert_eq!(trace[3].attribute("request.id"), Some("abc123".into()));
    assert_eq!(trace[4].attribute("db.system"), Some("postgresql".into()));

    let logs = received.logs_of(&root.trace_id());
    let placed: Vec<_> = logs.iter().map(|log| (log.body(), log.span_id().unwrap())).collect();
    let at = |message: &str, span: &CollectedSpan| (message.to_owned(), span.span_id());
    assert_eq!(
        placed,
        [
            at("Processing request", &trace[2]),
            at("Executing database query", &trace[4]),
            at("Request processed successfully", &trace[3]),
            at("Response received", &trace[0]),
        ]
    );
    assert_eq!(logs[0].attribute("request.id"), Some("abc123".into()));
}

fn failed_calls(received: &CollectedTelemetry) {
    let cases = [
        ("unknown-1", "NOT_FOUND", StatusCode::Unset, "Business logic failed: no such request"),
        ("broken-1", "INTERNAL", StatusCode::Error, "Business logic failed: the stored result is damaged"),
    ];
    for (id, code, server_status, message) in cases {
        let trace = received.trace(&client_op(received, id).trace_id());
        let [_, client, server, logic, query] = &trace[..] else { panic!("{trace:#?}") };
        assert_eq!(client.attribute("rpc.status_code"), Some(code.into()));
        assert_eq!(server.attribute("rpc.status_code"), Some(code.into()));
        assert_eq!(client.status(), StatusCode::Error);
        assert_eq!(server.status(), server_status);
        assert_eq!((logic.status(), logic.status_message()), (StatusCode::Error, message));
        assert_eq!(query.status(), StatusCode::Unset);
        let exceptions: usize = trace.iter().map(|span| span.events("exception").count()).sum();
        assert_eq!(exceptions, 1, "{trace:#?}");
        assert_eq!(received.log(message).span_id(), Some(logic.span_id()));
    }
}

fn streaming_call(received: &CollectedTelemetry) {
    let root = received.span("client-stream");
    let trace = received.trace(&root.trace_id());
    let server = trace.iter().find(|span| span.name() == STREAM && span.kind() == SpanKind::Server).unwrap();
    let processed: Vec<_> = trace.iter().filter(|span| span.name() == "process-business-logic").collect();
    assert_eq!(processed.len(), 3);
    for span in processed {
        assert!(server.is_parent_of(span));
        assert!(server.span.end_time_unix_nano >= span.span.end_time_unix_nano);
    }
}

fn cancelled_call(received: &CollectedTelemetry) {
    let mut calls = received.spans_named(STREAM);
    calls.retain(|span| span.attribute("rpc.status_code") == Some("CANCELLED".into()));
    let kinds: Vec<_> = calls.iter().map(CollectedSpan::kind).collect();
    assert!(kinds.contains(&SpanKind::Client) && kinds.contains(&SpanKind::Server) && kinds.len() == 2);
}

fn metrics(received: &CollectedTelemetry) {
    let unary = ("method", "ProcessRequest");
    let stream = ("method", "ProcessRequests");
    let count = |method, error| received.value("myservice.requests.total", &[method, ("error", error)]);
    assert_eq!((count(unary, "false"), count(unary, "true")), (Some(2.0), Some(2.0)));
    // The one that was cancelled in the middle, and at least one before it.
    assert!(count(stream, "false").unwrap() >= 3.0 + 1.0);
    assert_eq!(count(stream, "true"), Some(1.0));
    for method in [unary, stream] {
        assert_eq!(received.value("myservice.requests.active", &[method]), Some(0.0));
    }
    let duration = received.histogram("myservice.request.duration", &[unary, ("error", "false")]).unwrap();
    assert_eq!(duration.count, 2);
    // Of about 10 ms, in seconds: the buckets must tell it from 2.5 s.
    let median = duration.quantile(0.5).unwrap();
    assert!((0.01..0.1).contains(&median), "{median}");
}

fn client_op(received: &CollectedTelemetry, id: &str) -> CollectedSpan {
    let mut spans = received.spans_named("client-op");
    spans.retain(|span| span.attribute("id") == Some(id.to_owned().into()));
    assert_eq!(spans.len(), 1, "{id}");
    spans.remove(0)
}

async fn start() -> (SocketAddr, impl AsyncFnOnce()) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server::serve(listener, async {
        let _ = stopped.await;
    }));
    let stop = async move || {
        drop(stop);
        serving.await.unwrap().unwrap();
    };
    (address, stop)
}

/// Drops the stream when its first result is there, while the server works on the next.
async fn cancel_a_call(address: SocketAddr) {
    let mut client = client::connect(address).unwrap();
    let request = proto::MyRequests { ids: vec!["abc999".to_owned(); 1_000] };
    let mut results = client.process_requests(request).await.unwrap().into_inner();
    results.message().await.unwrap().unwrap();
}
