//! The SDK's providers, and their tasks at a flush and at shutdown.
//!
//! | moment | metrics | traces and logs |
//! |---|---|---|
//! | flush | collect, flush readers of the user | flush processors of the user |
//! | shutdown, at first | collect once more, end the readers | flush processors of the user |
//! | shutdown, after the delivery | – | shut the providers down: spans that end later are discarded by the SDK |
//!
//! Everything here runs code of the user, so each is a task on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::flusher::{Collected, Flusher};
use super::left_until;
use crate::lifecycle::tasks::Task;
use crate::provider::TelemetryMeterProvider;
use crate::provider::built_in::ObservedRuntime;

/// The three providers. Cheap to clone; all clones end together.
#[derive(Clone, Debug)]
pub(crate) struct Providers {
    /// Samples spans and passes them to processors and queue.
    pub(crate) tracer: SdkTracerProvider,
    /// Aggregates measurements and collects them.
    pub(crate) meter: TelemetryMeterProvider,
    /// Passes log records to processors and queue.
    pub(crate) logger: SdkLoggerProvider,
    /// The number of sampled spans of the SDK that have started and not ended.
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

    /// Returns the tasks of the last flush. `collected` becomes `false` if the metrics could not be collected or delivered.
    /// A collection of `flusher` that has begun comes first.
    ///
    /// Each task runs on a thread of its own and may be abandoned. `deadline` is that of user code, not of the
    /// shutdown.
    pub(super) fn last_flush(
        &self,
        deadline: Instant,
        flusher: &Flusher,
        collected: &Arc<AtomicBool>,
    ) -> Vec<Task> {
        let Self { tracer, meter, logger, .. } = self.clone();
        let (flusher, collected) = (flusher.clone(), Arc::clone(collected));
        let collect = move || {
            flusher.wait_until_collected(deadline);
            let ended = meter.end(left_until(deadline));
            let failed = matches!(ended, Err(OTelSdkError::InternalFailure(_)));
            collected.store(!failed, Ordering::Release);
        };
        // The results of the others are in the ledger, more exactly.
        vec![
            ("metrics", Box::new(collect)),
            ("traces", Box::new(move || drop(tracer.force_flush()))),
            ("logs", Box::new(move || drop(logger.force_flush()))),
        ]
    }

    /// Returns the tasks that shut the tracer and logger providers down. The meter provider has ended with its last
    /// collection.
    pub(super) fn stop_traces_and_logs(&self, deadline: Instant) -> Vec<Task> {
        let Self { tracer, logger, .. } = self.clone();
        vec![
            ("traces", Box::new(move || drop(tracer.shutdown_with_timeout(left_until(deadline))))),
            ("logs", Box::new(move || drop(logger.shutdown_with_timeout(left_until(deadline))))),
        ]
    }

    /// Returns the tasks that collect the metrics and flush processors and readers of the user. `collected` is dropped
    /// when the metrics are collected.
    pub(super) fn flush_tasks(&self, collected: Collected) -> Vec<Task> {
        let Self { tracer, meter, logger, .. } = self.clone();
        let collect = move || {
            let _collected = collected;
            let _ = meter.collect();
        };
        vec![
            ("metrics", Box::new(collect)),
            ("traces", Box::new(move || drop(tracer.force_flush()))),
            ("logs", Box::new(move || drop(logger.force_flush()))),
        ]
    }
}
