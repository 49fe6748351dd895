//! What layers for HTTP servers cost: a request to axum over the loopback, processor time of the server's whole process.
//!
//! The handler records nothing, so what is measured is the layer and what it needs to export. The client is this
//! process, and does not count. Each layer is wired as its own documentation shows.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/requests.rs"]
mod requests;

mod stack;

use std::cell::RefCell;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use axum_tracing_opentelemetry::middleware::OtelAxumLayer;
use criterion::Criterion;
use opentelemetry::global;
use opentelemetry_instrumentation_tower::http::server::{Layer as TowerLayer, LayerBuilder};
use requests::{Client, serve};
use stack::Stack;
use support::load::{SAMPLED, TURN, UNSAMPLED};
use support::{Budget, Collector, Role, Side, Work, compare};
use telemetry_bootstrap::http::ServerLayer;
use telemetry_bootstrap::{Builder, LogFormat};
use tower_http::trace::{DefaultMakeSpan, TraceLayer};
use tower_otel::{metrics, trace};
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

const ROLES: &[Role] = &[
    ("bare", bare),
    ("telemetry-bootstrap: traces", bootstrap_traces),
    ("telemetry-bootstrap: traces, duration", bootstrap_duration),
    ("telemetry-bootstrap: traces, duration, active requests, sizes", bootstrap_all_metrics),
    ("opentelemetry-instrumentation-tower: traces", instrumentation_tower_traces),
    ("opentelemetry-instrumentation-tower: traces, metrics", instrumentation_tower_metrics),
    ("axum-tracing-opentelemetry: traces", axum_tracing_traces),
    ("tower-otel: traces", tower_otel_traces),
    ("tower-otel: traces, metrics", tower_otel_metrics),
    ("tower-http: spans", tower_http_spans),
];

fn main() {
    support::main(ROLES, bench);
}

fn bench(criterion: &mut Criterion) {
    let collector = Collector::start();
    let server =
        |role: &str, traceparent| RefCell::new(Client::of(Side::start(role, &collector), traceparent));
    let bare = server("bare", SAMPLED);
    let mut against_bare = |name: String, role: &str, traceparent| {
        let server = server(role, traceparent);
        let reference = ("the request without telemetry", |requests| bare.borrow_mut().cpu(requests));
        let measured = |requests| server.borrow_mut().cpu(requests);
        compare(criterion, &name, Budget::NONE, TURN, measured, reference);
    };
    for (role, _) in ROLES.iter().filter(|(role, _)| *role != "bare") {
        against_bare(format!("request, {role}"), role, SAMPLED);
        if role.ends_with(": traces") {
            against_bare(format!("request, {role}, unsampled"), role, UNSAMPLED);
        }
    }
}

fn router() -> Router {
    Router::new().route("/users/{id}", get(async |Path(id): Path<String>| id))
}

fn bare(_: &str) -> Work {
    serve(router(), || {})
}

fn bootstrap_traces(endpoint: &str) -> Work {
    bootstrap(only_spans(endpoint).metrics(|metrics| metrics.export(false)), ServerLayer::new())
}

fn bootstrap_duration(endpoint: &str) -> Work {
    bootstrap(only_spans(endpoint), ServerLayer::new())
}

fn bootstrap_all_metrics(endpoint: &str) -> Work {
    bootstrap(only_spans(endpoint), ServerLayer::new().record_active_requests().record_body_sizes())
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
    serve(router().layer(layer), move || {
        telemetry.force_flush(Duration::from_secs(10)).expect("a live collector");
    })
}

fn instrumentation_tower_traces(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint);
    let spans = LayerBuilder::builder().with_metrics(false).build().expect("a layer");
    serve(router().layer(spans), move || stack.flush())
}

fn instrumentation_tower_metrics(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint).with_metrics(endpoint);
    serve(router().layer(TowerLayer::new()), move || stack.flush())
}

/// The filter is what `init-tracing-opentelemetry`, which it is documented with, makes by default.
fn axum_tracing_traces(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint);
    stack.subscribe(EnvFilter::new("info,otel::tracing=trace"));
    serve(router().layer(OtelAxumLayer::default()), move || stack.flush())
}

fn tower_otel_traces(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint);
    stack.subscribe(LevelFilter::INFO);
    serve(router().layer(trace::HttpLayer::server(Level::INFO)), move || stack.flush())
}

fn tower_otel_metrics(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint).with_metrics(endpoint);
    stack.subscribe(LevelFilter::INFO);
    let spans = trace::HttpLayer::server(Level::INFO);
    let metrics = metrics::HttpLayer::server(&global::meter("bench"));
    serve(router().layer(metrics).layer(spans), move || stack.flush())
}

/// Its span knows no trace context and no names of OpenTelemetry: each request is a trace of its own.
fn tower_http_spans(endpoint: &str) -> Work {
    let stack = Stack::of_traces(endpoint);
    stack.subscribe(LevelFilter::INFO);
    let spans = TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().level(Level::INFO));
    serve(router().layer(spans), move || stack.flush())
}
