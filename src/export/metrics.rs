//! The SDK's collected metrics, on their way into the queue.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use super::delivery::{DEFAULT_FLUSH_TIMEOUT, Workers};
use super::encode::{self, EncodedMetrics};
use super::queue::Queue;
use crate::settings::QueueSettings;
use crate::settings::Signal;

/// Puts each collection into the queue as one request, and answers at once: whether and when it is delivered does not
/// hold the reader up, and is in the ledger like everything else.
///
/// While the collector is away, collections wait as everything does, so that a graph has no gap afterwards. When they
/// are too many the oldest are dropped: see [`Queue::push_request`].
#[derive(Debug)]
pub(crate) struct MetricQueue {
    queue: Arc<Queue>,
    workers: Workers,
    temporality: Temporality,
}

impl MetricQueue {
    /// Limits for a queue of collections. `delay` has no meaning there: requests are complete.
    pub(crate) const LIMITS: QueueSettings = QueueSettings {
        max_items: 120,
        max_bytes: 16 << 20,
        max_export_batch_size: 1,
        delay: Duration::from_secs(60),
    };

    pub(crate) fn new(queue: Arc<Queue>, workers: Workers, temporality: Temporality) -> Self {
        Self { queue, workers, temporality }
    }
}

impl PushMetricExporter for MetricQueue {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let EncodedMetrics { request, points, .. } = encode::metrics(metrics, None);
        if points > 0 {
            self.queue.push_request(request.into(), points);
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.workers.flush_for_sdk(Signal::Metrics, DEFAULT_FLUSH_TIMEOUT)
    }

    /// The queue itself ends with the I/O thread, which all signals share.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.workers.flush_for_sdk(Signal::Metrics, timeout)
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}
