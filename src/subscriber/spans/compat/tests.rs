//! The downcast, in a form that Miri can run: without network and without other threads.

use std::sync::Arc;

use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry};

use super::StockExtensions;
use crate::provider::SharedSampler;
use crate::settings::SamplerSetting;
use crate::subscriber::filter::{Filter, FilterHandle};
use crate::subscriber::spans::{SpanAccess, SpanBridge, SpanSource};

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
