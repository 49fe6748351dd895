//! Errors as an observer sees them: at the collector, after the whole way.

#![expect(clippy::panic, clippy::unwrap_used, reason = "test code")]

use std::error::Error;
use std::io;
use std::sync::mpsc::channel;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector, StatusCode};
use telemetry_bootstrap::{opentelemetry, opentelemetry_sdk, tracing};
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Debug, thiserror::Error)]
#[error("query failed")]
struct QueryFailed(#[source] io::Error);

#[tracing::instrument(err)]
fn query() -> Result<(), QueryFailed> {
    let error = QueryFailed(io::Error::new(io::ErrorKind::TimedOut, "no answer"));
    telemetry_bootstrap::record_error(&error);
    Err(error)
}

#[tracing::instrument(err)]
fn load() -> Result<(), QueryFailed> {
    query()
}

#[tracing::instrument(err)]
fn handle() -> Result<(), Box<dyn Error>> {
    Ok(load()?)
}

fn record(action: impl FnOnce()) -> CollectedTelemetry {
    let collector = Collector::start().unwrap();
    let (layer, guard) = telemetry_bootstrap::init()
        .service_name("errors")
        .endpoint(collector.endpoint())
        .ignore_env()
        .build_local()
        .unwrap();
    tracing::subscriber::with_default(Registry::default().with(layer), action);
    guard.shutdown().unwrap();
    collector.received()
}

#[test]
fn one_error_through_three_functions_is_one_exception_and_every_span_is_an_error() {
    let received = record(|| drop(handle().unwrap_err()));
    let spans = ["query", "load", "handle"].map(|name| received.span(name).span);
    for span in &spans {
        let status = span.status.as_ref().unwrap();
        assert_eq!((status.code, status.message.as_str()), (2, "query failed"), "{}", span.name);
        let types = span.attributes.iter().filter(|attribute| attribute.key == "error.type").count();
        assert_eq!(types, 1, "{}", span.name);
    }
    assert_eq!(spans.map(|span| span.events.len()), [1, 0, 0]);
    // Each event goes out once: that of `record_error`, and what each function returned.
    assert_eq!(received.log_count(), 4);
    // The place is where the error was recorded, and is there once.
    let record = received.log("query failed").record;
    let places = record.attributes.iter().filter(|attribute| attribute.key == "code.file.path");
    let places: Vec<_> = places.map(|place| format!("{:?}", place.value)).collect();
    assert!(matches!(&places[..], [place] if place.contains("tests/errors.rs")), "{places:?}");
}

#[tracing::instrument(err)]
fn greet() -> Result<(), tonic::Status> {
    let mut metadata = tonic::metadata::MetadataMap::new();
    metadata.insert("x-internal", "shard 7".parse().unwrap());
    let status = tonic::Status::with_metadata(tonic::Code::Unavailable, "no greeter", metadata);
    telemetry_bootstrap::record_error(&status);
    Err(status)
}

#[tracing::instrument(err)]
fn greet_twice() -> Result<(), tonic::Status> {
    greet()
}

#[test]
fn grpc_status_is_recorded_by_code_and_message_and_once() {
    let received = record(|| drop(greet_twice().unwrap_err()));
    let spans = ["greet", "greet_twice"].map(|name| received.span(name).span);
    assert_eq!(spans.clone().map(|span| span.events.len()), [1, 0]);
    let text = format!("{:?}", spans[0]);
    assert!(text.contains("UNAVAILABLE: no greeter"), "{text}");
    assert!(!text.contains("shard 7") && !text.contains("MetadataMap"), "{text}");
    assert_eq!(received.log("UNAVAILABLE: no greeter").body(), "UNAVAILABLE: no greeter");
}

/// An error whose causes cannot be asked for.
#[derive(Debug)]
struct SourcePanics;

impl std::fmt::Display for SourcePanics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no sources")
    }
}

impl Error for SourcePanics {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        panic!("a source that panics")
    }
}

/// Records an error at the end of each span.
#[derive(Debug)]
struct RecordsErrors;

impl SpanProcessor for RecordsErrors {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        telemetry_bootstrap::record_error(&io::Error::other(format!("at the end of {}", span.name)));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The SDK calls its processors while the span is locked, if it ends through its context.
#[test]
fn an_error_that_a_span_processor_records_does_not_wait_for_the_span_that_ends() {
    let collector = Collector::start().unwrap();
    let builder = telemetry_bootstrap::init().endpoint(collector.endpoint()).ignore_env();
    let builder = builder.traces(|traces| traces.span_processor(RecordsErrors));
    let (layer, guard) = builder.build_local().unwrap();
    let installed = Dispatch::new(Registry::default().with(layer));
    let (done, is_done) = channel();
    let tracer = guard.tracer("api");
    std::thread::spawn(move || {
        for dispatch in [installed, Dispatch::none()] {
            with_default(&dispatch, || {
                let context = Context::current_with_span(tracer.start("api"));
                let _attached = context.clone().attach();
                context.span().end();
                tracing::info_span!("of tracing").in_scope(|| ());
            });
        }
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(20)).unwrap();
    guard.shutdown().unwrap();
    let received = collector.received();
    assert!(received.spans().iter().all(|span| span.status() == StatusCode::Unset));
    assert_eq!((received.spans().len(), received.log_count()), (3, 2));
}

#[test]
fn panicking_error_source_loses_neither_event_nor_span() {
    let received = record(|| {
        let error = &SourcePanics as &(dyn Error + 'static);
        let span = tracing::info_span!("failing", error);
        span.record("error", error);
        span.in_scope(|| telemetry_bootstrap::record_error(&SourcePanics));
        span.in_scope(|| tracing::error!(error, "event"));
    });
    assert_eq!(received.span("failing").span.status.as_ref().unwrap().message, "no sources");
    assert_eq!(received.log_count(), 2);
}
