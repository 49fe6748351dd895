//! Processors and id generators of the user, whose panics end in them.
//!
//! | what panics | instead |
//! |---|---|
//! | `on_start`, `on_end`, `emit`, `set_resource` | nothing: the processor missed this item, the export gets it |
//! | `event_enabled` | the record is enabled |
//! | `force_flush`, `shutdown` | an error, as if the processor had returned it |
//! | a new trace or span id | a random id |
//!
//! Otherwise the panic would unwind into whatever code ends the span. Samplers are guarded where they are called, in
//! `shared_sampler`.

use std::time::Duration;

use opentelemetry::logs::Severity;
use opentelemetry::{Context, InstrumentationScope, SpanId, TraceId};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{IdGenerator, Span, SpanData, SpanProcessor};

use super::ids::RandomIds;
use crate::export::own_threads::ThreadFlag;
use crate::user_code::catch_panic;

/// A component of the user. A panic in it, which the panic hook reports, reaches neither the SDK nor the caller: spans
/// end while the stack is unwound, too, and a second panic would end the process.
///
/// Applied to every processor and id generator that the builder takes, whatever the panic strategy: where panics abort,
/// nothing is caught.
#[derive(Debug)]
pub(crate) struct PanicGuard<T>(pub(crate) T);

/// Returns what `action` returns, or an error if it panics.
fn processor(action: impl FnOnce() -> OTelSdkResult) -> OTelSdkResult {
    catch_panic(action)
        .unwrap_or_else(|| Err(OTelSdkError::InternalFailure("the processor panicked".to_owned())))
}

impl<P: SpanProcessor> SpanProcessor for PanicGuard<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        catch_panic(|| self.0.on_start(span, context));
    }

    /// A span that ends through its context is locked meanwhile: an error that is recorded here must leave it alone.
    fn on_end(&self, span: SpanData) {
        let _inside = ThreadFlag::SpanProcessor.set();
        catch_panic(|| self.0.on_end(span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        processor(|| self.0.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        processor(|| self.0.shutdown_with_timeout(timeout))
    }

    fn set_resource(&mut self, resource: &Resource) {
        catch_panic(|| self.0.set_resource(resource));
    }
}

impl<P: LogProcessor> LogProcessor for PanicGuard<P> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        catch_panic(|| self.0.emit(record, scope));
    }

    fn force_flush(&self) -> OTelSdkResult {
        processor(|| self.0.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        processor(|| self.0.shutdown_with_timeout(timeout))
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        catch_panic(|| self.0.event_enabled(level, target, name)).unwrap_or(true)
    }

    fn set_resource(&mut self, resource: &Resource) {
        catch_panic(|| self.0.set_resource(resource));
    }
}

/// In place of an id that a panic prevents, a random one is used.
impl<G: IdGenerator> IdGenerator for PanicGuard<G> {
    fn new_trace_id(&self) -> TraceId {
        catch_panic(|| self.0.new_trace_id()).unwrap_or_else(|| RandomIds.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        catch_panic(|| self.0.new_span_id()).unwrap_or_else(|| RandomIds.new_span_id())
    }
}
