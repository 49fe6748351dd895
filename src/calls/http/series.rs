//! The series of a layer's metrics, bound once, so a measurement hashes no attributes and allocates nothing.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter};

/// The key of a metric series. Texts are compared by their addresses, because a layer stores each of them once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct SeriesKey {
    /// The address of the method's name.
    pub(super) method: usize,
    /// The scheme at a server, the address at a client.
    pub(super) target: usize,
    /// The address of the version's text; 0 if it is not known.
    pub(super) version: usize,
    /// The address of the route's pattern; 0 without one.
    pub(super) route: usize,
    /// 0 without a response.
    pub(super) status: u16,
    /// The value of `error.type`.
    pub(super) error: ErrorKey,
}

/// The values of `error.type` that are known beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum ErrorKey {
    /// No error, by the rule of the layer.
    #[default]
    None,
    /// The status code.
    Status,
    /// The client went away.
    Cancelled,
    /// The handler panicked.
    Panic,
}

/// The bound instruments of one series. Each is bound at its first measurement, because a bound histogram is exported even
/// if it is empty.
pub(super) struct Series {
    /// The attributes to which instruments are bound.
    pub(super) attributes: Vec<KeyValue>,
    /// `http.*.request.duration`, in seconds.
    pub(super) duration: OnceLock<BoundHistogram<f64>>,
    /// `http.*.request.body.size`, in bytes. Stays unbound while no request declares its length.
    pub(super) request_size: OnceLock<BoundHistogram<u64>>,
    /// `http.*.response.body.size`, in bytes.
    pub(super) response_size: OnceLock<BoundHistogram<u64>>,
    /// `http.*.active_requests`. Its series has fewer attributes than the others, because there is no response yet.
    pub(super) active: OnceLock<BoundUpDownCounter<i64>>,
}

impl Series {
    /// Creates a series of which nothing is bound yet.
    pub(super) fn new(attributes: Vec<KeyValue>) -> Self {
        Self {
            attributes,
            duration: OnceLock::new(),
            request_size: OnceLock::new(),
            response_size: OnceLock::new(),
            active: OnceLock::new(),
        }
    }
}

/// The series of one layer.
#[derive(Default)]
pub(super) struct SeriesTable {
    /// A series for each of a few places, by the hash of its key. Most programs have no more series than that, and they
    /// are found without an atomic write.
    first: [OnceLock<(SeriesKey, Arc<Series>)>; PLACES],
    /// All of them. Read without a lock; a new series copies the table, which happens a bounded number of times.
    all: ArcSwap<Table>,
}

type HashState = BuildHasherDefault<AddressHasher>;
type Table = HashMap<SeriesKey, Arc<Series>, HashState>;

impl SeriesTable {
    /// Returns a series, which is created from `attributes` at its first measurement. Beyond a limit it is not stored.
    pub(super) fn get(&self, key: SeriesKey, attributes: impl FnOnce() -> Vec<KeyValue>) -> Arc<Series> {
        let place = &self.first[HashState::default().hash_one(key) as usize % PLACES];
        if let Some((known, series)) = place.get()
            && *known == key
        {
            return Arc::clone(series);
        }
        let table = self.all.load();
        if let Some(series) = table.get(&key) {
            return Arc::clone(series);
        }
        let series = Arc::new(Series::new(attributes()));
        if table.len() < MAX_SERIES {
            self.all.rcu(|table| {
                let mut table = Table::clone(table);
                table.entry(key).or_insert_with(|| Arc::clone(&series));
                table
            });
            // Another call may have been first, or another series.
            let _ = place.set((key, Arc::clone(&series)));
        }
        series
    }
}

/// The number of series that the SDK keeps for one instrument. Beyond it a series is created for each request, and
/// the SDK counts it under `otel.metric.overflow`.
const MAX_SERIES: usize = 2000;
/// A power of two.
const PLACES: usize = 32;

/// Mixes addresses and small numbers.
#[derive(Debug, Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        // The map takes its buckets from the low bits.
        self.0.rotate_left(26)
    }
}
