//! Telemetry of one test, captured in memory.

#[path = "../examples/grpc_service/proto.rs"]
mod proto;

use proto::my_service_client::MyServiceClient;
use proto::my_service_server::{MyService, MyServiceServer};
use proto::{MyRequest, MyRequests, MyResponse};
use telemetry_bootstrap::grpc::ServerLayer;
use telemetry_bootstrap::opentelemetry::KeyValue;
use telemetry_bootstrap::opentelemetry::trace::{Tracer, TracerProvider};
use telemetry_bootstrap::testing::{self, StatusCode};
use telemetry_bootstrap::tracing::{self, debug, info, info_span};
use telemetry_bootstrap::{duration_histogram, record_error};
use tonic::{Request, Response, Status};
use tower::Layer;
use tracing::Instrument;

#[test]
fn spans_records_and_lines_belong_together() {
    let telemetry = testing::capture();
    info_span!("checkout", basket = "b1").in_scope(|| {
        info_span!("pay").in_scope(|| info!(cents = 250, "paid"));
    });

    let (outer, inner) = (telemetry.span("checkout"), telemetry.span("pay"));
    assert!(outer.is_parent_of(&inner));
    assert_eq!(outer.attribute("basket"), Some("b1".into()));
    let log = telemetry.log("paid");
    assert_eq!(log.span_id(), Some(inner.span_id()));
    assert_eq!(log.attribute("cents"), Some(250.into()));
    let line: serde_json::Value = serde_json::from_str(&telemetry.lines()[0]).unwrap();
    assert_eq!((&line["message"], &line["span_id"]), (&"paid".into(), &inner.span_id().into()));
    telemetry.assert_no_errors();
}

#[test]
fn metrics_are_collected_on_request() {
    let telemetry = testing::capture();
    let meter = telemetry.meter("shop");
    let orders = meter.u64_counter("orders").build();
    orders.add(2, &[KeyValue::new("kind", "book")]);
    assert_eq!(telemetry.value("orders", &[("kind", "book")]), Some(2.0));
    orders.add(1, &[KeyValue::new("kind", "book")]);
    assert_eq!(telemetry.value("orders", &[]), Some(3.0));
}

#[test]
fn durations_of_milliseconds_have_buckets_of_their_own() {
    let telemetry = testing::capture();
    let duration = duration_histogram(&telemetry.meter("shop"), "order.duration").build();
    for seconds in [0.004, 0.011, 0.02, 0.3] {
        duration.record(seconds, &[]);
    }
    let value = telemetry.received().histogram("order.duration", &[]).unwrap();
    assert_eq!(value.count, 4);
    // Of the default buckets it would be 2.5 s.
    assert!((0.01..=0.025).contains(&value.quantile(0.5).unwrap()), "{value:?}");
    assert_eq!(telemetry.metrics()[0].unit(), "s");
}

#[test]
fn an_error_is_seen_on_the_span() {
    let telemetry = testing::capture();
    let error = "seven".parse::<u8>().unwrap_err();
    info_span!("parse").in_scope(|| record_error(&error));
    let span = telemetry.span("parse");
    assert_eq!((span.status(), span.status_message()), (StatusCode::Error, "invalid digit found in string"));
    assert_eq!(span.events("exception").count(), 1);
    let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| telemetry.assert_no_errors()));
    assert!(failure.is_err());
}

#[test]
fn capture_uses_the_filters_of_production() {
    let telemetry = testing::capture();
    debug!("too much");
    info!("enough");
    assert_eq!(telemetry.lines().len(), 1);
    assert_eq!(telemetry.logs().len(), 1);
}

#[test]
fn captures_of_two_threads_stay_separate() {
    let telemetry = testing::capture();
    info!("mine");
    std::thread::spawn(|| {
        info!("not captured");
        let other = testing::capture();
        info!("theirs");
        assert_eq!(other.logs().len(), 1);
    })
    .join()
    .unwrap();
    assert_eq!(telemetry.logs().len(), 1);
}

#[test]
fn a_thread_can_be_captured_together_with_the_test() {
    let telemetry = testing::capture();
    let dispatch = telemetry.dispatch();
    std::thread::spawn(move || tracing::dispatcher::with_default(&dispatch, || info!("from there")))
        .join()
        .unwrap();
    assert!(telemetry.log("from there").trace_id().is_none());
}

#[tokio::test]
async fn tasks_of_the_test_are_captured() {
    let telemetry = testing::capture();
    let task = async {
        tokio::task::yield_now().await;
        info!("done");
    };
    tokio::spawn(task.instrument(info_span!("task"))).await.unwrap();
    assert_eq!(telemetry.log("done").span_id(), Some(telemetry.span("task").span_id()));
}

#[test]
fn spans_of_the_opentelemetry_api_are_captured_through_the_provider() {
    let telemetry = testing::capture();
    telemetry.tracer_provider().tracer("raw").in_span("raw-span", |_| info!("inside"));
    let span = telemetry.span("raw-span");
    assert_eq!(span.scope.name, "raw");
    assert_eq!(telemetry.log("inside").span_id(), Some(span.span_id()));
}

#[test]
fn nothing_is_captured_after_the_drop() {
    let outer = testing::capture();
    drop(testing::capture());
    info!("for the outer one");
    assert_eq!(outer.logs().len(), 1);
}

#[tokio::test]
async fn a_grpc_handler_is_tested_without_a_network() {
    let telemetry = testing::capture();
    let layer = ServerLayer::new()
        .tracer_provider(telemetry.tracer_provider().clone())
        .meter_provider(telemetry.meter_provider().clone());
    let mut client = MyServiceClient::new(layer.layer(MyServiceServer::new(Greeter)));

    client.process_request(MyRequest { id: "1".to_owned() }).await.unwrap();

    let call = telemetry.span("myservice.MyService/ProcessRequest");
    assert_eq!(call.attribute("rpc.status_code"), Some("OK".into()));
    assert_eq!(telemetry.log("greeting").span_id(), Some(call.span_id()));
    assert_eq!(telemetry.received().histogram("rpc.server.call.duration", &[]).unwrap().count, 1);
}

struct Greeter;

#[tonic::async_trait]
impl MyService for Greeter {
    async fn process_request(&self, _request: Request<MyRequest>) -> Result<Response<MyResponse>, Status> {
        info!("greeting");
        Ok(Response::new(MyResponse::default()))
    }

    type ProcessRequestsStream = tokio_stream::Empty<Result<MyResponse, Status>>;

    async fn process_requests(
        &self,
        _request: Request<MyRequests>,
    ) -> Result<Response<Self::ProcessRequestsStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}
