//! The layers after `init()`: the crate's own propagators and providers.

#![cfg(all(feature = "grpc", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use grpc_support::in_child;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanId, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::BaggagePropagator;
use opentelemetry_sdk::trace::{IdGenerator, Sampler};
use telemetry_bootstrap::LogDestination;
use telemetry_bootstrap::grpc::{ClientLayer, ServerLayer};
use telemetry_bootstrap::testing::Collector;
use tonic::body::Body;
use tonic::codegen::http;
use tower::{Layer, Service, ServiceExt};
use tracing::Instrument;

/// Sends a request through a server that calls on from within a span of `tracing`: what that call sends.
async fn passed_on(headers: &[(&str, &str)]) -> http::HeaderMap {
    let seen = Arc::new(Mutex::new(http::HeaderMap::new()));
    let saw = Arc::clone(&seen);
    let leaf = tower::service_fn(move |request: http::Request<Body>| {
        *saw.lock().unwrap() = request.headers().clone();
        async { Ok::<_, Infallible>(tonic::Status::ok("").into_http::<Body>()) }
    });
    let client = ClientLayer::new().layer(leaf);
    let handler = tower::service_fn(move |_: http::Request<Body>| {
        let mut client = client.clone();
        async move {
            let ours = Context::map_current(|context| context.span().span_context().clone());
            let response = client.call(call(&[])).await.unwrap();
            drop(response);
            let mut response = tonic::Status::ok("").into_http::<Body>();
            response.headers_mut().insert("span", ours.span_id().to_string().parse().unwrap());
            let entries = Context::map_current(|context| context.baggage().len());
            response.headers_mut().insert("entries", entries.into());
            Ok::<_, Infallible>(response)
        }
        .instrument(tracing::info_span!("work"))
    });
    let response = ServerLayer::new().layer(handler).oneshot(call(headers)).await.unwrap();
    let mut sent = seen.lock().unwrap().clone();
    sent.insert("handler", response.headers()["span"].clone());
    sent.insert("handler-baggage", response.headers()["entries"].clone());
    sent
}

fn call(headers: &[(&str, &str)]) -> http::Request<Body> {
    let mut request = http::Request::post("/a.B/C").header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[test]
fn a_layer_that_is_used_before_build_records_afterwards() {
    const NAME: &str = "a_layer_that_is_used_before_build_records_afterwards";
    if !in_child(NAME, "USED_BEFORE_BUILD", "1") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = tower::service_fn(|_: http::Request<Body>| async {
        Ok::<_, Infallible>(tonic::Status::ok("").into_http::<Body>())
    });
    let service = ClientLayer::new().layer(service);
    drop(runtime.block_on(service.clone().oneshot(call(&[]))).unwrap());
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init().ignore_env().endpoint(collector.endpoint()).build().unwrap();
    drop(runtime.block_on(service.oneshot(call(&[]))).unwrap());
    telemetry.shutdown().unwrap();
    assert_eq!(collector.spans().len(), 1);
    assert_eq!(collector.received().histogram("rpc.client.call.duration", &[]).unwrap().count, 1);
}

#[tokio::test]
async fn trace_state_and_baggage_pass_through_a_service() {
    let _telemetry = telemetry_bootstrap::init().ignore_env().build().unwrap();

    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";
    let sent = passed_on(&[
        ("traceparent", traceparent),
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
        ("baggage", "tenant=acme"),
    ])
    .await;
    let passed = sent["traceparent"].to_str().unwrap();
    assert!(passed.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{passed}");
    assert!(passed.ends_with("-03"), "sampled and random: {passed}");
    assert_ne!(&passed[36..52], "b7ad6b7169203331");
    assert_ne!(&passed[36..52], sent["handler"].to_str().unwrap(), "the client has a span of its own");
    assert_eq!(sent["tracestate"], "a=1,b=2");
    assert_eq!((&sent["baggage"], &sent["handler-baggage"]), (&"tenant=acme".parse().unwrap(), &1.into()));

    let sent = passed_on(&[("traceparent", traceparent), ("traceparent", traceparent)]).await;
    assert!(!sent["traceparent"].to_str().unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
    assert!(!sent.contains_key("tracestate"));

    let broken = &[("traceparent", traceparent), ("traceparent", "\u{e9}")];
    let sent = passed_on(broken).await;
    assert!(!sent["traceparent"].to_str().unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
}

#[tokio::test]
async fn unsampled_calls_hand_the_context_on_too() {
    if !in_child("unsampled_calls_hand_the_context_on_too", "UNSAMPLED", "1") {
        return;
    }
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init().ignore_env().endpoint(collector.endpoint()).build().unwrap();
    for flags in ["00", "02"] {
        let traceparent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        let sent =
            passed_on(&[("traceparent", &traceparent), ("tracestate", "a=1"), ("baggage", "b=2")]).await;
        let passed = sent["traceparent"].to_str().unwrap();
        assert!(passed.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{passed}");
        assert!(passed.ends_with(&format!("-{flags}")), "{passed}");
        assert_ne!(&passed[36..52], "b7ad6b7169203331", "the server has a span of its own");
        assert_ne!(&passed[36..52], sent["handler"].to_str().unwrap(), "the client has a span of its own");
        assert_eq!(
            (&sent["tracestate"], &sent["baggage"]),
            (&"a=1".parse().unwrap(), &"b=2".parse().unwrap())
        );
    }
    telemetry.shutdown().unwrap();
    assert_eq!(collector.spans().len(), 0);
}

#[tokio::test]
async fn a_sampler_that_drops_everything_still_gives_ids() {
    if !in_child("a_sampler_that_drops_everything_still_gives_ids", "OTEL_TRACES_SAMPLER", "always_off") {
        return;
    }
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init().endpoint(collector.endpoint()).build().unwrap();
    let sent = passed_on(&[]).await;
    let passed = sent["traceparent"].to_str().unwrap();
    // Not sampled, and the trace id is random.
    assert!(passed.ends_with("-02") && !passed.contains("00000000000000000000000000000000"), "{passed}");
    let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";
    let sent = passed_on(&[("traceparent", sampled)]).await;
    let passed = sent["traceparent"].to_str().unwrap();
    assert!(
        passed.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && passed.ends_with("-02"),
        "{passed}"
    );
    telemetry.shutdown().unwrap();
    assert_eq!(collector.spans().len(), 0);
}

#[tokio::test]
async fn a_name_that_no_header_can_have_is_warned_of_once() {
    if !in_child("a_name_that_no_header_can_have_is_warned_of_once", "CAPTURED", "1") {
        return;
    }
    let lines = std::env::temp_dir().join(format!("captured-{}", std::process::id()));
    let output = LogDestination::file(&lines);
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .log_output(|lines| lines.destination(output))
        .build()
        .unwrap();
    let leaf = tower::service_fn(|_: http::Request<Body>| async {
        Ok::<_, Infallible>(tonic::Status::ok("").into_http::<Body>())
    });
    let service = ServerLayer::new().capture_request_headers(["x-tenant", "no name"]).layer(leaf);
    for _ in 0..2 {
        drop(service.clone().oneshot(call(&[])).await.unwrap());
    }
    drop(telemetry);
    let text = std::fs::read_to_string(&lines).unwrap();
    std::fs::remove_file(&lines).unwrap();
    assert_eq!(text.matches(r#""name":"no name""#).count(), 1, "{text}");
    assert!(!text.contains("x-tenant"), "{text}");
}

#[tokio::test]
async fn baggage_stays_where_its_propagator_was_not_chosen() {
    if !in_child("baggage_stays_where_its_propagator_was_not_chosen", "OTEL_PROPAGATORS", "tracecontext") {
        return;
    }
    let _telemetry = telemetry_bootstrap::init().build().unwrap();
    let headers = [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("baggage", "tenant=acme"),
    ];
    assert_eq!(passed_on(&headers).await["handler-baggage"], "0", "what came is not taken over");
    let _attached = Context::current_with_baggage([KeyValue::new("tenant", "acme")]).attach();
    let sent = passed_on(&headers).await;
    assert!(sent["traceparent"].to_str().unwrap().starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    assert!(!sent.contains_key("baggage"), "what is there is not sent");
}

#[tokio::test]
async fn other_propagators_replace_the_standard_ones_on_both_sides() {
    let name = "other_propagators_replace_the_standard_ones_on_both_sides";
    if !in_child(name, "OTEL_PROPAGATORS", "xray,b3multi") {
        return;
    }
    let _telemetry = telemetry_bootstrap::init().build().unwrap();
    let trace_id = "80f198ee56343ba864fe8b2a57d3eff7";
    let sent = passed_on(&[
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-b3-traceid", trace_id),
        ("x-b3-spanid", "e457b5a2e4d86bd1"),
        ("x-b3-flags", "1"),
        ("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793"),
    ])
    .await;
    assert_eq!(sent["x-b3-traceid"], trace_id);
    assert_ne!(sent["x-b3-spanid"], "e457b5a2e4d86bd1");
    assert_eq!(
        (&sent["x-b3-flags"], sent.get("x-b3-sampled")),
        (&"1".parse().unwrap(), None),
        "debug goes on"
    );
    let xray = sent["x-amzn-trace-id"].to_str().unwrap();
    assert!(
        xray.starts_with("Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Parent=") && xray.ends_with(";Sampled=1")
    );
    assert!(!sent.contains_key("traceparent"));
    let balanced =
        passed_on(&[("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")]).await;
    assert_eq!(balanced["x-b3-sampled"], "1", "no parent, so a new trace that is recorded");
}

/// What is sent on for a request whose caller has left the decision open.
async fn deferred() -> http::HeaderMap {
    passed_on(&[("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1")]).await
}

#[tokio::test]
async fn root_sampler_decides_where_the_caller_left_the_decision_open() {
    let name = "root_sampler_decides_where_the_caller_left_the_decision_open";
    if !in_child(name, "OTEL_PROPAGATORS", "b3") {
        return;
    }
    let collector = Collector::start().unwrap();
    let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
    let _telemetry = telemetry_bootstrap::init()
        .endpoint(collector.endpoint())
        .traces(|traces| traces.sampler(sampler))
        .build()
        .unwrap();
    let sent = deferred().await["b3"].to_str().unwrap().to_owned();
    assert!(sent.starts_with("80f198ee56343ba864fe8b2a57d3eff7-") && sent.ends_with("-0"), "{sent}");
}

#[tokio::test]
async fn root_sampler_decides_on_spans_of_the_sdk_where_the_caller_left_the_decision_open() {
    let name = "root_sampler_decides_on_spans_of_the_sdk_where_the_caller_left_the_decision_open";
    if !in_child(name, "OTEL_PROPAGATORS", "b3") {
        return;
    }
    let collector = Collector::start().unwrap();
    let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
    let _telemetry = telemetry_bootstrap::init()
        .endpoint(collector.endpoint())
        .traces(|traces| traces.sampler(sampler).id_generator(Counting::default()))
        .build()
        .unwrap();
    let sent = deferred().await["b3"].to_str().unwrap().to_owned();
    assert!(sent.starts_with("80f198ee56343ba864fe8b2a57d3eff7-") && sent.ends_with("-0"), "{sent}");
}

#[tokio::test]
async fn default_sampler_records_where_the_caller_left_the_decision_open() {
    let name = "default_sampler_records_where_the_caller_left_the_decision_open";
    if !in_child(name, "OTEL_PROPAGATORS", "b3") {
        return;
    }
    let collector = Collector::start().unwrap();
    let _telemetry = telemetry_bootstrap::init().endpoint(collector.endpoint()).build().unwrap();
    let sent = deferred().await["b3"].to_str().unwrap().to_owned();
    assert!(sent.starts_with("80f198ee56343ba864fe8b2a57d3eff7-") && sent.ends_with("-1"), "{sent}");
}

/// Ids that count up.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl IdGenerator for Counting {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(self.0.fetch_add(1, Ordering::Relaxed) as u128 + 1)
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

#[tokio::test]
async fn ids_of_unsampled_calls_come_from_the_users_generator() {
    if !in_child("ids_of_unsampled_calls_come_from_the_users_generator", "COUNTING", "1") {
        return;
    }
    let _telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .traces(|traces| traces.id_generator(Counting::default()))
        .build()
        .unwrap();
    let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let sent = passed_on(&[("traceparent", unsampled)]).await;
    assert_eq!(sent["traceparent"], "00-0af7651916cd43dd8448eb211c80319c-0000000000000003-00");
}

#[tokio::test]
async fn a_propagator_that_was_replaced_is_not_used_any_more() {
    if !in_child("a_propagator_that_was_replaced_is_not_used_any_more", "REPLACED", "1") {
        return;
    }
    let _telemetry = telemetry_bootstrap::init().ignore_env().build().unwrap();
    let headers = [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("baggage", "tenant=acme"),
    ];
    assert_eq!(passed_on(&headers).await["baggage"], "tenant=acme");
    opentelemetry::global::set_text_map_propagator(BaggagePropagator::new());
    let sent = passed_on(&headers).await;
    assert_eq!((sent.get("traceparent"), &sent["baggage"]), (None, &"tenant=acme".parse().unwrap()));
}

/// Sends a header of its own along.
#[derive(Debug)]
struct Tenant;

impl TextMapPropagator for Tenant {
    fn inject_context(&self, _: &Context, injector: &mut dyn Injector) {
        injector.set("x-tenant", "acme".to_owned());
    }

    fn extract_with_context(&self, context: &Context, _: &dyn Extractor) -> Context {
        context.clone()
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&[])
    }
}

#[tokio::test]
async fn a_propagator_of_the_users_is_used_as_well() {
    if !in_child("a_propagator_of_the_users_is_used_as_well", "CUSTOM", "1") {
        return;
    }
    let _telemetry = telemetry_bootstrap::init().ignore_env().propagator(Tenant).build().unwrap();
    let sent = passed_on(&[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]).await;
    assert!(sent["traceparent"].to_str().unwrap().starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    assert_eq!(sent["x-tenant"], "acme");
}

#[tokio::test]
async fn disabled_telemetry_still_hands_the_context_on() {
    if !in_child("disabled_telemetry_still_hands_the_context_on", "OTEL_SDK_DISABLED", "true") {
        return;
    }
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init().endpoint(collector.endpoint()).build().unwrap();
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";
    let sent = passed_on(&[("traceparent", traceparent), ("baggage", "tenant=acme")]).await;
    assert_eq!(sent["traceparent"], traceparent);
    assert_eq!(sent["baggage"], "tenant=acme");
    assert_eq!(telemetry.shutdown().unwrap(), Default::default());
    assert_eq!(collector.connections(), 0);
}

#[tokio::test]
async fn an_environment_that_is_ignored_does_not_name_attributes() {
    let test = "an_environment_that_is_ignored_does_not_name_attributes";
    if !in_child(test, "OTEL_SEMCONV_STABILITY_OPT_IN", "rpc/old") {
        return;
    }
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init().ignore_env().endpoint(collector.endpoint()).build().unwrap();
    passed_on(&[]).await;
    telemetry.shutdown().unwrap();
    let spans = collector.spans();
    assert_eq!(spans.len(), 3);
    for span in spans.iter().filter(|span| span.name() != "work") {
        assert_eq!(span.attribute_text("rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(span.attribute_text("rpc.system"), None);
    }
}

/// What a service behind a server and a client layer receives when this is sent.
async fn received_behind(headers: &[(&str, &str)]) -> http::HeaderMap {
    let seen = Arc::new(Mutex::new(http::HeaderMap::new()));
    let saw = Arc::clone(&seen);
    let leaf = tower::service_fn(move |request: http::Request<Body>| {
        *saw.lock().unwrap() = request.headers().clone();
        async { Ok::<_, Infallible>(tonic::Status::ok("").into_http::<Body>()) }
    });
    let client = ClientLayer::new().layer(leaf);
    let handler = tower::service_fn(move |_: http::Request<Body>| client.clone().oneshot(call(&[])));
    drop(ServerLayer::new().layer(handler).oneshot(call(headers)).await.unwrap());
    seen.lock().unwrap().clone()
}

#[tokio::test]
async fn trace_context_level_2_additions_reach_the_next_service() {
    if !in_child("trace_context_level_2_additions_reach_the_next_service", "LEVEL", "2") {
        return;
    }
    let _telemetry = telemetry_bootstrap::init().ignore_env().build().unwrap();
    for flags in ["00", "01", "02", "03"] {
        let traceparent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        let received =
            received_behind(&[("traceparent", &traceparent), ("tracestate", "foo@@bar=1,bar=2")]).await;
        let passed = received["traceparent"].to_str().unwrap();
        assert!(passed.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{passed}");
        assert!(passed.ends_with(&format!("-{flags}")), "{passed} for {flags}");
        assert_eq!(received["tracestate"], "foo@@bar=1,bar=2");
    }
}
