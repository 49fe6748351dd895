//! The file of telemetry that belongs to the process, in a process of its own: levels that `tracing` and the `log` crate
//! cache, and the spans of calls.

use std::fs;
use std::time::Duration;

use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogDestination, LogFormat, TelemetryGuard, init, tracing};
use tracing_subscriber::layer::SubscriberExt as _;

use super::{child_process, document};

struct Quiet;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Quiet {
    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::ERROR)
    }
}

/// One callsite each, which is first reached while nothing passes.
fn work() {
    tracing::info_span!("span").in_scope(|| {
        tracing::debug!("event");
        log::debug!("record");
    });
    call();
}

#[cfg(feature = "http")]
fn call() {
    use telemetry_bootstrap::http::ServerLayer;
    use tower::{Layer as _, Service as _};

    thread_local! {
        static LAYER: ServerLayer = ServerLayer::new();
    }
    let service = tower::service_fn(async |_: http::Request<String>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    let mut service = LAYER.with(|layer| layer.layer(service));
    let response = block_on(service.call(http::Request::new(String::new())));
    drop(response);
}

#[cfg(not(feature = "http"))]
fn call() {}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    let write = |text: &str| fs::write(&path, document(text, collector.port())).unwrap();
    write("sampler: {always_off: }\nown: log_filter: off");
    let lines = LogDestination::File(directory.path().join("lines"));
    let builder =
        init().config_file(&path).log_output(|output| output.format(LogFormat::Json).destination(lines));
    let guard: TelemetryGuard = match std::env::var("CASE").as_deref() {
        Ok("build") => builder.build().unwrap(),
        Ok("layer") => builder.layer(Quiet).build().unwrap(),
        _ => builder.build_with(|layer| tracing_subscriber::registry().with(layer)).unwrap(),
    };
    let seen = || {
        collector.clear();
        work();
        guard.force_flush(Duration::from_secs(5)).unwrap();
        let received = collector.received();
        let mut spans: Vec<_> = received.spans().iter().map(|span| span.name().to_owned()).collect();
        let mut logs: Vec<_> = received.logs().iter().map(|log| log.body()).collect();
        // The processors are simple ones: each item has a request of its own, and several are on their way at once.
        spans.sort();
        logs.sort();
        format!("{} | {}", spans.join(" "), logs.join(" "))
    };
    assert_eq!(seen(), " | ");
    write("sampler: {always_on: }\nown: log_filter: debug");
    guard.reload().unwrap();
    let calls = if cfg!(feature = "http") { "GET span" } else { "span" };
    assert_eq!(seen(), format!("{calls} | event record"));
    write("sampler: {always_off: }\nown: log_filter: off");
    // From another thread, as a handler of a signal would.
    std::thread::scope(|scope| scope.spawn(|| guard.reload().unwrap()).join().unwrap());
    assert_eq!(seen(), " | ");
    write("own: log_filter: debug, span_filter: off");
    guard.reload().unwrap();
    let calls = if cfg!(feature = "http") { "GET" } else { "" };
    assert_eq!(seen(), format!("{calls} | event record"));
    guard.shutdown().unwrap();
}

fn run(case: &str) {
    child_process::passed("process::child", &[("CASE", case)]);
}

#[test]
fn levels_and_sampler_of_the_process_change() {
    run("build");
}

#[test]
fn levels_and_sampler_change_beside_a_layer_of_the_program() {
    run("layer");
}

#[test]
fn levels_and_sampler_change_in_a_subscriber_of_the_program() {
    run("subscriber");
}
