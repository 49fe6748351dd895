//! The span of a call, and the tracer that starts it.
//!
//! The span is one of the OpenTelemetry API, so a log filter cannot remove it. At servers a `tracing` span stands for
//! it in the handler: `Span::current()`, `#[instrument]` and `in_current_span` work there as everywhere.
//!
//! # Times
//!
//! A span has a start on the wall clock, an end, and the call a measured duration. The duration comes from the
//! monotonic clock, and the end is start + duration: a span never ends before it began, and it is exactly as long as
//! the measurement in the histogram says.
//!
//! # Sampling
//!
//! If it is known in advance that the sampler drops a span (`SamplingShortcut`), no span is built: the
//! call gets a context with a random id that is not sampled, and attributes are never made. `late` attributes are those
//! that a sampler does not see; they are made after a decision to record.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, ContextGuard, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SdkTracer, SdkTracerProvider};

use super::Side;
use super::context::Parent;
use crate::propagation::format_traceparent;
use crate::provider::installed::Installed;
use crate::provider::{SharedSampler, with_flagged_span};
use crate::semconv;
use crate::subscriber::{CallSpans, StartingCall, handler_span, span_builder, start_sdk_call};
use crate::time::start_time::StartTime;

/// The span of an open call, with the times that its duration is measured by.
pub(super) struct CallSpan {
    /// Holds the span; current while the service and the bodies are polled.
    context: Context,
    /// Known once the sampler has decided. Attributes of a span that is not recorded are not made.
    recording: bool,
    /// The `tracing` span of a handler, disabled for clients and if our subscriber is not installed.
    handler: tracing::Span,
    /// The time at which the wait for the service began.
    start: StartTime,
}

impl CallSpan {
    /// Returns the context to extract from, to inject, and to attach.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Returns `true` if attributes and status have an effect.
    ///
    /// Read once at the start: a span that is recorded stays so until it ends.
    pub(super) fn is_recording(&self) -> bool {
        self.recording
    }

    /// The time since the call started.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Makes the span current until [`exit`](Self::exit) is called and the guard is dropped. There is a guard where no
    /// `tracing` span brings the context along.
    pub(super) fn enter(&self) -> Option<ContextGuard> {
        let entered = self.handler.with_subscriber(|(id, dispatch)| dispatch.enter(id));
        entered.is_none().then(|| self.context.clone().attach())
    }

    /// Reverts [`enter`](Self::enter).
    pub(super) fn exit(&self) {
        self.handler.with_subscriber(|(id, dispatch)| dispatch.exit(id));
    }

    /// Runs `f` while the span is current.
    pub(super) fn in_scope(&self, f: impl FnOnce()) {
        if self.handler.is_disabled() {
            let _attached = self.context.clone().attach();
            f();
        } else {
            self.handler.in_scope(f);
        }
    }

    /// Sets an attribute, or does nothing if the span is not recorded.
    pub(super) fn set_attribute(&self, attribute: KeyValue) {
        self.context.span().set_attribute(attribute);
    }

    /// Sets attributes, or does nothing if the span is not recorded.
    pub(super) fn set_attributes(&self, attributes: impl IntoIterator<Item = KeyValue>) {
        let span = self.context.span();
        attributes.into_iter().for_each(|attribute| span.set_attribute(attribute));
    }

    /// Sets the status. Called once, when the call is finished.
    pub(super) fn set_status(&self, status: Status) {
        self.context.span().set_status(status);
    }

    /// Replaces the name, once the route is known.
    pub(super) fn update_name(&self, name: Cow<'static, str>) {
        self.context.span().update_name(name);
    }

    /// Inserts the trace id as a header of the response; `traceresponse` gets the whole span context.
    pub(super) fn insert_trace_id(&self, name: &HeaderName, headers: &mut HeaderMap) {
        let span = self.context.span();
        let span = span.span_context();
        let value = match name.as_str() {
            "traceresponse" => HeaderValue::from_bytes(&format_traceparent(span)),
            _ => HeaderValue::try_from(span.trace_id().to_string()),
        };
        if let (true, Ok(value)) = (span.is_valid(), value) {
            headers.insert(name, value);
        }
    }

    /// Ends the span `duration` after its start.
    ///
    /// Called once. The `tracing` span of a handler ends by itself when its last clone is dropped.
    pub(super) fn end(&self, duration: Duration) {
        self.context.span().end_with_timestamp(self.start.after(duration));
    }
}

/// Starts the spans of calls.
pub(super) struct CallTracer {
    /// At a server, the handler gets a `tracing` span.
    side: Side,
    /// The tracer that creates the spans.
    inner: Inner,
    /// The installed one; none for a provider of the user.
    sampler: Option<SharedSampler>,
    /// The trace ids of roots are known to be random.
    has_random_ids: bool,
}

/// The source of spans: this crate, or else the SDK. The type of the SDK's tracer is used where it is known, which
/// saves one box per span.
enum Inner {
    /// This crate, which encodes spans without the SDK's type. For the installed provider without processors of the
    /// user.
    Direct(CallSpans),
    /// The SDK, for a provider of the user, or with span processors.
    Sdk(SdkTracer),
    /// Whatever provider is the global one, where this crate installed none.
    Global(BoxedTracer),
}

impl CallTracer {
    /// Creates a tracer of `provider`, or else of the provider that was installed. Called for the first call, inside of
    /// the program's runtime.
    ///
    /// `has_hook`: a closure of the program gets the attributes of each call.
    pub(super) fn new(side: Side, provider: Option<&SdkTracerProvider>, has_hook: bool) -> Self {
        if let Some(installed) = Installed::get() {
            installed.runtime.find();
        }
        let sdk = |provider: &SdkTracerProvider| Inner::Sdk(provider.tracer_with_scope(scope()));
        let (inner, sampler, has_random_ids) = match (provider, Installed::get()) {
            (Some(provider), _) => (sdk(provider), None, false),
            (None, Some(installed @ Installed { tracer_provider: Some(provider), .. })) => {
                let sampler = installed.sampler.clone();
                let inner = match &installed.direct_spans {
                    Some(direct) => {
                        let kind = kind(side);
                        Inner::Direct(CallSpans::new(direct, &scope(), sampler.clone(), kind, has_hook))
                    }
                    None => sdk(provider),
                };
                (inner, Some(sampler), installed.has_random_ids)
            }
            _ => (Inner::Global(global::tracer_with_scope(scope())), None, false),
        };
        Self { side, inner, sampler, has_random_ids }
    }

    /// Starts a span under `parent`, `waited` ago.
    pub(super) fn start(&self, waited: Duration, parent: Parent, call: &mut impl StartingCall) -> CallSpan {
        let start = StartTime::ago(waited);
        let shortcut = self.sampler.as_ref().map(SharedSampler::shortcut);
        let unsampled =
            shortcut.and_then(|shortcut| parent.with_span(|parent| shortcut.unsampled_child_of(parent)));
        if let Some(child) = unsampled {
            if let Some(sampler) = &self.sampler {
                parent.with_span(|parent| sampler.count(parent, &SamplingDecision::Drop));
            }
            let context = parent.local_context().with_remote_span_context(child);
            return self.span(context, false, Cow::Borrowed("call"), start);
        }
        let head = call.head();
        let name = match self.side {
            Side::Server => head.name.clone(),
            Side::Client => Cow::Borrowed(""),
        };
        let around = || parent.context();
        let (context, recording) = match &self.inner {
            Inner::Direct(spans) => parent
                .with_span(|caller| spans.start(caller, parent.local_context(), around, start, head, call)),
            Inner::Sdk(tracer) => {
                let span = span_builder(head, call, kind(self.side), start);
                let late = |set: &mut dyn FnMut(KeyValue)| call.late_attributes(set);
                start_sdk_call(tracer, &around(), self.has_random_ids, start, span, late)
            }
            Inner::Global(tracer) => {
                let around = around();
                let span = span_builder(head, call, kind(self.side), start);
                let mut span = tracer.build_with_context(span, &around);
                let recording = span.is_recording();
                if recording {
                    call.late_attributes(&mut |attribute| span.set_attribute(attribute));
                }
                (with_flagged_span(&around, span, self.has_random_ids), recording)
            }
        };
        self.span(context, recording, name, start)
    }

    /// Returns the span that is in `context`. At a server it gets a `tracing` span of this name.
    fn span(&self, context: Context, recording: bool, name: Cow<'static, str>, start: StartTime) -> CallSpan {
        let handler = match self.side {
            Side::Server => handler_span(&context, name),
            Side::Client => tracing::Span::none(),
        };
        CallSpan { context, recording, handler, start }
    }
}

/// Returns the kind of span for a side.
fn kind(side: Side) -> SpanKind {
    match side {
        Side::Server => SpanKind::Server,
        Side::Client => SpanKind::Client,
    }
}

/// A meter provider of any type.
///
/// Layers take a provider for tests, and for programs with several; nearly all use the global one.
#[derive(Clone)]
pub(super) struct SharedMeterProvider(Arc<dyn MeterProvider + Send + Sync>);

impl SharedMeterProvider {
    /// Wraps a provider of any type.
    pub(super) fn new(provider: impl MeterProvider + Send + Sync + 'static) -> Self {
        Self(Arc::new(provider))
    }
}

impl MeterProvider for SharedMeterProvider {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        self.0.meter_with_scope(scope)
    }
}

/// Returns the meter of `provider`, or else of the global one.
pub(super) fn meter(provider: Option<&SharedMeterProvider>) -> Meter {
    match provider {
        Some(provider) => provider.meter_with_scope(scope()),
        None => global::meter_with_scope(scope()),
    }
}

/// The instrumentation scope of all spans and instruments of the layers.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(semconv::SCOPE_NAME)
        .with_version(semconv::SCOPE_VERSION)
        .with_schema_url(semconv::SCHEMA_URL)
        .build()
}

#[cfg(test)]
mod tests;
