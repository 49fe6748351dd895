//! The bridge from `tracing` spans to OpenTelemetry, of the kind that the user's additions need.

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

/// How `tracing` spans become spans of the API, as far as the user's additions decide it. Read before the providers take
/// the additions.
pub(super) struct BridgeOptions {
    /// The bridge of `tracing-opentelemetry`, instead of ours.
    is_stock: bool,
    /// The user added span processors or changed the SDK's builder: spans must be the SDK's.
    needs_sdk_spans: bool,
    has_random_ids: bool,
    /// Events are span events as well.
    has_events: bool,
    has_code_location: bool,
    sampler: SharedSampler,
}

impl BridgeOptions {
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

    /// Returns the bridge for the layer, and ours once more for the guard, which counts the spans that are open at the end.
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

/// Spans that are encoded when they are recorded, and go straight into the queue.
pub(super) fn direct_source(settings: &Settings, pipelines: &Pipelines) -> DirectSource {
    let mut encoded_scope = Vec::new();
    encode::scope(&mut encoded_scope, &scope(), None);
    let queue = pipelines.queue(Signal::Traces).cloned();
    DirectSource { queue, scope: encoded_scope, limits: settings.traces.limits }
}

/// The instrumentation scope of spans that come from `tracing`.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(semconv::SCOPE_NAME).with_version(semconv::SCOPE_VERSION).build()
}
