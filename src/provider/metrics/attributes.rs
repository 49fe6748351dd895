//! Attribute sets in which a key comes twice: the last value wins, as for spans and log records.
//!
//! The SDK keeps the first value, or exports both, from one collection to the next.
//!
//! The data model of OpenTelemetry has attributes as a map, and leaves it to the API how a repeated key is treated. Two
//! points with the same attributes in another form would be two series for a backend, so the keys are made unique in
//! front of the SDK, which then hashes what is exported.
//!
//! Sets without a repeated key, which are nearly all of them, are borrowed: the check compares the keys with each other
//! and allocates nothing. The instruments of this crate skip it (`CheckedMeter::is_trusted`).

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundGauge, BoundHistogram, BoundSyncInstrument, BoundUpDownCounter, Counter, Gauge,
    Histogram, SyncInstrument, UpDownCounter,
};

use crate::export::own_threads::Fork;

/// Returns the attributes with each key once, and without those that have no key.
///
/// The last value of a repeated key is kept, at its own position.
pub(super) fn unique(attributes: &[KeyValue]) -> Cow<'_, [KeyValue]> {
    if attributes.iter().all(|attribute| !attribute.key.as_str().is_empty()) && !has_duplicates(attributes) {
        return Cow::Borrowed(attributes);
    }
    let last: HashMap<_, _> =
        attributes.iter().enumerate().map(|(place, attribute)| (&attribute.key, place)).collect();
    let named = attributes.iter().enumerate().filter(|(_, attribute)| !attribute.key.as_str().is_empty());
    let unique = named.filter(|(place, attribute)| last.get(&attribute.key) == Some(place));
    Cow::Owned(unique.map(|(_, attribute)| attribute.clone()).collect())
}

/// Returns `true` if a key comes twice.
///
/// Compares each key with those after it, n² / 2 comparisons: for the few keys of a measurement this costs less than a
/// set of them, which would allocate.
fn has_duplicates(attributes: &[KeyValue]) -> bool {
    let mut rest = attributes;
    while let Some((first, others)) = rest.split_first() {
        if others.iter().any(|other| other.key == first.key) {
            return true;
        }
        rest = others;
    }
    false
}

/// An instrument of the SDK that gets each key once, and nothing in a forked child: a thread of the parent may hold the
/// SDK's lock there forever.
///
/// It stands in front of counters, gauges and histograms, and hands each measurement on with [`unique`] attributes. A
/// bound instrument has its attributes made unique once, when it is bound.
pub(super) struct Checked<I> {
    /// The SDK's instrument.
    pub(super) instrument: I,
    /// `true` if the caller gives each key once, as the instruments of this crate do: the check is then left out.
    pub(super) is_trusted: bool,
    /// The process in which the instrument was created.
    pub(super) fork: Fork,
}

/// A histogram of integers that adds them up as `f64`, as they are exported: a sum of `u64` overflows.
///
/// OTLP has the sum of a histogram as `double` whatever the type of the measurements. The `u64` sum of the SDK's
/// histogram can overflow before it is converted; an `f64` only loses precision.
pub(super) struct AsFloat(pub(super) Checked<Histogram<f64>>);

/// A histogram of floats that takes subnormal numbers as zero: between `5e-324` and `f64::MAX` are more exponents than
/// the exponential histogram of the SDK can count, which then panics with its lock held.
pub(super) struct WithoutSubnormals(pub(super) Checked<Histogram<f64>>);

/// A handle on one attribute set of such an instrument.
struct Bound<B> {
    /// The SDK's handle.
    instrument: B,
    /// The process in which the instrument was created.
    fork: Fork,
}

impl<I> Checked<I> {
    /// Returns what the SDK gets: the attributes themselves wherever that is possible.
    fn attributes<'a>(&self, attributes: &'a [KeyValue]) -> Cow<'a, [KeyValue]> {
        if self.is_trusted { Cow::Borrowed(attributes) } else { unique(attributes) }
    }
}

/// Implements the traits of the API for a kind of instrument: the type, its bound form, and its recording method.
macro_rules! checked {
    ($($instrument:ident, $bound:ident, $record:ident;)*) => {$(
        impl<T: Copy + Send + Sync + 'static> SyncInstrument<T> for Checked<$instrument<T>> {
            fn measure(&self, measurement: T, attributes: &[KeyValue]) {
                if !self.fork.is_child() {
                    self.instrument.$record(measurement, &self.attributes(attributes));
                }
            }

            fn bind(&self, attributes: &[KeyValue]) -> Box<dyn BoundSyncInstrument<T> + Send + Sync> {
                if self.fork.is_child() {
                    return Box::new(Unmeasured);
                }
                let instrument = self.instrument.bind(&self.attributes(attributes));
                Box::new(Bound { instrument, fork: self.fork.clone() })
            }
        }

        impl<T: Copy + Send + Sync + 'static> BoundSyncInstrument<T> for Bound<$bound<T>> {
            fn measure(&self, measurement: T) {
                if !self.fork.is_child() {
                    self.instrument.$record(measurement);
                }
            }
        }
    )*};
}

checked! {
    Counter, BoundCounter, add;
    UpDownCounter, BoundUpDownCounter, add;
    Gauge, BoundGauge, record;
    Histogram, BoundHistogram, record;
}

/// A handle that ignores measurements.
struct Unmeasured;

impl<T> BoundSyncInstrument<T> for Unmeasured {
    fn measure(&self, _: T) {}
}

impl SyncInstrument<u64> for AsFloat {
    fn measure(&self, measurement: u64, attributes: &[KeyValue]) {
        self.0.measure(measurement as f64, attributes);
    }

    fn bind(&self, attributes: &[KeyValue]) -> Box<dyn BoundSyncInstrument<u64> + Send + Sync> {
        Box::new(BoundAsFloat(self.0.bind(attributes)))
    }
}

/// A handle on one attribute set of a histogram of integers.
struct BoundAsFloat(Box<dyn BoundSyncInstrument<f64> + Send + Sync>);

impl BoundSyncInstrument<u64> for BoundAsFloat {
    fn measure(&self, measurement: u64) {
        self.0.measure(measurement as f64);
    }
}

impl SyncInstrument<f64> for WithoutSubnormals {
    fn measure(&self, measurement: f64, attributes: &[KeyValue]) {
        self.0.measure(without_subnormals(measurement), attributes);
    }

    fn bind(&self, attributes: &[KeyValue]) -> Box<dyn BoundSyncInstrument<f64> + Send + Sync> {
        Box::new(BoundWithoutSubnormals(self.0.bind(attributes)))
    }
}

/// A handle on one attribute set of a histogram of floats.
struct BoundWithoutSubnormals(Box<dyn BoundSyncInstrument<f64> + Send + Sync>);

impl BoundSyncInstrument<f64> for BoundWithoutSubnormals {
    fn measure(&self, measurement: f64) {
        self.0.measure(without_subnormals(measurement));
    }
}

/// Returns 0 for numbers below 2⁻¹⁰²², and other numbers as they are.
fn without_subnormals(number: f64) -> f64 {
    if number.is_subnormal() { 0.0 } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_key_is_kept() {
        let attributes = |pairs: &[(&'static str, i64)]| -> Vec<KeyValue> {
            pairs.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect()
        };
        for (given, expected) in [
            (attributes(&[]), attributes(&[])),
            (attributes(&[("a", 1), ("b", 2)]), attributes(&[("a", 1), ("b", 2)])),
            (attributes(&[("a", 1), ("a", 2)]), attributes(&[("a", 2)])),
            (attributes(&[("a", 1), ("b", 2), ("a", 3), ("a", 4)]), attributes(&[("b", 2), ("a", 4)])),
        ] {
            assert_eq!(*unique(&given), expected, "{given:?}");
        }
    }
}
