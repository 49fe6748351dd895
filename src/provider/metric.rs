//! The meter provider: one periodic reader that hands each collection to the queue, and one view.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Stream,
};

use super::builder_hooks::{BuilderHooks, View};
use crate::export::MetricQueue;
use crate::settings::{HistogramAggregation, MetricSettings};

/// # Errors
///
/// [`InitError::Thread`] when that of a reader, ours or the user's, did not come up.
pub(crate) fn meter_provider(
    settings: &MetricSettings,
    resource: Resource,
    queue: Option<MetricQueue>,
    views: Vec<View>,
    additions: BuilderHooks<MeterProviderBuilder>,
) -> SdkMeterProvider {
    let builder = additions.apply(SdkMeterProvider::builder());
    let mut builder = builder.with_resource(resource);
    if let Some(view) = one_view(views, settings.histograms) {
        builder = builder.with_view(view);
    }
    match queue {
        Some(queue) => builder
            .with_reader(PeriodicReader::builder(queue).with_interval(settings.interval).build())
            .build(),
        None => builder.build(),
    }
}

/// The SDK makes one stream for each view that matches, so an instrument would be exported twice: the first of the
/// user's views that matches decides, and the default aggregation is for instruments that none of them names.
fn one_view(
    views: Vec<View>,
    histograms: HistogramAggregation,
) -> Option<impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static> {
    if views.is_empty() && histograms == HistogramAggregation::ExplicitBuckets {
        return None;
    }
    Some(move |instrument: &Instrument| {
        views.iter().find_map(|view| view(instrument)).or_else(|| match histograms {
            HistogramAggregation::ExplicitBuckets => None,
            HistogramAggregation::Base2Exponential => exponential(instrument),
        })
    })
}

fn exponential(instrument: &Instrument) -> Option<Stream> {
    if instrument.kind() != InstrumentKind::Histogram {
        return None;
    }
    // The specification's default for this aggregation.
    let aggregation =
        Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
    Stream::builder().with_aggregation(aggregation).build().ok()
}
