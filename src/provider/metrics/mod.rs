//! The meter provider: the SDK's, with one reader that hands each collection to the queue, one view, and checks in front.

mod attributes;
mod duration_histogram;
mod identity;
mod meter;
mod observer;
mod provider;
mod reader;

use std::sync::Arc;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, MeterProviderBuilder, SdkMeterProvider, Stream,
};

pub use self::duration_histogram::duration_histogram;
use self::observer::Observer;
use self::provider::Readers;
pub use self::provider::TelemetryMeterProvider;
use self::reader::QueueReader;
use super::builder_hooks::{BuilderHooks, View};
use crate::diagnostics::Diagnostics;
use crate::error::InitError;
use crate::export::MetricQueue;
use crate::settings::{HistogramAggregation, MetricSettings};

/// # Errors
///
/// [`InitError::Thread`] if the system refuses one to the reader.
pub(crate) fn meter_provider(
    settings: &MetricSettings,
    resource: Resource,
    queue: Option<MetricQueue>,
    views: Vec<View>,
    additions: BuilderHooks<MeterProviderBuilder>,
    diagnostics: &Diagnostics,
) -> Result<TelemetryMeterProvider, InitError> {
    let readers = match (additions.is_empty(), &queue) {
        (false, _) => Readers::Custom,
        (true, Some(_)) => Readers::Own,
        (true, None) => Readers::None,
    };
    let observer = Arc::new(Observer::new(diagnostics.clone()));
    let builder = additions.apply(SdkMeterProvider::builder());
    let mut builder = builder.with_resource(resource);
    if let Some(view) = one_view(views, settings.histograms) {
        builder = builder.with_view(view);
    }
    let reader = queue
        .map(|queue| QueueReader::start(queue, Arc::clone(&observer), settings.interval, diagnostics.clone()))
        .transpose()
        .map_err(|error| InitError::Thread(error.into()))?;
    if let Some(reader) = &reader {
        builder = builder.with_reader(reader.clone());
    }
    Ok(TelemetryMeterProvider::new(builder.build(), readers, reader, observer, diagnostics.clone()))
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
