//! Views as data.
//!
//! The SDK's views are closures that return a stream for an instrument. As data, a view of a configuration file can be
//! compared between two versions of it and written out again; `provider` makes the closures.

use opentelemetry_sdk::metrics::{Aggregation, InstrumentKind};

use super::pattern::Pattern;

/// A view: which instruments it is for, and what becomes of their measurements.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewSetting {
    /// Which instruments it is for.
    pub(crate) selector: ViewSelector,
    /// What becomes of their measurements.
    pub(crate) stream: ViewStream,
}

/// The instruments that fit everything that is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewSelector {
    /// Compared without regard to case, as names of instruments are.
    pub(crate) instrument_name: Option<Pattern>,
    /// Any, if absent.
    pub(crate) instrument_kind: Option<InstrumentKind>,
    /// The exact text, as the instrument has it.
    pub(crate) unit: Option<String>,
    /// The scope of the instrument, compared exactly.
    pub(crate) meter_name: Option<String>,
    /// The version of the scope, compared exactly.
    pub(crate) meter_version: Option<String>,
    /// The schema URL of the scope, compared exactly.
    pub(crate) meter_schema_url: Option<String>,
}

/// What is changed; the instrument decides what is not given.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewStream {
    /// Of the metric, in place of the instrument's.
    pub(crate) name: Option<String>,
    /// Of the metric, in place of the instrument's.
    pub(crate) description: Option<String>,
    /// Such as other boundaries of a histogram, or `Drop`.
    pub(crate) aggregation: Option<Aggregation>,
    /// Attribute sets; further ones become one with `otel.metric.overflow`.
    pub(crate) cardinality_limit: Option<usize>,
    /// The attributes that are kept.
    ///
    /// Exact keys. `None` keeps all attributes, and an empty list none.
    pub(crate) attribute_keys: Option<Vec<String>>,
}

/// How many attribute sets the metrics of each kind of instrument may have. What is absent has the SDK's limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CardinalityLimits {
    /// Attribute sets of one counter.
    pub(crate) counter: Option<usize>,
    /// Attribute sets of one gauge.
    pub(crate) gauge: Option<usize>,
    /// Attribute sets of one histogram.
    pub(crate) histogram: Option<usize>,
    /// Attribute sets of one counter that is read by a callback.
    pub(crate) observable_counter: Option<usize>,
    /// Attribute sets of one gauge that is read by a callback.
    pub(crate) observable_gauge: Option<usize>,
    /// Attribute sets of one counter that is read by a callback and can decrease.
    pub(crate) observable_up_down_counter: Option<usize>,
    /// Attribute sets of one counter that can decrease.
    pub(crate) up_down_counter: Option<usize>,
}

impl CardinalityLimits {
    /// Returns the limit of a kind of instrument.
    ///
    /// `None` for the SDK's limit, 2,000 attribute sets.
    pub(crate) fn get(&self, kind: InstrumentKind) -> Option<usize> {
        match kind {
            InstrumentKind::Counter => self.counter,
            InstrumentKind::UpDownCounter => self.up_down_counter,
            InstrumentKind::Histogram => self.histogram,
            InstrumentKind::Gauge => self.gauge,
            InstrumentKind::ObservableCounter => self.observable_counter,
            InstrumentKind::ObservableUpDownCounter => self.observable_up_down_counter,
            InstrumentKind::ObservableGauge => self.observable_gauge,
        }
    }
}
