//! The SDK's providers, and what is asked of each at a flush and at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::left_until;
use crate::lifecycle::tasks::Task;

/// The three providers.
#[derive(Clone, Debug)]
pub(crate) struct Providers {
    pub(crate) tracer: SdkTracerProvider,
    pub(crate) meter: SdkMeterProvider,
    pub(crate) logger: SdkLoggerProvider,
}

impl Providers {
    /// Makes them give out instruments that do nothing.
    pub(crate) fn disable(&self) {
        let _ = self.tracer.shutdown();
        let _ = self.meter.shutdown();
        let _ = self.logger.shutdown();
    }

    /// `collected` becomes `false` if the metrics could not be collected or delivered.
    pub(super) fn last_flush(&self, deadline: Instant, collected: &Arc<AtomicBool>) -> Vec<Task> {
        let Self { tracer, meter, logger } = self.clone();
        let collected = Arc::clone(collected);
        let collect = move || {
            let ended = meter.shutdown_with_timeout(left_until(deadline));
            let failed = matches!(ended, Err(OTelSdkError::InternalFailure(_)));
            collected.store(!failed, Ordering::Release);
        };
        // What the others say about their end is in the ledger, and more exactly.
        vec![
            ("metrics", Box::new(collect)),
            ("traces", Box::new(move || drop(tracer.force_flush()))),
            ("logs", Box::new(move || drop(logger.force_flush()))),
        ]
    }

    pub(super) fn stop_traces_and_logs(&self, deadline: Instant) -> Vec<Task> {
        let Self { tracer, logger, .. } = self.clone();
        vec![
            ("traces", Box::new(move || drop(tracer.shutdown_with_timeout(left_until(deadline))))),
            ("logs", Box::new(move || drop(logger.shutdown_with_timeout(left_until(deadline))))),
        ]
    }

    /// The metrics are collected; processors and readers of the user are flushed.
    pub(super) fn flush_tasks(&self) -> Vec<Task> {
        let Self { tracer, meter, logger } = self.clone();
        vec![
            ("metrics", Box::new(move || drop(meter.force_flush()))),
            ("traces", Box::new(move || drop(tracer.force_flush()))),
            ("logs", Box::new(move || drop(logger.force_flush()))),
        ]
    }
}
