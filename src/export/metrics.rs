//! Collected metrics, on their way into the queue.

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
/// While the collector is away, collections wait as everything does, so that a graph has no gap afterwards. If a flush
/// adds one too many, the oldest is dropped: see [`Queue::push_request`].
#[derive(Debug)]
pub(crate) struct MetricQueue {
    queue: Arc<Queue>,
    workers: Workers,
    temporality: Temporality,
    overflow: OverflowReports,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    observed_counters: ObservedCounters,
    last_push: Option<Instant>,
}

impl MetricQueue {
    /// Limits for a queue of collections. `delay` has no meaning there: requests are complete.
    pub(crate) const LIMITS: QueueSettings = QueueSettings {
        max_items: 120,
        max_bytes: 16 << 20,
        max_export_batch_size: 1,
        max_batch_bytes: DEFAULT_BATCH_BYTES,
        delay: Duration::from_secs(60),
    };

    /// For flushes that come through the SDK.
    pub(crate) const FLUSH_TIMEOUT: Duration = DEFAULT_FLUSH_TIMEOUT;

    pub(crate) fn new(
        queue: Arc<Queue>,
        workers: Workers,
        temporality: Temporality,
        overflow: OverflowReports,
    ) -> Self {
        Self { queue, workers, temporality, overflow, state: Mutex::default() }
    }

    pub(crate) fn temporality(&self) -> Temporality {
        self.temporality
    }

    /// Returns whether the next collection is wanted now: neither is the queue full, nor do some of the last second wait.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.queue.waiting_requests() {
            // One place is for the last collection.
            waiting if waiting + 1 >= Self::LIMITS.max_items => false,
            waiting if waiting >= MANY_WAITING => {
                state.last_push.is_none_or(|last| last.elapsed() >= DISTANCE_IF_MANY_WAIT)
            }
            _ => true,
        }
    }

    /// Appends a collection.
    pub(crate) fn push(&self, metrics: &ResourceMetrics) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = (self.temporality == Temporality::Delta).then_some(&mut state.observed_counters);
        let EncodedMetrics { request, points, overflowing } = encode::metrics(metrics, counters);
        if points > 0 {
            self.queue.push_request(&request.into(), points);
            state.last_push = Some(Instant::now());
        }
        drop(state);
        self.overflow.report(overflowing);
    }

    pub(crate) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        self.workers.flush_for_sdk(Signal::Metrics, timeout)
    }
}

/// Reports each stream with too many attribute sets once, for all readers together. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct OverflowReports {
    reported: Arc<Mutex<HashSet<(String, String)>>>,
    diagnostics: Diagnostics,
}

impl OverflowReports {
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

/// So many collections may wait at whatever distance.
const MANY_WAITING: usize = 4;
const DISTANCE_IF_MANY_WAIT: Duration = Duration::from_secs(1);
const OVERFLOW_ADVICE: &str =
    "are there ids or addresses among its attributes? a view can raise the limit of 2000 or drop attributes";
