//! Context across the wire: parents, links, trace state, baggage, and the user's own metadata.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use grpc_support::*;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SpanData;
use telemetry_bootstrap::RemoteContext;
use telemetry_bootstrap::grpc::ServerLayer;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::metadata::MetadataValue;
use tower::{Layer, ServiceExt};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn request(path: &str) -> http::request::Builder {
    http::Request::post(path).header("content-type", "application/grpc")
}

/// The context in which the handler works, and the span of the call.
async fn serve(
    options: impl FnOnce(ServerLayer) -> ServerLayer,
    request: http::request::Builder,
) -> (Context, SpanData) {
    propagate();
    let recorded = Recorded::new();
    let seen = Arc::new(Mutex::new(Context::new()));
    let saw = Arc::clone(&seen);
    let service = tower::service_fn(move |_: http::Request<Body>| {
        *saw.lock().unwrap() = Context::current();
        async { Ok::<_, Infallible>(tonic::Status::ok("").into_http::<Body>()) }
    });
    let service = options(recorded.server()).layer(service);
    drop(service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap());
    let context = seen.lock().unwrap().clone();
    (context, recorded.ended(1).await.remove(0))
}

fn remote(request: http::request::Builder) -> http::request::Builder {
    request.header("traceparent", TRACEPARENT).header("tracestate", "a=1").header("baggage", "tenant=acme")
}

#[tokio::test]
async fn the_callers_span_is_the_parent() {
    let (context, span) = serve(|layer| layer, remote(request("/a.B/C"))).await;
    assert_eq!(span.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(span.parent_span_is_remote);
    assert_eq!(span.span_context.trace_state().header(), "a=1");
    assert_eq!(context.baggage().get("tenant").map(ToString::to_string).as_deref(), Some("acme"));
    assert_eq!(context.span().span_context().span_id(), span.span_context.span_id());
}

#[tokio::test]
async fn several_tracestate_headers_are_one_list() {
    let request = request("/a.B/C")
        .header("traceparent", TRACEPARENT)
        .header("tracestate", "a=1,b=2")
        .header("tracestate", "c=3");
    let (_, span) = serve(|layer| layer, request).await;
    assert_eq!(span.span_context.trace_state().header(), "a=1,b=2,c=3");
}

#[tokio::test]
async fn a_public_edge_links_and_begins_a_trace_of_its_own() {
    let (context, span) =
        serve(|layer| layer.remote_context(|_| RemoteContext::Link), remote(request("/a.B/C"))).await;
    assert_ne!(span.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span.parent_span_id, SpanId::INVALID);
    let [link] = span.links.links.as_slice() else { panic!("{span:?}") };
    assert_eq!(link.span_context.span_id().to_string(), "b7ad6b7169203331");
    assert_eq!(context.baggage().len(), 0);
}

#[tokio::test]
async fn without_a_caller_there_is_nothing_to_link() {
    let (_, span) = serve(|layer| layer.remote_context(|_| RemoteContext::Link), request("/a.B/C")).await;
    assert_eq!(span.links.links.len(), 0);
}

#[tokio::test]
async fn the_caller_can_be_ignored_per_method() {
    let decide = |method: &str| {
        if method == "a.B/Public" { RemoteContext::Ignore } else { RemoteContext::Parent }
    };
    let (context, span) = serve(|layer| layer.remote_context(decide), remote(request("/a.B/Public"))).await;
    assert_eq!(span.parent_span_id, SpanId::INVALID);
    assert_eq!((span.links.links.len(), context.baggage().len()), (0, 0));
    let (_, span) = serve(|layer| layer.remote_context(decide), remote(request("/a.B/Private"))).await;
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
}

#[tokio::test]
async fn malformed_trace_headers_start_a_new_trace() {
    for broken in ["", "00-0af7", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "\u{fc}", "ff-x"]
    {
        let value = http::HeaderValue::from_bytes(broken.as_bytes()).unwrap();
        let (_, span) = serve(|layer| layer, request("/a.B/C").header("traceparent", value)).await;
        assert_eq!(span.parent_span_id, SpanId::INVALID, "{broken:?}");
    }
    let binary = http::HeaderValue::from_bytes(&[0xff, 0xfe]).unwrap();
    let request = request("/a.B/C").header("traceparent", TRACEPARENT).header("tracestate", binary);
    let (_, span) = serve(|layer| layer, request).await;
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
}

#[tokio::test]
async fn client_and_server_spans_are_one_trace() {
    let world = World::start().await;
    let tracer = world.client.tracer_provider.tracer("application");
    let parent = Context::new().with_span(tracer.start("parent"));
    let parent = parent.with_baggage([KeyValue::new("tenant", "acme")]);
    let mut client = world.grpc();
    let call = client.unary(ask(0, "ok"));
    opentelemetry::trace::FutureExt::with_context(call, parent.clone()).await.unwrap();
    let server = world.server_ended("OK").await;
    let client = world.client.ended(1).await.remove(0);
    assert_eq!(client.parent_span_id, parent.span().span_context().span_id());
    assert_eq!(server.parent_span_id, client.span_context.span_id());
    assert_eq!(server.span_context.trace_id(), client.span_context.trace_id());
}

/// The headers that a call sends whose metadata the user filled with these.
async fn sent(context: Context, fill: impl FnOnce(&mut tonic::metadata::MetadataMap)) -> http::HeaderMap {
    propagate();
    let recorded = Recorded::new();
    let seen = Arc::new(Mutex::new(None));
    let saw = Arc::clone(&seen);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        *saw.lock().unwrap() = Some(request.headers().clone());
        async { Ok::<_, Infallible>(tonic::Status::ok("").into_http::<Body>()) }
    });
    let mut client = TestClient::new(recorded.client().layer(service));
    let mut request = tonic::Request::new(ask(0, "ok"));
    fill(request.metadata_mut());
    let call = client.unary_at(UNARY, request);
    // The bare answer has no message: only what was sent matters.
    opentelemetry::trace::FutureExt::with_context(call, context).await.unwrap_err();
    recorded.ended(1).await;
    seen.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn user_metadata_arrives_untouched_duplicates_and_binary_included() {
    let headers = sent(Context::new(), |metadata| {
        metadata.append("k", "1".parse().unwrap());
        metadata.append("k", "2".parse().unwrap());
        metadata.append_bin("key-bin", MetadataValue::from_bytes(&[0, 255]));
    })
    .await;
    let values: Vec<_> = headers.get_all("k").iter().collect();
    assert_eq!(values, ["1", "2"]);
    assert_eq!(headers["key-bin"], "AP8");
    assert!(headers.contains_key("traceparent"));
}

#[tokio::test]
async fn no_empty_trace_state_is_sent() {
    let headers = sent(Context::new(), |_| {}).await;
    assert!(!headers.contains_key("tracestate"), "{headers:?}");
    assert!(!headers.contains_key("baggage"), "{headers:?}");
}

#[tokio::test]
async fn trace_state_and_baggage_are_sent() {
    let state = TraceState::from_str("a=1,b=2").unwrap();
    let parent = SpanContext::new(TraceId::from(7), SpanId::from(8), TraceFlags::SAMPLED, true, state);
    let context = Context::new().with_remote_span_context(parent);
    let headers = sent(context.with_baggage([KeyValue::new("tenant", "acme")]), |_| {}).await;
    assert_eq!(headers["tracestate"], "a=1,b=2");
    assert_eq!(headers["baggage"], "tenant=acme");
    assert!(headers["traceparent"].to_str().unwrap().starts_with("00-00000000000000000000000000000007-"));
}

#[tokio::test]
async fn a_tracestate_list_of_which_a_part_is_no_text_is_dropped() {
    let not_text = http::HeaderValue::from_bytes(b"b=\xff").unwrap();
    let request = request("/a.B/C")
        .header("traceparent", TRACEPARENT)
        .header("tracestate", "a=1")
        .header("tracestate", not_text);
    let (_, span) = serve(|layer| layer, request).await;
    assert!(span.parent_span_is_remote);
    assert_eq!(span.span_context.trace_state().header(), "");
}

#[tokio::test]
async fn a_stale_traceparent_of_the_user_is_replaced() {
    let headers = sent(Context::new(), |metadata| {
        metadata.append("traceparent", TRACEPARENT.parse().unwrap());
    })
    .await;
    let values: Vec<_> = headers.get_all("traceparent").iter().collect();
    assert_eq!(values.len(), 1);
    assert_ne!(values[0], TRACEPARENT);
}
