//! Collected metrics, on their way into the queue.
//!
//! ```text
//! reader (interval or flush) ─ has_room? ─▶ collect ─▶ push: encode ─▶ push_request ─▶ worker
//!                               └─ no: the collection is left out; cumulative values are not lost by that
//! ```
//!
//! | collections that wait at every destination | the next one is collected |
//! |---|---|
//! | 0 to 3 | always |
//! | 4 to 118 | if the last one is at least a second old |
//! | 119, or less than twice the size of the last collection is free | not until one was sent: the last place is for the collection at the end |
//!
//! A flush collects in the first two cases, and cumulative values in the third as well: they contain what the oldest
//! collection held, whose place they take. Deltas would be lost by that, and go on adding up in the SDK instead.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;

use super::delivery::{DEFAULT_FLUSH_TIMEOUT, Workers};
use super::encode::{self, EncodedMetrics, ObservedCounters};
use super::queue::Queue;
use crate::diagnostics::{Diagnostics, FieldValue};
use crate::settings::{DEFAULT_BATCH_BYTES, QueueSettings, Signal};

/// Puts each collection into the queue as one request, and returns at once: its delivery does not
/// delay the reader, and is counted in the ledger like everything else.
///
/// While the collector is away, collections wait as everything does, so a graph has no gap afterwards. If a flush
/// adds one too many, the oldest is dropped: see [`Queue::push_request`].
#[derive(Debug)]
pub(crate) struct MetricQueue {
    /// The queue of requests, for all destinations with this temporality.
    queue: Arc<Queue>,
    /// Reached for flushes.
    workers: Workers,
    /// The temporality that the destinations take.
    temporality: Temporality,
    /// Shared with the other readers.
    overflow: OverflowReports,
    /// Locked for the whole of a [`push`](Self::push), so collections are encoded and queued in one order.
    state: Mutex<State>,
}

/// Mutable state of the queue.
#[derive(Debug, Default)]
struct State {
    /// The last values of observed counters. Only used for deltas.
    observed_counters: ObservedCounters,
    /// The time at which a collection was last queued.
    last_push: Option<Instant>,
    /// The size of that collection in bytes, which the next one is expected to have.
    last_size: usize,
}

impl MetricQueue {
    /// The limits of a queue of collections: 120 of them, and 16 MiB, or a single larger one. An item is a whole request here. `delay` has no
    /// meaning, because requests are complete.
    pub(crate) const LIMITS: QueueSettings = QueueSettings {
        max_items: 120,
        max_bytes: 16 << 20,
        max_export_batch_size: 1,
        max_batch_bytes: DEFAULT_BATCH_BYTES,
        delay: Duration::from_secs(60),
    };

    /// The limit of flushes that come through the SDK without one of their own.
    pub(crate) const FLUSH_TIMEOUT: Duration = DEFAULT_FLUSH_TIMEOUT;

    /// Creates the queue's recording side. `overflow` is shared by all readers.
    pub(crate) fn new(
        queue: Arc<Queue>,
        workers: Workers,
        temporality: Temporality,
        overflow: OverflowReports,
    ) -> Self {
        Self { queue, workers, temporality, overflow, state: Mutex::default() }
    }

    /// Returns the temporality that the reader has to collect with.
    pub(crate) fn temporality(&self) -> Temporality {
        self.temporality
    }

    /// Returns `true` if the next collection may be made now; see the table of this module.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.queue.is_full_for(state.last_size) {
            return false;
        }
        let is_late = || state.last_push.is_none_or(|last| last.elapsed() >= DISTANCE_IF_MANY_WAIT);
        self.queue.waiting_requests() < MANY_WAITING || is_late()
    }

    /// Returns `true` if a collection would take the place of one whose values no later one contains.
    pub(crate) fn would_lose_deltas(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.temporality == Temporality::Delta && self.queue.is_full_for(state.last_size)
    }

    /// Encodes and appends a collection. One without data points is left out.
    pub(crate) fn push(&self, metrics: &ResourceMetrics) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = (self.temporality == Temporality::Delta).then_some(&mut state.observed_counters);
        let EncodedMetrics { request, points, overflowing } = encode::metrics(metrics, counters);
        if points > 0 {
            state.last_size = request.len();
            state.last_push = Some(Instant::now());
            self.queue.push_request(&request.into(), points);
        }
        drop(state);
        self.overflow.report(overflowing);
    }

    /// Sends everything queued, and waits for it. Collecting first is the reader's part.
    pub(crate) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        self.workers.flush_for_sdk(Signal::Metrics, timeout)
    }
}

/// Reports each stream with too many attribute sets once, for all readers together. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct OverflowReports {
    /// The streams that were reported, as `(scope, instrument)`. Their number is bounded by that of the instruments.
    reported: Arc<Mutex<HashSet<(String, String)>>>,
    /// Gets the warnings.
    diagnostics: Diagnostics,
}

impl OverflowReports {
    /// Creates the reports before the first one.
    pub(crate) fn new(diagnostics: Diagnostics) -> Self {
        Self { reported: Arc::default(), diagnostics }
    }

    /// Reports streams, given as `(scope, instrument)`.
    pub(crate) fn report(&self, overflowing: Vec<(String, String)>) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = overflowing.into_iter().filter(|stream| reported.insert(stream.clone())).collect();
        drop(reported);
        for (scope, instrument) in new {
            self.diagnostics.warn(
                "an instrument has more attribute sets than its limit: the rest is exported as one point",
                &[
                    ("instrument", FieldValue::Text(&instrument)),
                    ("scope", FieldValue::Text(&scope)),
                    ("check", FieldValue::Text(&OVERFLOW_ADVICE)),
                ],
            );
        }
    }
}

/// The number of waiting collections up to which another one is made at any time.
const MANY_WAITING: usize = 4;
/// The least time between two collections if more wait: an outage must not fill the queue with those of a few seconds.
const DISTANCE_IF_MANY_WAIT: Duration = Duration::from_secs(1);
/// The advice in the warning.
const OVERFLOW_ADVICE: &str =
    "are there ids or addresses among its attributes? a view can raise the limit of 2000 or drop attributes";
