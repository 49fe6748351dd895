//! A [`JsonLayer`] inside of an `Option` or a `Vec`, which do not announce the subscriber to it. One test, because the
//! subscriber is global.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::io;
use std::sync::Mutex;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use telemetry_bootstrap::json::JsonLayer;
use tracing::{info, info_span};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

static OUTPUT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Output;

impl io::Write for Output {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        OUTPUT.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn events_with_an_explicit_parent_have_ids_inside_of_options_and_lists() {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(tracer))
        .with(Some(JsonLayer::new(|| Output)))
        .with(vec![JsonLayer::new(|| Output).boxed()])
        .init();
    let span = info_span!("work");
    info!(parent: &span, "inside");
    let inside = span.in_scope(|| {
        info!("current");
        opentelemetry::trace::TraceContextExt::span(&opentelemetry::Context::current()).span_context().clone()
    });
    let output = OUTPUT.lock().unwrap();
    let lines: Vec<Value> = std::str::from_utf8(&output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for line in &lines {
        assert_eq!(line["trace_id"], inside.trace_id().to_string(), "{line}");
        assert_eq!(line["span_id"], inside.span_id().to_string(), "{line}");
    }
}
