//! Observed counters as deltas.
//!
//! The SDK subtracts the last observation from the newest one, which overflows when a counter was reset. So it is asked
//! for cumulative values of observed counters, and the difference is taken here.

use std::collections::HashMap;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::Metric;

use super::metric::Number;

/// The last observations of every observed counter.
#[derive(Debug, Default)]
pub(crate) struct ObservedCounters(HashMap<Identity, State>);

/// The encoded scope, the name, the unit and the description.
type Identity = (Vec<u8>, String, String, String);

#[derive(Debug)]
struct State {
    /// The time of the last collection.
    time: SystemTime,
    /// The bits of the last value of each attribute set.
    values: HashMap<Vec<KeyValue>, u64>,
}

impl ObservedCounters {
    /// Returns the stream of a metric that was collected at `time`. Give it back with [`put_back`](Self::put_back).
    pub(super) fn stream(
        &mut self,
        scope: &[u8],
        metric: &Metric,
        first_start: SystemTime,
        time: SystemTime,
    ) -> Stream {
        let text = str::to_owned;
        let identity = (scope.to_vec(), text(metric.name()), text(metric.unit()), text(metric.description()));
        let last = self.0.remove(&identity);
        let last = last.unwrap_or_else(|| State { time: first_start, values: HashMap::new() });
        Stream { identity, last, next: State { time, values: HashMap::new() } }
    }

    /// Remembers what the stream has observed. Attribute sets that were not observed this time start again at zero.
    pub(super) fn put_back(&mut self, stream: Stream) {
        self.0.insert(stream.identity, stream.next);
    }
}

/// One counter during a collection.
#[derive(Debug)]
pub(super) struct Stream {
    identity: Identity,
    last: State,
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
