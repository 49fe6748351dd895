use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, Tracer, TracerProvider as _,
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use self::rig::{Options, Rig, SpanNames, Spans, Written, ids, lines_into, texts};
use super::filter::{Filter, FilterHandle};
use super::{LayerParts, SpanBridge, SpanSource};
use crate::provider::SharedSampler;
use crate::settings::SamplerSetting;

mod filters;
pub(crate) mod rig;

#[test]
fn spans_become_opentelemetry_spans_and_events_go_to_both_outputs_with_their_ids() {
    let rig = Rig::new();
    tracing::info_span!("outer", user = 7).in_scope(|| {
        tracing::info_span!("inner").in_scope(|| tracing::info!("hello"));
    });
    let (inner, outer) = (rig.spans.named("inner"), rig.spans.named("outer"));
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert!(inner.events.events.is_empty(), "events are not span events");
    assert_eq!(outer.attributes, [opentelemetry::KeyValue::new("user", 7)]);
    assert_eq!(texts(&rig.lines), ["hello in inner in outer"]);
    for written in [&rig.lines, &rig.records] {
        let ids = ids(written)[0].unwrap();
        assert_eq!(ids.span_id, inner.span_context.span_id());
        assert_eq!(ids.trace_id, inner.span_context.trace_id());
    }
}

#[test]
fn each_output_has_a_filter_of_its_own() {
    let rig = Rig::with(Options { lines: "warn", records: "debug", spans: "info", ..Options::default() });
    tracing::info_span!("work").in_scope(|| {
        tracing::warn!("a");
        tracing::info!("b");
        tracing::debug!("c");
        tracing::trace!("d");
    });
    assert_eq!(texts(&rig.lines), ["a"], "the span is below the lines' filter");
    assert_eq!(texts(&rig.records), ["a", "b", "c"]);
    assert_eq!(rig.spans.names(), ["work"]);
}

#[test]
fn spans_of_the_lines_filter_alone_appear_in_lines_alone() {
    let rig = Rig::with(Options { lines: "debug", ..Options::default() });
    tracing::info_span!("outer").in_scope(|| {
        tracing::debug_span!("middle").in_scope(|| {
            tracing::info_span!("inner").in_scope(|| tracing::info!("hello"));
        });
    });
    assert_eq!(texts(&rig.lines), ["hello in inner in middle in outer"]);
    assert_eq!(rig.spans.names(), ["inner", "outer"]);
    let (inner, outer) = (rig.spans.named("inner"), rig.spans.named("outer"));
    assert_eq!(inner.parent_span_id, outer.span_context.span_id(), "the nearest enabled ancestor");
}

#[test]
fn a_child_of_a_filtered_explicit_parent_is_attached_to_the_nearest_enabled_ancestor() {
    let rig = Rig::with(Options { lines: "debug", ..Options::default() });
    let outer = tracing::info_span!("outer");
    let hidden = tracing::debug_span!(parent: &outer, "hidden");
    let deeper = tracing::debug_span!(parent: &hidden, "deeper");
    drop(tracing::info_span!(parent: &deeper, "child"));
    drop(tracing::info_span!(parent: None, "root"));
    drop((deeper, hidden, outer));
    let (child, outer) = (rig.spans.named("child"), rig.spans.named("outer"));
    assert_eq!(child.parent_span_id, outer.span_context.span_id());
    assert_eq!(child.span_context.trace_id(), outer.span_context.trace_id());
    assert!(child.links.links.is_empty() && !child.parent_span_is_remote);
    assert_eq!(rig.spans.named("root").parent_span_id, SpanId::INVALID);
}

#[test]
fn a_filter_can_be_replaced_while_the_program_runs() {
    let rig = Rig::new();
    let log = || tracing::debug!("seen");
    log();
    rig.line_filter.set("debug").unwrap();
    log();
    rig.line_filter.set("off").unwrap();
    log();
    assert_eq!(texts(&rig.lines), ["seen"]);
    let span = || drop(tracing::debug_span!("detail").entered());
    span();
    rig.span_filter.set("debug").unwrap();
    span();
    assert_eq!(rig.spans.names(), ["detail"]);
}

#[test]
fn no_event_is_lost_while_a_filter_is_replaced() {
    const EVENTS: usize = 20_000;
    let rig = Rig::new();
    let handle = rig.line_filter.clone();
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let replacing = std::thread::spawn(move || {
        let mut replaced = 0;
        while !stop.load(Ordering::Relaxed) {
            handle
                .set(["info", "debug", "warn,telemetry_bootstrap=info", "info,[nowhere]=trace"][replaced % 4])
                .unwrap();
            replaced += 1;
        }
        replaced
    });
    (0..EVENTS).for_each(|_| tracing::info!("kept by every one of them"));
    done.store(true, Ordering::Relaxed);
    assert!(replacing.join().unwrap() > 4);
    assert_eq!(rig.lines.lock().unwrap().len(), EVENTS);
}

#[test]
fn directives_with_spans_follow_the_spans_that_are_entered() {
    let rig = Rig::with(Options { lines: "info,[request{user=7}]=debug", ..Options::default() });
    for user in [7, 8] {
        tracing::info_span!("request", user).in_scope(|| {
            tracing::debug!("detail of {user}");
            tracing::info!("done {user}");
        });
    }
    assert_eq!(texts(&rig.lines), ["detail of 7 in request", "done 7 in request", "done 8 in request"]);
    assert_eq!(texts(&rig.records), ["done 7", "done 8"]);
}

#[test]
fn a_directive_with_a_span_follows_one_that_only_another_output_takes() {
    for beside_others in [false, true] {
        let rig = Rig::with(Options {
            lines: "warn,[request]=info",
            spans: "debug",
            beside_others,
            ..Options::default()
        });
        tracing::debug_span!("request").in_scope(|| tracing::info!("inside"));
        tracing::info!("outside");
        assert_eq!(texts(&rig.lines), ["inside"], "{beside_others}");
        assert_eq!(rig.spans.names(), ["request"]);
    }
}

#[test]
fn layers_beside_ours_are_not_affected_by_our_filters() {
    let ours = Written::default();
    let theirs = Written::default();
    let handle = |text| FilterHandle::new(Filter::parse(text).0);
    let spans = Spans::default();
    let provider = SdkTracerProvider::builder().with_span_processor(spans.clone()).build();
    let parts = LayerParts {
        lines: Some((lines_into(&ours), handle("warn"))),
        records: None,
        has_span_fields_in_records: false,
        spans: Some(
            Arc::new(SpanBridge::new(
                SpanSource::sdk(
                    provider.tracer("test"),
                    SharedSampler::new(&SamplerSetting::AlwaysOn, None),
                    true,
                ),
                handle("warn"),
            ))
            .into(),
        ),
        marks: super::Marks::default(),
    };
    let subscriber =
        Registry::default().with(SpanNames(Arc::clone(&theirs))).with(parts.into_filtered_layer());
    tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("work").in_scope(|| {
            tracing::trace!("a");
            tracing::error!("b");
        });
    });
    assert_eq!(texts(&theirs), ["a in work", "b in work"]);
    assert_eq!(texts(&ours), ["b"]);
    assert!(spans.names().is_empty());
}

#[test]
fn everything_works_beside_other_layers() {
    let rig = Rig::with(Options { beside_others: true, lines: "debug", ..Options::default() });
    tracing::info_span!("outer").in_scope(|| {
        tracing::debug_span!("middle").in_scope(|| {
            tracing::info_span!("inner").in_scope(|| tracing::error!("boom"));
        });
    });
    assert_eq!(texts(&rig.lines), ["boom in inner in middle in outer"]);
    let (inner, outer) = (rig.spans.named("inner"), rig.spans.named("outer"));
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert_eq!(inner.status, Status::error("boom"));
    assert_eq!(ids(&rig.records)[0].unwrap().span_id, inner.span_context.span_id());
}

#[test]
fn extensions_of_the_bridge_find_it() {
    for beside_others in [false, true] {
        let rig = Rig::with(Options { beside_others, ..Options::default() });
        let remote = SpanContext::new(
            TraceId::from(7),
            SpanId::from(9),
            TraceFlags::SAMPLED,
            true,
            Default::default(),
        );
        let span = tracing::info_span!("work");
        span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote)).unwrap();
        span.set_attribute("k", 1);
        drop(span);
        let span = rig.spans.named("work");
        assert_eq!(span.span_context.trace_id(), TraceId::from(7));
        assert_eq!(span.parent_span_id, SpanId::from(9));
        assert_eq!(span.attributes, [opentelemetry::KeyValue::new("k", 1)]);
    }
}

#[test]
fn callsite_that_no_output_needs_is_disabled_permanently() {
    let rig = Rig::with(Options { lines: "off", records: "warn", spans: "warn", ..Options::default() });
    assert!(!tracing::enabled!(tracing::Level::INFO));
    assert!(!tracing::event_enabled!(tracing::Level::INFO));
    assert!(tracing::enabled!(tracing::Level::WARN));
    assert!(tracing::info_span!("work").is_disabled());
    drop(rig);
}

#[test]
fn events_know_their_span_by_parent_and_root_events_have_none() {
    let rig = Rig::new();
    let parent = tracing::info_span!("parent");
    let filtered = tracing::debug_span!(parent: &parent, "filtered");
    rig.line_filter.set("debug").unwrap();
    let hidden = tracing::debug_span!(parent: &parent, "hidden");
    tracing::info_span!("current").in_scope(|| {
        tracing::info!(parent: &parent, "a");
        tracing::info!(parent: None, "b");
        tracing::info!(parent: &hidden, "c");
    });
    drop((hidden, filtered, parent));
    let id = Some(rig.spans.named("parent").span_context.span_id());
    let found: Vec<_> = ids(&rig.records).into_iter().map(|ids| ids.map(|ids| ids.span_id)).collect();
    assert_eq!(found, [id, None, id]);
}

#[test]
fn events_inside_spans_of_the_opentelemetry_api_have_their_ids() {
    let rig = Rig::new();
    let span_id = rig.tracer().in_span("raw", |context| {
        tracing::info!("hello");
        tracing::info_span!("child").in_scope(|| {});
        context.span().span_context().span_id()
    });
    assert_eq!(ids(&rig.records)[0].unwrap().span_id, span_id);
    assert_eq!(rig.spans.named("child").parent_span_id, span_id);
}

#[test]
fn names_recorded_late_are_kept() {
    let rig = Rig::new();
    let span = tracing::info_span!("old", otel.name = tracing::field::Empty);
    span.in_scope(|| {
        span.record("otel.name", "from inside");
    });
    drop(span);
    let span = tracing::info_span!("old", otel.name = tracing::field::Empty);
    span.record("otel.name", "before the start");
    drop(span);
    let outer = tracing::info_span!("old", otel.name = tracing::field::Empty).entered();
    tracing::info_span!("inner").in_scope(|| {
        outer.record("otel.name", tracing::field::debug(format_args!("from below")));
    });
    drop(outer);
    assert_eq!(rig.spans.names(), ["from inside", "before the start", "inner", "from below"]);
}

#[test]
fn a_name_before_the_start_does_not_start_the_span() {
    let _rig = Rig::new();
    let span = tracing::info_span!("old", otel.name = tracing::field::Empty);
    span.record("otel.name", "new");
    span.set_parent(opentelemetry::Context::new()).unwrap();
}

#[test]
fn events_of_the_sdk_are_lines_without_ids_a_few_at_a_time_and_never_records() {
    let rig = Rig::new();
    tracing::info_span!("work").in_scope(|| {
        (0..100).for_each(|_| tracing::warn!(target: "opentelemetry_sdk", "queue is full"));
    });
    assert_eq!(rig.lines.lock().unwrap().len(), 20);
    assert!(ids(&rig.lines).iter().all(Option::is_none));
    assert!(texts(&rig.records).is_empty());
}

#[test]
fn an_event_of_the_sdk_while_the_context_is_borrowed_does_not_panic() {
    let rig = Rig::new();
    // More contexts than the SDK can stack: it complains while it has the stack borrowed.
    let guards: Vec<_> = (0..=u16::MAX).map(|_| opentelemetry::Context::new().attach()).collect();
    guards.into_iter().rev().for_each(drop);
    assert!(!texts(&rig.lines).is_empty(), "the SDK said something");
    assert!(texts(&rig.records).is_empty());
}

#[test]
fn a_suppressed_context_leaves_lines_alone() {
    let rig = Rig::new();
    {
        let _suppressed = opentelemetry::Context::enter_telemetry_suppressed_scope();
        tracing::info_span!("work").in_scope(|| tracing::error!("hello"));
        tracing::info_span!(parent: None, "root").in_scope(|| {});
    }
    assert_eq!(texts(&rig.lines), ["hello in work"]);
    assert!(texts(&rig.records).is_empty());
    assert!(rig.spans.names().is_empty());
}

#[test]
fn events_of_the_io_thread_are_discarded() {
    for beside_others in [false, true] {
        let rig = Rig::with(Options { beside_others, ..Options::default() });
        crate::export::own_threads::as_io_thread(|| {
            tracing::info_span!("export").in_scope(|| tracing::error!("from the exporter"));
            tracing::info_span!(parent: None, "Connection").in_scope(|| tracing::info!("frame sent"));
        });
        assert!(texts(&rig.lines).is_empty() && texts(&rig.records).is_empty(), "{beside_others}");
        assert!(rig.spans.names().is_empty(), "{beside_others}");
    }
}

#[test]
fn records_of_the_log_crate_are_filtered_by_their_own_target() {
    // The only test of this process that sets the logger.
    tracing_log::LogTracer::init().unwrap();
    let rig = Rig::with(Options { lines: "info,noisy=error", records: "noisy=warn", ..Options::default() });
    log::warn!(target: "noisy", "a");
    log::warn!(target: "other", "b");
    assert_eq!(texts(&rig.lines), ["b"]);
    assert_eq!(texts(&rig.records), ["a"]);
}

#[test]
fn value_that_logs_while_it_is_formatted_is_harmless() {
    struct Chatty;
    impl std::fmt::Debug for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            tracing::error!("from inside");
            f.write_str("chatty")
        }
    }
    let rig = Rig::new();
    tracing::info_span!("work", chatty = ?Chatty).in_scope(|| tracing::error!("{:?}", Chatty));
    assert_eq!(rig.spans.named("work").status, Status::error("chatty"));
    assert!(texts(&rig.records).contains(&"chatty".to_owned()));
}

#[test]
fn errors_of_spans_that_are_created_while_an_error_is_formatted_have_their_own_texts() {
    /// Creates spans whose errors have the same address, while it is formatted.
    #[derive(Debug)]
    struct Retries;
    impl std::error::Error for Retries {}
    impl std::fmt::Display for Retries {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            for attempt in 1..=3 {
                let error = Numbered(attempt);
                let span = tracing::info_span!(
                    "attempt",
                    error = &error as &dyn std::error::Error,
                    later = tracing::field::Empty
                );
                let error = Numbered(attempt + 10);
                span.record("later", &error as &dyn std::error::Error);
            }
            f.write_str("gave up")
        }
    }
    #[derive(Debug, thiserror::Error)]
    #[error("attempt {0} failed")]
    struct Numbered(u32);

    let rig = Rig::new();
    crate::record_error(&Retries);
    let texts: Vec<_> = rig
        .spans
        .all("attempt")
        .iter()
        .map(|span| span.attributes.iter().map(|it| it.value.to_string()).collect::<Vec<_>>())
        .collect();
    let expected =
        [1, 2, 3].map(|it| vec![format!("attempt {it} failed"), format!("attempt {} failed", it + 10)]);
    assert_eq!(texts, expected);
}

#[test]
fn numbers_of_every_kind_keep_their_type() {
    let rig = Rig::new();
    let span = tracing::info_span!(
        "numbers",
        signed = -5_i64,
        unsigned = 5_u64,
        size = 7_usize,
        byte = 9_u8,
        large = u64::MAX,
        text = "11",
        ratio = 0.5,
        flag = true,
        late = tracing::field::Empty,
        name = tracing::field::Empty,
    );
    span.in_scope(|| {
        span.record("late", 13_u32);
        span.record("name", "15");
    });
    drop(span);
    let span = rig.spans.named("numbers");
    let of = |key: &str| {
        let mut values = span.attributes.iter().filter(|attribute| attribute.key.as_str() == key);
        let value = values.next().unwrap().value.clone();
        assert!(values.next().is_none(), "{key}");
        value
    };
    for (key, value) in [("signed", -5), ("unsigned", 5), ("size", 7), ("byte", 9), ("late", 13)] {
        assert_eq!(of(key), opentelemetry::Value::I64(value), "{key}");
    }
    assert_eq!(of("large"), u64::MAX.to_string().into());
    assert_eq!(of("text"), "11".into());
    assert_eq!(of("name"), "15".into());
    assert_eq!(of("ratio"), 0.5.into());
    assert_eq!(of("flag"), true.into());
    assert!(span.links.is_empty());
}
