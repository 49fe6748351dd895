//! The log records of the OpenTelemetry API, on their way into the queue.
//!
//! Records of `tracing` and `log` events normally do not pass here: the subscriber encodes them itself. They do if the
//! user added log processors, which must see them as the SDK's records first.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};

use super::delivery::{DEFAULT_FLUSH_TIMEOUT, Workers};
use super::encode::{self, with_scratch};
use super::queue::Queue;
use crate::settings::AttributeLimits;
use crate::settings::Signal;

/// Encodes each log record on the thread that emits it, straight into the queue.
///
/// It is the last processor of the provider, so it gets what the others left.
#[derive(Debug)]
pub(crate) struct LogQueue {
    /// The queue of log records, for all destinations.
    queue: Arc<Queue>,
    /// Reached for flushes.
    workers: Workers,
    /// The number of attributes of a record, and the length of their values.
    limits: AttributeLimits,
}

impl LogQueue {
    /// Creates the processor; the queue and the workers exist already.
    pub(crate) fn new(queue: Arc<Queue>, workers: Workers, limits: AttributeLimits) -> Self {
        Self { queue, workers, limits }
    }
}

impl LogProcessor for LogQueue {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        with_scratch(|scratch| {
            encode::scope(&mut scratch.scope, scope, record.target().map(AsRef::as_ref));
            encode::log_record(&mut scratch.item, record, self.limits);
            self.queue.push(&scratch.scope, &scratch.item);
        });
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.workers.flush_for_sdk(Signal::Logs, DEFAULT_FLUSH_TIMEOUT)
    }

    /// The queue itself ends with the I/O thread, which all signals share.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.workers.flush_for_sdk(Signal::Logs, timeout)
    }
}
