//! Views.
//!
//! Only the views of a file are data and can be written. Those that the program added in code are closures; the head of
//! the file says that they stay there.
//!
//! | key | written if |
//! |---|---|
//! | each key of `selector` | the view restricts it |
//! | `stream.name`, `stream.description` | the view changes it |
//! | `stream.aggregation` | the view has one, with all of its options |
//! | `stream.aggregation_cardinality_limit` | the view has one |
//! | `stream.attribute_keys` | the view keeps only some attributes |

use opentelemetry_sdk::metrics::{Aggregation, InstrumentKind};

use super::Writer;
use super::traces_and_logs::component;
use super::yaml::{Map, Yaml};
use crate::settings::views::{ViewSelector, ViewSetting, ViewStream};

impl Writer<'_> {
    /// Returns the views in the order in which they are tried.
    ///
    /// Empty without views; the key is then left out.
    pub(super) fn views(&mut self, views: &[ViewSetting]) -> Vec<Map> {
        let view = |ViewSetting { selector: from, stream: to }: &ViewSetting| {
            Map::from_entry("selector", selector(from)).with("stream", stream(to))
        };
        views.iter().map(view).collect()
    }
}

/// Returns what an instrument must have for the view to apply. What is left out fits every instrument.
///
/// Empty for a view of all instruments, which is written `{}`.
fn selector(from: &ViewSelector) -> Map {
    let mut map = Map::default();
    map.set_some("instrument_name", from.instrument_name.as_ref().map(|name| name.as_str()));
    map.set_some("instrument_type", from.instrument_kind.map(instrument_type));
    map.set_some("unit", from.unit.as_deref());
    map.set_some("meter_name", from.meter_name.as_deref());
    map.set_some("meter_version", from.meter_version.as_deref());
    map.set_some("meter_schema_url", from.meter_schema_url.as_deref());
    map
}

/// Returns the schema's name of a kind of instrument.
///
/// The names of the kinds are those of the schema's `InstrumentType`.
fn instrument_type(kind: InstrumentKind) -> &'static str {
    match kind {
        InstrumentKind::Counter => "counter",
        InstrumentKind::UpDownCounter => "up_down_counter",
        InstrumentKind::Histogram => "histogram",
        InstrumentKind::Gauge => "gauge",
        InstrumentKind::ObservableCounter => "observable_counter",
        InstrumentKind::ObservableUpDownCounter => "observable_up_down_counter",
        InstrumentKind::ObservableGauge => "observable_gauge",
    }
}

/// Returns what the view changes. What is left out stays as the instrument has it.
fn stream(to: &ViewStream) -> Map {
    let mut map = Map::default();
    map.set_some("name", to.name.as_deref());
    map.set_some("description", to.description.as_deref());
    map.set_some("aggregation", to.aggregation.as_ref().and_then(aggregation));
    map.set_some("aggregation_cardinality_limit", to.cardinality_limit);
    map.set_some("attribute_keys", to.attribute_keys.as_deref().map(attribute_keys));
    map
}

/// The schema has no list without items: what excludes all of it leaves none.
///
/// A view that keeps no attribute is written as one that includes `none` and excludes it again.
fn attribute_keys(keys: &[String]) -> Map {
    let listed = |keys: &[String]| keys.iter().map(|key| Yaml::from(&**key)).collect::<Vec<_>>();
    match keys {
        [] => Map::from_entry("included", vec!["none"]).with("excluded", vec!["none"]),
        keys => Map::from_entry("included", listed(keys)),
    }
}

/// Returns an aggregation with all its options, or `None` for one that the SDK may add later.
///
/// The options are written even if they are defaults.
fn aggregation(aggregation: &Aggregation) -> Option<Map> {
    let (name, options) = match aggregation {
        Aggregation::Default => ("default", Map::default()),
        Aggregation::Drop => ("drop", Map::default()),
        Aggregation::Sum => ("sum", Map::default()),
        Aggregation::LastValue => ("last_value", Map::default()),
        Aggregation::ExplicitBucketHistogram { boundaries, record_min_max } => (
            "explicit_bucket_histogram",
            Map::from_entry("boundaries", boundaries.clone()).with("record_min_max", *record_min_max),
        ),
        Aggregation::Base2ExponentialHistogram { max_size, max_scale, record_min_max } => (
            "base2_exponential_bucket_histogram",
            Map::from_entry("max_scale", *max_scale)
                .with("max_size", *max_size)
                .with("record_min_max", *record_min_max),
        ),
        _ => return None,
    };
    Some(component(name, options))
}
