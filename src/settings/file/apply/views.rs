//! Views.
//!
//! The SDK's views are closures; here they are data, so that they can be compared and printed. Mistakes that the SDK
//! would ignore silently are found here: an aggregation with boundaries that do not ascend, one name for several
//! instruments, attributes by pattern.
//!
//! | key | in [`ViewSetting`] | default |
//! |---|---|---|
//! | `selector.instrument_name` | a pattern with `*` and `?` | all |
//! | `selector.instrument_type` | the kind of instrument | all |
//! | `selector.unit`, `meter_name`, `meter_version`, `meter_schema_url` | compared exactly | all |
//! | `stream.name`, `stream.description` | replace those of the instrument | those of the instrument |
//! | `stream.aggregation` | the SDK's aggregation | by the kind of instrument |
//! | `stream.aggregation_cardinality_limit` | at most 10,000,000 | that of the reader |
//! | `stream.attribute_keys` | a list of keys | all |
//!
//! # Messages
//!
//! | mistake | message |
//! |---|---|
//! | `name` with a pattern in the selector | `a name needs a selector for one instrument: …` |
//! | boundaries that do not ascend | `the aggregation cannot be used: …` |
//! | `excluded` without `included` | `not supported: the SDK cannot exclude attributes; …` |
//! | a pattern under `included` | `not supported: the SDK has no patterns for attributes; …` |

use opentelemetry_sdk::metrics::{Aggregation as SdkAggregation, InstrumentKind, Stream};

use super::Apply;
use super::metrics::MAX_CARDINALITY;
use crate::settings::file::model::{
    Aggregation, IncludeExclude, InstrumentType, List, View, ViewStream as Model,
};
use crate::settings::pattern::Pattern;
use crate::settings::views::{ViewSelector, ViewSetting, ViewStream};

impl Apply<'_> {
    /// Returns the views in the order of the file.
    ///
    /// Empty without a meter provider. A view with a mistake is returned as well; the file is refused then.
    pub(super) fn views(&mut self) -> Vec<ViewSetting> {
        let document = self.document;
        let views = document.meter_provider.as_ref().and_then(|provider| provider.views.as_ref());
        views.into_iter().flat_map(|views| &views.0).map(|view| self.view(view)).collect()
    }

    /// Converts one view. A new name needs a selector that fits one instrument only, or several streams would get it.
    ///
    /// A selector that is empty fits every instrument.
    fn view(&mut self, View { selector, stream, .. }: &View) -> ViewSetting {
        let selector = ViewSelector {
            instrument_name: selector.instrument_name.as_deref().map(Pattern::new),
            instrument_kind: selector.instrument_type.map(instrument_kind),
            unit: selector.unit.clone(),
            meter_name: selector.meter_name.clone(),
            meter_version: selector.meter_version.clone(),
            meter_schema_url: selector.meter_schema_url.clone(),
        };
        let renames_several = selector.instrument_name.as_ref().is_none_or(|name| !name.is_exact());
        if let Some(name) = &stream.name
            && renames_several
        {
            self.mistake(
                &name.at,
                "a name needs a selector for one instrument: `instrument_name` without `*` and `?`",
            );
        }
        ViewSetting { selector, stream: self.stream(stream) }
    }

    /// Converts what a view makes of an instrument.
    ///
    /// The SDK's own check decides whether the aggregation can be used.
    fn stream(&mut self, stream: &Model) -> ViewStream {
        let aggregation = stream.aggregation.as_ref().map(aggregation);
        if let Some(aggregation) = &aggregation {
            // The SDK would discard the view silently.
            let built = Stream::builder().with_aggregation(aggregation.clone()).build();
            if let Err(error) = built.map_err(|error| error.to_string()) {
                self.mistake(&stream.at, format!("the aggregation cannot be used: {error}"));
            }
        }
        ViewStream {
            name: stream.name.as_ref().map(|name| name.value.clone()),
            description: stream.description.clone(),
            aggregation,
            cardinality_limit: stream.aggregation_cardinality_limit.map(|limit| {
                usize::try_from(limit.unsigned()).unwrap_or(MAX_CARDINALITY).min(MAX_CARDINALITY)
            }),
            attribute_keys: stream.attribute_keys.as_ref().and_then(|keys| self.attribute_keys(keys)),
        }
    }

    /// Returns the attributes that are kept: those included, without those excluded.
    ///
    /// The SDK keeps attributes by their exact keys alone: patterns, and `excluded` without `included`, are mistakes.
    ///
    /// `None` keeps all attributes; it is also the result after a mistake. `excluded` may have patterns if `included`
    /// is there.
    fn attribute_keys(&mut self, keys: &IncludeExclude) -> Option<Vec<String>> {
        let IncludeExclude { included, excluded, at } = keys;
        let Some(List(included)) = included else {
            self.unsupported(
                at,
                "the SDK cannot exclude attributes; list all that are kept under `included`",
            );
            return None;
        };
        let is_excluded = |key: &String| {
            excluded.iter().flat_map(|List(keys)| keys).any(|pattern| Pattern::new(&**pattern).matches(key))
        };
        if included.iter().any(|key| !Pattern::new(&**key).is_exact()) {
            self.unsupported(at, "the SDK has no patterns for attributes; write whole keys under `included`");
            return None;
        }
        Some(included.iter().filter(|key| !is_excluded(key)).cloned().collect())
    }
}

/// Converts the kind of an instrument.
///
/// The type of the numbers does not matter: a counter of floats is a counter.
fn instrument_kind(model: InstrumentType) -> InstrumentKind {
    match model {
        InstrumentType::Counter => InstrumentKind::Counter,
        InstrumentType::Gauge => InstrumentKind::Gauge,
        InstrumentType::Histogram => InstrumentKind::Histogram,
        InstrumentType::ObservableCounter => InstrumentKind::ObservableCounter,
        InstrumentType::ObservableGauge => InstrumentKind::ObservableGauge,
        InstrumentType::ObservableUpDownCounter => InstrumentKind::ObservableUpDownCounter,
        InstrumentType::UpDownCounter => InstrumentKind::UpDownCounter,
    }
}

/// Converts an aggregation. Where a value is missing, the schema's default holds.
///
/// Explicit buckets have the boundaries of [`DEFAULT_BOUNDARIES`]. An exponential histogram has 160 buckets of each
/// sign and begins with scale 20.
fn aggregation(model: &Aggregation) -> SdkAggregation {
    match model {
        Aggregation::Default(_) => SdkAggregation::Default,
        Aggregation::Drop(_) => SdkAggregation::Drop,
        Aggregation::LastValue(_) => SdkAggregation::LastValue,
        Aggregation::Sum(_) => SdkAggregation::Sum,
        Aggregation::ExplicitBuckets(buckets) => SdkAggregation::ExplicitBucketHistogram {
            boundaries: buckets.boundaries.as_ref().map_or_else(
                || DEFAULT_BOUNDARIES.to_vec(),
                |boundaries| boundaries.value.0.iter().map(|number| number.0).collect(),
            ),
            record_min_max: buckets.record_min_max.unwrap_or(true),
        },
        Aggregation::Base2Exponential(buckets) => SdkAggregation::Base2ExponentialHistogram {
            max_size: buckets.max_size.map_or(160, |size| u32::try_from(size.get()).unwrap_or(u32::MAX)),
            max_scale: buckets.max_scale.map_or(20, |scale| i8::try_from(scale.get()).unwrap_or(20)),
            record_min_max: buckets.record_min_max.unwrap_or(true),
        },
    }
}

/// The schema's, which are those of the SDK.
///
/// Made for milliseconds. For seconds, instruments and views give boundaries of their own.
const DEFAULT_BOUNDARIES: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];
