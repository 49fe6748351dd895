//! The extensions of `tracing-opentelemetry`, which other crates use, and our own ones: the same effect on a span that has
//! not started, that has started, that is excluded by the filter, and from several threads.

#![expect(clippy::unwrap_used, reason = "test code")]

mod local;

use std::panic::catch_unwind;
use std::time::{Duration, SystemTime};

use local::Local;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState, get_active_span,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span as SdkSpan, SpanData, SpanProcessor};
use telemetry_bootstrap::testing::{CollectedSpan, Collector, StatusCode};
use telemetry_bootstrap::{Builder, opentelemetry, opentelemetry_sdk, tracing};
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

type Adjust = fn(Builder) -> Builder;

/// Spans that are encoded as they are recorded, the same with a sampler of the user, and spans of the SDK.
const WAYS: [Adjust; 3] = [
    |builder| builder,
    |builder| builder.traces(|traces| traces.sampler(opentelemetry_sdk::trace::Sampler::AlwaysOn)),
    |builder| builder.traces(|traces| traces.span_processor(Calling(|| ()))),
];

/// Calls a function when a span starts.
#[derive(Debug)]
struct Calling(fn());

impl SpanProcessor for Calling {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {
        (self.0)();
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
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

/// A context with a baggage entry.
fn tenant(name: &'static str) -> Context {
    Context::new().with_baggage([KeyValue::new("tenant", name)])
}

fn tenant_of(context: &Context) -> String {
    context.baggage().get("tenant").map(ToString::to_string).unwrap_or_default()
}

#[test]
fn the_context_of_a_started_span_has_the_baggage_that_it_was_created_with() {
    for way in WAYS {
        run_with(way, || {
            let create = |name| {
                let _attached = tenant(name).attach();
                tracing::info_span!("span")
            };
            let (started, pending, asked) = (create("a"), create("b"), create("c"));
            started.in_scope(|| ());
            asked.in_scope(|| asked.set_attribute("key", 1));
            let _other = tenant("other").attach();
            for (span, expected) in [(started, "a"), (pending, "b"), (asked, "c")] {
                assert_eq!(tenant_of(&OpenTelemetrySpanExt::context(&span)), expected);
                let dispatch = get_default(Dispatch::clone);
                assert_eq!(tenant_of(&get_otel_context(&span.id().unwrap(), &dispatch).unwrap()), expected);
                assert_eq!(tenant_of(&telemetry_bootstrap::SpanExt::context(&span)), expected);
            }
        });
    }
}

#[test]
fn a_span_below_an_unsampled_one_keeps_its_baggage() {
    run(|| {
        let flags = TraceFlags::default();
        let unsampled =
            SpanContext::new(TraceId::from(7), SpanId::from(9), flags, true, TraceState::default());
        let attached = tenant("a").with_remote_span_context(unsampled).attach();
        let outer = tracing::info_span!("outer").entered();
        let entered = tracing::info_span!("entered");
        entered.in_scope(|| ());
        drop((outer, attached));
        let _other = tenant("other").attach();
        assert_eq!(tenant_of(&OpenTelemetrySpanExt::context(&entered)), "a");
    });
}

#[test]
fn extensions_work_while_the_active_span_is_borrowed() {
    for way in WAYS {
        let spans = run_with(way, || {
            let entered = tracing::info_span!("entered").entered();
            get_active_span(|_| OpenTelemetrySpanExt::set_attribute(&Span::current(), "key", 1));
            let pending = tracing::info_span!("pending");
            get_active_span(|_| OpenTelemetrySpanExt::set_attribute(&pending, "key", 2));
            drop((pending, entered));
        });
        assert_eq!(named(&spans, "entered").attribute_text("key").unwrap(), "1");
        assert_eq!(named(&spans, "pending").attribute_text("key").unwrap(), "2");
        assert!(named(&spans, "entered").is_parent_of(named(&spans, "pending")));
    }
}

/// A context cannot be attached there.
#[test]
fn extensions_do_not_panic_while_another_context_is_borrowed() {
    for way in WAYS {
        let spans = run_with(way, || {
            let other = tracing::info_span!("other");
            other.in_scope(|| ());
            tracing::info_span!("entered").in_scope(|| {
                get_active_span(|_| OpenTelemetrySpanExt::set_attribute(&other, "lost", 1));
                OpenTelemetrySpanExt::set_attribute(&other, "key", 2);
                OpenTelemetrySpanExt::set_attribute(&Span::current(), "key", 3);
            });
        });
        assert_eq!(named(&spans, "other").attribute_text("key").unwrap(), "2");
        assert_eq!(named(&spans, "entered").attribute_text("key").unwrap(), "3");
    }
}

/// What a processor asks of the span that is being started.
#[test]
fn an_extension_that_a_processor_uses_while_its_span_starts_has_no_lasting_effect() {
    let processor = |builder: Builder| {
        builder.traces(|traces| {
            traces.span_processor(Calling(|| {
                let (current, dispatch) = (Span::current(), get_default(Dispatch::clone));
                drop(OpenTelemetrySpanExt::context(&current));
                OpenTelemetrySpanExt::set_attribute(&current, "early", 1);
                if current.metadata().is_some_and(|metadata| metadata.name() == "moved") {
                    let change = || OpenTelemetrySpanExt::set_attribute(&current, "elsewhere", 1);
                    std::thread::scope(|scope| {
                        scope.spawn(|| with_default(&dispatch, change)).join().unwrap()
                    });
                }
            }))
        })
    };
    let spans = run_with(processor, || {
        let _outer = tracing::info_span!("outer").entered();
        let inner = tracing::info_span!("inner");
        inner.in_scope(|| OpenTelemetrySpanExt::set_attribute(&inner, "key", 1));
        // This one has a twin before it starts.
        let moved = tracing::info_span!("moved");
        moved.set_parent(Context::new().with_remote_span_context(remote())).unwrap();
        moved.in_scope(|| OpenTelemetrySpanExt::set_attribute(&moved, "key", 2));
    });
    assert_eq!(named(&spans, "outer").attribute_text("key"), None);
    assert_eq!(named(&spans, "outer").attribute_text("early"), None);
    assert_eq!(named(&spans, "inner").attribute_text("key").unwrap(), "1");
    assert_eq!(named(&spans, "moved").attribute_text("key").unwrap(), "2");
    assert_eq!(named(&spans, "moved").trace_id(), TraceId::from(7).to_string());
}

#[test]
fn an_extension_changes_nothing_of_the_span_that_another_one_stands_for() {
    for way in WAYS {
        let spans = run_with(way, || {
            let _request = tracing::info_span!("request").entered();
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            let internal = tracing::info_span!("internal");
            OpenTelemetrySpanExt::set_status(&internal, Status::error("internal"));
            OpenTelemetrySpanExt::set_attribute(&internal, "key", 1);
            OpenTelemetrySpanExt::add_event(&internal, "event", Vec::new());
            OpenTelemetrySpanExt::add_link(&internal, remote());
            let current = Context::map_current(|context| context.span().span_context().clone());
            assert_eq!(*OpenTelemetrySpanExt::context(&internal).span().span_context(), current);
        });
        let [request] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((request.status(), request.attribute_text("key")), (StatusCode::Unset, None));
        assert!(request.span.events.is_empty() && request.span.links.is_empty());
    }
}

#[test]
fn an_attribute_that_is_set_again_is_no_further_one() {
    const LIMITED: [Adjust; 3] = [
        |builder| WAYS[0](builder).traces(|traces| traces.max_attributes(2)),
        |builder| WAYS[1](builder).traces(|traces| traces.max_attributes(2)),
        |builder| WAYS[2](builder).traces(|traces| traces.max_attributes(2)),
    ];
    for way in LIMITED {
        let spans = run_with(way, || {
            let span = tracing::info_span!("span", a = 1, late = tracing::field::Empty);
            for (key, value) in [("b", 1), ("c", 1), ("a", 2)] {
                telemetry_bootstrap::SpanExt::set_attribute(&span, key, value);
            }
            span.in_scope(|| span.record("late", 1));
        });
        let [span] = &spans[..] else { panic!("{spans:?}") };
        let found = ["a", "b", "c", "late"].map(|key| span.attribute_text(key));
        assert_eq!(found, [Some("2".to_owned()), Some("1".to_owned()), None, None]);
        assert_eq!(span.span.dropped_attributes_count, 2);
    }
}

/// Telemetry that a span's parent is suppressed for, whatever the thread's context is.
#[test]
fn a_span_below_a_suppressed_parent_is_not_exported() {
    for way in WAYS {
        let spans = run_with(way, || {
            let quiet = {
                let _suppressed = Context::enter_telemetry_suppressed_scope();
                tracing::info_span!("quiet")
            };
            let child = tracing::info_span!(parent: &quiet, "child");
            child.in_scope(|| tracing::info_span!("grandchild").in_scope(|| ()));
            let suppressed = || Context::new().with_telemetry_suppressed();
            let moved = tracing::info_span!("moved");
            telemetry_bootstrap::SpanExt::set_parent(&moved, suppressed()).unwrap();
            moved.in_scope(|| assert!(Context::map_current(Context::is_telemetry_suppressed)));
            let moved = tracing::info_span!("moved by the other extension");
            OpenTelemetrySpanExt::set_parent(&moved, suppressed()).unwrap();
            moved.in_scope(|| ());
            tracing::info_span!("heard").in_scope(|| ());
        });
        assert_eq!(spans.iter().map(CollectedSpan::name).collect::<Vec<_>>(), ["heard"]);
    }
}

/// A span that a context cannot be attached for, because the current one is borrowed, leaves nothing behind.
#[test]
fn a_span_whose_enter_panics_is_not_the_current_one_afterwards() {
    for way in WAYS {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), way);
        with_default(&local.subscriber, || {
            let _outer = tracing::info_span!("outer").entered();
            let enter = || get_active_span(|_| tracing::info_span!("inner", only = "inner").in_scope(|| ()));
            assert!(catch_unwind(enter).is_err());
            tracing::info!("afterwards");
        });
        let (_, lines) = local.shutdown();
        let afterwards = lines.iter().find(|line| line["message"] == "afterwards").unwrap();
        assert!(afterwards.get("only").is_none(), "{afterwards}");
        let spans = collector.received().spans();
        assert_eq!(afterwards["span_id"], named(&spans, "outer").span_id().as_str());
    }
}

#[test]
fn a_span_that_is_ended_through_its_context_is_not_open_at_the_shutdown() {
    for way in WAYS {
        let collector = Collector::start().unwrap();
        let local = Local::with(&collector.endpoint(), way);
        let (span, ended) = with_default(&local.subscriber, || {
            let span = tracing::info_span!("span");
            telemetry_bootstrap::SpanExt::context(&span).span().end();
            let ended = tracing::info_span!("ended");
            OpenTelemetrySpanExt::context(&ended).span().end();
            (span, ended)
        });
        let (stats, _) = local.shutdown();
        assert_eq!((stats.traces.delivered, stats.open_spans), (2, 0));
        drop((span, ended));
    }
}

/// A value of a context that uses a span when it is dropped.
struct UsesSpan(Span);

impl Drop for UsesSpan {
    fn drop(&mut self) {
        telemetry_bootstrap::SpanExt::set_attribute(&self.0, "dropped", 1);
    }
}

#[test]
fn a_parent_that_is_replaced_may_use_the_span_when_it_is_dropped() {
    for way in WAYS {
        let spans = run_with(way, || {
            let context = |span: &Span| Context::new().with_value(UsesSpan(span.clone()));
            let own = tracing::info_span!("own");
            telemetry_bootstrap::SpanExt::set_parent(&own, context(&own)).unwrap();
            telemetry_bootstrap::SpanExt::set_parent(&own, Context::new()).unwrap();
            let stock = tracing::info_span!("stock");
            telemetry_bootstrap::SpanExt::set_parent(&stock, context(&stock)).unwrap();
            OpenTelemetrySpanExt::set_parent(&stock, Context::new()).unwrap();
            stock.in_scope(|| ());
        });
        for name in ["own", "stock"] {
            assert_eq!(named(&spans, name).attribute_text("dropped").unwrap(), "1");
        }
    }
}

#[test]
fn updates_of_one_attribute_leave_room_for_others() {
    for way in WAYS {
        let spans = run_with(way, || {
            use tracing::field::Empty;
            let span = tracing::info_span!("span", progress = 0, result = Empty);
            span.in_scope(|| (1..=70_000).for_each(|done| _ = span.record("progress", done)));
            span.record("result", "done");
        });
        let span = named(&spans, "span");
        let found = ["progress", "result"].map(|key| span.attribute_text(key).unwrap());
        assert_eq!((found, span.span.dropped_attributes_count), (["70000".into(), "done".into()], 0));
    }
}

/// A change of a span, by a letter: `o` and `s` set the attribute through our extension and that of
/// `tracing-opentelemetry`, `r` records the field.
fn change(span: &Span, how: char, value: i64) {
    match how {
        'o' => telemetry_bootstrap::SpanExt::set_attribute(span, "key", value),
        's' => OpenTelemetrySpanExt::set_attribute(span, "key", value),
        _ => drop(span.record("key", value)),
    }
}

#[test]
fn the_last_change_of_an_attribute_wins_whichever_way_it_is_made() {
    // Fields that are recorded between two changes by the stock extension are not seen by it.
    let orders =
        ["or", "ro", "sr", "rs", "os", "so", "oro", "osr", "sor", "sro", "rso", "ros", "oso", "sos", "srr"];
    for way in WAYS {
        for is_started in [false, true] {
            let spans = run_with(way, || {
                for order in orders {
                    let span = tracing::info_span!("changed", key = tracing::field::Empty);
                    if is_started {
                        span.in_scope(|| ());
                    }
                    (1..).zip(order.chars()).for_each(|(value, how)| change(&span, how, value));
                    drop(span);
                }
            });
            let values: Vec<_> = spans.iter().map(|span| span.attribute_text("key").unwrap()).collect();
            let expected: Vec<_> = orders.iter().map(|order| order.len().to_string()).collect();
            assert_eq!(values, expected, "started: {is_started}");
        }
    }
}

#[test]
fn events_and_links_of_both_extensions_keep_their_order() {
    for way in WAYS {
        let spans = run_with(way, || {
            let span = tracing::info_span!("mixed");
            OpenTelemetrySpanExt::add_event(&span, "1", Vec::new());
            telemetry_bootstrap::SpanExt::add_event(&span, "2", Vec::new());
            OpenTelemetrySpanExt::add_event(&span, "3", Vec::new());
            let link = |id| {
                SpanContext::new(
                    TraceId::from(7),
                    SpanId::from(id),
                    TraceFlags::SAMPLED,
                    true,
                    TraceState::default(),
                )
            };
            OpenTelemetrySpanExt::add_link(&span, link(1));
            telemetry_bootstrap::SpanExt::add_link(&span, link(2));
            OpenTelemetrySpanExt::add_link(&span, link(3));
        });
        let mixed = named(&spans, "mixed");
        let events: Vec<_> = mixed.span.events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(events, ["1", "2", "3"]);
        let links: Vec<_> = mixed.span.links.iter().map(|link| link.span_id[7]).collect();
        assert_eq!(links, [1, 2, 3]);
    }
}
