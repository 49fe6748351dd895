//! What a recorded call looks like: names, attributes, metrics, and every setting of the layers.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail with them")]

mod grpc_support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use grpc_support::*;
use opentelemetry::trace::{SpanId, SpanKind, TraceContextExt, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, Value};
use opentelemetry_sdk::trace::{Sampler, SpanData};
use telemetry_bootstrap::GrpcCode;
use telemetry_bootstrap::grpc::ServerLayer;
use tonic::body::Body;
use tonic::codegen::http;
use tower::{Layer, ServiceExt};
use tracing_subscriber::layer::SubscriberExt;

const PROST: &str = "application/grpc+proto";

/// A request as a server gets it.
fn request(path: &str) -> http::request::Builder {
    http::Request::post(format!("http://greeter.example:50051{path}")).header("content-type", PROST)
}

/// Answers with these headers, and no body.
fn answering(headers: &'static [(&'static str, &'static str)]) -> impl Answering {
    tower::service_fn(move |_: http::Request<Body>| async move {
        let mut response = http::Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
    })
}

trait Answering:
    tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> Answering for S where
    S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

const OK: &[(&str, &str)] = &[("grpc-status", "0")];

async fn serve(layer: &ServerLayer, service: impl Answering, request: http::request::Builder) {
    let service = layer.layer(service);
    drop(service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap());
}

async fn served(
    options: impl FnOnce(ServerLayer) -> ServerLayer,
    request: http::request::Builder,
) -> SpanData {
    let recorded = Recorded::new();
    serve(&options(recorded.server()), answering(OK), request).await;
    recorded.ended(1).await.remove(0)
}

#[tokio::test]
async fn stable_names_on_both_sides() {
    let world = World::start().await;
    world.grpc().unary(ask(0, "ok")).await.unwrap();
    let server = world.server_ended("OK").await;
    let client = world.client_ended("OK").await;
    let host = world.address.ip().to_string();
    for (span, kind) in [(&server, SpanKind::Server), (&client, SpanKind::Client)] {
        assert_eq!(span.name, "test.Test/Unary");
        assert_eq!(span.span_kind, kind);
        assert_eq!(attribute(span, "rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(attribute(span, "rpc.method").as_deref(), Some("test.Test/Unary"));
        assert_eq!(attribute(span, "server.address"), Some(host.clone()));
        let port = i64::from(world.address.port());
        assert_eq!(value(&span.attributes, "server.port"), Some(&Value::I64(port)));
        let scope = &span.instrumentation_scope;
        assert_eq!(scope.name(), "telemetry-bootstrap");
        assert_eq!(scope.version(), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(scope.schema_url(), Some("https://opentelemetry.io/schemas/1.45.0"));
        for old in ["rpc.system", "rpc.service", "rpc.grpc.status_code", "net.peer.ip"] {
            assert_eq!(attribute(span, old), None);
        }
    }
    assert_eq!(attribute(&server, "network.peer.address"), Some(host.clone()));
    assert!(matches!(value(&server.attributes, "network.peer.port"), Some(Value::I64(port)) if *port > 0));

    let point = world.server.points("rpc.server.call.duration").remove(0);
    assert_eq!(point.get("rpc.system.name").as_deref(), Some("grpc"));
    assert_eq!(point.get("rpc.method").as_deref(), Some("test.Test/Unary"));
    assert_eq!(point.get("server.address"), None, "a server's name comes from its callers");
    let point = world.client.points("rpc.client.call.duration").remove(0);
    assert_eq!(point.get("server.address"), Some(host));
    assert_eq!(point.get("server.port"), Some(world.address.port().to_string()));
}

#[tokio::test]
async fn old_names_if_the_environment_selects_them() {
    let test = "old_names_if_the_environment_selects_them";
    if !in_child(test, "OTEL_SEMCONV_STABILITY_OPT_IN", "rpc/old") {
        return;
    }
    let world = World::start().await;
    world.grpc().unary(ask(0, "5")).await.unwrap_err();
    let server = world.server.ended(1).await.remove(0);
    let client = world.client.ended(1).await.remove(0);
    for span in [&server, &client] {
        assert_eq!(span.name, "test.Test/Unary");
        assert_eq!(attribute(span, "rpc.system").as_deref(), Some("grpc"));
        assert_eq!(attribute(span, "rpc.service").as_deref(), Some("test.Test"));
        assert_eq!(attribute(span, "rpc.method").as_deref(), Some("Unary"));
        assert_eq!(value(&span.attributes, "rpc.grpc.status_code"), Some(&Value::I64(5)));
        for stable in ["rpc.system.name", "rpc.status_code", "network.peer.address"] {
            assert_eq!(attribute(span, stable), None);
        }
    }
    assert_eq!(attribute(&server, "net.peer.ip"), Some(world.address.ip().to_string()));
    assert!(matches!(value(&server.attributes, "net.peer.port"), Some(Value::I64(_))));
    for (recorded, side) in [(&world.server, "server"), (&world.client, "client")] {
        let point = recorded.points(&format!("rpc.{side}.duration")).remove(0);
        assert_eq!(point.get("rpc.service").as_deref(), Some("test.Test"));
        assert_eq!(point.get("rpc.method").as_deref(), Some("Unary"));
        assert_eq!(point.get("rpc.grpc.status_code").as_deref(), Some("5"));
        let span = if side == "server" { &server } else { &client };
        let lasted = span.end_time.duration_since(span.start_time).unwrap().as_secs_f64() * 1e3;
        assert!((point.sum - lasted).abs() < 1e-3, "{} ms of {lasted}", point.sum);
        assert_eq!(recorded.points(&format!("rpc.{side}.call.duration")).len(), 0);
        let request = recorded.points(&format!("rpc.{side}.request.size")).remove(0);
        assert_eq!((request.count, request.sum > 0.0), (1, true));
        assert_eq!(recorded.points(&format!("rpc.{side}.response.size")).len(), 0, "an error has no message");
    }
}

#[tokio::test]
async fn both_names_if_the_environment_selects_them() {
    let test = "both_names_if_the_environment_selects_them";
    if !in_child(test, "OTEL_SEMCONV_STABILITY_OPT_IN", "http, rpc/dup") {
        return;
    }
    let world = World::start().await;
    world.grpc().unary(ask(0, "ok")).await.unwrap();
    let server = world.server_ended("OK").await;
    assert_eq!(attribute(&server, "rpc.method").as_deref(), Some("test.Test/Unary"));
    assert_eq!(attribute(&server, "rpc.service").as_deref(), Some("test.Test"));
    assert_eq!(attribute(&server, "rpc.system").as_deref(), Some("grpc"));
    assert_eq!(value(&server.attributes, "rpc.grpc.status_code"), Some(&Value::I64(0)));
    assert_eq!(
        world.server.points("rpc.server.duration").remove(0).get("rpc.method").as_deref(),
        Some("Unary")
    );
    assert_eq!(world.server.points("rpc.server.response.size").remove(0).count, 1);
}

#[tokio::test]
async fn headers_are_captured_where_the_environment_lists_them() {
    let test = "headers_are_captured_where_the_environment_lists_them";
    if !in_child(test, "OTEL_RUST_GRPC_CAPTURE_SERVER_REQUEST_HEADERS", "X-Tenant, x-other") {
        return;
    }
    let span = served(|layer| layer, request("/a.B/C").header("x-tenant", "acme")).await;
    assert_eq!(strings(&span, "rpc.request.header.x-tenant"), Some(vec!["acme".to_owned()]));
}

fn strings(span: &SpanData, key: &str) -> Option<Vec<String>> {
    match value(&span.attributes, key)? {
        Value::Array(Array::String(values)) => Some(values.iter().map(ToString::to_string).collect()),
        other => panic!("{other:?} is no array of strings"),
    }
}

#[tokio::test]
async fn listed_headers_are_captured_all_values_in_order_binary_as_base64() {
    let headers: &[(&str, &str)] =
        &[("x-answer", "one"), ("x-answer", "two"), ("grpc-status", "0"), ("x-trailer-bin", "AAEC")];
    let recorded = Recorded::new();
    let layer = recorded
        .server()
        .capture_request_headers(["X-Tenant", "x-raw", "x-key-bin", "x-absent", "not a name"])
        .capture_response_headers(["x-answer"])
        .capture_response_trailers(["x-trailer-bin"]);
    let request = request("/a.B/C")
        .header("x-tenant", "acme")
        .header("x-tenant", "umbrella")
        .header("x-key-bin", "3q2+7w")
        .header("x-raw", http::HeaderValue::from_bytes(&[0xff, 0x80]).unwrap())
        .header("authorization", "Bearer secret");
    serve(&layer, answering(headers), request).await;
    let span = recorded.ended(1).await.remove(0);
    let expected = |values: &[&str]| Some(values.iter().map(ToString::to_string).collect());
    assert_eq!(strings(&span, "rpc.request.header.x-tenant"), expected(&["acme", "umbrella"]));
    assert_eq!(strings(&span, "rpc.request.header.x-key-bin"), expected(&["3q2+7w"]));
    assert_eq!(strings(&span, "rpc.request.header.x-raw"), expected(&["/4A="]));
    assert_eq!(strings(&span, "rpc.request.header.x-absent"), None);
    assert_eq!(strings(&span, "rpc.response.header.x-answer"), expected(&["one", "two"]));
    assert_eq!(strings(&span, "rpc.response.trailer.x-trailer-bin"), expected(&["AAEC"]));
    assert!(!format!("{span:?}").contains("secret"));
}

#[tokio::test]
async fn filtered_methods_are_not_recorded() {
    let recorded = Recorded::new();
    let layer = recorded.server().filter(|method| !method.starts_with("grpc.health.v1.Health/"));
    serve(&layer, answering(OK), request("/grpc.health.v1.Health/Check")).await;
    serve(&layer, answering(OK), request("/a.B/C")).await;
    assert_eq!(recorded.ended(1).await[0].name, "a.B/C");
    assert_eq!(recorded.points("rpc.server.call.duration").len(), 1);
}

#[tokio::test]
async fn requests_that_are_not_grpc_pass_untouched() {
    let recorded = Recorded::new();
    for content_type in ["application/json", "application/grpc-web+proto", "application/grpcx", ""] {
        let request = http::Request::post("/a.B/C").header("content-type", content_type);
        serve(&recorded.server(), answering(&[]), request).await;
    }
    serve(&recorded.server(), answering(&[]), http::Request::get("/index.html")).await;
    assert_eq!(recorded.spans().len(), 0);
    for content_type in ["application/grpc", "application/grpc+json", "application/grpc;charset=x"] {
        let request = http::Request::post("/a.B/C").header("content-type", content_type);
        serve(&recorded.server(), answering(OK), request).await;
    }
    assert_eq!(recorded.spans().len(), 3);
}

#[tokio::test]
async fn calls_in_a_suppressed_context_are_not_recorded() {
    let recorded = Recorded::new();
    let service = recorded.client().layer(answering(OK));
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    drop(service.oneshot(request("/a.B/C").body(Body::empty()).unwrap()).await.unwrap());
    assert_eq!(recorded.spans().len(), 0);
    assert_eq!(recorded.points("rpc.client.call.duration").len(), 0);
}

#[tokio::test]
async fn closures_name_the_span_and_add_attributes_that_the_sampler_sees() {
    #[derive(Clone, Debug)]
    struct Tenants;
    impl opentelemetry_sdk::trace::ShouldSample for Tenants {
        fn should_sample(
            &self,
            _: Option<&Context>,
            _: opentelemetry::trace::TraceId,
            name: &str,
            _: &SpanKind,
            attributes: &[KeyValue],
            _: &[opentelemetry::trace::Link],
        ) -> opentelemetry_sdk::trace::SamplingResult {
            let keys: Vec<_> = attributes.iter().map(|attribute| attribute.key.as_str()).collect();
            assert_eq!(keys, ["rpc.system.name", "rpc.method", "server.address", "server.port", "tenant"]);
            assert_eq!(name, "call of acme");
            opentelemetry_sdk::trace::SamplingResult {
                decision: opentelemetry_sdk::trace::SamplingDecision::RecordAndSample,
                attributes: Vec::new(),
                trace_state: Default::default(),
            }
        }
    }
    let recorded = Recorded::with(|builder| builder.with_sampler(Tenants));
    let tenant = |headers: &http::HeaderMap| headers["x-tenant"].to_str().unwrap().to_owned();
    let layer = recorded
        .server()
        .span_name(move |head| format!("call of {}", tenant(head.headers())))
        .request_attributes(move |head, attributes| {
            assert_eq!(head.method(), "a.B/C");
            attributes.push(KeyValue::new("tenant", tenant(head.headers())));
        })
        .response_attributes(|headers, attributes| {
            attributes.push(KeyValue::new("answered.headers", headers.len() as i64));
        });
    serve(&layer, answering(OK), request("/a.B/C").header("x-tenant", "acme")).await;
    let span = recorded.ended(1).await.remove(0);
    assert_eq!(span.name, "call of acme");
    assert_eq!(attribute(&span, "tenant").as_deref(), Some("acme"));
    assert_eq!(attribute(&span, "answered.headers").as_deref(), Some("1"));
}

#[tokio::test]
async fn the_error_rule_can_be_replaced() {
    let recorded = Recorded::new();
    let layer = recorded.server().is_error(|code| code == GrpcCode::NotFound);
    serve(&layer, answering(&[("grpc-status", "5")]), request("/a.B/C")).await;
    one_call(&recorded, "server", "NOT_FOUND", true).await;

    let recorded = Recorded::new();
    let layer = recorded.server().is_error(|code| code == GrpcCode::NotFound);
    serve(&layer, answering(&[("grpc-status", "13")]), request("/a.B/C")).await;
    one_call(&recorded, "server", "INTERNAL", false).await;
}

#[tokio::test]
async fn peer_address_can_come_from_an_extension() {
    let span = served(
        |layer| layer.peer_address(|extensions| extensions.get::<std::net::SocketAddr>().copied()),
        request("/a.B/C").extension(std::net::SocketAddr::from(([192, 0, 2, 7], 1234))),
    )
    .await;
    assert_eq!(attribute(&span, "network.peer.address").as_deref(), Some("192.0.2.7"));
    assert_eq!(attribute(&span, "network.peer.port").as_deref(), Some("1234"));
}

#[tokio::test]
async fn unsampled_calls_are_measured_but_not_recorded() {
    let recorded = Recorded::with(|builder| builder.with_sampler(Sampler::AlwaysOff));
    let layer = recorded.server().response_attributes(|_, _| panic!("the call is not sampled"));
    serve(&layer, answering(OK), request("/a.B/C")).await;
    assert_eq!(recorded.spans().len(), 0);
    assert_eq!(recorded.points("rpc.server.call.duration")[0].count, 1);
    assert_eq!(recorded.active("rpc.server.active_calls"), 0.0);
}

#[tokio::test]
async fn open_calls_count_as_active() {
    let world = World::start().await;
    let mut client = world.grpc();
    let call = tokio::spawn(async move { client.unary(ask(0, "hang")).await });
    world.service.has_begun(1).await;
    assert_eq!(world.client.active("rpc.client.active_calls"), 1.0);
    assert_eq!(world.server.active("rpc.server.active_calls"), 1.0);
    call.abort();
    world.both_ended("CANCELLED", "CANCELLED").await;
}

#[tokio::test]
async fn optional_metrics_are_off_by_default() {
    let recorded = Recorded::new();
    let layer = ServerLayer::new()
        .tracer_provider(recorded.tracer_provider.clone())
        .meter_provider(recorded.meter_provider.clone());
    serve(&layer, answering(OK), request("/a.B/C")).await;
    assert_eq!(recorded.metric_names(), ["rpc.server.call.duration"]);
}

/// `Ask` and `Answer` as they are on the wire.
fn encoded(message: &impl prost::Message) -> f64 {
    message.encoded_len() as f64
}

#[tokio::test]
async fn messages_are_counted_and_sized_both_ways() {
    let world = World::with(
        TestService::new(),
        |server| server.record_message_sizes().record_message_counts(),
        |client| client.record_message_sizes().record_message_counts(),
    )
    .await;
    let question = Ask { size: 50_000, ..ask(4, "ok") };
    let asks = tokio_stream::iter(vec![question.clone(); 2]);
    let stream = world.grpc().bidi(asks).await.unwrap().into_inner();
    assert_eq!(drain(stream).await.0, 4);
    world.both_ended("OK", "OK").await;
    let answer = Answer { payload: vec![7; 50_000] };
    let (request, response) = (encoded(&question), encoded(&answer));
    for (recorded, side) in [(&world.server, "server"), (&world.client, "client")] {
        let point = |name: &str| recorded.points(&format!("rpc.{side}.{name}")).remove(0);
        let sizes = point("response.size");
        assert_eq!((sizes.count, sizes.sum), (4, 4.0 * response));
        assert_eq!((point("responses_per_rpc").count, point("responses_per_rpc").sum), (1, 4.0));
        let span = recorded.spans().remove(0);
        assert_eq!(attribute(&span, "rpc.response.message_count").as_deref(), Some("4"));
        assert_eq!(attribute(&span, "rpc.response.size"), Some((4 * response as u64).to_string()));
    }
    // The service reads the first message only; the client sent both.
    let sizes = world.client.points("rpc.client.request.size").remove(0);
    assert_eq!((sizes.count, sizes.sum), (2, 2.0 * request));
    assert_eq!(
        world.server.points("rpc.server.request.size")[0].get("rpc.method").as_deref(),
        Some("_OTHER")
    );
}

#[tokio::test]
async fn each_call_logs_one_access_line_in_its_span() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<(String, SpanId)>>>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            if event.metadata().target() == "grpc::access" {
                let mut text = String::new();
                event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                    text += &format!("{}={value:?} ", field.name());
                });
                let span = Context::map_current(|context| context.span().span_context().span_id());
                self.0.lock().unwrap().push((text, span));
            }
        }
    }
    let lines = Lines::default();
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let world = World::with(TestService::new(), ServerLayer::record_access_log, |client| client).await;
    let stream = world.grpc().server_stream(ask(2, "5")).await.unwrap().into_inner();
    drain(stream).await.1.unwrap_err();
    let span = world.server_ended("NOT_FOUND").await;
    let lines = lines.0.lock().unwrap();
    let [(text, id)] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(*id, span.span_context.span_id());
    for part in [
        "message=call ended",
        "side=\"server\"",
        "rpc.method=\"test.Test/ServerStream\"",
        "rpc.status_code=\"NOT_FOUND\"",
        "duration_ms=",
        "peer=127.0.0.1:",
        "requests=1 ",
        "responses=2 ",
        "response_bytes=10 ",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn unknown_paths_share_one_series() {
    let recorded = Recorded::new();
    let layer = recorded.server();
    for number in 0..3000 {
        serve(&layer, answering(&[("grpc-status", "12")]), request(&format!("/made.Up/Path{number}"))).await;
    }
    serve(&layer, answering(OK), request("/a.B/C")).await;
    serve(&layer, answering(&[("grpc-status", "12")]), request("/a.B/C")).await;
    let points = recorded.points("rpc.server.call.duration");
    let mut series: Vec<_> = points
        .iter()
        .map(|point| (point.get("rpc.method").unwrap(), point.get("rpc.status_code").unwrap(), point.count))
        .collect();
    series.sort();
    let expected = [("_OTHER", "UNIMPLEMENTED", 3000), ("a.B/C", "OK", 1), ("a.B/C", "UNIMPLEMENTED", 1)];
    assert_eq!(series, expected.map(|(method, code, count)| (method.into(), code.into(), count)));
}

#[tokio::test]
async fn unknown_path_that_is_dropped_is_not_learned() {
    let recorded = Recorded::new();
    let hanging = tower::service_fn(|_: http::Request<Body>| {
        std::future::pending::<Result<http::Response<Body>, Infallible>>()
    });
    let service = recorded.server().layer(hanging);
    for _ in 0..2 {
        let mut call =
            Box::pin(service.clone().oneshot(request("/made.Up/Path").body(Body::empty()).unwrap()));
        assert!(futures_now(&mut call).is_none());
    }
    let points = recorded.points("rpc.server.call.duration");
    assert_eq!((points.len(), points[0].get("rpc.method").as_deref()), (1, Some("_OTHER")));
}

/// What a future gives when it is polled once.
fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut task) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_method_is_learned_with_the_head_of_its_first_answer() {
    let world = World::with(TestService::new(), ServerLayer::record_message_sizes, |client| client).await;
    let mut stream = world.grpc().server_stream(ask(1, "hang")).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let sizes = world.server.points("rpc.server.response.size");
    assert_eq!(sizes.len(), 1);
    assert_eq!(sizes[0].get("rpc.method").as_deref(), Some("test.Test/ServerStream"));
}

#[tokio::test]
async fn learned_methods_are_limited() {
    let recorded = Recorded::new();
    let layer = recorded.server();
    for number in 0..1100 {
        serve(&layer, answering(OK), request(&format!("/proxied.Any/Path{number}"))).await;
    }
    let points = recorded.points("rpc.server.call.duration");
    let other: Vec<_> =
        points.iter().filter(|point| point.get("rpc.method").as_deref() == Some("_OTHER")).collect();
    assert_eq!((points.len(), other[0].count), (1001, 100));
}

#[tokio::test]
async fn only_listed_methods_have_series_of_their_own() {
    use prost::Message as _;
    let set = prost_types::FileDescriptorSet {
        file: vec![prost_types::FileDescriptorProto {
            package: Some("pkg".into()),
            service: vec![prost_types::ServiceDescriptorProto {
                name: Some("Listed".into()),
                method: vec![prost_types::MethodDescriptorProto {
                    name: Some("Get".into()),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let recorded = Recorded::new();
    let layer = recorded
        .server()
        .known_methods(["/a.B/C"])
        .known_methods_from_descriptor_set(&set.encode_to_vec())
        .unwrap();
    for path in ["/a.B/C", "/pkg.Listed/Get", "/pkg.Listed/Put"] {
        serve(&layer, answering(OK), request(path)).await;
    }
    let points = recorded.points("rpc.server.call.duration");
    let mut methods: Vec<_> = points.iter().filter_map(|point| point.get("rpc.method")).collect();
    methods.sort();
    assert_eq!(methods, ["_OTHER", "a.B/C", "pkg.Listed/Get"]);
    assert!(ServerLayer::new().known_methods_from_descriptor_set(b"\xff\xff").is_err());
}

#[tokio::test]
async fn duration_has_the_advised_boundaries() {
    let recorded = Recorded::new();
    serve(&recorded.server(), answering(OK), request("/a.B/C")).await;
    let bounds = recorded.bounds("rpc.server.call.duration");
    assert_eq!(bounds, [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]);
}

#[tokio::test]
async fn everything_inside_a_call_is_its_child() {
    let recorded = Recorded::new();
    let tracer = recorded.tracer_provider.tracer("handler");
    let world_tracer = tracer.clone();
    let service = tower::service_fn(move |_: http::Request<Body>| {
        let tracer = world_tracer.clone();
        async move {
            opentelemetry::trace::Tracer::start(&tracer, "in the handler");
            let stream = tokio_stream::StreamExt::map(tokio_stream::iter([1]), move |_| {
                opentelemetry::trace::Tracer::start(&tracer, "in the stream");
                Ok::<_, tonic::Status>(http_body::Frame::data(tonic::codegen::Bytes::new()))
            });
            let response = http::Response::builder().header("content-type", PROST);
            Ok::<_, Infallible>(response.body(http_body_util::StreamBody::new(stream)).unwrap())
        }
    });
    let service = recorded.server().layer(service);
    let response = service.oneshot(request("/a.B/C").body(Body::empty()).unwrap()).await.unwrap();
    drop(http_body_util::BodyExt::collect(response.into_body()).await.unwrap());
    let spans = recorded.ended(3).await;
    let call = spans.iter().find(|span| span.name == "a.B/C").unwrap();
    for child in spans.iter().filter(|span| span.name != "a.B/C") {
        assert_eq!(child.parent_span_id, call.span_context.span_id(), "{}", child.name);
    }
}

#[tokio::test]
async fn a_clients_request_stream_works_in_the_calls_context() {
    let world = World::start().await;
    let seen = Arc::new(Mutex::new(None));
    let saw = Arc::clone(&seen);
    let asks = tokio_stream::StreamExt::map(tokio_stream::iter([()]), move |()| {
        let span = Context::map_current(|context| context.span().span_context().span_id());
        *saw.lock().unwrap() = Some(span);
        ask(0, "ok")
    });
    world.grpc().client_stream(asks).await.unwrap();
    let span = world.client_ended("OK").await;
    assert_eq!(*seen.lock().unwrap(), Some(span.span_context.span_id()));
}

#[tokio::test]
async fn a_call_without_authority_or_peer_is_recorded_without() {
    let request = http::Request::post("/a.B/C").header("content-type", PROST);
    let span = served(|layer| layer, request).await;
    assert_eq!(attribute(&span, "server.address"), None);
    assert_eq!(attribute(&span, "network.peer.address"), None);
}

#[tokio::test]
async fn settings_after_a_clone_leave_the_clone_alone() {
    let recorded = Recorded::new();
    let layer = recorded.server();
    let filtered = layer.clone().filter(|_| false);
    serve(&filtered, answering(OK), request("/a.B/C")).await;
    assert_eq!(recorded.spans().len(), 0);
    serve(&layer, answering(OK), request("/a.B/C")).await;
    assert_eq!(recorded.spans().len(), 1);
}

#[tokio::test]
async fn the_globals_are_taken_at_the_first_call() {
    let layer = ServerLayer::new();
    let service = layer.layer(answering(OK));
    let recorded = Recorded::new();
    opentelemetry::global::set_tracer_provider(recorded.tracer_provider.clone());
    opentelemetry::global::set_meter_provider(recorded.meter_provider.clone());
    drop(service.oneshot(request("/a.B/C").body(Body::empty()).unwrap()).await.unwrap());
    let span = recorded.ended(1).await.remove(0);
    assert_eq!(attribute(&span, "rpc.status_code").as_deref(), Some("OK"));
    assert_eq!(recorded.points("rpc.server.call.duration")[0].count, 1);
}
