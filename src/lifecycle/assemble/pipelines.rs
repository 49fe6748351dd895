//! Creates the queues and ledgers of each signal.
//!
//! ```text
//! signal ─▶ Queue ─┬─▶ Consumer + Ledger ─▶ worker ─▶ destination 1
//!                  └─▶ Consumer + Ledger ─▶ worker ─▶ destination 2
//! ```
//!
//! Spans and records have one queue each, regardless of the number of destinations: an item is encoded once, and each
//! destination has its own position in the queue and its own counts. Metrics have one queue per temporality, because
//! a delta collection is encoded differently.

use std::sync::Arc;

use opentelemetry_sdk::metrics::Temporality;

use crate::export::{CONSOLE_DELAY, Consumer, MetricQueue, Queue, Route};
use crate::lifecycle::guard::Ledgers;
use crate::provider::built_in::ObservedPipeline;
use crate::settings::{DestinationSettings, PerSignal, QueueSettings, Settings, Signal};

/// Target of encoded telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportTo {
    /// The destinations of the settings.
    Network,
    /// None: telemetry stays in the queues, which are unbounded, until the caller takes it.
    #[cfg(feature = "testing")]
    Memory,
}

/// The queues of each signal that is exported.
#[derive(Clone, Debug)]
pub(crate) struct Pipelines(PerSignal<Pipeline>);

/// The queues that one signal is recorded into, and the consumer of each of its destinations. Both are empty if the
/// signal is not exported.
#[derive(Clone, Debug, Default)]
struct Pipeline {
    /// One queue for all destinations. For metrics, one per temporality.
    queues: Vec<(Temporality, Arc<Queue>)>,
    /// One for each destination, in the order of the settings.
    consumers: Vec<Consumer>,
}

impl Pipeline {
    /// Creates the queues. `temporalities` are those of the destinations.
    ///
    /// Destinations keep their order: `consumers[i]` belongs to destination `i` of the settings, which ledgers,
    /// routes and built-in metrics rely on.
    fn new(limits: QueueSettings, temporalities: &[Temporality]) -> Self {
        let (mut queues, mut consumers): (Vec<(Temporality, Arc<Queue>)>, Vec<_>) = (Vec::new(), Vec::new());
        for temporality in temporalities {
            if queues.iter().any(|(known, _)| known == temporality) {
                continue;
            }
            let count = temporalities.iter().filter(|other| *other == temporality).count();
            let is_cumulative = *temporality == Temporality::Cumulative;
            let (queue, of_queue) = Queue::with_cumulative_requests(limits, count, is_cumulative);
            queues.push((*temporality, queue));
            let places = temporalities.iter().enumerate().filter(|(_, other)| *other == temporality);
            consumers.extend(places.map(|(place, _)| place).zip(of_queue));
        }
        consumers.sort_by_key(|(place, _)| *place);
        Self { queues, consumers: consumers.into_iter().map(|(_, consumer)| consumer).collect() }
    }
}

impl Pipelines {
    /// Creates the queues and ledgers of every signal that has destinations.
    pub(super) fn new(settings: &Settings, export_to: ExportTo) -> Self {
        let temporality = |signal, destination: &DestinationSettings| match signal {
            Signal::Metrics => settings.metrics.temporality_of(destination),
            // No request repeats the contents of an earlier one.
            Signal::Traces | Signal::Logs => Temporality::Delta,
        };
        Self(settings.destinations().map(|signal, destinations| match export_to {
            ExportTo::Network => {
                let temporalities = destinations.iter().map(|destination| temporality(signal, destination));
                Pipeline::new(limits(settings, signal), &temporalities.collect::<Vec<_>>())
            }
            #[cfg(feature = "testing")]
            ExportTo::Memory => Pipeline::new(UNLIMITED, &[settings.metrics.temporality]),
        }))
    }

    /// Returns the queue that a signal is recorded into, or `None` if it is not exported. For metrics there may be a
    /// second queue.
    pub(crate) fn queue(&self, signal: Signal) -> Option<&Arc<Queue>> {
        self.0.get(signal).queues.first().map(|(_, queue)| queue)
    }

    /// Returns the queue of metrics of each temporality.
    pub(super) fn metric_queues(&self) -> impl Iterator<Item = (Temporality, &Arc<Queue>)> {
        self.0.get(Signal::Metrics).queues.iter().map(|(temporality, queue)| (*temporality, queue))
    }

    /// Returns the route of each destination's lane to the I/O thread, for
    /// [`Exporter::start`](crate::export::Exporter::start).
    ///
    /// The console is written to at least every [`CONSOLE_DELAY`], because a user is watching it.
    pub(super) fn routes(&self, settings: &Settings) -> Vec<Route> {
        let mut routes = Vec::new();
        for (signal, destinations) in settings.destinations().iter() {
            let delay = limits(settings, signal).delay;
            let parts = destinations.iter().cloned().zip(self.consumers(signal).iter().cloned());
            routes.extend(parts.map(|(settings, queue)| {
                let is_console = settings == DestinationSettings::Console;
                let delay = if is_console { delay.min(CONSOLE_DELAY) } else { delay };
                Route { signal, settings, queue, delay }
            }));
        }
        routes
    }

    /// Returns the signals, each with one of its consumers.
    #[cfg(feature = "testing")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Signal, &Consumer)> {
        self.0.iter().filter_map(|(signal, pipeline)| Some((signal, pipeline.consumers.first()?)))
    }

    /// Returns the ledger of each destination, with the name that the statistics use for it.
    pub(super) fn ledgers(&self, settings: &Settings) -> Ledgers {
        settings.destinations().map(|signal, destinations| {
            let ledgers = self.consumers(signal).iter().map(|consumer| Arc::clone(consumer.ledger()));
            destinations.iter().map(|destination| destination.name()).zip(ledgers).collect()
        })
    }

    /// Returns each destination with its ledger, for metrics about telemetry.
    pub(super) fn observed(&self, settings: &Settings) -> Vec<ObservedPipeline> {
        let mut observed = Vec::new();
        for (signal, destinations) in settings.destinations().iter() {
            let capacity = limits(settings, signal).max_items;
            let parts = destinations.iter().cloned().zip(self.consumers(signal)).enumerate();
            observed.extend(parts.map(|(index, (destination, consumer))| {
                let ledger = Arc::clone(consumer.ledger());
                let operations = Arc::clone(consumer.operations());
                ObservedPipeline { signal, index, ledger, operations, capacity, destination }
            }));
        }
        observed
    }

    /// Returns the consumers of a signal, in the order of its destinations.
    fn consumers(&self, signal: Signal) -> &[Consumer] {
        &self.0.get(signal).consumers
    }
}

/// Returns the limits of a signal's queues.
///
/// The destinations of a signal share its batches, so batches are built for the smallest of their request limits.
fn limits(settings: &Settings, signal: Signal) -> QueueSettings {
    let limits = match signal {
        Signal::Traces => settings.traces.queue,
        Signal::Metrics => MetricQueue::LIMITS,
        Signal::Logs => settings.logs.queue,
    };
    let destinations = settings.destinations();
    let sizes = destinations.get(signal).iter().map(DestinationSettings::max_request_size);
    sizes.fold(limits, QueueSettings::within)
}

/// Limits for captures in tests: nothing is dropped, and nothing is sent.
#[cfg(feature = "testing")]
const UNLIMITED: QueueSettings = QueueSettings {
    max_items: usize::MAX,
    max_bytes: usize::MAX,
    max_export_batch_size: 512,
    max_batch_bytes: 2 << 20,
    delay: std::time::Duration::MAX,
};
