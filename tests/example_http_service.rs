//! The example's three services, seen from a collector.

#![cfg(all(feature = "grpc", feature = "axum", feature = "testing"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "../examples/http_service/customer.rs"]
mod customer;
#[path = "../examples/http_service/payments.rs"]
mod payments;
#[path = "../examples/grpc_service/proto.rs"]
mod proto;
#[path = "../examples/http_service/shop.rs"]
mod shop;
#[path = "../examples/http_service/stock.rs"]
mod stock;

use telemetry_bootstrap::testing::{CollectedSpan, CollectedTelemetry, Collector, SpanKind, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[tokio::test]
async fn every_order_is_a_trace_across_three_services() {
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .service_name("test")
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(telemetry_bootstrap::LogFormat::Off))
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let services = tokio::spawn(shop::serve_all(listener, async {
        let _ = stopped.await;
    }));
    customer::visit(address).await.unwrap();
    drop(stop);
    services.await.unwrap().unwrap();
    let stats = telemetry.shutdown().unwrap();
    assert_eq!((stats.lost(), stats.open_spans), (0, 0));

    let received = collector.received();
    placed_order(&received);
    missing_item(&received);
    failed_payment(&received);
    event_stream(&received);
    metrics(&received);
}

fn placed_order(received: &CollectedTelemetry) {
    let trace = trace_of(received, "buy", "tea");
    let names: Vec<_> = trace.iter().map(|span| (span.name(), span.kind())).collect();
    assert_eq!(
        names,
        [
            ("buy", SpanKind::Internal),
            ("POST", SpanKind::Client),
            ("POST /orders/{item}", SpanKind::Server),
            ("place order", SpanKind::Internal),
            ("GET /items/{item}", SpanKind::Client),
            ("GET /items/{item}", SpanKind::Server),
            (PAY, SpanKind::Client),
            (PAY, SpanKind::Server),
        ]
    );
    for (parent, child) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (3, 6), (6, 7)] {
        assert!(trace[parent].is_parent_of(&trace[child]), "{parent}, {child}: {trace:#?}");
    }
    assert!(trace.iter().all(|span| span.status() == StatusCode::Unset));
    assert_eq!(trace[2].attribute("shop.item"), Some("tea".into()));

    let logs = received.logs_of(&trace[0].trace_id());
    let placed: Vec<_> = logs.iter().map(|log| (log.body(), log.span_id().unwrap())).collect();
    let at = |message: &str, span: usize| (message.to_owned(), trace[span].span_id());
    assert_eq!(
        placed,
        [at("looking up", 5), at("reserved", 3), at("paid", 7), at("order placed", 2), at("answered", 0)]
    );
}

fn missing_item(received: &CollectedTelemetry) {
    let trace = trace_of(received, "buy", "moon");
    let found: Vec<_> = trace.iter().map(|span| (span.kind(), span.status(), code(span))).collect();
    let not_found = Some("404".to_owned());
    assert_eq!(
        found,
        [
            (SpanKind::Internal, StatusCode::Unset, None),
            (SpanKind::Client, StatusCode::Error, not_found.clone()),
            (SpanKind::Server, StatusCode::Unset, not_found.clone()),
            (SpanKind::Internal, StatusCode::Unset, None),
            (SpanKind::Client, StatusCode::Error, not_found.clone()),
            (SpanKind::Server, StatusCode::Unset, not_found),
        ]
    );
}

fn failed_payment(received: &CollectedTelemetry) {
    let trace = trace_of(received, "buy", "broken-1");
    let request = trace.iter().find(|span| span.name() == "POST /orders/{item}").unwrap();
    assert_eq!((request.status(), code(request)), (StatusCode::Error, Some("502".to_owned())));
    let exceptions: usize = trace.iter().map(|span| span.events("exception").count()).sum();
    assert_eq!((request.events("exception").count(), exceptions), (1, 1), "{trace:#?}");
    let log = received.log("cannot pay for the order");
    assert_eq!(log.span_id(), Some(request.span_id()));
    let causes = log.attribute_text("exception.stacktrace").unwrap();
    assert!(causes.contains("the ledger is damaged"), "{causes}");
}

fn event_stream(received: &CollectedTelemetry) {
    let trace = trace_of(received, "watch", "tea");
    let [_, client, server] = &trace[..] else { panic!("{trace:#?}") };
    assert_eq!(server.name(), "GET /orders/{item}/progress");
    let steps: Vec<_> = received
        .logs_of(&server.trace_id())
        .iter()
        .filter(|log| log.span_id() == Some(server.span_id()))
        .map(|log| log.attribute_text("step").unwrap())
        .collect();
    assert_eq!(steps, ["packed", "shipped", "delivered"]);
    // Both last to the end of the stream, not to its head.
    assert!(client.duration().as_millis() >= 10 && server.duration().as_millis() >= 10);
}

fn metrics(received: &CollectedTelemetry) {
    let orders = |outcome| received.value("shop.orders", &[("outcome", outcome)]);
    assert_eq!((orders("placed"), orders("refused")), (Some(1.0), Some(2.0)));
    let served = |route, status| {
        let attributes = [("http.route", route), ("http.response.status_code", status)];
        received.histogram("http.server.request.duration", &attributes).map(|histogram| histogram.count)
    };
    assert_eq!(served("/orders/{item}", "200"), Some(1));
    assert_eq!(served("/orders/{item}", "404"), Some(1));
    assert_eq!(served("/orders/{item}", "502"), Some(1));
    assert_eq!(served("/items/{item}", "200"), Some(2));
}

fn trace_of(received: &CollectedTelemetry, root: &str, item: &str) -> Vec<CollectedSpan> {
    let mut spans = received.spans_named(root);
    spans.retain(|span| span.attribute("item") == Some(item.to_owned().into()));
    assert_eq!(spans.len(), 1, "{root} {item}");
    received.trace(&spans[0].trace_id())
}

fn code(span: &CollectedSpan) -> Option<String> {
    span.attribute_text("http.response.status_code")
}

const PAY: &str = "myservice.MyService/ProcessRequest";
