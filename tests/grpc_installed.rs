//! The layers after `init()`: the crate's own propagators and providers.

#![cfg(all(feature = "grpc", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::TraceContextExt;
use telemetry_bootstrap::grpc::{ClientLayer, ServerLayer};
use telemetry_bootstrap::testing::Collector;
use tonic::body::Body;
use tonic::codegen::http;
use tower::{Layer, Service, ServiceExt};

/// Sends a request through a server that calls on: what that call sends.
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
            let ours = opentelemetry::Context::map_current(|context| context.span().span_context().clone());
            let response = client.call(call(&[])).await.unwrap();
            drop(response);
            let mut response = tonic::Status::ok("").into_http::<Body>();
            response.headers_mut().insert("span", ours.span_id().to_string().parse().unwrap());
            Ok::<_, Infallible>(response)
        }
    });
    let response = ServerLayer::new().layer(handler).oneshot(call(headers)).await.unwrap();
    let mut sent = seen.lock().unwrap().clone();
    sent.insert("handler", response.headers()["span"].clone());
    sent
}

fn call(headers: &[(&str, &str)]) -> http::Request<Body> {
    let mut request = http::Request::post("/a.B/C").header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn context_goes_through_whole() {
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
    assert_eq!(sent["baggage"], "tenant=acme");

    let sent = passed_on(&[("traceparent", traceparent), ("traceparent", traceparent)]).await;
    assert!(!sent["traceparent"].to_str().unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
    assert!(!sent.contains_key("tracestate"));

    let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let sent = passed_on(&[("traceparent", unsampled)]).await;
    let passed = sent["traceparent"].to_str().unwrap();
    assert!(
        passed.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && passed.ends_with("-00"),
        "{passed}"
    );
}

/// Runs the test again in a process of its own that has this variable. True there.
fn in_child(test: &str, variable: &str, value: &str) -> bool {
    if std::env::var(variable).is_ok() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let child =
        std::process::Command::new(program).args([test, "--exact"]).env(variable, value).output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    false
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
    assert_eq!(spans.len(), 2);
    for span in spans {
        assert_eq!(span.attribute_text("rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(span.attribute_text("rpc.system"), None);
    }
}
