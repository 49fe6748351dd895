//! The tracer provider: sampling, limits, and the way to the queue.
//!
//! The limits of attributes are applied when a span is encoded, not by the SDK: the SDK counts each attribute that is
//! set, also one that replaces another, and drops the newest.

use std::sync::Arc;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanLimits, TracerProviderBuilder};

use super::builder_hooks::BuilderHooks;
use super::ids::{RandomIds, remember_process};
use super::shared_sampler::SharedSampler;
use super::span_counts::CountedEnds;
use crate::export::SpanQueue;
use crate::settings::{SpanLimitSettings, TraceSettings};

/// Creates the provider. `queue` is `None` if nothing is exported; `additions` are the user's components: processors,
/// an id generator. They come first, so the export sees what the user's processors have changed, and our sampler and
/// limits replace theirs.
///
/// The sampler is shared with the bridge and the layers for calls, which call it directly.
pub(crate) fn tracer_provider(
    settings: &TraceSettings,
    resource: Resource,
    sampler: SharedSampler,
    queue: Option<SpanQueue>,
    additions: BuilderHooks<TracerProviderBuilder>,
) -> SdkTracerProvider {
    remember_process();
    let mut builder = additions.apply(SdkTracerProvider::builder().with_id_generator(RandomIds));
    if settings.requires_random_ids {
        builder = builder.with_id_generator(RandomIds);
    }
    if let Some(counts) = sampler.counts() {
        builder = builder.with_span_processor(CountedEnds(Arc::clone(counts)));
    }
    let builder =
        builder.with_resource(resource).with_sampler(sampler).with_span_limits(limits(&settings.limits));
    match queue {
        Some(queue) => builder.with_span_processor(queue).build(),
        None => builder.build(),
    }
}

/// Translates the limits of the settings to those of the SDK.
fn limits(settings: &SpanLimitSettings) -> SpanLimits {
    SpanLimits {
        max_events_per_span: settings.events,
        // The SDK counts each attribute that is set and drops the newest; the limit counts keys, of which the last
        // value is kept. It is applied when the span is encoded.
        max_attributes_per_span: settings.attributes.count.saturating_mul(REPEATED_ATTRIBUTES),
        max_links_per_span: settings.links,
        max_attributes_per_event: settings.attributes_per_event,
        max_attributes_per_link: settings.attributes_per_link,
    }
}

/// The average number of times that each attribute of an API span may be set before the SDK drops later values. Spans
/// of the bridge and of calls keep the last value of each key until they end where there are many.
const REPEATED_ATTRIBUTES: u32 = 512;
