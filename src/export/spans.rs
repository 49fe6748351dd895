//! The SDK's spans, on their way into the queue.
//!
//! Spans of `tracing` come here only if the user added span processors; otherwise the bridge encodes them itself. Spans
//! of calls are treated alike. Other spans of the OpenTelemetry API always come here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanContext, SpanId, TraceFlags};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::delivery::{DEFAULT_FLUSH_TIMEOUT, Workers};
use super::encode::{self, with_scratch};
use super::queue::Queue;
use crate::settings::Signal;
use crate::settings::SpanLimitSettings;

/// Encodes each sampled span when it ends, on the thread that ends it, straight into the queue.
///
/// It is the last processor of the provider. Spans that are not sampled pass it without a trace.
#[derive(Debug)]
pub(crate) struct SpanQueue {
    /// The queue of spans, for all destinations.
    queue: Arc<Queue>,
    /// Reached for flushes.
    workers: Workers,
    /// The limits of attributes, events and links.
    limits: SpanLimitSettings,
    /// Trace ids are random, which the SDK does not note in the flags of root spans.
    has_random_ids: bool,
    /// Sampled spans that have started and not ended. Shared with the bridge, which counts its own, and reported as
    /// `open_spans`.
    open: Arc<AtomicU64>,
}

impl SpanQueue {
    /// Creates the processor; the queue and the workers exist already.
    pub(crate) fn new(queue: Arc<Queue>, workers: Workers, limits: SpanLimitSettings) -> Self {
        Self { queue, workers, limits, has_random_ids: false, open: Arc::default() }
    }

    /// Marks the trace ids of root spans as random. False with an id generator of the user, which may do anything.
    pub(crate) fn with_random_ids(self, has_random_ids: bool) -> Self {
        Self { has_random_ids, ..self }
    }

    /// Counts open spans in `open`, together with others.
    pub(crate) fn with_open_spans(self, open: Arc<AtomicU64>) -> Self {
        Self { open, ..self }
    }
}

/// Returns the context with [`RANDOM_TRACE_ID`], and unchanged otherwise.
pub(crate) fn with_random_flag(context: &SpanContext) -> SpanContext {
    SpanContext::new(
        context.trace_id(),
        context.span_id(),
        context.trace_flags() | RANDOM_TRACE_ID,
        context.is_remote(),
        context.trace_state().clone(),
    )
}

/// The flag of trace ids that are random (W3C Trace Context, level 2).
pub(crate) const RANDOM_TRACE_ID: TraceFlags = TraceFlags::new(0x02);

impl SpanProcessor for SpanQueue {
    fn on_start(&self, span: &mut Span, _context: &Context) {
        if span.span_context().is_sampled() {
            self.open.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn on_end(&self, mut span: SpanData) {
        // A span can be recorded for local use only.
        if !span.span_context.is_sampled() {
            return;
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
        if self.has_random_ids && span.parent_span_id == SpanId::INVALID {
            span.span_context = with_random_flag(&span.span_context);
        }
        with_scratch(|scratch| {
            // Costs as little as a check whether it was encoded before.
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
