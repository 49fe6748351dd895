//! An HTTP request over the loopback: processor time of the server's whole process.
//!
//! axum over hyper, HTTP/1.1 with connections that stay open, several requests at once. The handler has a child span,
//! writes a line, and counts and measures the request. Without telemetry installed that is nearly nothing, and the
//! reference of 1.0. The client is this process, and does not count.

mod support;

#[path = "support/requests.rs"]
mod requests;

#[path = "support/roles.rs"]
mod roles;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use criterion::Criterion;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use requests::{Client, serve};
use support::load::{SAMPLED, TURN};
use support::{Budget, Collector, Role, Side, Work, callgrind, compare};
use telemetry_bootstrap::TelemetryGuard;
use telemetry_bootstrap::http::ServerLayer;
use tracing::{Instrument as _, info, info_span};

fn main() {
    let client = |server| Client::of(server, SAMPLED);
    let is_counted = callgrind::count(ROLES, client, |client, requests| {
        client.cpu(requests);
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
];

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

fn ours(telemetry: TelemetryGuard) -> Work {
    serve(router().layer(ServerLayer::new()), move || roles::flush(&telemetry))
}
