use std::error::Error;
use std::io;

use opentelemetry::trace::{Span as _, SpanContext, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::trace::SpanData;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::super::tests::rig::{Options, Rig, texts};
use crate::settings::ExceptionSignal;

#[derive(Debug, thiserror::Error)]
#[error("cannot load order")]
struct LoadError(#[source] io::Error);

fn load_error() -> LoadError {
    LoadError(io::Error::new(io::ErrorKind::NotFound, "no such row"))
}

fn attribute(span: &SpanData, key: &str) -> Vec<String> {
    let found = span.attributes.iter().filter(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string()).collect()
}

/// The attributes of a span's exception events: message, type, stack trace.
fn exceptions(span: &SpanData) -> Vec<[Option<String>; 3]> {
    let events = span.events.iter().inspect(|event| assert_eq!(event.name, "exception"));
    events
        .map(|event| {
            ["exception.message", "exception.type", "exception.stacktrace"].map(|key| {
                let mut found = event.attributes.iter().filter(|attribute| attribute.key.as_str() == key);
                let value = found.next().map(|attribute| match &attribute.value {
                    Value::String(text) => text.to_string(),
                    other => panic!("{key} is {other:?}"),
                });
                assert!(found.next().is_none(), "{key} twice");
                value
            })
        })
        .collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tracing::instrument(err)]
fn innermost() -> Result<(), io::Error> {
    Err(io::Error::new(io::ErrorKind::TimedOut, "database timed out"))
}

#[tracing::instrument(err)]
fn middle() -> Result<(), io::Error> {
    innermost()
}

#[tracing::instrument(err)]
fn outermost() -> Result<(), Box<dyn Error>> {
    middle().map_err(|error| format!("request failed: {error}"))?;
    Ok(())
}

#[test]
fn an_error_event_sets_status_and_type_and_is_no_exception() {
    let rig = Rig::new();
    tracing::info_span!("work").in_scope(|| tracing::error!(code = 5, "disk is full"));
    let span = rig.spans.named("work");
    assert_eq!(span.status, Status::error("disk is full"));
    assert_eq!(attribute(&span, "error.type"), ["_OTHER"]);
    assert_eq!(exceptions(&span), [[None, None, None]; 0]);
}

#[test]
fn a_warning_sets_nothing() {
    let rig = Rig::new();
    let error = load_error();
    tracing::info_span!("work").in_scope(|| tracing::warn!(error = &error as &dyn Error, "retrying"));
    let span = rig.spans.named("work");
    assert_eq!((&span.status, span.events.len()), (&Status::Unset, 0));
    assert!(attribute(&span, "error.type").is_empty());
}

#[test]
fn an_error_value_is_recorded_with_type_message_and_chain() {
    let rig = Rig::new();
    let error = load_error();
    tracing::info_span!("work").in_scope(|| tracing::error!(error = &error as &dyn Error, "giving up"));
    let span = rig.spans.named("work");
    assert_eq!(span.status, Status::error("giving up"));
    assert_eq!(attribute(&span, "error.type"), ["LoadError"]);
    assert_eq!(
        exceptions(&span),
        [[
            some("cannot load order"),
            some("LoadError"),
            some("LoadError: cannot load order\nCaused by: no such row")
        ]]
    );
}

#[test]
fn an_error_through_several_instrumented_functions_is_one_exception() {
    let rig = Rig::new();
    outermost().unwrap_err();
    let [inner, middle, outer] = ["innermost", "middle", "outermost"].map(|name| rig.spans.named(name));
    assert_eq!(exceptions(&inner), [[some("database timed out"), None, None]]);
    assert_eq!(exceptions(&middle), [[None, None, None]; 0]);
    assert_eq!(exceptions(&outer), [[None, None, None]; 0]);
    assert_eq!(inner.status, Status::error("database timed out"));
    assert_eq!(middle.status, Status::error("database timed out"));
    assert_eq!(outer.status, Status::error("request failed: database timed out"));
}

#[test]
fn equal_errors_of_siblings_are_one_exception_each() {
    let rig = Rig::new();
    tracing::info_span!("retry").in_scope(|| {
        for _ in 0..2 {
            let span = tracing::info_span!("attempt", otel.name = tracing::field::Empty);
            span.in_scope(|| tracing::error!(error = "refused", "attempt failed"));
        }
    });
    let attempts = rig.spans.all("attempt");
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert_eq!(exceptions(&attempt), [[some("refused"), None, None]]);
    }
}

#[test]
fn different_errors_of_one_span_are_recorded_each() {
    let rig = Rig::new();
    tracing::info_span!("work").in_scope(|| {
        tracing::error!(error = "first", "a");
        tracing::error!(error = "second", "b");
        tracing::error!(error = "first", "a");
    });
    let span = rig.spans.named("work");
    assert_eq!(exceptions(&span).len(), 2);
    assert_eq!(span.status, Status::error("a"), "the first counts");
}

#[test]
fn returned_errors_count_at_any_level() {
    #[tracing::instrument(err(level = "info"))]
    fn lookup() -> Result<(), &'static str> {
        Err("no such user")
    }
    let rig = Rig::new();
    lookup().unwrap_err();
    assert_eq!(rig.spans.named("lookup").status, Status::error("no such user"));
}

#[test]
fn explicit_status_and_error_type_win_in_any_order() {
    let rig = Rig::new();
    let said = |name: &str, speak: &dyn Fn(&tracing::Span)| {
        let span = tracing::info_span!("own", otel.name = name, otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty, error.type = tracing::field::Empty);
        span.in_scope(|| speak(&span));
    };
    let fail = || tracing::error!("zzz: automatic");
    said("before", &|span| {
        span.set_status(Status::error("mine"));
        fail();
    });
    said("after", &|span| {
        fail();
        span.set_status(Status::error("mine"));
    });
    said("field", &|span| {
        fail();
        span.record("otel.status_description", "mine");
    });
    said("raw", &|_| {
        fail();
        Context::current().span().set_status(Status::error("mine"));
    });
    for name in ["before", "after", "field", "raw"] {
        assert_eq!(rig.spans.named(name).status, Status::error("mine"), "{name}");
    }
    said("success", &|span| {
        span.record("otel.status_code", "OK");
        fail();
    });
    let success = rig.spans.named("success");
    assert_eq!(success.status, Status::Ok);
    assert!(attribute(&success, "error.type").is_empty(), "a success has no type of error");
    said("code", &|span| {
        span.record("otel.status_code", "ERROR");
        fail();
    });
    assert_eq!(rig.spans.named("code").status, Status::error("zzz: automatic"));
    said("type", &|span| {
        fail();
        span.record("error.type", "timeout");
    });
    assert_eq!(attribute(&rig.spans.named("type"), "error.type"), ["timeout"]);
}

#[test]
fn the_signal_decides_where_exceptions_are_recorded() {
    for (exceptions_in, events) in
        [(ExceptionSignal::SpanEvent, 1), (ExceptionSignal::Both, 1), (ExceptionSignal::Logs, 0)]
    {
        let rig = Rig::with(Options { exceptions: exceptions_in, ..Options::default() });
        outermost().unwrap_err();
        let span = rig.spans.named("innermost");
        assert_eq!(exceptions(&span).len(), events, "{exceptions_in:?}");
        assert_eq!(span.status, Status::error("database timed out"));
    }
}

#[test]
fn status_and_exceptions_do_not_depend_on_log_filters() {
    let rig = Rig::with(Options { lines: "off", records: "off", ..Options::default() });
    outermost().unwrap_err();
    assert_eq!(exceptions(&rig.spans.named("innermost")).len(), 1);
    assert!(texts(&rig.lines).is_empty() && texts(&rig.records).is_empty());
}

#[test]
fn an_error_inside_a_filtered_span_marks_the_nearest_enabled_one() {
    let rig = Rig::new();
    tracing::info_span!("outer").in_scope(|| {
        tracing::debug_span!("inner").in_scope(|| tracing::error!("boom"));
    });
    assert_eq!(rig.spans.names(), ["outer"]);
    assert_eq!(rig.spans.named("outer").status, Status::error("boom"));
}

#[test]
fn an_error_event_with_an_explicit_parent_marks_that_span() {
    let rig = Rig::new();
    let parent = tracing::info_span!("parent");
    tracing::info_span!("current").in_scope(|| tracing::error!(parent: &parent, "boom"));
    drop(parent);
    assert_eq!(rig.spans.named("parent").status, Status::error("boom"));
    assert_eq!(rig.spans.named("current").status, Status::Unset);
}

#[test]
fn an_error_event_does_not_mark_a_span_of_the_opentelemetry_api() {
    let rig = Rig::new();
    tracing::info_span!("outer").in_scope(|| {
        rig.tracer().in_span("call", |_| tracing::error!("boom"));
    });
    assert_eq!(rig.spans.named("call").status, Status::Unset);
    assert_eq!(rig.spans.named("outer").status, Status::Unset);
}

#[test]
fn record_error_marks_the_current_span_and_logs_once() {
    let rig = Rig::new();
    tracing::info_span!("outer").in_scope(|| {
        rig.tracer().in_span("call", |_| crate::record_error(&load_error()));
        crate::record_error(&load_error());
    });
    for name in ["call", "outer"] {
        let span = rig.spans.named(name);
        assert_eq!(span.status, Status::error("cannot load order"), "{name}");
        assert_eq!(attribute(&span, "error.type"), ["LoadError"], "{name}");
    }
    assert_eq!(exceptions(&rig.spans.named("call")).len(), 1);
    assert_eq!(texts(&rig.lines).len(), 2);
    assert_eq!(texts(&rig.records).len(), 2);
}

#[test]
fn record_error_and_returned_error_are_one_exception() {
    #[tracing::instrument(err)]
    fn inner() -> Result<(), LoadError> {
        let error = load_error();
        crate::record_error(&error);
        Err(error)
    }
    let rig = Rig::new();
    inner().unwrap_err();
    assert_eq!(exceptions(&rig.spans.named("inner")).len(), 1);
}

#[test]
fn record_error_needs_no_layer() {
    let rig = Rig::with(Options { lines: "off", records: "off", spans: "off", ..Options::default() });
    rig.tracer().in_span("call", |_| crate::record_error(&load_error()));
    let span = rig.spans.named("call");
    assert_eq!(span.status, Status::error("cannot load order"));
    assert_eq!(exceptions(&span).len(), 1);
}

#[test]
fn suppressed_span_records_no_exception() {
    let rig = Rig::new();
    let remote = Context::new().with_remote_span_context(SpanContext::empty_context());
    let mut span = rig.tracer().start_with_context("x", &remote.with_telemetry_suppressed());
    span.end();
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    outermost().unwrap_err();
    assert!(rig.spans.names().is_empty());
    assert!(texts(&rig.records).is_empty());
    assert!(!texts(&rig.lines).is_empty(), "lines are not telemetry");
}

#[test]
fn very_long_texts_are_compared_by_their_end() {
    let rig = Rig::new();
    let long = "x".repeat(100_000);
    tracing::info_span!("outer").in_scope(|| {
        tracing::info_span!("inner").in_scope(|| tracing::error!(error = long.as_str(), "a"));
        tracing::error!(error = format!("wrapped: {long}").as_str(), "b");
        tracing::error!(error = format!("{long}y").as_str(), "c");
    });
    assert_eq!(exceptions(&rig.spans.named("inner")).len(), 1);
    assert_eq!(exceptions(&rig.spans.named("outer")).len(), 1);
}

#[test]
fn the_description_of_a_status_may_have_its_older_name() {
    let rig = Rig::new();
    drop(tracing::info_span!("first", otel.status_code = "ERROR", otel.status_message = "broken").entered());
    let span =
        tracing::info_span!("later", otel.status_code = "ERROR", otel.status_message = tracing::field::Empty);
    span.in_scope(|| span.record("otel.status_message", "broken later"));
    drop(span);
    drop(tracing::info_span!("fine", otel.status_code = "OK", otel.status_message = "ignored").entered());
    for (name, status) in
        [("first", Status::error("broken")), ("later", Status::error("broken later")), ("fine", Status::Ok)]
    {
        let span = rig.spans.named(name);
        assert_eq!((span.status, span.attributes), (status, vec![]));
    }
}

#[test]
fn samplers_and_processors_that_log_do_not_deadlock() {
    let rig = Rig::with(Options { logs_in_processor: true, ..Options::default() });
    let span = tracing::info_span!("work").entered();
    Context::current().span().end();
    drop(span);
    assert_eq!(texts(&rig.lines), ["started in work", "ended in work"]);
    assert_eq!(rig.spans.named("work").status, Status::Unset);
}

#[test]
fn error_whose_display_panics_does_no_harm() {
    struct Hostile;
    impl std::fmt::Debug for Hostile {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("on purpose")
        }
    }
    // The outputs are off: they look after themselves.
    let rig = Rig::with(Options { lines: "off", records: "off", ..Options::default() });
    tracing::info_span!("work").in_scope(|| tracing::error!(error = ?Hostile));
    assert_eq!(rig.spans.named("work").status, Status::error("[panicked]"));
}

#[test]
fn a_panic_is_no_exception_of_its_span_where_exceptions_are_left_to_records() {
    let panics = || {
        tracing::error!(
            target: crate::semconv::PANIC_TARGET,
            location = "here",
            exception.message = "boom",
            exception.type = "panic",
            "thread panicked"
        );
    };
    for (exceptions, recorded) in
        [(ExceptionSignal::SpanEvent, 1), (ExceptionSignal::Both, 1), (ExceptionSignal::Logs, 0)]
    {
        let rig = Rig::with(Options { exceptions, ..Options::default() });
        tracing::info_span!("work").in_scope(panics);
        let work = rig.spans.named("work");
        assert_eq!(work.status, Status::error("thread panicked"));
        assert_eq!(work.events.len(), recorded, "{exceptions:?}");
        let call = Context::new().with_span(rig.tracer().start("call"));
        crate::subscriber::handler_span(&call, "call".into()).in_scope(panics);
        call.span().end();
        assert_eq!(rig.spans.named("call").events.len(), recorded, "{exceptions:?}, call");
    }
}

#[test]
fn panic_during_inference_resets_the_inferred_flag() {
    let rig = Rig::new();
    let panicked = std::panic::catch_unwind(|| super::as_inferred(|| panic!("on purpose")));
    assert!(panicked.is_err());
    tracing::info_span!("work").in_scope(|| {
        tracing::error!("inferred");
        crate::SpanExt::set_status(&tracing::Span::current(), Status::error("own"));
    });
    assert_eq!(rig.spans.named("work").status, Status::error("own"));
}
