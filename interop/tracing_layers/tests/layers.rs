//! `axum-tracing-opentelemetry` and `tonic-tracing-opentelemetry` use `OpenTelemetrySpanExt` of `tracing-opentelemetry`.
//! They run here under `init()` as they are: parents, ids, and the context that they send and receive.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use axum_tracing_opentelemetry::middleware::{OtelAxumLayer, OtelInResponseLayer};
use http_body_util::BodyExt as _;
use telemetry_bootstrap::testing::{CollectedSpan, CollectedTelemetry, Collector, SpanKind};
use telemetry_bootstrap::{LogFormat, TelemetryGuard, grpc, http};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_tracing_opentelemetry::middleware::{client, server};
use tower::{ServiceBuilder, ServiceExt as _};
use tracing::{Instrument as _, info, info_span};

/// One process has one subscriber, so one test plays all the programs in turn.
#[tokio::test(flavor = "multi_thread")]
async fn layers_of_other_crates_work_under_this_crates_subscriber() {
    let collector = Collector::start().unwrap();
    let telemetry = start(&collector);
    let answered = axum_server().await;
    grpc_both().await;
    mixed().await;
    telemetry.shutdown().unwrap();
    let received = collector.received();
    axum_server_is_recorded(&received, &answered);
    grpc_is_one_trace(&received);
    mixed_is_one_trace(&received);
}

/// The layers make spans of level TRACE and target `otel::tracing`; the filter is the one that they are documented with.
fn start(collector: &Collector) -> TelemetryGuard {
    telemetry_bootstrap::init()
        .ignore_env()
        .service_name("layers")
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Off))
        .span_filter("info,otel::tracing=trace")
        .build()
        .unwrap()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Returns the context in the response.
async fn axum_server() -> String {
    let handler = || async {
        info!("in the handler");
        async { info!("in the child") }.instrument(info_span!("work")).await;
        "found"
    };
    let router = Router::new()
        .route("/users/{id}", get(handler))
        .layer(OtelInResponseLayer)
        .layer(OtelAxumLayer::default());
    let request = Request::get("/users/7").header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let context = response.headers()["traceparent"].to_str().unwrap().to_owned();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "found");
    context
}

fn axum_server_is_recorded(received: &CollectedTelemetry, context: &str) {
    let served = the(received, "GET /users/{id}", SpanKind::Server);
    assert_eq!((served.trace_id().as_str(), served.parent_span_id().as_deref()), (TRACE, Some(CALLER)));
    assert_eq!(served.attribute_text("http.route").as_deref(), Some("/users/{id}"));
    assert_eq!(served.attribute_text("http.response.status_code").as_deref(), Some("200"));
    assert_eq!(context, format!("00-{TRACE}-{}-01", served.span_id()));
    let work = the(received, "work", SpanKind::Internal);
    assert!(served.is_parent_of(&work), "{served:?} {work:?}");
    for (message, span) in [("in the handler", &served), ("in the child", &work)] {
        let log = received.log(message);
        assert_eq!((log.trace_id(), log.span_id()), (Some(span.trace_id()), Some(span.span_id())));
    }
}

/// Serves health checks with their layer, or with a layer of this crate.
async fn health_server(ours: bool) -> Channel {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpListenerStream::new(listener);
    match ours {
        true => {
            let layer = grpc::ServerLayer::new();
            let server = Server::builder().layer(layer).add_service(health);
            tokio::spawn(server.serve_with_incoming(incoming))
        }
        false => {
            let server = Server::builder().layer(server::OtelGrpcLayer::default()).add_service(health);
            tokio::spawn(server.serve_with_incoming(incoming))
        }
    };
    Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

async fn grpc_both() {
    let channel = ServiceBuilder::new().layer(client::OtelGrpcLayer).service(health_server(false).await);
    let call = async { HealthClient::new(channel).check(HealthCheckRequest::default()).await };
    call.instrument(info_span!("caller")).await.unwrap();
}

fn grpc_is_one_trace(received: &CollectedTelemetry) {
    let spans = received.trace(&received.span("caller").trace_id());
    let of = |kind| spans.iter().find(|span| span.kind() == kind).unwrap();
    let [caller, sent, served] = [SpanKind::Internal, SpanKind::Client, SpanKind::Server].map(of);
    assert_eq!((spans.len(), caller.name()), (3, "caller"));
    assert!(caller.is_parent_of(sent) && sent.is_parent_of(served), "{spans:?}");
}

/// Layers of both crates below each other: an HTTP server of ours, their client, a gRPC server of ours.
async fn mixed() {
    let channel = ServiceBuilder::new().layer(client::OtelGrpcLayer).service(health_server(true).await);
    let handler = move || async move {
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    };
    let router = Router::new().route("/mixed", get(handler)).layer(http::ServerLayer::new());
    let response = router.oneshot(Request::get("/mixed").body(Body::empty()).unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
}

fn mixed_is_one_trace(received: &CollectedTelemetry) {
    let served = received.span("GET /mixed");
    let spans = received.trace(&served.trace_id());
    let sent = spans.iter().find(|span| span.kind() == SpanKind::Client).unwrap();
    let far = spans.iter().find(|span| span.name() == "grpc.health.v1.Health/Check" && sent.is_parent_of(span));
    assert!(served.is_parent_of(sent) && far.is_some(), "{spans:?}");
    assert_eq!(spans.len(), 3);
}

fn the(received: &CollectedTelemetry, name: &str, kind: SpanKind) -> CollectedSpan {
    let spans = received.spans();
    let mut found = spans.into_iter().filter(|span| span.name() == name && span.kind() == kind);
    let span = found.next().unwrap_or_else(|| panic!("no span {name}"));
    assert!(found.next().is_none(), "{name}");
    span
}
