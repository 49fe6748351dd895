//! The span of a call, and the tracer that starts it.

use std::time::{Duration, Instant, SystemTime};

use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::{
    Span, SpanBuilder, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, ContextGuard, InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::context::Parent;
use crate::provider::SamplingShortcut;
use crate::provider::installed::Installed;
use crate::semconv;

/// The span of an open call, with the times that its duration is measured by.
pub(super) struct CallSpan {
    /// Holds the span; current while the service and the bodies are polled.
    context: Context,
    recording: bool,
    started: Instant,
    /// The same moment on the wall clock, so that the span lasts exactly as long as the measured duration.
    start_time: SystemTime,
}

impl CallSpan {
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recording
    }

    /// The time since the call started.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Makes the span current.
    pub(super) fn attach(&self) -> ContextGuard {
        self.context.clone().attach()
    }

    pub(super) fn set_attribute(&self, attribute: KeyValue) {
        self.context.span().set_attribute(attribute);
    }

    pub(super) fn set_attributes(&self, attributes: impl IntoIterator<Item = KeyValue>) {
        let span = self.context.span();
        attributes.into_iter().for_each(|attribute| span.set_attribute(attribute));
    }

    pub(super) fn set_status(&self, status: Status) {
        self.context.span().set_status(status);
    }

    /// Ends the span `duration` after its start.
    pub(super) fn end(&self, duration: Duration) {
        self.context.span().end_with_timestamp(self.start_time + duration);
    }
}

/// Starts the spans of calls.
pub(super) struct CallTracer {
    inner: Inner,
    sampling_shortcut: SamplingShortcut,
}

/// The SDK's tracer where it is known, which saves one box per span.
enum Inner {
    Sdk(SdkTracer),
    Global(BoxedTracer),
}

impl CallTracer {
    /// Creates a tracer of `provider`, or else of the provider that was installed.
    pub(super) fn new(provider: Option<&SdkTracerProvider>) -> Self {
        let sdk = |provider: &SdkTracerProvider| Inner::Sdk(provider.tracer_with_scope(scope()));
        if let Some(provider) = provider {
            return Self { inner: sdk(provider), sampling_shortcut: SamplingShortcut::default() };
        }
        match Installed::get() {
            Some(Installed { tracer_provider: Some(provider), sampling_shortcut, .. }) => {
                Self { inner: sdk(provider), sampling_shortcut: *sampling_shortcut }
            }
            _ => Self {
                inner: Inner::Global(global::tracer_with_scope(scope())),
                sampling_shortcut: SamplingShortcut::default(),
            },
        }
    }

    /// Starts a span under `parent`, `waited` ago. `span` is called unless it is known beforehand that the span is not
    /// recorded; `late` adds the attributes that only a recorded span needs.
    pub(super) fn start(
        &self,
        waited: Duration,
        parent: Parent,
        span: impl FnOnce() -> SpanBuilder,
        late: impl FnOnce(&mut dyn FnMut(KeyValue)),
    ) -> CallSpan {
        let now = Instant::now();
        let started = now.checked_sub(waited).unwrap_or(now);
        let start_time = SystemTime::now() - waited;
        let (context, recording) = self.context(start_time, parent, span, late);
        CallSpan { context, recording, started, start_time }
    }

    fn context(
        &self,
        start_time: SystemTime,
        parent: Parent,
        span: impl FnOnce() -> SpanBuilder,
        late: impl FnOnce(&mut dyn FnMut(KeyValue)),
    ) -> (Context, bool) {
        if let Some(child) = parent.with_span(|parent| self.sampling_shortcut.unsampled_child_of(parent)) {
            return (parent.local_context().with_remote_span_context(child), false);
        }
        let parent = parent.into_context();
        let span = SpanBuilder { start_time: Some(start_time), ..span() };
        match &self.inner {
            Inner::Sdk(tracer) => within(tracer.build_with_context(span, &parent), &parent, late),
            Inner::Global(tracer) => within(tracer.build_with_context(span, &parent), &parent, late),
        }
    }
}

fn within<S: Span + Send + Sync + 'static>(
    mut span: S,
    parent: &Context,
    late: impl FnOnce(&mut dyn FnMut(KeyValue)),
) -> (Context, bool) {
    let recording = span.is_recording();
    if recording {
        late(&mut |attribute| span.set_attribute(attribute));
    }
    (parent.with_span(span), recording)
}

/// Returns the meter of `provider`, or else of the global one.
pub(super) fn meter(provider: Option<&SdkMeterProvider>) -> Meter {
    match provider {
        Some(provider) => provider.meter_with_scope(scope()),
        None => global::meter_with_scope(scope()),
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(semconv::SCOPE_NAME)
        .with_version(semconv::SCOPE_VERSION)
        .with_schema_url(semconv::SCHEMA_URL)
        .build()
}
