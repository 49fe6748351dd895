//! What the collector for tests keeps, and how it answers questions about it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod otlp;

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use telemetry_bootstrap::Signal;
use telemetry_bootstrap::opentelemetry::KeyValue;
use telemetry_bootstrap::opentelemetry::trace::Tracer;
use telemetry_bootstrap::testing::{self, Collector, Export, StatusCode};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn all_three_signals_are_kept_with_resource_and_scope() {
    let collector = Collector::start().unwrap();
    let endpoint = collector.endpoint();

    let spans = otlp::traces(vec![otlp::span(1, 0, "root"), otlp::span(2, 1, "child")]);
    TraceServiceClient::connect(endpoint.clone()).await.unwrap().export(spans).await.unwrap();
    let logs = otlp::logs(&["hello"]);
    LogsServiceClient::connect(endpoint.clone()).await.unwrap().export(logs).await.unwrap();
    let metrics = otlp::metrics(vec![otlp::sum("requests", &[("method", "Get", 3)])]);
    MetricsServiceClient::connect(endpoint).await.unwrap().export(metrics).await.unwrap();

    let spans = collector.spans();
    assert_eq!(spans.iter().map(|span| span.name()).collect::<Vec<_>>(), ["root", "child"]);
    assert!(spans[0].is_parent_of(&spans[1]));
    assert_eq!(spans[0].resource_attribute("service.name"), Some("otlp".into()));
    assert_eq!(spans[0].scope.name, "scope");
    assert_eq!(spans[0].attribute("number"), Some(1.into()));
    let logs = collector.logs();
    assert_eq!(logs[0].body(), "hello");
    assert_eq!(logs[0].trace_id(), Some(spans[0].trace_id()));
    assert_eq!(logs[0].scope.name, "scope");
    assert_eq!(collector.metrics()[0].name(), "requests");
    let received = collector.received();
    assert_eq!((received.span_count(), received.log_count(), received.point_count()), (2, 1, 1));
}

#[tokio::test]
async fn metadata_and_message_of_each_request_are_kept() {
    let collector = Collector::start().unwrap();
    let message = otlp::traces(vec![otlp::span(1, 0, "root")]);
    let mut request = tonic::Request::new(message.clone());
    request.metadata_mut().insert("x-tenant", "acme".parse().unwrap());
    TraceServiceClient::connect(collector.endpoint()).await.unwrap().export(request).await.unwrap();

    let received = collector.received();
    let requests: Vec<_> = received.requests(Signal::Traces).collect();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("x-tenant"), Some("acme"));
    assert_eq!(requests[0].export, Export::Traces(message));
    assert_eq!(received.requests(Signal::Logs).count(), 0);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn compressed_requests_are_understood() {
    let collector = Collector::start().unwrap();
    let client = TraceServiceClient::connect(collector.endpoint()).await.unwrap();
    let mut client = client.send_compressed(tonic::codec::CompressionEncoding::Gzip);
    client.export(otlp::traces(vec![otlp::span(1, 0, "root")])).await.unwrap();
    assert_eq!(collector.spans().len(), 1);
    assert_eq!(
        collector.received().requests(Signal::Traces).next().unwrap().header("grpc-encoding"),
        Some("gzip")
    );
}

#[test]
fn waiting_ends_with_the_arrival_and_needs_no_runtime_in_the_test() {
    let collector = Collector::start().unwrap();
    let sender = otlp::in_thread(collector.endpoint(), |mut clients| async move {
        clients.traces.export(otlp::traces(vec![otlp::span(1, 0, "root")])).await.unwrap();
    });
    // The condition may ask the collector itself.
    let received = collector.wait_for(LIMIT, |_| collector.received().span_count() == 1).unwrap();
    assert_eq!(received.spans()[0].name(), "root");
    sender.join().unwrap();
}

#[test]
fn wait_timeout_reports_what_had_arrived() {
    let collector = Collector::start().unwrap();
    let error =
        collector.wait_for(Duration::from_millis(1), |received| received.span_count() == 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the condition was not met within 1ms: received 0 spans, 0 log records and 0 data points in 0 requests"
    );
}

#[tokio::test]
async fn take_returns_everything_once() {
    let collector = Collector::start().unwrap();
    let mut client = TraceServiceClient::connect(collector.endpoint()).await.unwrap();
    client.export(otlp::traces(vec![otlp::span(1, 0, "first")])).await.unwrap();
    assert_eq!(collector.take().span_count(), 1);
    client.export(otlp::traces(vec![otlp::span(2, 0, "second")])).await.unwrap();
    assert_eq!(collector.take().spans()[0].name(), "second");
    assert_eq!(collector.received().span_count(), 0);
}

#[tokio::test]
async fn a_trace_is_drawn_as_a_tree() {
    let collector = Collector::start().unwrap();
    let mut failed = otlp::span(4, 2, "query");
    failed.status = Some(otlp::error("no such table"));
    let spans = vec![otlp::span(3, 1, "second"), otlp::span(1, 0, "root"), failed, otlp::span(2, 1, "first")];
    let mut client = TraceServiceClient::connect(collector.endpoint()).await.unwrap();
    client.export(otlp::traces(spans)).await.unwrap();
    let mut clients = otlp::Clients::new(collector.endpoint());
    clients.logs.export(otlp::log_in(4, "querying")).await.unwrap();

    let received = collector.received();
    let [trace_id] = &received.trace_ids()[..] else { panic!("one trace") };
    assert_eq!(
        received.render_trace(trace_id),
        "root [server]  1.0 ms  number=1\n\
         ├─ first [server]  1.0 ms  number=2\n\
         │  └─ query [server]  1.0 ms  ERROR no such table  number=4\n\
         │     └─ · INFO querying\n\
         └─ second [server]  1.0 ms  number=3\n"
    );
    assert_eq!(received.spans_named("query")[0].status(), StatusCode::Error);
    assert_eq!(received.logs_of(trace_id).len(), 1);
}

#[test]
fn tree_omits_what_the_span_name_contains_but_keeps_captured_headers() {
    let telemetry = testing::capture();
    let attributes =
        [("rpc.system.name", "grpc"), ("rpc.method", "a.B/C"), ("rpc.request.header.x-tenant", "acme")];
    let attributes = attributes.map(|(key, value)| KeyValue::new(key, value));
    let tracer = telemetry.tracer("test");
    drop(tracer.span_builder("a.B/C").with_attributes(attributes).start(&tracer));
    let received = telemetry.received();
    let tree = received.render_trace(&received.trace_ids()[0]);
    assert!(tree.ends_with("  rpc.request.header.x-tenant=acme\n"), "{tree}");
    assert!(!tree.contains("rpc.method") && !tree.contains("rpc.system"), "{tree}");
}

#[tokio::test]
async fn last_collection_of_a_cumulative_sum_is_used() {
    let collector = Collector::start().unwrap();
    let mut client = MetricsServiceClient::connect(collector.endpoint()).await.unwrap();
    for round in 1..=3 {
        let sum = otlp::sum("requests", &[("method", "Get", round), ("method", "Put", 10 * round)]);
        client.export(otlp::metrics(vec![sum])).await.unwrap();
    }
    let received = collector.received();
    assert_eq!(received.value("requests", &[("method", "Get")]), Some(3.0));
    assert_eq!(received.value("requests", &[]), Some(33.0));
    assert_eq!(received.value("requests", &[("method", "Post")]), None);
    assert_eq!(received.value("answers", &[]), None);
}

#[tokio::test]
async fn collections_of_a_delta_sum_are_added_up() {
    let collector = Collector::start().unwrap();
    let mut client = MetricsServiceClient::connect(collector.endpoint()).await.unwrap();
    for round in 1..=3 {
        let sum = otlp::delta_sum("requests", &[("method", "Get", round)]);
        client.export(otlp::metrics(vec![sum])).await.unwrap();
    }
    assert_eq!(collector.received().value("requests", &[]), Some(6.0));
    assert_eq!(collector.received().render_metrics(), "requests in {requests}\n   6  method=Get\n");
}

#[tokio::test]
async fn quantiles_are_those_of_prometheus() {
    let collector = Collector::start().unwrap();
    let mut client = MetricsServiceClient::connect(collector.endpoint()).await.unwrap();
    let histogram = otlp::histogram("duration", &[0.5, 1.0, 2.0], &[0, 4, 0, 1]);
    client.export(otlp::metrics(vec![histogram])).await.unwrap();
    let value = collector.received().histogram("duration", &[]).unwrap();
    assert_eq!(value.count, 5);
    assert_eq!(value.quantile(0.4), Some(0.75));
    assert_eq!(value.quantile(0.99), Some(2.0));
    assert_eq!(
        collector.received().render_metrics(),
        "duration in s\n   5 measured, p50 0.8125, p95 2.0000\n"
    );
}

#[tokio::test]
async fn the_only_span_and_record_are_found_by_name() {
    let collector = Collector::start().unwrap();
    let mut clients = otlp::Clients::new(collector.endpoint());
    let spans = vec![otlp::span(1, 0, "root"), otlp::span(2, 1, "child"), otlp::span(3, 1, "child")];
    clients.traces.export(otlp::traces(spans)).await.unwrap();
    clients.logs.export(otlp::log_in(1, "hello")).await.unwrap();

    let received = collector.received();
    received.assert_no_errors();
    assert_eq!(received.span("root").span_id(), received.log("hello").span_id().unwrap());
    assert_eq!(
        failure(|| drop(received.span("query"))),
        "no span 'query'; received were 3 spans, 1 log records and 0 data points in 2 requests:\n\
         root [server]  1.0 ms  number=1\n\
         ├─ · INFO hello\n\
         ├─ child [server]  1.0 ms  number=2\n\
         └─ child [server]  1.0 ms  number=3\n"
    );
    assert!(failure(|| drop(received.span("child"))).starts_with("2 spans 'child' instead of one;"));
    assert!(failure(|| drop(received.log("bye"))).starts_with("no log record 'bye';"));
}

#[tokio::test]
async fn assert_no_errors_names_a_span_with_status_error() {
    let collector = Collector::start().unwrap();
    let mut clients = otlp::Clients::new(collector.endpoint());
    let mut failed = otlp::span(1, 0, "root");
    failed.status = Some(otlp::error("no such table"));
    clients.traces.export(otlp::traces(vec![failed])).await.unwrap();
    let received = collector.received();
    assert!(failure(|| received.assert_no_errors()).starts_with("span 'root' has the status Error;"));
}

fn failure(assertion: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(assertion)).unwrap_err();
    *panic.downcast::<String>().unwrap()
}
