//! Processors and id generators of the user, whose panics end with them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use opentelemetry::logs::Severity;
use opentelemetry::{Context, InstrumentationScope, SpanId, TraceId};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{IdGenerator, Span, SpanData, SpanProcessor};

use super::ids::RandomIds;

/// A component of the user. A panic in it, which the panic hook reports, reaches neither the SDK nor the caller: spans
/// end while the stack is unwound, too, and a second panic would end the process.
#[derive(Debug)]
pub(crate) struct Caught<T>(pub(crate) T);

/// Returns `None` if `action` panics.
pub(super) fn caught<R>(action: impl FnOnce() -> R) -> Option<R> {
    // Dropping what a panic carries could panic again.
    catch_unwind(AssertUnwindSafe(action)).map_err(std::mem::forget).ok()
}

fn processor(action: impl FnOnce() -> OTelSdkResult) -> OTelSdkResult {
    caught(action).unwrap_or_else(|| Err(OTelSdkError::InternalFailure("the processor panicked".to_owned())))
}

impl<P: SpanProcessor> SpanProcessor for Caught<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        caught(|| self.0.on_start(span, context));
    }

    fn on_end(&self, span: SpanData) {
        caught(|| self.0.on_end(span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        processor(|| self.0.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        processor(|| self.0.shutdown_with_timeout(timeout))
    }

    fn set_resource(&mut self, resource: &Resource) {
        caught(|| self.0.set_resource(resource));
    }
}

impl<P: LogProcessor> LogProcessor for Caught<P> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        caught(|| self.0.emit(record, scope));
    }

    fn force_flush(&self) -> OTelSdkResult {
        processor(|| self.0.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        processor(|| self.0.shutdown_with_timeout(timeout))
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        caught(|| self.0.event_enabled(level, target, name)).unwrap_or(true)
    }

    fn set_resource(&mut self, resource: &Resource) {
        caught(|| self.0.set_resource(resource));
    }
}

/// In place of an id that a panic prevents, a random one is used.
impl<G: IdGenerator> IdGenerator for Caught<G> {
    fn new_trace_id(&self) -> TraceId {
        caught(|| self.0.new_trace_id()).unwrap_or_else(|| RandomIds.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        caught(|| self.0.new_span_id()).unwrap_or_else(|| RandomIds.new_span_id())
    }
}
