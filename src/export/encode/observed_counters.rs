//! Observed counters as deltas.
//!
//! The SDK subtracts the last observation from the newest one, which overflows when a counter was reset. So it is asked
//! for cumulative values of observed counters, and the difference is taken here.
//!
//! | the counter | value of the delta |
//! |---|---|
//! | grew from 10 to 15 | 5 |
//! | was reset, and is 3 now | 3 |
//! | is observed for the first time at 7 | 7, since the start of the SDK's own stream |
//! | was not observed last time, and is 9 now | 9: its last value was discarded with that collection |
//!
//! The time of the previous collection is the start of each delta, so the deltas of a stream join without a gap.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric};

use super::number::Number;

/// The last observations of every observed counter. Owned by the queue of metrics, which encodes one collection at a
/// time.
#[derive(Debug, Default)]
pub(crate) struct ObservedCounters(HashMap<Identity, State>);

/// The identity of a counter: the encoded scope, the name, the unit, the description and the type of its numbers.
type Identity = (Vec<u8>, String, String, String, Discriminant<AggregatedMetrics>);

/// State of a counter between two collections.
#[derive(Debug)]
struct State {
    /// The time of the last collection.
    time: SystemTime,
    /// The bits of the last value of each attribute set. See [`Number::to_bits`].
    values: HashMap<Vec<KeyValue>, u64>,
}

impl ObservedCounters {
    /// Returns the stream of a metric that was collected at `time`, which must be given back with
    /// [`put_back`](Self::put_back).
    ///
    /// `first_start` is the start of the first delta, if the counter is not known yet.
    pub(super) fn stream(
        &mut self,
        scope: &[u8],
        metric: &Metric,
        first_start: SystemTime,
        time: SystemTime,
    ) -> Stream {
        let text = str::to_owned;
        let (name, unit, description) =
            (text(metric.name()), text(metric.unit()), text(metric.description()));
        let identity = (scope.to_vec(), name, unit, description, discriminant(metric.data()));
        let last = self.0.remove(&identity);
        let last = last.unwrap_or_else(|| State { time: first_start, values: HashMap::new() });
        Stream { identity, last, next: State { time, values: HashMap::new() } }
    }

    /// Keeps what the stream has observed for the next collection. Attribute sets that were not observed this time
    /// start again at zero.
    pub(super) fn put_back(&mut self, stream: Stream) {
        self.0.insert(stream.identity, stream.next);
    }
}

/// One counter during a collection.
#[derive(Debug)]
pub(super) struct Stream {
    /// The key of the stream.
    identity: Identity,
    /// The previous collection.
    last: State,
    /// This collection, as far as it was walked over.
    next: State,
}

impl Stream {
    /// Returns the time since which the deltas count.
    pub(super) fn start(&self) -> SystemTime {
        self.last.time
    }

    /// Returns what was added to this attribute set since the last collection.
    pub(super) fn delta<'a, T: Number>(
        &mut self,
        attributes: impl Iterator<Item = &'a KeyValue>,
        value: T,
    ) -> T {
        let mut attributes: Vec<_> = attributes.cloned().collect();
        // The order differs from collection to collection.
        attributes.sort_by(|one, other| one.key.cmp(&other.key));
        let earlier = self.last.values.get(&attributes).map_or_else(T::default, |bits| T::from_bits(*bits));
        self.next.values.insert(attributes, value.to_bits());
        value.since(earlier)
    }
}
