//! Creates the queue and ledger of each signal.

use std::sync::Arc;

use opentelemetry_sdk::metrics::Temporality;

use crate::export::{Ledger, MetricQueue, Queue, Route};
use crate::lifecycle::guard::Ledgers;
use crate::settings::{ExportSettings, MetricSettings, QueueSettings, Settings, Signal};

/// Where encoded telemetry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportTo {
    /// To the destinations of the settings.
    Network,
    /// Nowhere: it stays in the queues, which have no limit, until the caller takes it.
    #[cfg(feature = "testing")]
    Memory,
}

/// Returns the export settings with the shorter limit of the two: a collection is one request.
fn within_collection_timeout(metrics: &MetricSettings) -> Option<ExportSettings> {
    let export = metrics.export.clone()?;
    Some(ExportSettings { timeout: export.timeout.min(metrics.timeout), ..export })
}

/// The queue of each signal that is exported.
#[derive(Clone, Debug)]
pub(crate) struct Pipelines {
    pub(crate) traces: Option<Arc<Queue>>,
    pub(crate) metrics: Option<Arc<Queue>>,
    pub(crate) logs: Option<Arc<Queue>>,
}

impl Pipelines {
    pub(super) fn new(settings: &Settings, export_to: ExportTo) -> Self {
        let is_cumulative = settings.metrics.temporality == Temporality::Cumulative;
        let queue = |export: &Option<ExportSettings>, limits: QueueSettings, is_cumulative: bool| {
            let limits = match export_to {
                ExportTo::Network => export.as_ref().filter(|_| !settings.disabled).map(|_| limits)?,
                #[cfg(feature = "testing")]
                ExportTo::Memory => UNLIMITED,
            };
            let queue = Queue::new(limits, Arc::new(Ledger::default()));
            Some(Arc::new(queue.with_cumulative_requests(is_cumulative)))
        };
        Self {
            traces: queue(&settings.traces.export, settings.traces.queue, false),
            metrics: queue(&settings.metrics.export, MetricQueue::LIMITS, is_cumulative),
            logs: queue(&settings.logs.export, settings.logs.queue, false),
        }
    }

    /// Returns the way of each queue to its destination.
    pub(super) fn routes(&self, settings: &Settings) -> Vec<Route> {
        let route = |signal, queue: &Option<Arc<Queue>>, export: &Option<ExportSettings>, delay| {
            let (queue, settings) = queue.clone().zip(export.clone())?;
            Some(Route { signal, settings, queue, delay })
        };
        let Settings { traces, metrics, logs, .. } = settings;
        [
            route(Signal::Traces, &self.traces, &traces.export, traces.queue.delay),
            route(
                Signal::Metrics,
                &self.metrics,
                &within_collection_timeout(metrics),
                MetricQueue::LIMITS.delay,
            ),
            route(Signal::Logs, &self.logs, &logs.export, logs.queue.delay),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Returns the signals with their queues.
    #[cfg(feature = "testing")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Signal, &Queue)> {
        let Self { traces, metrics, logs } = self;
        let all = [(Signal::Traces, traces), (Signal::Metrics, metrics), (Signal::Logs, logs)];
        all.into_iter().filter_map(|(signal, queue)| Some((signal, &**queue.as_ref()?)))
    }

    pub(super) fn ledgers(&self) -> Ledgers {
        let ledger = |queue: &Option<Arc<Queue>>| queue.as_ref().map(|queue| Arc::clone(queue.ledger()));
        Ledgers { traces: ledger(&self.traces), metrics: ledger(&self.metrics), logs: ledger(&self.logs) }
    }
}

/// A test records what it inspects at the end.
#[cfg(feature = "testing")]
const UNLIMITED: QueueSettings = QueueSettings {
    max_items: usize::MAX,
    max_bytes: usize::MAX,
    max_export_batch_size: 512,
    delay: std::time::Duration::MAX,
};
