//! The SDK's providers, and their tasks at a flush and at shutdown.
//!
//! | moment | metrics | traces and logs |
//! |---|---|---|
//! | flush | collect; flush readers of the user | flush processors of the user |
//! | shutdown, first | collect once more; shut down readers of the user | flush processors of the user |
//! | shutdown, after the delivery | – | shut the providers down: spans that end later are discarded by the SDK |
//!
//! Everything here runs user code, so each task has its own thread.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::flusher::{Collected, Flusher};
use super::left_until;
use crate::lifecycle::tasks::Task;
use crate::provider::TelemetryMeterProvider;
use crate::provider::built_in::ObservedRuntime;

/// The three providers. Cheap to clone; all clones are shut down together.
#[derive(Clone, Debug)]
pub(crate) struct Providers {
    /// Samples spans and passes them to processors and queue.
    pub(crate) tracer: SdkTracerProvider,
    /// Aggregates measurements and collects them.
    pub(crate) meter: TelemetryMeterProvider,
    /// Passes log records to processors and queue.
    pub(crate) logger: SdkLoggerProvider,
    /// The number of sampled SDK spans that have started and not ended.
    pub(crate) open_spans: Arc<AtomicU64>,
    /// The runtime of the program, for its metrics.
    pub(crate) runtime: ObservedRuntime,
}

impl Providers {
    /// Turns the instruments and tracers of these providers into no-ops.
    pub(crate) fn disable(&self) {
        let _ = self.tracer.shutdown();
        let _ = self.meter.shutdown();
        let _ = self.logger.shutdown();
    }

    /// Returns the tasks of the last flush, and the results of the last collection, which the first task stores. A
    /// collection of `flusher` that has begun is completed first, and may take half of the time.
    ///
    /// Each task runs on its own thread and may be abandoned. `deadline` is that of user code, not of the shutdown.
    pub(super) fn last_flush(&self, deadline: Instant, flusher: &Flusher) -> (Vec<Task>, Arc<LastMetrics>) {
        let Self { tracer, meter, logger, .. } = self.clone();
        let (flusher, metrics) = (flusher.clone(), Arc::<LastMetrics>::default());
        let stored = Arc::clone(&metrics);
        let collect = move || {
            flusher.wait_until_collected(Instant::now() + left_until(deadline) / 2);
            LastMetrics::store(&metrics.export, meter.collect_last(left_until(deadline)));
            LastMetrics::store(&metrics.custom_readers, meter.end_custom_readers());
        };
        // Other results are in the ledger, in more detail.
        let tasks: Vec<Task> = vec![
            ("metrics", Box::new(collect)),
            ("traces", Box::new(move || drop(tracer.force_flush()))),
            ("logs", Box::new(move || drop(logger.force_flush()))),
        ];
        (tasks, stored)
    }

    /// Returns the tasks that shut the tracer and logger providers down. The meter provider was shut down by its last
    /// collection.
    pub(super) fn stop_traces_and_logs(&self, deadline: Instant) -> Vec<Task> {
        let Self { tracer, logger, .. } = self.clone();
        vec![
            ("traces", Box::new(move || drop(tracer.shutdown_with_timeout(left_until(deadline))))),
            ("logs", Box::new(move || drop(logger.shutdown_with_timeout(left_until(deadline))))),
        ]
    }

    /// Returns the tasks that collect the metrics and flush processors and readers of the user. `collected` is
    /// dropped once the metrics are collected.
    pub(super) fn flush_tasks(&self, collected: Collected) -> Vec<Task> {
        let Self { tracer, meter, logger, .. } = self.clone();
        let readers = meter.has_custom_readers().then(|| meter.clone());
        let collect = move || {
            let _collected = collected;
            let _ = meter.collect();
        };
        let mut tasks: Vec<Task> = vec![
            ("metrics", Box::new(collect)),
            ("traces", Box::new(move || drop(tracer.force_flush()))),
            ("logs", Box::new(move || drop(logger.force_flush()))),
        ];
        if let Some(meter) = readers {
            tasks.push(("metric readers", Box::new(move || drop(meter.flush_custom_readers()))));
        }
        tasks
    }
}

/// The results of the last collections: the one for the export, and those of readers of the user. Unset while they
/// are running.
#[derive(Debug, Default)]
pub(super) struct LastMetrics {
    export: OnceLock<OTelSdkResult>,
    custom_readers: OnceLock<OTelSdkResult>,
}

impl LastMetrics {
    /// Stores a result. A provider that the program has already shut down is not an error.
    fn store(place: &OnceLock<OTelSdkResult>, result: OTelSdkResult) {
        let is_done = matches!(result, Err(OTelSdkError::AlreadyShutdown));
        let _ = place.set(if is_done { Ok(()) } else { result });
    }

    /// Returns the error that kept the last metrics from being exported, if any.
    pub(super) fn export_error(&self) -> Option<String> {
        match self.export.get() {
            Some(result) => Some(result.as_ref().err()?.to_string()),
            None => Some("the collection has not ended".to_owned()),
        }
    }

    /// Returns the error of the user's readers, if they have finished with one.
    pub(super) fn custom_error(&self) -> Option<String> {
        Some(self.custom_readers.get()?.as_ref().err()?.to_string())
    }
}
