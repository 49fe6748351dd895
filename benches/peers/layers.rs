//! A server with each layer, wired as the layer's own documentation shows.

use std::time::Duration;

use opentelemetry::global;
use opentelemetry_instrumentation_tower::http::server::{
    Layer as HttpLayer, LayerBuilder as HttpLayerBuilder,
};
use telemetry_bootstrap::grpc::ServerLayer;
use telemetry_bootstrap::{Builder, LogFormat};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_tracing_opentelemetry::middleware::{filters, server::OtelGrpcLayer};
use tower_otel::{metrics, trace};
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::calls::serve;
use crate::proto::my_service_server::{MyService, MyServiceServer};
use crate::proto::{MyRequest, MyRequests, MyResponse};
use crate::stack::Stack;
use crate::support::{Role, Work};

pub(crate) const ROLES: &[Role] = &[
    ("bare", bare),
    ("telemetry-bootstrap: traces", bootstrap_traces),
    ("telemetry-bootstrap: traces, duration", bootstrap_duration),
    ("telemetry-bootstrap: traces, duration, active calls", bootstrap_active_calls),
    ("tower-otel: traces", tower_otel_traces),
    ("tower-otel: traces, HTTP metrics", tower_otel_metrics),
    ("tonic-tracing-opentelemetry: traces", tonic_tracing_traces),
    ("opentelemetry-instrumentation-tower: traces", instrumentation_tower_traces),
    ("opentelemetry-instrumentation-tower: traces, HTTP metrics", instrumentation_tower_metrics),
];

fn bare(_: &str) -> Work {
    serve(|incoming| Server::builder().add_service(service()).serve_with_incoming(incoming), || {})
}

fn bootstrap_traces(endpoint: &str) -> Work {
    bootstrap(only_spans(endpoint).metrics(|metrics| metrics.export(false)), ServerLayer::new())
}

fn bootstrap_duration(endpoint: &str) -> Work {
    bootstrap(only_spans(endpoint), ServerLayer::new())
}

fn bootstrap_active_calls(endpoint: &str) -> Work {
    bootstrap(only_spans(endpoint), ServerLayer::new().record_active_calls())
}

/// No lines and no log records: the other layers are measured without them, too.
fn only_spans(endpoint: &str) -> Builder {
    telemetry_bootstrap::init()
        .ignore_env()
        .service_name("bench")
        .endpoint(endpoint)
        .logs(|logs| logs.export(false))
        .log_output(|output| output.format(LogFormat::Off))
}

fn bootstrap(builder: Builder, layer: ServerLayer) -> Work {
    let telemetry = builder.build().expect("telemetry");
    serve(
        |incoming| Server::builder().layer(layer).add_service(service()).serve_with_incoming(incoming),
        move || telemetry.force_flush(Duration::from_secs(10)).expect("a live collector"),
    )
}

/// As in its example for gRPC, but without lines for the spans.
fn tower_otel_traces(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint);
    stack.subscribe(LevelFilter::INFO);
    let spans = trace::GrpcLayer::server(Level::INFO);
    serve(
        |incoming| Server::builder().layer(spans).add_service(service()).serve_with_incoming(incoming),
        move || stack.flush(),
    )
}

/// It has metrics for HTTP alone.
fn tower_otel_metrics(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint).with_metrics(endpoint);
    stack.subscribe(LevelFilter::INFO);
    let spans = trace::GrpcLayer::server(Level::INFO);
    let metrics = metrics::HttpLayer::server(&global::meter("bench"));
    serve(
        |incoming| {
            Server::builder().layer(spans).layer(metrics).add_service(service()).serve_with_incoming(incoming)
        },
        move || stack.flush(),
    )
}

/// The filter is what `init-tracing-opentelemetry`, which it is documented with, makes by default.
fn tonic_tracing_traces(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint);
    stack.subscribe(EnvFilter::new("info,otel::tracing=trace"));
    let spans = OtelGrpcLayer::default().filter(filters::reject_healthcheck);
    serve(
        |incoming| Server::builder().layer(spans).add_service(service()).serve_with_incoming(incoming),
        move || stack.flush(),
    )
}

/// Its spans are those of HTTP, made without `tracing`.
fn instrumentation_tower_traces(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint);
    let spans = HttpLayerBuilder::builder().with_metrics(false).build().expect("a layer");
    serve(
        |incoming| Server::builder().layer(spans).add_service(service()).serve_with_incoming(incoming),
        move || stack.flush(),
    )
}

fn instrumentation_tower_metrics(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint).with_metrics(endpoint);
    let both = HttpLayer::new();
    serve(
        |incoming| Server::builder().layer(both).add_service(service()).serve_with_incoming(incoming),
        move || stack.flush(),
    )
}

struct Service;

fn service() -> MyServiceServer<Service> {
    MyServiceServer::new(Service)
}

#[tonic::async_trait]
impl MyService for Service {
    async fn process_request(&self, request: Request<MyRequest>) -> Result<Response<MyResponse>, Status> {
        Ok(Response::new(MyResponse { result: request.into_inner().id }))
    }

    type ProcessRequestsStream = tokio_stream::Empty<Result<MyResponse, Status>>;

    async fn process_requests(
        &self,
        _: Request<MyRequests>,
    ) -> Result<Response<Self::ProcessRequestsStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}
