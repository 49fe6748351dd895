//! The reader for scrapers, which collects whenever a scrape calls it.
//!
//! It differs from the [`QueueReader`](super::QueueReader) in three ways: it has no thread and no queue, since the
//! scraper waits for the answer; its values are cumulative, since Prometheus computes rates from totals; and each
//! callback has one second, all of them five, since a scraper gives up after ten.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};

use super::collection_times::CollectionTimes;
use super::observer::Observer;
use super::stream_conflicts::StreamConflicts;
use crate::export::OverflowReports;
use crate::export::encode::{self, EncodedMetrics};
use crate::settings::deadline_after;
use crate::user_code::catch_panic;

/// A reader whose values are counted since the start, as scrapers need them, whatever those of the export are.
#[derive(Clone, Debug)]
pub(crate) struct PullReader(Arc<Shared>);

/// State shared by all clones of a reader.
#[derive(Debug)]
struct Shared {
    /// The SDK's reader, which collects when it is called.
    manual: ManualReader,
    /// Calls the callbacks before each collection.
    observer: Arc<Observer>,
    /// Reports instruments that have reached their limit of attribute sets.
    overflow: OverflowReports,
    /// Compares the metrics of each collection.
    conflicts: StreamConflicts,
    /// Records how long collections take, on request.
    times: CollectionTimes,
    /// Set by the SDK's shutdown; no scrape is answered afterwards.
    is_shut_down: AtomicBool,
}

impl PullReader {
    /// Creates the reader. `overflow` reports instruments that have reached their limit of series, as the export does.
    pub(super) fn new(
        observer: Arc<Observer>,
        overflow: OverflowReports,
        conflicts: StreamConflicts,
    ) -> Self {
        let manual = ManualReader::builder().with_temporality(Temporality::Cumulative).build();
        let times = CollectionTimes::default();
        Self(Arc::new(Shared {
            manual,
            observer,
            overflow,
            conflicts,
            times,
            is_shut_down: AtomicBool::new(false),
        }))
    }

    /// Returns where the reader records how long collections take.
    pub(super) fn times(&self) -> &CollectionTimes {
        &self.0.times
    }

    /// Collects, and returns the export request. `None` if the metrics cannot be collected, as after the shutdown.
    ///
    /// Callbacks of the user may block: do not call this on a thread of the user.
    ///
    /// The result is an encoded `ExportMetricsServiceRequest`, the same bytes as any other destination gets. A panic of
    /// the SDK or of a view costs this scrape, not the thread.
    pub(crate) fn collect_request(&self) -> Option<Vec<u8>> {
        let Shared { manual, observer, overflow, conflicts, times, is_shut_down } = &*self.0;
        if is_shut_down.load(Ordering::Acquire) {
            return None;
        }
        let mut metrics = ResourceMetrics::default();
        let collect = || {
            observer
                .collect(CALLBACK_LIMIT, deadline_after(ALL_CALLBACKS_LIMIT), || manual.collect(&mut metrics))
        };
        let started = Instant::now();
        let collected = catch_panic(collect).and_then(Result::ok);
        times.ended(started.elapsed(), collected.is_none());
        collected?;
        conflicts.check(&metrics);
        let EncodedMetrics { request, overflowing, .. } = encode::metrics(&metrics, None);
        overflow.report(overflowing);
        Some(request)
    }
}

impl MetricReader for PullReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.manual.register_pipeline(pipeline);
    }

    /// Collects without calling the callbacks first; [`collect_request`](PullReader::collect_request) is what scrapes
    /// use.
    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.manual.collect(metrics)
    }

    /// Nothing is waiting to be sent.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.is_shut_down.store(true, Ordering::Release);
        self.0.manual.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.manual.temporality(kind)
    }
}

/// The limit for one callback.
const CALLBACK_LIMIT: Duration = Duration::from_secs(1);
/// The limit for all callbacks together: scrapers give up after 10 seconds.
const ALL_CALLBACKS_LIMIT: Duration = Duration::from_secs(5);
