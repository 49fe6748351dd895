//! A unary call over the loopback: processor time of the server's whole process.
//!
//! The handler has a child span, writes a line, and counts and measures the request. Without telemetry installed that
//! is nearly nothing, and the reference of 1.0. The client is this process, and does not count.

#![expect(clippy::expect_used, reason = "a program for people")]

mod support;

#[path = "support/calls.rs"]
mod calls;

#[path = "support/roles.rs"]
mod roles;

#[path = "../examples/grpc_service/proto.rs"]
mod proto;

use std::cell::RefCell;
use std::fs::File;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Instant;

use calls::{Client, serve};
use criterion::Criterion;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider as _};
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use proto::my_service_server::{MyService, MyServiceServer};
use proto::{MyRequest, MyRequests, MyResponse};
use roles::NOWHERE;
use support::load::{SAMPLED, TURN};
use support::{Budget, Collector, Role, Side, Work, callgrind, compare};
use telemetry_bootstrap::TelemetryGuard;
use telemetry_bootstrap::grpc::ServerLayer;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tracing::{Instrument as _, Span, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() {
    let client = |server| Client::of(server, SAMPLED);
    let is_counted = callgrind::count(ROLES, client, |client, calls| {
        client.cpu(calls);
    });
    if !is_counted {
        support::main(ROLES, bench);
    }
}

const ROLES: &[Role] = &[
    ("bare", bare),
    ("everything", |endpoint| ours(roles::everything(endpoint))),
    ("traces", |endpoint| ours(roles::traces(endpoint))),
    ("unsampled", |endpoint| ours(roles::unsampled(endpoint))),
    ("traces without the child", |endpoint| ours(roles::traces_without_child(endpoint))),
    ("unsampled without the child", |endpoint| ours(roles::unsampled_without_child(endpoint))),
    ("stock", stock),
];

fn bench(criterion: &mut Criterion) {
    let collector = Collector::start();
    let server = |role: &str| RefCell::new(Client::of(Side::start(role, &collector), SAMPLED));
    let bare = server("bare");
    let mut against_bare = |role: &str, budget: Budget| {
        let server = server(role);
        let reference = ("the call without telemetry", |calls| bare.borrow_mut().cpu(calls));
        let ours = |calls| server.borrow_mut().cpu(calls);
        compare(criterion, &format!("call, {role}"), budget, TURN, ours, reference);
    };
    against_bare("everything", Budget::of(1.9));
    against_bare("traces", Budget::of(1.3));
    against_bare("unsampled", Budget::of(1.15));
    // For comparison: what the layer costs alone, and the parts that there were before.
    against_bare("traces without the child", Budget::NONE);
    against_bare("unsampled without the child", Budget::NONE);
    against_bare("stock", Budget::NONE);
}

struct Service {
    requests: Counter<u64>,
    duration: Histogram<f64>,
}

impl Service {
    fn new() -> Self {
        let meter = global::meter("bench");
        Self {
            requests: meter.u64_counter("requests").build(),
            duration: meter.f64_histogram("duration").build(),
        }
    }
}

#[tonic::async_trait]
impl MyService for Service {
    async fn process_request(&self, request: Request<MyRequest>) -> Result<Response<MyResponse>, Status> {
        let begun = Instant::now();
        let id = request.into_inner().id;
        let result = async {
            info!(request.id = id, "request processed");
            id.clone()
        }
        .instrument(info_span!("process", request.id = id, attempt = 1))
        .await;
        let method = [KeyValue::new("method", "ProcessRequest")];
        self.requests.add(1, &method);
        self.duration.record(begun.elapsed().as_secs_f64(), &method);
        Ok(Response::new(MyResponse { result }))
    }

    type ProcessRequestsStream = tokio_stream::Empty<Result<MyResponse, Status>>;

    async fn process_requests(
        &self,
        _: Request<MyRequests>,
    ) -> Result<Response<Self::ProcessRequestsStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}

fn service() -> MyServiceServer<Service> {
    MyServiceServer::new(Service::new())
}

fn bare(_: &str) -> Work {
    serve(|incoming| Server::builder().add_service(service()).serve_with_incoming(incoming), || {})
}

fn ours(telemetry: TelemetryGuard) -> Work {
    serve(
        |incoming| {
            Server::builder().layer(ServerLayer::new()).add_service(service()).serve_with_incoming(incoming)
        },
        move || roles::flush(&telemetry),
    )
}

/// The parts that there are, wired by hand as their documentation shows.
fn stock(endpoint: &str) -> Work {
    let runtime = Runtime::new().expect("a runtime");
    let inside = runtime.enter();
    let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().expect("an exporter");
    let tracers = SdkTracerProvider::builder().with_batch_exporter(spans).build();
    let records = LogExporter::builder().with_tonic().with_endpoint(endpoint).build().expect("an exporter");
    let loggers = SdkLoggerProvider::builder().with_batch_exporter(records).build();
    let metrics =
        MetricExporter::builder().with_tonic().with_endpoint(endpoint).build().expect("an exporter");
    let meters = SdkMeterProvider::builder().with_periodic_exporter(metrics).build();
    drop(inside);
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_meter_provider(meters.clone());
    let lines = File::options().write(true).open(NOWHERE).expect("a file");
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(tracing_opentelemetry::layer().with_tracer(tracers.tracer("bench")))
        .with(OpenTelemetryTracingBridge::new(&loggers))
        .with(tracing_subscriber::fmt::layer().json().with_writer(lines))
        .init();
    let calls = meters.meter("bench").f64_histogram("rpc.server.call.duration").with_unit("s").build();
    serve(
        move |incoming| {
            Server::builder()
                .trace_fn(call_span)
                .layer(tower::layer::layer_fn(move |inner| Measured { inner, calls: calls.clone() }))
                .add_service(service())
                .serve_with_incoming(incoming)
        },
        move || {
            let _ = &runtime;
            tracers.force_flush().expect("a live collector");
            loggers.force_flush().expect("a live collector");
            meters.force_flush().expect("a live collector");
        },
    )
}

fn call_span(request: &http::Request<()>) -> Span {
    let method = request.uri().path().trim_start_matches('/');
    let span = info_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = method,
        server.address = request.uri().host(),
        server.port = request.uri().port_u16()
    );
    let _ = span.set_parent(global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(request.headers()))
    }));
    span
}

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Measures how long calls take until their response begins, which is as much as most such layers do.
#[derive(Clone)]
struct Measured<S> {
    inner: S,
    calls: Histogram<f64>,
}

impl<S, B, R> tower::Service<http::Request<B>> for Measured<S>
where
    S: tower::Service<http::Request<B>, Response = http::Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let begun = Instant::now();
        let calls = self.calls.clone();
        let attributes = [
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", request.uri().path().trim_start_matches('/').to_owned()),
            KeyValue::new("rpc.status_code", "OK"),
            KeyValue::new("server.address", request.uri().host().unwrap_or_default().to_owned()),
            KeyValue::new("server.port", i64::from(request.uri().port_u16().unwrap_or_default())),
        ];
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await;
            calls.record(begun.elapsed().as_secs_f64(), &attributes);
            response
        })
    }
}
