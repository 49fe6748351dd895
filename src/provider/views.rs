//! Views: those of a configuration file, those of the user, and the defaults for instruments that none of them is for.
//!
//! | an instrument fits | streams |
//! |---|---|
//! | views of the file | one for each of them; the user's are not called |
//! | views of the user | one for each that returns one |
//! | none | the default aggregation and limit of the settings, if they differ from the SDK's |
//!
//! A view of the user that panics fits nothing.
//!
//! The defaults are a view of the SDK, which makes a stream for each view that fits: so it calls the others, to fit
//! only where they do not.

use std::sync::Arc;

use opentelemetry::Key;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, Stream, StreamBuilder};

use super::builder_hooks::View;
use crate::settings::{
    CardinalityLimits, HistogramAggregation, MetricSettings, ViewSelector, ViewSetting, ViewStream,
};
use crate::user_code::catch_panic;

/// Returns the views of a provider.
///
/// The SDK makes one stream for each view that fits an instrument, as the specification has it. The defaults are for
/// instruments that no view is for.
pub(super) fn views(settings: &MetricSettings, user: Vec<View>) -> Vec<View> {
    let defaults = Defaults { histograms: settings.histograms, cardinality: settings.cardinality };
    let selectors: Arc<[ViewSelector]> = settings.views.iter().map(|view| view.selector.clone()).collect();
    let of_file = settings.views.iter().cloned().map(|ViewSetting { selector, stream }| {
        let view = move |instrument: &Instrument| {
            fits(&selector, instrument).then(|| build(&stream, instrument, &defaults)).flatten()
        };
        Box::new(view) as View
    });
    let mut views: Vec<_> = of_file.collect();
    let user: Vec<Arc<View>> = user.into_iter().map(Arc::new).collect();
    let stream = |view: &View, instrument: &Instrument| catch_panic(|| view(instrument)).flatten();
    for view in &user {
        let (view, selectors) = (Arc::clone(view), Arc::clone(&selectors));
        views.push(Box::new(move |instrument| {
            let is_of_file = selectors.iter().any(|selector| fits(selector, instrument));
            if is_of_file { None } else { stream(&view, instrument) }
        }));
    }
    if defaults.change_anything() {
        views.push(Box::new(move |instrument| {
            let has_view = selectors.iter().any(|selector| fits(selector, instrument))
                || user.iter().any(|view| stream(view, instrument).is_some());
            if has_view { None } else { defaults.stream(instrument) }
        }));
    }
    views
}

/// The defaults for what a view leaves open, and for instruments without a view.
#[derive(Clone, Copy, Debug)]
struct Defaults {
    /// The aggregation of histograms (`OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`).
    histograms: HistogramAggregation,
    /// The limit of attribute sets, by kind of instrument.
    cardinality: CardinalityLimits,
}

impl Defaults {
    /// Returns `true` if the defaults differ from those of the SDK, so a view is needed to apply them.
    fn change_anything(&self) -> bool {
        self.histograms != HistogramAggregation::ExplicitBuckets
            || self.cardinality != CardinalityLimits::default()
    }

    /// Returns the stream of an instrument that no view is for, or `None` if the SDK's own default is right.
    fn stream(&self, instrument: &Instrument) -> Option<Stream> {
        let aggregation = self.aggregation(instrument.kind());
        let limit = self.cardinality.get(instrument.kind());
        if aggregation.is_none() && limit.is_none() {
            return None;
        }
        let stream = with(Stream::builder(), aggregation, StreamBuilder::with_aggregation);
        with(stream, limit, StreamBuilder::with_cardinality_limit).build().ok()
    }

    /// Returns the aggregation that the settings choose for instruments of this kind. `None` for that of the SDK.
    fn aggregation(&self, kind: InstrumentKind) -> Option<Aggregation> {
        match self.histograms {
            HistogramAggregation::Base2Exponential if kind == InstrumentKind::Histogram => Some(EXPONENTIAL),
            _ => None,
        }
    }
}

/// Returns the stream of a view. What the view leaves open comes from the defaults.
///
/// `None` for combinations that the SDK refuses: the instrument then gets its default. `Default` as an aggregation is
/// left out: it means the default of the settings, not of the SDK.
fn build(stream: &ViewStream, instrument: &Instrument, defaults: &Defaults) -> Option<Stream> {
    let ViewStream { name, description, aggregation, cardinality_limit, attribute_keys } = stream.clone();
    let kind = instrument.kind();
    let aggregation = aggregation.filter(|aggregation| !matches!(aggregation, Aggregation::Default));
    let builder = with(Stream::builder(), name, StreamBuilder::with_name);
    let builder = with(builder, description, StreamBuilder::with_description);
    let builder =
        with(builder, aggregation.or_else(|| defaults.aggregation(kind)), StreamBuilder::with_aggregation);
    let limit = cardinality_limit.or_else(|| defaults.cardinality.get(kind));
    let builder = with(builder, limit, StreamBuilder::with_cardinality_limit);
    let builder = with(builder, attribute_keys, |builder, keys| {
        builder.with_allowed_attribute_keys(keys.into_iter().map(Key::from))
    });
    builder.build().ok()
}

/// Applies a step if there is a value for it.
fn with<T>(
    builder: StreamBuilder,
    value: Option<T>,
    step: impl FnOnce(StreamBuilder, T) -> StreamBuilder,
) -> StreamBuilder {
    match value {
        Some(value) => step(builder, value),
        None => builder,
    }
}

/// Returns `true` if all conditions of the selector hold. Names match without regard to case, and can have the
/// wildcards `*` and `?`.
fn fits(selector: &ViewSelector, instrument: &Instrument) -> bool {
    let ViewSelector { instrument_name, instrument_kind, unit, meter_name, meter_version, meter_schema_url } =
        selector;
    let scope = instrument.scope();
    let is = |wanted: &Option<String>, found: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| found.unwrap_or_default() == wanted)
    };
    instrument_name.as_ref().is_none_or(|pattern| pattern.matches_ignoring_case(instrument.name()))
        && instrument_kind.is_none_or(|kind| kind == instrument.kind())
        && is(unit, Some(instrument.unit()))
        && is(meter_name, Some(scope.name()))
        && is(meter_version, scope.version())
        && is(meter_schema_url, scope.schema_url())
}

/// The exponential aggregation with the specification's default parameters.
const EXPONENTIAL: Aggregation =
    Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
