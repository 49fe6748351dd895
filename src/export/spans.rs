//! The SDK's spans, on their way into the queue.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::delivery::{DEFAULT_FLUSH_TIMEOUT, Workers};
use super::encode::{self, with_scratch};
use super::queue::Queue;
use crate::settings::Signal;
use crate::settings::SpanLimitSettings;

/// Encodes each sampled span when it ends, on the thread that ends it, straight into the queue.
#[derive(Debug)]
pub(crate) struct SpanQueue {
    queue: Arc<Queue>,
    workers: Workers,
    limits: SpanLimitSettings,
}

impl SpanQueue {
    pub(crate) fn new(queue: Arc<Queue>, workers: Workers, limits: SpanLimitSettings) -> Self {
        Self { queue, workers, limits }
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        // A span can be recorded for local use only.
        if !span.span_context.is_sampled() {
            return;
        }
        with_scratch(|scratch| {
            // As cheap as finding out whether it was encoded before.
            encode::scope(&mut scratch.scope, &span.instrumentation_scope, None);
            encode::span(&mut scratch.item, &span, &self.limits);
            self.queue.push(&scratch.scope, &scratch.item);
        });
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.workers.flush_for_sdk(Signal::Traces, DEFAULT_FLUSH_TIMEOUT)
    }

    /// The queue itself ends with the I/O thread, which all signals share.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.workers.flush_for_sdk(Signal::Traces, timeout)
    }
}
