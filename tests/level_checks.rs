//! Level checks, events that are abandoned and futures that are dropped, in programs that install telemetry in every way:
//! no span and no line is lost after them.
//!
//! The program is this test program again, for one ignored test.

#![expect(clippy::unwrap_used, reason = "test code")]

mod child_process;

use std::future::Future;
use std::task::{Context, Waker};

use serde_json::Value;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{TelemetryGuard, init, tracing, tracing_subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};

use child_process::passed;

const CHILDREN: [&str; 6] = [
    "child_with_build",
    "child_with_build_beside_a_layer_that_filters",
    "child_with_build_beside_a_dynamic_filter",
    "child_with_build_with",
    "child_with_the_bridge_of_tracing_opentelemetry",
    "child_with_that_bridge_beside_a_layer_that_filters",
];
const ROUNDS: usize = 100;
const SPANS: usize = 7 * ROUNDS;

/// The lines of a child, and how many of its spans and records arrived.
fn run(child: &str, env: &[(&str, &str)]) -> (Vec<Value>, usize, usize) {
    let collector = Collector::start().unwrap();
    let (_, stderr) =
        passed(child, &[env, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]].concat());
    let lines = stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let received = collector.received();
    let spans = received.spans().iter().filter(|span| span.name().starts_with("after")).count();
    (lines, spans, received.log_count())
}

fn written(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line["message"] == "inside").count()
}

#[test]
fn no_span_and_no_line_is_lost_after_a_level_check() {
    for child in CHILDREN {
        for filter in ["info", "info,level_checks[nowhere{x=1}]=trace"] {
            let (lines, spans, records) = run(child, &[("RUST_LOG", filter)]);
            assert_eq!((written(&lines), spans, records), (SPANS, SPANS, SPANS), "{child}, {filter}");
        }
    }
}

#[test]
fn a_level_check_asks_the_filter_of_spans_as_well() {
    passed("child_with_a_wider_filter_of_spans", &[]);
}

#[test]
#[ignore = "a child of another test"]
fn child_with_a_wider_filter_of_spans() {
    for stock in [false, true] {
        let traces = |traces: telemetry_bootstrap::Traces| match stock {
            true => traces.use_tracing_opentelemetry(),
            false => traces,
        };
        let builder = init()
            .endpoint(Collector::start().unwrap().endpoint())
            .log_filter("info")
            .span_filter("debug")
            .traces(traces);
        let (layer, _telemetry) = builder.build_local().unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            assert!(tracing::enabled!(tracing::Level::DEBUG));
            assert!(tracing::span_enabled!(tracing::Level::DEBUG));
            assert!(!tracing::event_enabled!(tracing::Level::DEBUG));
            assert!(!tracing::enabled!(tracing::Level::TRACE));
        });
    }
}

#[test]
fn disabled_telemetry_still_writes_every_line() {
    for child in CHILDREN {
        let (lines, spans, records) = run(child, &[("OTEL_SDK_DISABLED", "true")]);
        assert_eq!((written(&lines), spans, records), (SPANS, 0, 0), "{child}");
    }
}

/// Wants nothing, and says so for itself alone.
struct Idle;

impl<S: tracing::Subscriber> Layer<S> for Idle {}

#[test]
#[ignore = "a child of another test"]
fn child_with_build() {
    work(init().build().unwrap());
}

#[test]
#[ignore = "a child of another test"]
fn child_with_build_beside_a_layer_that_filters() {
    work(init().layer(Idle.with_filter(LevelFilter::ERROR)).build().unwrap());
}

#[test]
#[ignore = "a child of another test"]
fn child_with_build_beside_a_dynamic_filter() {
    work(init().layer(Idle.with_filter(EnvFilter::new("warn,level_checks[after]=trace"))).build().unwrap());
}

#[test]
#[ignore = "a child of another test"]
fn child_with_build_with() {
    let subscriber = |telemetry| {
        tracing_subscriber::registry()
            .with(Idle.with_filter(LevelFilter::WARN))
            .with(telemetry)
            .with(Idle.with_filter(LevelFilter::OFF))
    };
    work(init().build_with(subscriber).unwrap());
}

#[test]
#[ignore = "a child of another test"]
fn child_with_the_bridge_of_tracing_opentelemetry() {
    work(init().traces(|traces| traces.use_tracing_opentelemetry()).build().unwrap());
}

#[test]
#[ignore = "a child of another test"]
fn child_with_that_bridge_beside_a_layer_that_filters() {
    let builder = init().traces(|traces| traces.use_tracing_opentelemetry());
    work(builder.layer(Idle.with_filter(LevelFilter::ERROR)).build().unwrap());
}

fn work(telemetry: TelemetryGuard) {
    for _ in 0..ROUNDS {
        assert!(tracing::enabled!(tracing::Level::INFO));
        tracing::info_span!("after check").in_scope(|| tracing::info!("inside"));
        let _ = (tracing::enabled!(tracing::Level::TRACE), tracing::event_enabled!(tracing::Level::WARN));
        tracing::info_span!("after event_enabled").in_scope(|| tracing::info!("inside"));
        assert!(log::log_enabled!(log::Level::Warn));
        tracing::info_span!("after log_enabled").in_scope(|| tracing::info!("inside"));
        let _ = (log::log_enabled!(log::Level::Trace), tracing::span_enabled!(tracing::Level::DEBUG));
        tracing::info_span!("after refusal").in_scope(|| tracing::info!("inside"));
        assert_eq!(leaves(None), None);
        tracing::info_span!("after leaving").in_scope(|| tracing::info!("inside"));
        is_dropped_while_it_awaits();
        tracing::info_span!("after drop").in_scope(|| tracing::info!("inside"));
        // As `axum-tracing-opentelemetry` creates them, and as others do.
        let request = || tracing::trace_span!(target: "otel::tracing", "after a request");
        tracing::trace_span!("after all").in_scope(request).in_scope(|| tracing::info!("inside"));
    }
    let _ = telemetry.shutdown();
}

fn leaves(order: Option<u64>) -> Option<()> {
    tracing::info!(order = order?, "never");
    Some(())
}

/// Drops a future that awaits in the argument of a macro.
fn is_dropped_while_it_awaits() {
    let future = async { tracing::info!(rows = std::future::pending::<u64>().await, "never") };
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}
