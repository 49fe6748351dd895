//! The downcast and the twins, in a form that Miri can run: without network and without other threads.

use std::sync::{Arc, Mutex};

use opentelemetry::Context as OtelContext;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_core::{Subscriber, span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use super::StockExtensions;
use super::registry::twins_of;
use crate::export::own_threads::ThreadFlag;
use crate::provider::SharedSampler;
use crate::settings::{AttributeLimits, SamplerSetting, SpanLimitSettings};
use crate::subscriber::filter::{Filter, FilterHandle};
use crate::subscriber::spans::{DirectSource, SpanAccess, SpanBridge, SpanSource};
use crate::subscriber::tests::rig::{installed, layer};

fn bridge(provider: &SdkTracerProvider) -> Arc<SpanBridge> {
    let source =
        SpanSource::sdk(provider.tracer("test"), SharedSampler::new(&SamplerSetting::AlwaysOn, None), true);
    Arc::new(SpanBridge::new(source, FilterHandle::new(Filter::parse("info").0)))
}

#[test]
fn the_stock_layer_is_found_and_its_pointer_stays_valid() {
    let provider = SdkTracerProvider::builder().build();
    let bridge = bridge(&provider);
    let layer =
        Layer::<Registry>::and_then(SpanAccess::new(Arc::clone(&bridge)), StockExtensions::new(&bridge));
    // A layer that is moved, boxed and nested is found where it is in the end.
    let layer: Box<dyn Layer<Registry> + Send + Sync> = Box::new(layer);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = tracing::info_span!("unknown to the bridge, which sees no spans here");
        span.set_attribute("key", 1);
        assert!(!span.context().span().span_context().is_valid());
    });
}

/// Sources of spans that a local unsampled parent decides for: both ways.
fn sources_below_unsampled() -> [SpanSource; 2] {
    let sampler = SharedSampler::new(&SamplerSetting::ParentBasedAlwaysOff, None);
    let limits = SpanLimitSettings {
        attributes: AttributeLimits { count: 128, value_length: None },
        events: 128,
        links: 128,
        attributes_per_event: 128,
        attributes_per_link: 128,
    };
    let direct = DirectSource { queue: None, scope: Vec::new(), open: None, counts: None, limits };
    let provider = SdkTracerProvider::builder().with_sampler(sampler.clone()).build();
    [SpanSource::direct(direct, sampler.clone()), SpanSource::sdk(provider.tracer("test"), sampler, true)]
}

/// The twin of an open span.
fn twin_of(bridge: &SpanBridge, span: &tracing::Span) -> Option<span::Id> {
    bridge.spans.get(&span.id()?)?.twin.get().cloned()
}

fn is_open(bridge: &SpanBridge, twin: &span::Id) -> bool {
    let stock = bridge.stock().unwrap();
    let registry = twins_of(&stock).unwrap();
    let _twins = ThreadFlag::TwinIds.set();
    registry.span_data(twin).is_some()
}

/// Two already show whether the second removes what is left of the first; an interpreter is slow.
const SPANS: usize = if cfg!(miri) { 2 } else { 10 };

/// Needs the ids of each span when it is closed, as a layer for metrics with exemplars does.
struct IdsAtEnd {
    bridge: Arc<SpanBridge>,
    twins: Arc<Mutex<Vec<span::Id>>>,
}

impl<S> Layer<S> for IdsAtEnd
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_close(&self, id: span::Id, _: Context<'_, S>) {
        let dispatch = tracing::dispatcher::get_default(tracing::Dispatch::clone);
        let context = tracing_opentelemetry::get_otel_context(&id, &dispatch).unwrap();
        assert!(context.span().span_context().is_valid());
        let twin = self.bridge.spans.get(&id).unwrap().twin.get().cloned().unwrap();
        self.twins.lock().unwrap().push(twin);
    }
}

#[test]
fn a_twin_that_is_created_while_its_span_is_closed_does_not_outlive_it() {
    for source in sources_below_unsampled() {
        let (bridge, layer) = layer(source);
        let twins = Arc::new(Mutex::new(Vec::new()));
        let ids_at_end = IdsAtEnd { bridge: Arc::clone(&bridge), twins: Arc::clone(&twins) };
        tracing::subscriber::with_default(Registry::default().with(ids_at_end).with(layer), || {
            (0..SPANS).for_each(|_| tracing::info_span!("work").in_scope(|| ()));
            let twins = twins.lock().unwrap();
            let open = twins.iter().filter(|twin| is_open(&bridge, twin)).count();
            assert!(twins.len() == SPANS && open <= 1, "{open} of {}", twins.len());
        });
    }
}

#[test]
fn a_twin_does_not_outlive_its_span() {
    let remote = OtelContext::new().with_remote_span_context(SpanContext::new(
        TraceId::from(7),
        SpanId::from(8),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    ));
    type Use<'a> = &'a dyn Fn(&tracing::Span);
    let linked = remote.span().span_context().clone();
    let entered: Use<'_> = &|span| span.in_scope(|| _ = span.context());
    let changed_inside: Use<'_> = &|span| span.in_scope(|| span.set_attribute("key", 1));
    let entered_before: Use<'_> = &|span| {
        span.in_scope(|| ());
        span.add_link(linked.clone());
    };
    let pending: Use<'_> = &|span| _ = span.context();
    let moved: Use<'_> = &|span| span.set_parent(remote.clone()).unwrap();
    let linking: Use<'_> = &|span| span.add_link(linked.clone());
    let changed: Use<'_> = &|span| span.set_attribute("key", 1);
    for source in sources_below_unsampled() {
        let (bridge, dispatch) = installed(source);
        tracing::dispatcher::with_default(&dispatch, || {
            let _outer = tracing::info_span!("outer").entered();
            let uses = [entered, changed_inside, entered_before, pending, moved, linking, changed];
            for (index, apply) in uses.into_iter().enumerate() {
                let twins: Vec<_> = std::iter::repeat_with(|| {
                    let span = tracing::info_span!("work");
                    apply(&span);
                    let twin = twin_of(&bridge, &span).unwrap();
                    assert!(is_open(&bridge, &twin), "{index}");
                    twin
                })
                .take(SPANS)
                .collect();
                let open = twins.iter().filter(|twin| is_open(&bridge, twin)).count();
                assert!(open <= 1, "{index}: {open}, where the next twin removes that of the last span");
                // The outer one.
                assert_eq!(bridge.spans.count(|_| true), 1, "{index}");
            }
        });
    }
}
