//! The extensions of `tracing-opentelemetry`, which other crates use, and our own ones: the same effect on a span that has
//! not started, that has started, that is excluded by the filter, and from several threads.

#![expect(clippy::unwrap_used, reason = "test code")]

mod local;

use std::time::SystemTime;

use local::Local;
use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use telemetry_bootstrap::testing::{CollectedSpan, Collector, StatusCode};
use telemetry_bootstrap::{Builder, opentelemetry, tracing};
use tracing::dispatcher::{get_default, with_default};
use tracing::{Dispatch, Span};
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError, get_otel_context};

fn remote() -> SpanContext {
    SpanContext::new(TraceId::from(7), SpanId::from(9), TraceFlags::SAMPLED, true, TraceState::default())
}

fn run(program: impl Fn()) -> Vec<CollectedSpan> {
    run_with(|builder| builder, program)
}

fn run_with(adjust: impl FnOnce(Builder) -> Builder, program: impl Fn()) -> Vec<CollectedSpan> {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), adjust);
    with_default(&local.subscriber, program);
    let (stats, _) = local.shutdown();
    assert_eq!((stats.lost(), stats.open_spans), (0, 0));
    collector.received().spans()
}

fn named<'a>(spans: &'a [CollectedSpan], name: &str) -> &'a CollectedSpan {
    spans.iter().find(|span| span.name() == name).unwrap()
}

/// Every method of an extension trait, on a span that is not entered and then on the entered one.
macro_rules! every_method {
    ($extension:path) => {
        every_method!($extension, |builder| builder)
    };
    ($extension:path, $adjust:expr) => {
        run_with($adjust, || {
            use $extension as Extension;
            let span = tracing::info_span!("all", own = 1);
            Extension::set_parent(&span, Context::new().with_remote_span_context(remote())).unwrap();
            let before_and_after = |key: &'static str| {
                Extension::set_attribute(&span, key, 1);
                Extension::set_attribute(&span, "last", key);
                Extension::add_link(&span, remote());
                Extension::add_link_with_attributes(&span, remote(), vec![KeyValue::new("key", key)]);
                Extension::add_event(&span, key, vec![KeyValue::new("key", key)]);
                Extension::add_event_with_timestamp(&span, "late", SystemTime::UNIX_EPOCH, Vec::new());
            };
            before_and_after("before");
            span.in_scope(|| {
                let refused = Extension::set_parent(&span, Context::new());
                assert!(matches!(refused, Err(SetParentError::AlreadyStarted)));
                before_and_after("after");
                Extension::set_status(&span, Status::error("bad"));
                let current = Context::map_current(|context| context.span().span_context().clone());
                assert_eq!(*Extension::context(&span).span().span_context(), current);
                let dispatch = get_default(Dispatch::clone);
                let found = get_otel_context(&span.id().unwrap(), &dispatch).unwrap();
                assert_eq!(*found.span().span_context(), current);
                drop(tracing::info_span!("child"));
            });
            let early = tracing::info_span!("early status");
            Extension::set_status(&early, Status::error("early"));
            drop(early);
            let context_first = tracing::info_span!("context first");
            let context = Extension::context(&context_first);
            assert!(context.span().span_context().is_valid());
            let child = tracing::info_span!(parent: &context_first, "its child");
            drop((child, context_first));
        })
    };
}

fn assert_all(spans: &[CollectedSpan]) {
    let all = named(spans, "all");
    assert_eq!(all.trace_id(), TraceId::from(7).to_string());
    assert_eq!(all.parent_span_id(), Some(SpanId::from(9).to_string()));
    let texts = ["own", "before", "after", "last"].map(|key| all.attribute_text(key).unwrap());
    assert_eq!(texts, ["1", "1", "1", "after"]);
    assert_eq!((all.span.links.len(), all.span.events.len()), (4, 4));
    assert_eq!((all.status(), all.status_message()), (StatusCode::Error, "bad"));
    assert!(all.is_parent_of(named(spans, "child")));
    assert_eq!(named(spans, "early status").status_message(), "early");
    assert!(named(spans, "context first").is_parent_of(named(spans, "its child")));
}

#[test]
fn every_method_of_tracing_opentelemetry_works() {
    assert_all(&every_method!(tracing_opentelemetry::OpenTelemetrySpanExt));
}

#[test]
fn every_method_of_our_own_extension_works() {
    assert_all(&every_method!(telemetry_bootstrap::SpanExt));
}

#[test]
fn every_method_works_with_the_bridge_of_tracing_opentelemetry() {
    let stock = |builder: Builder| builder.traces(|traces| traces.use_tracing_opentelemetry());
    assert_all(&every_method!(tracing_opentelemetry::OpenTelemetrySpanExt, stock));
    assert_all(&every_method!(telemetry_bootstrap::SpanExt, stock));
}

#[test]
fn a_parent_can_be_set_until_something_needs_the_ids() {
    let starts: [fn(&Span); 4] = [
        |span| tracing::info!(parent: span, "needs the ids"),
        |span| drop(tracing::info_span!(parent: span, "child")),
        |span| _ = tracing::info_span!("follower").follows_from(span),
        |span| drop(telemetry_bootstrap::SpanExt::context(span)),
    ];
    run(|| {
        for start in starts {
            let parent = || Context::new().with_remote_span_context(remote());
            let span = tracing::info_span!("span", late = tracing::field::Empty);
            span.record("late", 1);
            telemetry_bootstrap::SpanExt::set_attribute(&span, "key", 1);
            telemetry_bootstrap::SpanExt::set_parent(&span, parent()).unwrap();
            start(&span);
            let refused = telemetry_bootstrap::SpanExt::set_parent(&span, parent());
            assert!(matches!(refused, Err(SetParentError::AlreadyStarted)));
        }
    });
}

#[test]
fn a_span_that_the_filter_excludes_accepts_everything_without_effect() {
    let spans = run(|| {
        let excluded = tracing::trace_span!("excluded");
        excluded.set_parent(Context::new()).unwrap_or_default_error();
        excluded.set_attribute("key", 1);
        excluded.add_link(remote());
        let _ = excluded.context();
        tracing::info_span!("included").in_scope(|| ());
    });
    assert_eq!(spans.len(), 1);
}

/// A disabled span refuses a parent; one that another output needs accepts it.
trait UnwrapOrDisabled {
    fn unwrap_or_default_error(self);
}

impl UnwrapOrDisabled for Result<(), SetParentError> {
    fn unwrap_or_default_error(self) {
        assert!(matches!(self, Ok(()) | Err(SetParentError::SpanDisabled)));
    }
}

#[test]
fn both_extensions_can_be_mixed() {
    let spans = run(|| {
        let span = tracing::info_span!("mixed");
        span.set_attribute("stock", 1);
        telemetry_bootstrap::SpanExt::set_attribute(&span, "own", 2);
        telemetry_bootstrap::SpanExt::set_parent(&span, Context::new().with_remote_span_context(remote()))
            .unwrap();
        span.in_scope(|| ());
    });
    let mixed = named(&spans, "mixed");
    assert_eq!(mixed.trace_id(), TraceId::from(7).to_string());
    assert_eq!(["stock", "own"].map(|key| mixed.attribute_text(key).unwrap()), ["1", "2"]);
}

#[test]
fn spans_are_reached_from_several_threads_while_they_start_and_end() {
    const SPANS: usize = 500;
    let spans = run(|| {
        let dispatch = get_default(Dispatch::clone);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| with_default(&dispatch, || (0..SPANS).for_each(|_| reach_from_elsewhere())));
            }
        });
    });
    assert_eq!(spans.len(), 4 * SPANS);
    assert!(spans.iter().all(|span| span.attribute_text("elsewhere").as_deref() == Some("1")));
}

fn reach_from_elsewhere() {
    let span = tracing::info_span!("shared");
    std::thread::scope(|scope| {
        let elsewhere = span.clone();
        scope.spawn(move || elsewhere.set_attribute("elsewhere", 1));
        span.in_scope(|| assert!(Span::current().context().span().span_context().is_valid()));
    });
}
