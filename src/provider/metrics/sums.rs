//! Sums of integers that stay at the end of their range.
//!
//! The SDK adds integers up in 64 bits, which wrap: after `add(u64::MAX)` and `add(1)` it exports 0. A sum that left
//! its range cannot be recognized afterwards, so large measurements are added up here, too, and cut in front of the
//! SDK.
//!
//! | measurement | what is done |
//! |---|---|
//! | below 2³² | handed on; this costs a comparison |
//! | larger | added up by attribute set, and cut where the total would enter the reserve |
//!
//! 2⁵⁸ at each end of the range is reserved for small measurements, which are not tracked here. A sum within twice
//! that distance of the limit is exported as the limit (`Number::saturated`), so a counter that has overflowed shows
//! the largest value, whatever small measurements came before and after.
//!
//! A sum that has arrived there stays, as long as the SDK keeps it: to the end of the process if it is cumulative, and
//! to the next collection if the only reader takes deltas. The first measurement that is cut is reported, once for each
//! instrument.
//!
//! # Limits
//!
//! Views can merge attribute sets, which nothing in front of the SDK can follow. Where there are views, all attribute
//! sets of a counter share one total, and beyond [`MAX_SERIES`] attribute sets with large measurements, those of any
//! instrument do: sums of other attribute sets then lack the large measurements that no longer fit.
//!
//! | sums of | where there are views |
//! |---|---|
//! | measurements that are never negative | do not wrap, whatever a view merges |
//! | measurements of both signs | do not wrap by attribute set; a sum into which a view merges several of them may |
//!
//! Measurements of both signs would need two common totals, of which neither ever falls: an up-down counter that goes
//! up and down by large steps would be cut although its sum is small. That happens; sums of sums at the end of the
//! range hardly do.
//!
//! A sum of more than 2²⁶ measurements just below 2³², of one attribute set, can use the reserve up and wrap.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundSyncInstrument, SyncInstrument};

use super::attributes::{Checked, unique};
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::export::SUM_RESERVE;
use crate::export::own_threads::ForkMutex;

/// The large measurements of all instruments of one name.
#[derive(Debug)]
pub(super) struct Sums {
    /// The name of the instrument, for the warning.
    name: String,
    /// The range of a total: that of the type, without the reserve.
    range: RangeInclusive<i128>,
    /// A measurement is cut to this, so a histogram has room for several.
    largest: i128,
    /// `true` if all attribute sets have a common total, because views can merge them. Never where measurements may be
    /// negative.
    is_shared: bool,
    /// The totals of large measurements. Not locked for small ones.
    totals: ForkMutex<Totals>,
    /// Counts the collections after which totals begin at zero again.
    resets: Resets,
    /// `true` once a cut measurement was reported.
    is_reported: AtomicBool,
    /// Gets the warning.
    diagnostics: Diagnostics,
}

/// The number of collections after which sums began at zero again. Cheap to clone: the reader counts, and instruments
/// compare.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resets(Arc<AtomicU64>);

/// The large measurements that were handed on, added up by attribute set.
#[derive(Debug, Default)]
struct Totals {
    /// In the order of the keys, so the order of attributes makes no difference.
    by_attributes: HashMap<Vec<KeyValue>, i128>,
    /// The number of resets when the last measurement was added.
    resets: u64,
}

/// The settings of the sums of a provider.
#[derive(Clone, Debug, Default)]
pub(super) struct SumSettings {
    /// `true` if there are views.
    pub(super) is_shared: bool,
    /// Counted by the reader, if there is one alone and it takes deltas.
    pub(super) resets: Resets,
}

/// A type of measurements that are added up as integers.
pub(super) trait Integer: Copy + Into<i128> + TryFrom<i128> + Send + Sync + 'static {
    /// The range of the type, without the reserve.
    const RANGE: RangeInclusive<i128>;
}

impl Integer for u64 {
    const RANGE: RangeInclusive<i128> = 0..=(u64::MAX - SUM_RESERVE) as i128;
}

impl Integer for i64 {
    const RANGE: RangeInclusive<i128> =
        i64::MIN as i128 + SUM_RESERVE as i128..=i64::MAX as i128 - SUM_RESERVE as i128;
}

impl SumSettings {
    /// Returns the settings for sums that no collection resets, whatever the temporality.
    pub(super) fn without_resets(self) -> Self {
        Self { resets: Resets::default(), ..self }
    }
}

impl Resets {
    /// Notes that a collection has ended, and that sums have begun at zero.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Sums {
    /// Creates the totals of an instrument, without any measurement.
    pub(super) fn new<T: Integer>(name: &str, settings: SumSettings, diagnostics: Diagnostics) -> Self {
        Self {
            name: name.to_owned(),
            range: T::RANGE,
            largest: i128::MAX,
            is_shared: settings.is_shared && *T::RANGE.start() == 0,
            totals: ForkMutex::default(),
            resets: settings.resets,
            is_reported: AtomicBool::new(false),
            diagnostics,
        }
    }

    /// Cuts each measurement to what a double holds exactly, which a histogram's sum is exported as.
    pub(super) fn for_histogram(self) -> Self {
        Self { largest: 1 << 53, ..self }
    }

    /// Returns what fits of a measurement. `None` if nothing does.
    fn fitting<T: Integer>(&self, measurement: T, attributes: &[KeyValue]) -> Option<T> {
        if measurement.into().unsigned_abs() < LARGE {
            return Some(measurement);
        }
        self.fitting_large(measurement.into(), attributes).and_then(|fitting| T::try_from(fitting).ok())
    }

    /// Returns what fits of a large measurement, and warns about the first that does not.
    #[cold]
    fn fitting_large(&self, measurement: i128, attributes: &[KeyValue]) -> Option<i128> {
        let wanted = measurement.clamp(-self.largest, self.largest);
        let fitting = self.add(wanted, attributes);
        if fitting != measurement && !self.is_reported.swap(true, Ordering::Relaxed) {
            self.diagnostics.warn(
                "a sum of integers would overflow: this measurement, and further ones that do not fit, are cut",
                &[
                    ("instrument", FieldValue::Text(&self.name)),
                    ("measurement", FieldValue::Text(&measurement)),
                    ("check", FieldValue::Text(&"is it a difference that was negative?")),
                ],
            );
        }
        (fitting != 0).then_some(fitting)
    }

    /// Adds a measurement to its total, and returns by how much that grew. Less than the measurement at the end of the
    /// range.
    fn add(&self, measurement: i128, attributes: &[KeyValue]) -> i128 {
        let mut totals = self.totals.lock();
        let resets = self.resets.0.load(Ordering::Relaxed);
        if std::mem::replace(&mut totals.resets, resets) != resets {
            totals.by_attributes.clear();
        }
        let key = self.key(&totals, measurement, attributes);
        let total = totals.by_attributes.entry(key).or_default();
        let next = (*total + measurement).clamp(*self.range.start(), *self.range.end());
        next - std::mem::replace(total, next)
    }

    /// Returns the attributes whose total a measurement belongs to.
    ///
    /// A common total is one of positive measurements or one of negative ones: whichever of them a sum contains, it is
    /// between the two.
    fn key(&self, totals: &Totals, measurement: i128, attributes: &[KeyValue]) -> Vec<KeyValue> {
        let mut key = unique(attributes).into_owned();
        key.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        let known = &totals.by_attributes;
        match self.is_shared || (known.len() >= MAX_SERIES && !known.contains_key(&key)) {
            true => vec![KeyValue::new("", measurement < 0)],
            false => key,
        }
    }
}

/// An instrument whose sums stay within their range.
pub(super) struct Saturating<I> {
    /// The instrument that gets what fits.
    pub(super) inner: Checked<I>,
    /// Shared by all instruments of the name.
    pub(super) sums: Arc<Sums>,
}

impl<I, T: Integer> SyncInstrument<T> for Saturating<I>
where
    Checked<I>: SyncInstrument<T>,
{
    fn measure(&self, measurement: T, attributes: &[KeyValue]) {
        if let Some(fitting) = self.sums.fitting(measurement, attributes) {
            self.inner.measure(fitting, attributes);
        }
    }

    fn bind(&self, attributes: &[KeyValue]) -> Box<dyn BoundSyncInstrument<T> + Send + Sync> {
        let attributes = unique(attributes);
        let inner = self.inner.bind(&attributes);
        Box::new(BoundSaturating { inner, sums: Arc::clone(&self.sums), attributes: attributes.into_owned() })
    }
}

/// A handle on one attribute set of such an instrument.
struct BoundSaturating<T> {
    inner: Box<dyn BoundSyncInstrument<T> + Send + Sync>,
    sums: Arc<Sums>,
    attributes: Vec<KeyValue>,
}

impl<T: Integer> BoundSyncInstrument<T> for BoundSaturating<T> {
    fn measure(&self, measurement: T) {
        if let Some(fitting) = self.sums.fitting(measurement, &self.attributes) {
            self.inner.measure(fitting);
        }
    }
}

/// The measurements from here on are added up. Smaller ones do not add up to the reserve in the life of a process.
const LARGE: u128 = 1 << 32;
/// The most attribute sets with a total of their own.
const MAX_SERIES: usize = 1000;
