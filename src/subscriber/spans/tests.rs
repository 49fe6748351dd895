//! Both ways to record spans: one span that several threads create children of, record in, enter, exit, give a parent and
//! close, all at once; and what was set before the start.
//!
//! In a form that Miri can run, which looks for data races and tries schedules: without network, with few rounds.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context as OtelContext, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prost::Message as _;
use tracing_core::Dispatch;
use tracing_core::dispatcher::with_default;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{DirectSource, SpanBridge, SpanExt as _, SpanSource};
use crate::export::Queue;
use crate::provider::SharedSampler;
use crate::settings::{AttributeLimits, QueueSettings, SamplerSetting, SpanLimitSettings};
use crate::subscriber::filter::{Filter, FilterHandle};
use crate::subscriber::tests::rig::Spans;
use crate::subscriber::{LayerParts, Marks};

const THREADS: usize = 3;
const ROUNDS: usize = if cfg!(miri) { 3 } else { 300 };

/// A bridge whose filter includes everything of level INFO.
fn bridge(source: SpanSource) -> Arc<SpanBridge> {
    Arc::new(SpanBridge::new(source, FilterHandle::new(Filter::parse("info").0)))
}

fn subscriber(bridge: &Arc<SpanBridge>) -> Dispatch {
    let parts = LayerParts {
        lines: None,
        records: None,
        has_span_fields_in_records: false,
        spans: Some(Arc::clone(bridge).into()),
        marks: Marks::default(),
    };
    Dispatch::new(Registry::default().with(parts.into_only_layer()))
}

fn remote(number: u64) -> OtelContext {
    let context = SpanContext::new(
        TraceId::from(7),
        SpanId::from(number),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    OtelContext::new().with_remote_span_context(context)
}

/// The work of each thread on the span that all share.
fn reach(span: &tracing::Span, thread: usize) {
    match thread % THREADS {
        0 => {
            span.record("progress", 1);
            span.in_scope(|| tracing::error!("failed"));
            span.record("progress", 2);
        }
        1 => {
            let _ = span.set_parent(remote(1));
            span.set_attribute("set", true);
            let child = tracing::info_span!(parent: span, "child");
            child.follows_from(span);
        }
        _ => {
            let _ = tracing_opentelemetry::OpenTelemetrySpanExt::set_parent(span, remote(2));
            tracing_opentelemetry::OpenTelemetrySpanExt::set_attribute(span, "stock", 1);
            span.add_event("event", vec![KeyValue::new("key", 1)]);
            span.set_status(Status::error("own"));
            let _ = span.context();
        }
    }
}

/// Runs all threads at once on one span, again and again, and checks that no span stays open.
fn run(bridge: &Arc<SpanBridge>) {
    let dispatch = subscriber(bridge);
    for _ in 0..ROUNDS {
        let shared =
            with_default(&dispatch, || tracing::info_span!("shared", progress = tracing::field::Empty));
        let start = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                // The last of these clones closes the span.
                let (span, start, dispatch) = (shared.clone(), &start, &dispatch);
                scope.spawn(move || {
                    with_default(dispatch, || {
                        start.wait();
                        reach(&span, thread);
                        drop(span);
                    });
                });
            }
            drop(shared);
        });
    }
    assert_eq!(bridge.open_spans(), 0);
}

/// Spans that are encoded as they are recorded, and what reads those that have ended.
fn direct() -> (SpanSource, impl FnOnce() -> Vec<Span>) {
    let limits = QueueSettings {
        max_items: usize::MAX,
        max_bytes: usize::MAX,
        max_export_batch_size: 512,
        max_batch_bytes: usize::MAX,
        delay: Duration::MAX,
    };
    let (queue, consumers) = Queue::new(limits, 1);
    let attributes = AttributeLimits { count: 128, value_length: None };
    let source = DirectSource {
        queue: Some(Arc::clone(&queue)),
        scope: Vec::new(),
        open: None,
        counts: None,
        limits: SpanLimitSettings {
            attributes,
            events: 128,
            links: 128,
            attributes_per_event: 128,
            attributes_per_link: 128,
        },
    };
    let encoded = move || {
        let mut spans = Vec::new();
        for request in consumers[0].drain() {
            let request = ExportTraceServiceRequest::decode(&*request).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            spans.extend(scopes.flat_map(|scope| scope.spans));
        }
        spans
    };
    (SpanSource::direct(source, SharedSampler::new(&SamplerSetting::AlwaysOn, None)), encoded)
}

/// Spans of the SDK, which `spans` gets.
fn sdk(spans: &Spans) -> SpanSource {
    let provider = SdkTracerProvider::builder().with_span_processor(spans.clone()).build();
    SpanSource::sdk(provider.tracer("test"), SharedSampler::new(&SamplerSetting::AlwaysOn, None), true)
}

#[test]
fn shared_span_is_encoded_once_and_complete() {
    let (source, encoded) = direct();
    run(&bridge(source));
    let spans = encoded();
    let shared: Vec<_> = spans.iter().filter(|span| span.name == "shared").collect();
    let children: Vec<_> = spans.iter().filter(|span| span.name == "child").collect();
    assert_eq!((shared.len(), children.len()), (ROUNDS, ROUNDS));
    for span in shared {
        let mut keys: Vec<_> = span.attributes.iter().map(|attribute| &*attribute.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["error.type", "progress", "set", "stock"]);
        assert_eq!((span.status.as_ref().unwrap().message.as_str(), span.events.len()), ("own", 1));
        let child = children.iter().filter(|child| child.parent_span_id == span.span_id);
        assert_eq!(child.count(), 1);
        assert!(["", "1", "2"].contains(&&*parent_number(&span.parent_span_id)), "{span:?}");
    }
}

fn parent_number(id: &[u8]) -> String {
    id.try_into().map_or_else(|_| String::new(), |id| u64::from_be_bytes(id).to_string())
}

#[test]
fn a_span_that_threads_share_reaches_the_span_processors_once_with_everything() {
    let spans = Spans::default();
    run(&bridge(sdk(&spans)));
    let shared = spans.all("shared");
    assert_eq!((shared.len(), spans.all("child").len()), (ROUNDS, ROUNDS));
    for span in shared {
        for key in ["progress", "set", "stock"] {
            assert!(span.attributes.iter().any(|attribute| attribute.key.as_str() == key), "{key}");
        }
        assert_eq!((span.status, span.events.len()), (Status::error("own"), 1));
    }
}

#[test]
fn an_error_type_that_was_set_before_the_start_is_kept() {
    let fail = |source| {
        with_default(&subscriber(&bridge(source)), || {
            let span = tracing::info_span!("work");
            span.set_attribute("error.type", "own");
            span.in_scope(|| tracing::error!("failed"));
        });
    };
    let (source, encoded) = direct();
    fail(source);
    let work = &encoded()[0];
    assert_eq!(work.status.as_ref().unwrap().message, "failed");
    let [attribute] = &work.attributes[..] else { panic!("{work:?}") };
    assert_eq!(attribute.key, "error.type");
    assert_eq!(attribute.value.as_ref().unwrap().value, Some(any_value::Value::StringValue("own".into())));
    let spans = Spans::default();
    fail(sdk(&spans));
    let work = spans.named("work");
    assert_eq!(work.status, Status::error("failed"));
    assert_eq!(work.attributes, [KeyValue::new("error.type", "own")]);
}
