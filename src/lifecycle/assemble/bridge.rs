//! Selects the bridge from `tracing` spans to OpenTelemetry that the user's additions need.
//!
//! | additions of the user | bridge | a span is |
//! |---|---|---|
//! | none that affects spans | ours, direct | encoded while it is recorded, and pushed into the queue when it ends |
//! | span processors, a changed SDK builder, an id generator | ours, via the SDK | an SDK span, visible to processors |
//! | `uses_stock_bridge` | that of `tracing-opentelemetry` | an SDK span |
//!
//! The results are the same, apart from the documented differences of the stock bridge.

use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_core::Subscriber;
use tracing_subscriber::registry::LookupSpan;

use super::pipelines::Pipelines;
use crate::export::encode;
use crate::lifecycle::Additions;
use crate::provider::SharedSampler;
use crate::semconv;
use crate::settings::{Settings, Signal};
use crate::subscriber::{DirectSource, Filters, SpanBridge, SpanSource, Spans, StockBridge};

/// The part of the user's additions that decides how `tracing` spans become spans of the API. Must be read before the
/// providers take the additions.
pub(super) struct BridgeOptions {
    /// `true` for the bridge of `tracing-opentelemetry`, instead of ours.
    is_stock: bool,
    /// `true` if the user added span processors or changed the SDK's builder: spans must then be SDK spans.
    needs_sdk_spans: bool,
    /// `true` if the trace ids of roots are random.
    has_random_ids: bool,
    /// `true` if `tracing` events become span events as well.
    has_events: bool,
    /// `true` if spans record their code location as attributes.
    has_code_location: bool,
    /// Shared with the tracer provider.
    sampler: SharedSampler,
}

impl BridgeOptions {
    /// Reads the additions without taking anything from them.
    pub(super) fn new(additions: &Additions, sampler: SharedSampler) -> Self {
        Self {
            is_stock: additions.uses_stock_bridge,
            needs_sdk_spans: !additions.tracer_provider.is_empty(),
            has_random_ids: !additions.custom_ids,
            has_events: additions.events_on_spans,
            has_code_location: additions.records_code_location,
            sampler,
        }
    }

    /// Returns `true` if spans are encoded while they are recorded.
    pub(super) fn is_direct(&self) -> bool {
        !self.is_stock && !self.needs_sdk_spans
    }

    /// Returns the bridge for the layer, and a second reference to ours for the guard, which reports the number of
    /// spans that are still open at shutdown.
    ///
    /// The second one is `None` for the stock bridge, whose open spans are counted by the span queue.
    pub(super) fn bridge<S>(
        self,
        provider: &SdkTracerProvider,
        direct: DirectSource,
        filters: &Filters,
    ) -> (Option<Spans<S>>, Option<Arc<SpanBridge>>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = || provider.tracer_with_scope(scope());
        if self.is_stock {
            let stock = StockBridge::new(tracer(), filters.spans.clone(), self.has_events);
            return (Some(Spans::Stock(stock)), None);
        }
        let source = match self.needs_sdk_spans {
            true => SpanSource::sdk(tracer(), self.sampler, self.has_random_ids),
            false => SpanSource::direct(direct, self.sampler),
        };
        let bridge = SpanBridge::new(source, filters.spans.clone())
            .with_events(self.has_events)
            .with_code_location(self.has_code_location);
        let bridge = Arc::new(bridge);
        (Some(Spans::Own(Arc::clone(&bridge))), Some(bridge))
    }
}

/// Returns the source of spans that are encoded while they are recorded. It has no queue if traces are not exported.
pub(super) fn direct_source(
    settings: &Settings,
    pipelines: &Pipelines,
    sampler: &SharedSampler,
) -> DirectSource {
    let mut encoded_scope = Vec::new();
    encode::scope(&mut encoded_scope, &scope(), None);
    let queue = pipelines.queue(Signal::Traces).cloned();
    let counts = sampler.counts().cloned();
    DirectSource { queue, scope: encoded_scope, limits: settings.traces.limits, open: None, counts }
}

/// Returns the instrumentation scope of `tracing` spans.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(semconv::SCOPE_NAME).with_version(semconv::SCOPE_VERSION).build()
}
