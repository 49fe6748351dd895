//! An HTTP request over the loopback: processor time of the server's whole process.
//!
//! axum over hyper, HTTP/1.1 with connections that stay open, several requests at once. The handler has a child span,
//! writes a line, and counts and measures the request. Without telemetry installed that is nearly nothing, and the
//! reference of 1.0. The client is this process, and does not count.

#![expect(clippy::expect_used, reason = "a program for people")]

mod support;

#[path = "support/requests.rs"]
mod requests;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use criterion::Criterion;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::trace::Sampler;
use requests::{Client, serve};
use support::load::{SAMPLED, TURN};
use support::{Budget, Collector, Side, Work, compare};
use telemetry_bootstrap::http::ServerLayer;
use telemetry_bootstrap::{Builder, LogDestination, LogFormat};
use tracing::{Instrument as _, info, info_span};

fn main() {
    support::main(
        &[
            ("bare", bare),
            ("everything", everything),
            ("traces", traces),
            ("unsampled", unsampled),
            ("traces without the child", traces_without_child),
            ("unsampled without the child", unsampled_without_child),
        ],
        bench,
    );
}

fn bench(criterion: &mut Criterion) {
    let collector = Collector::start();
    let server = |role: &str| RefCell::new(Client::of(Side::start(role, &collector), SAMPLED));
    let bare = server("bare");
    let mut against_bare = |role: &str, budget: Budget| {
        let server = server(role);
        let reference = ("the request without telemetry", |requests| bare.borrow_mut().cpu(requests));
        let ours = |requests| server.borrow_mut().cpu(requests);
        compare(criterion, &format!("request, {role}"), budget, TURN, ours, reference);
    };
    against_bare("everything", Budget::of(1.9));
    against_bare("traces", Budget::of(1.3));
    against_bare("unsampled", Budget::of(1.15));
    // For comparison: what the layer costs alone.
    against_bare("traces without the child", Budget::NONE);
    against_bare("unsampled without the child", Budget::NONE);
}

/// What the handler measures by.
struct Instruments {
    requests: Counter<u64>,
    duration: Histogram<f64>,
}

fn router() -> Router {
    let meter = global::meter("bench");
    let instruments = Arc::new(Instruments {
        requests: meter.u64_counter("requests").build(),
        duration: meter.f64_histogram("duration").build(),
    });
    Router::new().route("/users/{id}", get(move |Path(id): Path<String>| user(id, instruments)))
}

async fn user(id: String, instruments: Arc<Instruments>) -> String {
    let begun = Instant::now();
    let result = async {
        info!(user.id = id, "request processed");
        id.clone()
    }
    .instrument(info_span!("process", user.id = id, attempt = 1))
    .await;
    let method = [KeyValue::new("method", "user")];
    instruments.requests.add(1, &method);
    instruments.duration.record(begun.elapsed().as_secs_f64(), &method);
    result
}

fn bare(_: &str) -> Work {
    serve(router(), || {})
}

/// Spans, lines, records and metrics.
fn everything(endpoint: &str) -> Work {
    ours(telemetry_bootstrap::init().endpoint(endpoint).log_output(|output| output.format(LogFormat::Json)))
}

fn traces(endpoint: &str) -> Work {
    ours(only_traces(endpoint))
}

fn unsampled(endpoint: &str) -> Work {
    ours(only_traces(endpoint).traces(|traces| traces.sampler(Sampler::AlwaysOff)))
}

fn traces_without_child(endpoint: &str) -> Work {
    ours(only_traces(endpoint).span_filter("off"))
}

fn unsampled_without_child(endpoint: &str) -> Work {
    ours(only_traces(endpoint).span_filter("off").traces(|traces| traces.sampler(Sampler::AlwaysOff)))
}

fn only_traces(endpoint: &str) -> Builder {
    telemetry_bootstrap::init()
        .endpoint(endpoint)
        .metrics(|metrics| metrics.export(false))
        .logs(|logs| logs.export(false))
        .log_output(|output| output.format(LogFormat::Off))
}

fn ours(builder: Builder) -> Work {
    let builder = builder
        .ignore_env()
        .service_name("bench")
        .log_output(|output| output.destination(LogDestination::File(NOWHERE.into())));
    let telemetry = builder.build().expect("telemetry");
    serve(router().layer(ServerLayer::new()), move || {
        telemetry.force_flush(Duration::from_secs(10)).expect("a live collector");
    })
}

/// Lines are made and discarded.
const NOWHERE: &str = "/dev/null";
