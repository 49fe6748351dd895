//! Spans of `tracing`: none is lost by what happens between a filter's verdict and the span, and in both ways of
//! recording them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod local;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future as _, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::{Request, Response};
use local::Local;
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SamplingResult, ShouldSample, Span as SdkSpan, SpanData, SpanProcessor,
};
use telemetry_bootstrap::http::ServerLayer;
use telemetry_bootstrap::testing::{CollectedSpan, CollectedTelemetry, Collector, SpanKind, StatusCode};
use telemetry_bootstrap::{Builder, ExportStats, SpanExt as _, opentelemetry, opentelemetry_sdk, tracing};
use tower::{Layer as _, Service as _};
use tracing::dispatcher::with_default;

/// A span processor that does nothing: with one, spans are recorded by the SDK.
#[derive(Debug)]
struct Idle;

impl SpanProcessor for Idle {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}
    fn on_end(&self, _: SpanData) {}
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The two ways of recording spans, with the same results.
const WAYS: [fn(Builder) -> Builder; 2] =
    [|builder| builder, |builder| builder.traces(|traces| traces.span_processor(Idle))];

/// The bridge of `tracing-opentelemetry`, which has the same results where these do not depend on its own rules.
const STOCK: fn(Builder) -> Builder = |builder| builder.traces(|traces| traces.use_tracing_opentelemetry());

/// Runs `program` with telemetry of each way, and hands what arrived to `check`.
fn in_both_ways(
    adjust: impl Fn(Builder) -> Builder,
    program: impl Fn(),
    check: impl Fn(&CollectedTelemetry, ExportStats, &[serde_json::Value]),
) {
    in_ways(&WAYS, adjust, program, check);
}

/// The same, and with the bridge of `tracing-opentelemetry`.
fn with_every_bridge(
    adjust: impl Fn(Builder) -> Builder,
    program: impl Fn(),
    check: impl Fn(&CollectedTelemetry, ExportStats, &[serde_json::Value]),
) {
    in_ways(&[WAYS[0], WAYS[1], STOCK], adjust, program, check);
}

fn in_ways(
    ways: &[fn(Builder) -> Builder],
    adjust: impl Fn(Builder) -> Builder,
    program: impl Fn(),
    check: impl Fn(&CollectedTelemetry, ExportStats, &[serde_json::Value]),
) {
    for way in ways {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), |builder| adjust(way(builder)));
        with_default(&local.subscriber, &program);
        let (stats, lines) = local.shutdown();
        check(&collector.received(), stats, &lines);
    }
}

fn span(received: &CollectedTelemetry, name: &str) -> CollectedSpan {
    let mut spans = received.spans_named(name);
    assert_eq!(spans.len(), 1, "{name} among {:?}", received.spans());
    spans.remove(0)
}

fn same(builder: Builder) -> Builder {
    builder
}

#[tracing::instrument]
fn total(order: u64) -> u64 {
    order + 1
}

#[tracing::instrument]
fn find(order: Option<u64>) -> Option<u64> {
    order
}

#[test]
fn spans_inside_macro_arguments_are_exported() {
    with_every_bridge(
        same,
        || {
            tracing::info_span!("outer").in_scope(|| {
                tracing::info!(total = total(1), "field");
                tracing::info!("text {}", total(2));
                tracing::info!(
                    total = {
                        tracing::info!(deep = total(3), "inner");
                        total(4)
                    },
                    "nested"
                );
            });
            tracing::info!("without a span {}", total(5));
        },
        |received, stats, _| {
            let outer = span(received, "outer");
            let totals = received.spans_named("total");
            assert_eq!(totals.len(), 5);
            assert_eq!(totals.iter().filter(|total| outer.is_parent_of(total)).count(), 4);
            assert!(received.spans().iter().all(|span| span.span.events.is_empty()));
            assert_eq!((received.log_count(), stats.lost()), (5, 0));
        },
    );
}

#[test]
fn level_checks_and_abandoned_events_lose_no_span() {
    fn leaves(order: Option<u64>) -> Option<()> {
        tracing::info!(order = find(order)?, "found");
        Some(())
    }
    with_every_bridge(
        same,
        || {
            for number in 0..100 {
                assert!(tracing::enabled!(tracing::Level::INFO));
                drop(tracing::info_span!("after check", number).entered());
                assert!(!tracing::enabled!(tracing::Level::TRACE));
                drop(tracing::info_span!("after refusal", number).entered());
                let _ = tracing::event_enabled!(tracing::Level::WARN);
                leaves(None);
                drop(tracing::info_span!("after leaving", number).entered());
                let _ = catch_unwind(|| {
                    tracing::info!(
                        value = {
                            if true {
                                panic!("argument")
                            };
                            1
                        },
                        "never"
                    )
                });
                drop(tracing::info_span!("after panic", number).entered());
            }
        },
        |received, stats, _| {
            for name in ["after check", "after refusal", "after leaving", "after panic"] {
                assert_eq!(received.spans_named(name).len(), 100, "{name}");
            }
            assert_eq!((stats.lost(), stats.open_spans), (0, 0));
        },
    );
}

#[test]
fn event_argument_that_awaits_loses_no_span_of_other_tasks() {
    async fn count() -> u64 {
        tokio::task::yield_now().await;
        7
    }
    with_every_bridge(
        same,
        || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let awaiting = async {
                    for _ in 0..50 {
                        tracing::info!(rows = count().await, "counted");
                    }
                };
                let others = async {
                    for _ in 0..50 {
                        drop(tracing::info_span!("other").entered());
                        tokio::task::yield_now().await;
                    }
                };
                tokio::join!(awaiting, others);
            });
        },
        |received, _, _| assert_eq!((received.spans_named("other").len(), received.log_count()), (50, 50)),
    );
}

#[test]
fn invalid_parent_is_ignored() {
    with_every_bridge(
        same,
        || {
            let _invalid = Context::new().with_remote_span_context(SpanContext::empty_context()).attach();
            tracing::info_span!("work").in_scope(|| drop(tracing::info_span!("child")));
        },
        |received, _, _| {
            let work = span(received, "work");
            assert_eq!(work.parent_span_id(), None);
            assert!(work.is_parent_of(&span(received, "child")));
        },
    );
}

#[test]
fn last_value_of_an_attribute_wins() {
    in_both_ways(
        |builder| builder.traces(|traces| traces.max_attributes(3)),
        || {
            let span =
                tracing::info_span!("work", progress = 0, result = tracing::field::Empty, more = 1).entered();
            for progress in 1..=500 {
                span.record("progress", progress);
                span.set_attribute("progress", progress);
            }
            span.record("result", "done");
            span.set_attribute("beyond the limit", true);
            span.set_attribute("", "without a key");
        },
        |received, _, _| {
            let work = span(received, "work");
            assert_eq!(work.span.attributes.len(), 3);
            assert_eq!(work.attribute_text("progress").as_deref(), Some("500"));
            assert_eq!(work.attribute_text("result").as_deref(), Some("done"));
            assert_eq!(work.span.dropped_attributes_count, 2);
        },
    );
}

#[test]
fn special_fields_are_understood_in_any_usual_spelling() {
    in_both_ways(
        same,
        || {
            for code in ["error", "ERROR", "Error", "STATUS_CODE_ERROR", "status_code_error"] {
                drop(tracing::info_span!("failed", otel.status_code = code));
            }
            for code in ["ok", "STATUS_CODE_OK"] {
                drop(tracing::info_span!("fine", otel.status_code = code));
            }
            drop(tracing::info_span!(
                "unknown",
                otel.status_code = "failed",
                otel.kind = "sideways",
                otel.name = ""
            ));
            let late = tracing::info_span!("late", otel.name = tracing::field::Empty, otel.kind = "SERVER")
                .entered();
            late.record("otel.name", "renamed");
        },
        |received, _, _| {
            assert_eq!(received.spans_named("failed").len(), 5);
            assert!(received.spans_named("failed").iter().all(|span| span.status() == StatusCode::Error));
            assert!(received.spans_named("fine").iter().all(|span| span.status() == StatusCode::Ok));
            let unknown = span(received, "unknown");
            assert_eq!(unknown.status(), StatusCode::Unset);
            assert_eq!(unknown.attribute_text("otel.status_code").as_deref(), Some("failed"));
            assert_eq!(unknown.attribute_text("otel.kind").as_deref(), Some("sideways"));
            assert_eq!(unknown.attribute("otel.name"), None);
            assert_eq!(span(received, "renamed").kind(), SpanKind::Server);
        },
    );
}

#[test]
fn links_without_content_are_discarded() {
    in_both_ways(
        same,
        || {
            let work = tracing::info_span!("work");
            work.add_link(SpanContext::empty_context());
            work.add_link_with_attributes(
                SpanContext::empty_context(),
                vec![KeyValue::new("why", "because")],
            );
            let other = tracing::info_span!("other");
            work.follows_from(&other);
            work.in_scope(|| work.add_link(SpanContext::empty_context()));
        },
        |received, _, _| {
            let links = span(received, "work").span.links;
            assert_eq!(links.len(), 2, "{links:?}");
            let other = span(received, "other");
            assert!(links.iter().any(|link| link.span_id == other.span.span_id));
        },
    );
}

#[derive(Debug, Clone)]
struct PanickingSampler;

impl ShouldSample for PanickingSampler {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        name: &str,
        _: &opentelemetry::trace::SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        assert_ne!(name, "panics", "a sampler panics on purpose");
        SamplingResult {
            decision: opentelemetry_sdk::trace::SamplingDecision::RecordAndSample,
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

#[test]
fn panicking_sampler_drops_its_span() {
    in_both_ways(
        |builder| builder.traces(|traces| traces.sampler(PanickingSampler)),
        || {
            tracing::info_span!("panics").in_scope(|| tracing::info!("inside"));
            tracing::info_span!("survives").in_scope(|| ());
        },
        |received, _, _| {
            span(received, "survives");
            assert!(received.spans_named("panics").is_empty());
            assert_eq!(received.log_count(), 1);
        },
    );
}

#[derive(Debug)]
struct PanickingProcessor;

impl SpanProcessor for PanickingProcessor {
    fn on_start(&self, span: &mut SdkSpan, _: &Context) {
        let name = span.exported_data().map(|data| data.name.to_string());
        assert_ne!(name.as_deref(), Some("panics at the start"), "on purpose");
    }
    fn on_end(&self, span: SpanData) {
        assert_ne!(span.name, "panics at the end", "on purpose");
    }
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn a_span_processor_that_panics_does_not_end_the_program() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), |builder| {
        builder.traces(|traces| traces.span_processor(PanickingProcessor))
    });
    with_default(&local.subscriber, || {
        tracing::info_span!("panics at the start").in_scope(|| ());
        tracing::info_span!("panics at the end").in_scope(|| ());
        tracing::info_span!("survives").in_scope(|| ());
    });
    local.shutdown();
    // Each is exported, by the processor after the one that panics.
    for name in ["panics at the start", "panics at the end", "survives"] {
        span(&collector.received(), name);
    }
}

struct Hostile;

impl fmt::Debug for Hostile {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a value panics on purpose")
    }
}

#[test]
fn panicking_value_drops_its_field() {
    in_both_ways(
        same,
        || {
            let span = tracing::info_span!("work", before = 1, hostile = ?Hostile, after = 2, late = tracing::field::Empty);
            span.record("late", tracing::field::debug(Hostile));
        },
        |received, _, _| {
            let work = span(received, "work");
            let texts = ["before", "hostile", "after", "late"].map(|key| work.attribute_text(key).unwrap());
            assert_eq!(texts, ["1", "[panicked]", "2", "[panicked]"]);
        },
    );
}

#[test]
fn roots_have_the_random_flag_and_children_inherit_flags() {
    in_both_ways(
        same,
        || {
            let root = tracing::info_span!("root").entered();
            assert_eq!(root.context().span().span_context().trace_flags().to_u8(), 3);
            drop(tracing::info_span!("child"));
            let remote = SpanContext::new(
                TraceId::from(7),
                SpanId::from(9),
                TraceFlags::new(2),
                true,
                TraceState::default(),
            );
            let unsampled = tracing::info_span!("unsampled");
            unsampled.set_parent(Context::new().with_remote_span_context(remote)).unwrap();
            unsampled.in_scope(|| {
                let context = tracing::Span::current().context();
                assert_eq!(context.span().span_context().trace_flags().to_u8(), 2);
                assert_eq!(context.span().span_context().trace_id(), TraceId::from(7));
            });
        },
        |received, _, _| {
            assert_eq!(span(received, "root").span.flags & 0xff, 3);
            assert_eq!(span(received, "child").span.flags & 0xff, 3);
            assert!(received.spans_named("unsampled").is_empty());
        },
    );
}

#[test]
fn a_span_below_an_unsampled_one_keeps_its_fields_for_a_sampled_parent() {
    in_both_ways(
        same,
        || {
            let remote = |trace: u64, flags| {
                let (trace, flags) = (TraceId::from(u128::from(trace)), TraceFlags::new(flags));
                let parent = SpanContext::new(trace, SpanId::from(9), flags, true, TraceState::default());
                Context::new().with_remote_span_context(parent)
            };
            let consumer = tracing::info_span!("consumer");
            consumer.set_parent(remote(7, 0)).unwrap();
            let _consuming = consumer.enter();
            let message = tracing::info_span!("message", otel.name = "process", queue = "orders");
            message.set_parent(remote(8, 1)).unwrap();
            message.in_scope(|| drop(tracing::info_span!("inner")));
        },
        |received, _, _| {
            assert!(received.spans_named("consumer").is_empty());
            let message = span(received, "process");
            assert_eq!(message.attribute_text("queue").as_deref(), Some("orders"));
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
            let age = now - u128::from(message.span.start_time_unix_nano);
            assert!(age < Duration::from_secs(60).as_nanos(), "{age} ns old");
            assert_eq!(span(received, "inner").span.parent_span_id, message.span.span_id);
        },
    );
}

#[test]
fn open_spans_are_counted_and_reported() {
    for way in WAYS {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), way);
        let open = with_default(&local.subscriber, || {
            drop(tracing::info_span!("ended"));
            let entered = tracing::info_span!("entered");
            entered.in_scope(|| ());
            [entered, tracing::info_span!("never entered")]
        });
        let provider = local.guard.tracer_provider().clone();
        provider.tracer("api").start("ended").end();
        let api = provider.tracer("api").start("of the API");
        let handler = tower::service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
        let mut server = ServerLayer::new().tracer_provider(provider).layer(handler);
        let mut call = Box::pin(server.call(Request::new(Body::empty())));
        assert!(call.as_mut().poll(&mut task::Context::from_waker(task::Waker::noop())).is_pending());
        assert_eq!(local.guard.stats().open_spans, 4);
        let (stats, lines) = local.shutdown();
        assert_eq!(stats.open_spans, 4);
        let reported =
            lines.iter().find(|line| line["message"].as_str().unwrap().contains("still open")).unwrap();
        assert_eq!(reported["spans"], 4);
        drop((open, api, call));
    }
}

/// Records every span, samples none.
#[derive(Clone, Debug)]
struct RecordOnly;

impl ShouldSample for RecordOnly {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &opentelemetry::trace::SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        SamplingResult {
            decision: opentelemetry_sdk::trace::SamplingDecision::RecordOnly,
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

#[test]
fn open_spans_that_would_not_be_exported_are_not_counted() {
    let samplers: [fn(Builder) -> Builder; 2] = [
        |builder| builder.traces(|traces| traces.sampler(Sampler::AlwaysOff)),
        |builder| builder.traces(|traces| traces.sampler(RecordOnly)),
    ];
    for sampler in samplers {
        for way in WAYS {
            let collector = Collector::start().unwrap();
            let local = Local::with(&collector.endpoint(), |builder| sampler(way(builder)));
            let open = with_default(&local.subscriber, || {
                let root = tracing::info_span!("root");
                let entered = root.clone().entered();
                (root, tracing::info_span!("below").entered().exit(), entered.exit())
            });
            let api = local.guard.tracer("api").start("of the API");
            let (stats, lines) = local.shutdown();
            assert_eq!(stats.open_spans, 0);
            assert!(lines.is_empty(), "{lines:#?}");
            drop((open, api));
        }
    }
    // Not even entered.
    for way in WAYS {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), |builder| samplers[0](way(builder)));
        let pending = with_default(&local.subscriber, || tracing::info_span!("root"));
        assert_eq!(local.guard.stats().open_spans, 0);
        drop(pending);
    }
}

#[test]
fn open_spans_are_not_counted_where_none_are_exported() {
    let collector = Collector::start().unwrap();
    let local =
        Local::with(&collector.endpoint(), |builder| WAYS[1](builder).traces(|traces| traces.export(false)));
    let open = with_default(&local.subscriber, || tracing::info_span!("open").entered().exit());
    let provider = local.guard.tracer_provider().clone();
    let api = provider.tracer("api").start("of the API");
    let handler = tower::service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
    let mut server = ServerLayer::new().tracer_provider(provider).layer(handler);
    let mut call = Box::pin(server.call(Request::new(Body::empty())));
    assert!(call.as_mut().poll(&mut task::Context::from_waker(task::Waker::noop())).is_pending());
    let (stats, lines) = local.shutdown();
    assert_eq!(stats.open_spans, 0);
    assert!(lines.is_empty(), "{lines:#?}");
    drop((open, api, call));
}

/// A span at DEBUG, which the filter excludes, stands for its parent, wherever that is entered.
#[test]
fn an_excluded_span_stands_for_its_explicit_parent() {
    in_both_ways(
        // Lines show what the filter of spans excludes.
        |builder| builder.log_filter("debug"),
        || {
            let parent = tracing::info_span!("parent").entered();
            let other = tracing::info_span!("other").entered();
            let excluded = tracing::debug_span!(parent: &parent, "excluded");
            excluded.in_scope(|| {
                tracing::info_span!("child").in_scope(|| ());
                tracing::debug_span!("also excluded").in_scope(|| tracing::info_span!("grandchild"));
            });
            tracing::info_span!("sibling").in_scope(|| ());
            drop((other, parent));
            // As at first: where the parent is the innermost, nothing changes.
            let context = Context::new().with_remote_span_context(SpanContext::new(
                TraceId::from(7),
                SpanId::from(8),
                TraceFlags::SAMPLED,
                true,
                TraceState::default(),
            ));
            let _parent = tracing::info_span!("around").entered();
            let _attached = context.attach();
            tracing::debug_span!("excluded").in_scope(|| tracing::info_span!("below the attached"));
        },
        |received, _, _| {
            let parent = span(received, "parent");
            for child in ["child", "grandchild", "other"] {
                assert!(parent.is_parent_of(&span(received, child)), "{child}");
            }
            assert!(span(received, "other").is_parent_of(&span(received, "sibling")));
            let attached = span(received, "below the attached").span.parent_span_id;
            assert_eq!(attached, 8_u64.to_be_bytes());
        },
    );
}

#[test]
fn a_span_that_is_entered_while_the_context_is_borrowed_does_not_hang() {
    let collector = Collector::start().unwrap();
    let local = Local::start(&collector.endpoint());
    with_default(&local.subscriber, || {
        let inner =
            || opentelemetry::trace::get_active_span(|_| tracing::info_span!("inner").in_scope(|| ()));
        assert!(catch_unwind(AssertUnwindSafe(inner)).is_err());
        tracing::info_span!("later").in_scope(|| ());
    });
    local.shutdown();
    span(&collector.received(), "later");
}

#[test]
fn a_span_never_ends_before_it_starts() {
    in_both_ways(
        same,
        || {
            let work = tracing::info_span!("work");
            work.context().span().end_with_timestamp(SystemTime::UNIX_EPOCH);
        },
        |received, _, _| {
            let work = span(received, "work").span;
            assert_eq!(work.end_time_unix_nano, work.start_time_unix_nano);
        },
    );
}

#[test]
fn times_out_of_range_saturate() {
    let [early, late] = [
        SystemTime::UNIX_EPOCH - Duration::from_secs(1),
        // After the year 2554, which is the last that fits.
        SystemTime::UNIX_EPOCH + Duration::from_secs(20_000_000_000),
    ];
    in_both_ways(
        same,
        || {
            let work = tracing::info_span!("work");
            work.add_event_with_timestamp("early", early, Vec::new());
            work.add_event_with_timestamp("late", late, Vec::new());
            work.context().span().add_event_with_timestamp("early", early, Vec::new());
            work.context().span().end_with_timestamp(late);
        },
        |received, _, _| {
            let work = span(received, "work").span;
            let times: Vec<_> = work.events.iter().map(|event| event.time_unix_nano).collect();
            assert_eq!(times, [0, u64::MAX, 0]);
            assert_eq!(work.end_time_unix_nano, u64::MAX);
        },
    );
}

#[test]
fn events_have_the_name_that_their_macro_gives_them() {
    with_every_bridge(
        same,
        || {
            tracing::info!(name: "order.placed", "named");
            tracing::info!("plain");
        },
        |received, _, _| {
            let names: Vec<_> = received.logs().iter().map(|log| log.record.event_name.clone()).collect();
            assert_eq!(names, ["order.placed", ""]);
        },
    );
}

/// Counts how often it is formatted.
struct Counted(Arc<[AtomicUsize; 2]>);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[0].fetch_add(1, Ordering::Relaxed);
        f.write_str("Counted")
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[1].fetch_add(1, Ordering::Relaxed);
        f.write_str("counted")
    }
}

impl Error for Counted {}

#[test]
fn an_error_value_is_formatted_once() {
    for way in WAYS {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), way);
        let [logged, recorded] = [(), ()].map(|()| Arc::new([const { AtomicUsize::new(0) }; 2]));
        with_default(&local.subscriber, || {
            let error = Counted(Arc::clone(&logged));
            tracing::info_span!("logged")
                .in_scope(|| tracing::error!(error = &error as &dyn Error, "failed"));
            let error = Counted(Arc::clone(&recorded));
            tracing::info_span!("recorded").in_scope(|| telemetry_bootstrap::record_error(&error));
        });
        local.shutdown();
        let counts = |counts: &[AtomicUsize; 2]| counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!((counts(&logged), counts(&recorded)), ([1, 1], [1, 1]));
        let received = collector.received();
        for name in ["logged", "recorded"] {
            let failed = span(&received, name);
            assert_eq!(failed.status(), StatusCode::Error);
            assert_eq!(failed.attribute_text("error.type").as_deref(), Some("Counted"));
        }
    }
}

#[test]
fn a_value_is_formatted_once_for_all_outputs() {
    let everything: fn(Builder) -> Builder = |builder| {
        builder
            .traces(|traces| traces.events_on_spans())
            .logs(|logs| logs.include_span_fields())
            .redact(telemetry_bootstrap::Redaction::keys(["password"]))
    };
    for way in WAYS {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), |builder| everything(way(builder)));
        let [created, recorded, logged] = [(), (), ()].map(|()| Arc::new([const { AtomicUsize::new(0) }; 2]));
        with_default(&local.subscriber, || {
            let work = tracing::info_span!("work", created = ?Counted(Arc::clone(&created)), late = tracing::field::Empty);
            work.record("late", tracing::field::debug(Counted(Arc::clone(&recorded))));
            let _entered = work.enter();
            tracing::error!(value = ?Counted(Arc::clone(&logged)), password = "secret", "{}", Counted(Arc::clone(&logged)));
        });
        let (_, lines) = local.shutdown();
        let counts = |counts: &[AtomicUsize; 2]| counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!([&created, &recorded, &logged].map(|it| counts(it)), [[1, 0], [1, 0], [1, 1]]);
        let received = collector.received();
        let work = span(&received, "work");
        let log = &received.logs()[0];
        let line = lines.iter().find(|line| line["message"] == "counted").unwrap();
        for key in ["created", "late", "value"] {
            assert_eq!(line[key], "Counted", "{key}");
            assert_eq!(log.attribute_text(key).as_deref(), Some("Counted"), "{key}");
        }
        assert_eq!(work.attribute_text("created").as_deref(), Some("Counted"));
        assert_eq!(work.attribute_text("late").as_deref(), Some("Counted"));
        assert_eq!((work.status_message(), &*work.span.events[0].name), ("counted", "counted"));
        assert_eq!(line["password"], "[redacted]");
        assert_eq!(log.attribute_text("password").as_deref(), Some("[redacted]"));
    }
}

#[test]
fn events_are_span_events_on_request() {
    with_every_bridge(
        |builder| builder.traces(|traces| traces.events_on_spans()),
        || {
            tracing::info_span!("work").in_scope(|| {
                tracing::info!(order = 7, "placed");
                tracing::trace!("below the filter");
            });
            tracing::info!("without a span");
        },
        |received, _, _| {
            let [event] = &span(received, "work").span.events[..] else { panic!("{:?}", received.spans()) };
            assert_eq!(event.name, "placed");
            let keys: Vec<_> = event.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
            assert_eq!(keys, ["level", "target", "order"]);
            assert_eq!(received.log_count(), 2);
        },
    );
}

#[test]
fn the_bridge_of_tracing_opentelemetry_sets_the_status_itself() {
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), STOCK);
    with_default(&local.subscriber, || {
        tracing::info_span!("failed").in_scope(|| tracing::error!("logged"));
        tracing::info_span!("recorded").in_scope(|| telemetry_bootstrap::record_error(&fmt::Error));
        let parent = tracing::info_span!("parent");
        tracing::info!(parent: &parent, "explicit");
        tracing::trace_span!("excluded").in_scope(|| drop(tracing::info_span!("child of none")));
    });
    let (_, lines) = local.shutdown();
    let received = collector.received();
    let failed = span(&received, "failed");
    assert_eq!((failed.status(), failed.status_message()), (StatusCode::Error, ""));
    assert_eq!(failed.span.events[0].name, "logged");
    assert_eq!(failed.attribute("error.type"), None);
    let recorded = span(&received, "recorded");
    assert_eq!(recorded.status_message(), fmt::Error.to_string());
    assert_eq!(recorded.span.events.iter().map(|event| &*event.name).collect::<Vec<_>>(), ["exception"]);
    let explicit = lines.iter().find(|line| line["message"] == "explicit").unwrap();
    assert_eq!(explicit["trace_id"], span(&received, "parent").trace_id());
    assert!(received.spans_named("excluded").is_empty());
    assert_eq!(span(&received, "child of none").parent_span_id(), None);
}

#[test]
fn the_place_in_the_code_is_recorded_on_request() {
    in_both_ways(
        |builder| builder.traces(|traces| traces.record_code_location()),
        || drop(tracing::info_span!("work", number = 7)),
        |received, _, _| {
            let work = span(received, "work");
            assert_eq!(work.attribute_text("code.file.path").as_deref(), Some("tests/spans.rs"));
            assert!(work.attribute_text("code.line.number").unwrap().parse::<u32>().unwrap() > 600);
            assert_eq!(work.attribute_text("code.module.name").as_deref(), Some("spans"));
            assert_eq!(work.attribute_text("number").as_deref(), Some("7"));
        },
    );
    in_both_ways(
        same,
        || drop(tracing::info_span!("work")),
        |received, _, _| assert_eq!(span(received, "work").attribute_text("code.file.path"), None),
    );
}
