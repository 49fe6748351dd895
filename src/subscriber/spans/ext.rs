//! Methods for the OpenTelemetry span of a `tracing` span.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{Event, Link, SpanContext, Status, TraceContextExt as _};
use opentelemetry::{Context as OtelContext, Key, KeyValue, Value};
use tracing_core::Subscriber;
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError};
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::SpanBridge;
use super::state::{PendingSpan, SpanState};

/// The OpenTelemetry span of a [`tracing::Span`]: parent, links, attributes, status, events.
///
/// The methods are those of `tracing_opentelemetry::OpenTelemetrySpanExt`, which works as well. Unlike that trait, it
/// needs no additional crate. Where telemetry is not installed, the methods have no effect.
///
/// A span starts, and so gets its ids, when it is first entered, when it gets a child, when an event names it as its
/// parent (`info!(parent: &span, …)`, which needs the ids), when another span links to it, or when its context is
/// requested. A parent can be set until then.
///
/// ```
/// use telemetry_bootstrap::SpanExt as _;
///
/// let span = tracing::info_span!("checkout");
/// span.set_attribute("order.items", 3);
/// span.in_scope(|| { /* … */ });
/// ```
pub trait SpanExt: private::Sealed {
    /// Makes the span of `parent` the parent of this one, and passes on its baggage.
    ///
    /// # Errors
    ///
    /// [`AlreadyStarted`](SetParentError::AlreadyStarted) if the span has started,
    /// [`SpanDisabled`](SetParentError::SpanDisabled) if it is disabled,
    /// [`LayerNotFound`](SetParentError::LayerNotFound) if its subscriber is not ours, or telemetry is disabled by
    /// `OTEL_SDK_DISABLED`: do not unwrap the result. A span that the span filter excludes accepts any parent, without
    /// effect.
    ///
    /// ```
    /// use telemetry_bootstrap::SpanExt as _;
    ///
    /// # let parent = opentelemetry::Context::new();
    /// let span = tracing::info_span!("job");
    /// let _ = span.set_parent(parent);
    /// ```
    fn set_parent(&self, parent: OtelContext) -> Result<(), SetParentError>;

    /// Links this span to another one. A link to an invalid span context is discarded.
    ///
    /// ```
    /// use opentelemetry::trace::TraceContextExt as _;
    /// use telemetry_bootstrap::SpanExt as _;
    ///
    /// let batch = tracing::info_span!("batch");
    /// let message = tracing::info_span!("message");
    /// batch.add_link(message.context().span().span_context().clone());
    /// ```
    fn add_link(&self, span: SpanContext) {
        self.add_link_with_attributes(span, Vec::new());
    }

    /// Links this span to another one, with attributes of the link.
    ///
    /// ```
    /// use opentelemetry::trace::TraceContextExt as _;
    /// use opentelemetry::KeyValue;
    /// use telemetry_bootstrap::SpanExt as _;
    ///
    /// let message = tracing::info_span!("message").context().span().span_context().clone();
    /// tracing::Span::current().add_link_with_attributes(message, vec![KeyValue::new("position", 1)]);
    /// ```
    fn add_link_with_attributes(&self, span: SpanContext, attributes: Vec<KeyValue>);

    /// Returns the OpenTelemetry context that holds this span, or an empty one if there is none. Starts the span.
    ///
    /// ```
    /// use telemetry_bootstrap::SpanExt as _;
    ///
    /// let context = tracing::Span::current().context();
    /// opentelemetry::global::get_text_map_propagator(|propagator| {
    ///     propagator.inject_context(&context, &mut std::collections::HashMap::new());
    /// });
    /// ```
    fn context(&self) -> OtelContext;

    /// Sets an attribute, also one that the span has no field for.
    ///
    /// ```
    /// use telemetry_bootstrap::SpanExt as _;
    ///
    /// tracing::Span::current().set_attribute("cache.hit", true);
    /// ```
    fn set_attribute(&self, key: impl Into<Key>, value: impl Into<Value>);

    /// Sets the status. A status [`Ok`](Status::Ok) is final.
    ///
    /// ```
    /// use opentelemetry::trace::Status;
    /// use telemetry_bootstrap::SpanExt as _;
    ///
    /// tracing::Span::current().set_status(Status::error("no such order"));
    /// ```
    fn set_status(&self, status: Status);

    /// Adds a span event that happens now.
    ///
    /// ```
    /// use telemetry_bootstrap::SpanExt as _;
    ///
    /// tracing::Span::current().add_event("cache miss", Vec::new());
    /// ```
    fn add_event(&self, name: impl Into<Cow<'static, str>>, attributes: Vec<KeyValue>) {
        self.add_event_with_timestamp(name, opentelemetry::time::now(), attributes);
    }

    /// Adds a span event with its time.
    ///
    /// ```
    /// use telemetry_bootstrap::SpanExt as _;
    ///
    /// tracing::Span::current().add_event_with_timestamp("received", std::time::SystemTime::now(), Vec::new());
    /// ```
    fn add_event_with_timestamp(
        &self,
        name: impl Into<Cow<'static, str>>,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    );
}

impl SpanExt for tracing::Span {
    fn set_parent(&self, parent: OtelContext) -> Result<(), SetParentError> {
        self.with_subscriber(|(id, dispatch)| {
            let Some(access) = access(id, dispatch) else {
                return OpenTelemetrySpanExt::set_parent(self, parent);
            };
            let set = |bridge: &Arc<SpanBridge>, state: &Arc<SpanState>| bridge.set_parent(state, parent);
            access.with_span(id, set).unwrap_or(Ok(()))
        })
        .unwrap_or(Err(SetParentError::SpanDisabled))
    }

    fn add_link_with_attributes(&self, span: SpanContext, attributes: Vec<KeyValue>) {
        if is_changed_elsewhere(self) {
            return OpenTelemetrySpanExt::add_link_with_attributes(self, span, attributes);
        }
        with_span(self, |bridge, state| bridge.add_link(state, Link::new(span, attributes, 0)));
    }

    fn context(&self) -> OtelContext {
        if has_other_bridge(self) {
            return OpenTelemetrySpanExt::context(self);
        }
        with_span(self, |bridge, state| bridge.context(state)).flatten().unwrap_or_default()
    }

    fn set_attribute(&self, key: impl Into<Key>, value: impl Into<Value>) {
        let attribute = KeyValue::new(key, value);
        if is_changed_elsewhere(self) {
            with_span(self, |_, state| {
                state.lock_start().pending().map(|pending| pending.replace_recorded(&attribute.key))
            });
            return OpenTelemetrySpanExt::set_attribute(self, attribute.key, attribute.value);
        }
        with_span(self, |bridge, state| {
            bridge.change(
                state,
                attribute,
                |pending, attribute| pending.additions().attributes.push(attribute),
                |span, attribute| span.set_attribute(attribute),
            );
        });
    }

    fn set_status(&self, status: Status) {
        if is_changed_elsewhere(self) {
            return OpenTelemetrySpanExt::set_status(self, status);
        }
        with_span(self, |bridge, state| {
            bridge.change(
                state,
                status,
                |pending, status| pending.additions().meaning.status.set(status),
                |span, status| span.set_status(status),
            );
        });
    }

    fn add_event_with_timestamp(
        &self,
        name: impl Into<Cow<'static, str>>,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        if is_changed_elsewhere(self) {
            return OpenTelemetrySpanExt::add_event_with_timestamp(self, name, timestamp, attributes);
        }
        let event = Event::new(name, timestamp, attributes, 0);
        with_span(self, |bridge, state| {
            bridge.change(
                state,
                event,
                |pending, event| pending.additions().events.push(event),
                |span, event| span.add_event_with_timestamp(event.name, event.timestamp, event.attributes),
            );
        });
    }
}

/// Returns the access to our bridge, unless the span is changed through the extensions of `tracing-opentelemetry`: its
/// subscriber may have that crate's bridge; or these have changed the span before its start, and keep everything that
/// is set on it in its order.
fn access<'a>(id: &tracing_core::span::Id, dispatch: &'a tracing_core::Dispatch) -> Option<&'a SpanAccess> {
    let access = dispatch.downcast_ref::<SpanAccess>()?;
    let has_twin = access.with_span(id, |_, state| state.lock_start().has_twin());
    (has_twin != Some(true)).then_some(access)
}

/// Returns `true` if there is no such access.
fn is_changed_elsewhere(span: &tracing::Span) -> bool {
    span.with_subscriber(|(id, dispatch)| access(id, dispatch).is_none()).unwrap_or(false)
}

/// Returns `true` if the span's subscriber has no bridge of ours: it may have that of `tracing-opentelemetry`.
fn has_other_bridge(span: &tracing::Span) -> bool {
    span.with_subscriber(|(_, dispatch)| dispatch.downcast_ref::<SpanAccess>().is_none()).unwrap_or(false)
}

/// Runs `f` with the state of a span. `None` if its subscriber is not ours, or does not know it.
fn with_span<T>(span: &tracing::Span, f: impl FnOnce(&Arc<SpanBridge>, &Arc<SpanState>) -> T) -> Option<T> {
    span.with_subscriber(|(id, dispatch)| dispatch.downcast_ref::<SpanAccess>()?.with_span(id, f)).flatten()
}

impl SpanBridge {
    /// Sets the parent of a span that has not started.
    ///
    /// # Errors
    ///
    /// [`SetParentError::AlreadyStarted`]: its ids and its sampling are decided.
    pub(super) fn set_parent(
        self: &Arc<Self>,
        state: &Arc<SpanState>,
        parent: OtelContext,
    ) -> Result<(), SetParentError> {
        if !state.is_included {
            return Ok(());
        }
        let earlier = state.lock_start().pending().map(|pending| {
            state.stop_following();
            pending.set_parent(parent)
        });
        // Dropped here, without the lock.
        earlier.map(drop).ok_or(SetParentError::AlreadyStarted)
    }

    /// Changes a span, started or not.
    ///
    /// `pending` is called with the start locked, `started` without a lock of ours.
    fn change<T>(
        self: &Arc<Self>,
        state: &Arc<SpanState>,
        value: T,
        pending: impl FnOnce(&mut PendingSpan, T),
        started: impl FnOnce(&opentelemetry::trace::SpanRef<'_>, T),
    ) {
        if !state.is_included {
            return;
        }
        if let Some(span) = state.lock_start().pending() {
            return pending(span, value);
        }
        if let Some(context) = self.recording(state) {
            started(&context.span(), value);
        }
    }
}

/// A layer that gives access to the bridge of a subscriber. It does nothing else.
#[derive(Debug)]
pub(crate) struct SpanAccess(Arc<SpanBridge>);

impl SpanAccess {
    /// Creates the layer.
    pub(in crate::subscriber) fn new(bridge: Arc<SpanBridge>) -> Self {
        Self(bridge)
    }

    fn with_span<T>(
        &self,
        id: &tracing_core::span::Id,
        f: impl FnOnce(&Arc<SpanBridge>, &Arc<SpanState>) -> T,
    ) -> Option<T> {
        Some(f(&self.0, &self.0.spans.get(id)?))
    }
}

impl<S> Layer<S> for SpanAccess where S: Subscriber + for<'a> LookupSpan<'a> {}

mod private {
    /// Methods may be added.
    #[expect(unnameable_types, reason = "a trait that other crates cannot name cannot be implemented there")]
    pub trait Sealed {}
    impl Sealed for tracing::Span {}
}
