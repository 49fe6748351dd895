//! Meters that check what instruments are created with, and complete it.
//!
//! Each method of `InstrumentProvider` does the same four steps:
//!
//! 1. [`CheckedMeter::check`] compares the instrument with the first one of its name, and warns of a difference; that
//!    one's description counts for both;
//! 2. the SDK's instrument is created, with the boundaries for seconds where the unit is `s` and none are given;
//! 3. callbacks are registered with the [`Observer`], and the SDK gets one that hands on what they observed;
//! 4. the instrument is wrapped ([`Checked`]): each key of a measurement comes once, and a forked child measures
//!    nothing. Sums of integers stay within their range ([`Saturating`]).
//!
//! | instrument | wrapper |
//! |---|---|
//! | of this crate's own scope | `Checked`, which trusts its attributes: they are unique |
//! | gauge, and what is added up as `f64` | `Checked` |
//! | `u64` counter, `i64` up-down counter | `Saturating` around it |
//! | `f64` histogram | `WithoutSubnormals` around it |
//! | `u64` histogram, without a reader of the user | `AsFloat` around it |
//! | `u64` histogram, with one | `Saturating` around it |
//! | observable | none: the observer makes the keys unique |

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::metrics::noop::NoopMeterProvider;
use opentelemetry::metrics::{
    AsyncInstrumentBuilder, Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder,
    InstrumentProvider, Meter, MeterProvider as _, ObservableCounter, ObservableGauge,
    ObservableUpDownCounter, UpDownCounter,
};

use super::attributes::{AsFloat, Checked, WithoutSubnormals};
use super::identity::{Identities, Identity};
use super::observer::{Observer, is_inside_locked_callback};
use super::stream_conflicts::StreamConflicts;
use super::sums::{Saturating, SumSettings, Sums};
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::export::own_threads::{Fork, without_sdk_chatter};
use crate::semconv::DURATION_BOUNDARIES;

/// The instruments of one instrumentation scope, in front of those of the SDK.
///
/// The provider keeps one for each scope, shared by all handles on it: two parts of a program that ask for the same
/// scope are compared with each other.
pub(super) struct CheckedMeter {
    /// The name of the scope, for warnings.
    pub(super) scope: String,
    /// The SDK's meter, which creates the instruments.
    pub(super) inner: Meter,
    /// The instruments created so far.
    pub(super) identities: Identities,
    /// Decides whether instruments are compared when they are created.
    pub(super) conflicts: StreamConflicts,
    /// Calls the callbacks of observable instruments.
    pub(super) observer: Arc<Observer>,
    /// Gets the warnings.
    pub(super) diagnostics: Diagnostics,
    /// `true` for this crate's own scope, whose attribute sets have each key once.
    pub(super) is_trusted: bool,
    /// `true` if histograms of integers are added up as `f64`, because no reader of the user expects integers.
    pub(super) histograms_as_float: bool,
    /// The process in which the provider was created. In a child nothing is measured.
    pub(super) fork: Fork,
    pub(super) sum_settings: SumSettings,
    /// Instruments by kind and name: those with the same name have one sum in the SDK.
    pub(super) sums: Mutex<HashMap<(&'static str, String), Arc<Sums>>>,
}

/// A text of the API's builders.
type Text = Cow<'static, str>;

impl CheckedMeter {
    /// Warns of another instrument of this name that differs, and returns the meter that creates the instrument, with
    /// the description to create it with.
    ///
    /// Inside a callback that the SDK calls under its lock, this is a meter that does nothing: the SDK's would wait for
    /// the lock that this thread holds, and never return.
    ///
    /// In a forked child the meter does nothing either: a thread of the parent may hold the SDK's lock there.
    fn check(
        &self,
        kind: &'static str,
        name: &Text,
        unit: Option<&Text>,
        description: Option<&Text>,
        boundaries: Option<Vec<f64>>,
    ) -> (Cow<'_, Meter>, Option<Text>) {
        let noop = || (Cow::Owned(NoopMeterProvider::new().meter("")), None);
        if self.fork.is_child() {
            return noop();
        }
        if is_inside_locked_callback() {
            self.diagnostics.warn(
                "an instrument that a callback creates is discarded: create it before the callback runs, because a \
                 reader beside the export holds the SDK's lock meanwhile",
                &[("instrument", FieldValue::Text(name))],
            );
            return noop();
        }
        let text = |text: Option<&Text>| text.map(|text| text.clone().into_owned()).unwrap_or_default();
        let identity = Identity {
            name: name.clone().into_owned(),
            kind,
            unit: text(unit),
            description: text(description),
            boundaries,
        };
        let description = self.identities.description(&identity);
        // What a view makes of it is seen in a collection.
        if !self.conflicts.concerns(name) && self.identities.check(&self.scope, identity, &self.diagnostics) {
            self.conflicts.note_reported(&self.scope, name);
        }
        (Cow::Borrowed(&self.inner), Some(description.into()).filter(|text: &Text| !text.is_empty()))
    }

    /// Wraps an instrument of the SDK.
    fn checked<I>(&self, instrument: I) -> Checked<I> {
        Checked { instrument, is_trusted: self.is_trusted, fork: self.fork.clone() }
    }

    /// Returns what keeps the sums of this name within their range, which `create` makes for the first of them.
    fn sums(
        &self,
        kind: &'static str,
        name: &Text,
        create: impl FnOnce(SumSettings, Diagnostics) -> Sums,
    ) -> Arc<Sums> {
        // In a child, where the lock may stay locked, nothing is added up.
        if self.fork.is_child() {
            return Arc::new(create(self.sum_settings.clone(), self.diagnostics.clone()));
        }
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let create = || Arc::new(create(self.sum_settings.clone(), self.diagnostics.clone()));
        Arc::clone(sums.entry((kind, name.to_ascii_lowercase())).or_insert_with(create))
    }
}

/// Returns the boundaries for durations in seconds, if the unit is `s` and the instrument has none of its own.
///
/// Those of the SDK, 0 to 10 000, are made for milliseconds: of durations in seconds nearly all are in the first
/// bucket.
fn boundaries(unit: Option<&Text>, boundaries: Option<Vec<f64>>) -> Option<Vec<f64>> {
    let in_seconds = || unit.is_some_and(|unit| unit == "s");
    boundaries.or_else(|| in_seconds().then(|| DURATION_BOUNDARIES.to_vec()))
}

/// Methods for instruments that record when the program calls them. The name of the method is the kind that is compared
/// and reported: `u64_counter` and `f64_counter` of one name are a conflict.
macro_rules! synchronous {
    ($($method:ident: $instrument:ident<$number:ty>;)*) => {$(
        fn $method(&self, builder: InstrumentBuilder<'_, $instrument<$number>>) -> $instrument<$number> {
            let InstrumentBuilder { name, description, unit, .. } = builder;
            let (meter, description) =
                self.check(stringify!($method), &name, unit.as_ref(), description.as_ref(), None);
            let mut inner = meter.$method(name);
            (inner.description, inner.unit) = (description, unit);
            $instrument::new(Arc::new(self.checked(without_sdk_chatter(|| inner.build()))))
        }
    )*};
}

/// Methods for instruments that the SDK adds up as integers. The last word says how their sums are kept.
macro_rules! added_up {
    ($($method:ident: $instrument:ident<$number:ty>, $settings:expr;)*) => {$(
        fn $method(&self, builder: InstrumentBuilder<'_, $instrument<$number>>) -> $instrument<$number> {
            let InstrumentBuilder { name, description, unit, .. } = builder;
            let kind = stringify!($method);
            let (meter, description) = self.check(kind, &name, unit.as_ref(), description.as_ref(), None);
            let sums = self.sums(kind, &name, |settings, diagnostics| {
                Sums::new::<$number>(&name, $settings(settings), diagnostics)
            });
            let mut inner = meter.$method(name);
            (inner.description, inner.unit) = (description, unit);
            let inner = self.checked(without_sdk_chatter(|| inner.build()));
            $instrument::new(Arc::new(Saturating { inner, sums }))
        }
    )*};
}

/// Methods for instruments that are observed at a collection. The user's callbacks go to the observer; the SDK gets one
/// in their place, unless there are none.
macro_rules! observable {
    ($($method:ident: $instrument:ident<$number:ty>;)*) => {$(
        fn $method(
            &self,
            builder: AsyncInstrumentBuilder<'_, $instrument<$number>, $number>,
        ) -> $instrument<$number> {
            let AsyncInstrumentBuilder { name, description, unit, callbacks, .. } = builder;
            let (meter, description) =
                self.check(stringify!($method), &name, unit.as_ref(), description.as_ref(), None);
            let mut inner = meter.$method(name.clone());
            (inner.description, inner.unit) = (description, unit);
            if !callbacks.is_empty() {
                inner = inner.with_callback(self.observer.add(&name, callbacks));
            }
            without_sdk_chatter(|| inner.build())
        }
    )*};
}

impl InstrumentProvider for CheckedMeter {
    added_up! {
        u64_counter: Counter<u64>, std::convert::identity;
        // Exported as totals, whatever the temporality.
        i64_up_down_counter: UpDownCounter<i64>, SumSettings::without_resets;
    }

    synchronous! {
        f64_counter: Counter<f64>;
        f64_up_down_counter: UpDownCounter<f64>;
        u64_gauge: Gauge<u64>;
        i64_gauge: Gauge<i64>;
        f64_gauge: Gauge<f64>;
    }

    observable! {
        u64_observable_counter: ObservableCounter<u64>;
        f64_observable_counter: ObservableCounter<f64>;
        i64_observable_up_down_counter: ObservableUpDownCounter<i64>;
        f64_observable_up_down_counter: ObservableUpDownCounter<f64>;
        u64_observable_gauge: ObservableGauge<u64>;
        i64_observable_gauge: ObservableGauge<i64>;
        f64_observable_gauge: ObservableGauge<f64>;
    }

    fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        let HistogramBuilder { name, description, unit, boundaries, .. } = builder;
        let boundaries = self::boundaries(unit.as_ref(), boundaries);
        let kind = "f64_histogram";
        let (meter, description) =
            self.check(kind, &name, unit.as_ref(), description.as_ref(), boundaries.clone());
        let mut inner = meter.f64_histogram(name);
        (inner.description, inner.unit, inner.boundaries) = (description, unit, boundaries);
        Histogram::new(Arc::new(WithoutSubnormals(self.checked(without_sdk_chatter(|| inner.build())))))
    }

    fn u64_histogram(&self, builder: HistogramBuilder<'_, Histogram<u64>>) -> Histogram<u64> {
        let HistogramBuilder { name, description, unit, boundaries, .. } = builder;
        let boundaries = self::boundaries(unit.as_ref(), boundaries);
        let kind = "u64_histogram";
        let (meter, description) =
            self.check(kind, &name, unit.as_ref(), description.as_ref(), boundaries.clone());
        if self.histograms_as_float {
            let mut inner = meter.f64_histogram(name);
            (inner.description, inner.unit, inner.boundaries) = (description, unit, boundaries);
            return Histogram::new(Arc::new(AsFloat(self.checked(without_sdk_chatter(|| inner.build())))));
        }
        let sums = self.sums(kind, &name, |settings, diagnostics| {
            Sums::new::<u64>(&name, settings, diagnostics).for_histogram()
        });
        let mut inner = meter.u64_histogram(name);
        (inner.description, inner.unit, inner.boundaries) = (description, unit, boundaries);
        let inner = self.checked(without_sdk_chatter(|| inner.build()));
        Histogram::new(Arc::new(Saturating { inner, sums }))
    }
}
