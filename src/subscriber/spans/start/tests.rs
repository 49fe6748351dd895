use std::cell::RefCell;

use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    TracerProvider as _,
};
use opentelemetry::{Context as OtelContext, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample};
use tracing::dispatcher::{get_default, with_default};
use tracing_core::Dispatch;

use crate::provider::SharedSampler;
use crate::settings::SamplerSetting;
use crate::subscriber::tests::rig::{Spans, installed};
use crate::subscriber::{SpanExt as _, SpanSource};

/// Changes the span on which it decides, on its own thread and on another one.
#[derive(Clone, Debug)]
struct Busy;

impl ShouldSample for Busy {
    fn should_sample(
        &self,
        _: Option<&OtelContext>,
        _: TraceId,
        name: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        if let Some(span) = SPAN.take().filter(|_| name == "inner") {
            span.record("recorded", 1);
            span.set_attribute("set", 1);
            span.set_status(Status::error("set"));
            span.add_event("added", Vec::new());
            let linked = SpanContext::new(
                TraceId::from(1),
                SpanId::from(2),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            );
            span.add_link(linked);
            let dispatch = get_default(Dispatch::clone);
            std::thread::scope(|scope| {
                scope.spawn(|| with_default(&dispatch, || span.set_attribute("set elsewhere", 1)));
            });
        }
        SamplingResult {
            decision: SamplingDecision::RecordAndSample,
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

thread_local! {
    static SPAN: RefCell<Option<tracing::Span>> = const { RefCell::new(None) };
}

#[test]
fn what_is_recorded_on_a_span_that_is_being_started_does_not_change_the_span_around_it() {
    let spans = Spans::default();
    let provider = SdkTracerProvider::builder().with_sampler(Busy).with_span_processor(spans.clone()).build();
    let sampler = SharedSampler::new(&SamplerSetting::AlwaysOn, None);
    let source = SpanSource::sdk(provider.tracer("test"), sampler, true);
    let (_, dispatch) = installed(source);
    with_default(&dispatch, || {
        let _outer = tracing::info_span!("outer").entered();
        let inner = tracing::info_span!("inner", recorded = tracing::field::Empty);
        SPAN.set(Some(inner.clone()));
        inner.in_scope(|| ());
    });
    let outer = spans.named("outer");
    assert_eq!((outer.attributes, outer.status), (Vec::new(), Status::Unset));
    assert!(outer.events.is_empty() && outer.links.is_empty());
    assert_eq!(spans.all("inner").len(), 1);
}

#[test]
fn a_span_below_an_unsampled_one_follows_it_unless_another_parent_is_set() {
    let spans = Spans::default();
    let sampler = SharedSampler::new(&SamplerSetting::ParentBasedAlwaysOff, None);
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler.clone()).with_span_processor(spans.clone()).build();
    let source = SpanSource::sdk(provider.tracer("test"), sampler, true);
    let (bridge, dispatch) = installed(source);
    let remote = OtelContext::new().with_remote_span_context(SpanContext::new(
        TraceId::from(7),
        SpanId::from(8),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    ));
    with_default(&dispatch, || {
        let outer = tracing::info_span!("outer").entered();
        let id = || OtelContext::map_current(|current| current.span().span_context().span_id());
        let outer_id = id();
        let follows = tracing::info_span!("follows", late = tracing::field::Empty);
        follows.in_scope(|| {
            assert_eq!(id(), outer_id);
            tracing::info_span!("below").in_scope(|| assert_eq!(id(), outer_id));
        });
        follows.record("late", 1);
        assert_eq!(follows.context().span().span_context().span_id(), outer_id);
        assert!(follows.set_parent(remote.clone()).is_err());
        drop(follows);
        let moved = tracing::info_span!("moved", field = 1);
        moved.set_attribute("set", 2);
        moved.set_parent(remote).unwrap();
        moved.in_scope(|| assert_ne!(id(), outer_id));
        drop(moved);
        drop(tracing::info_span!("never entered"));
        drop(outer);
    });
    assert_eq!((spans.names(), bridge.open_spans()), (vec!["moved".to_owned()], 0));
    let moved = spans.named("moved");
    assert_eq!(moved.parent_span_id, SpanId::from(8));
    assert_eq!(moved.attributes, [KeyValue::new("field", 1), KeyValue::new("set", 2)]);
}
