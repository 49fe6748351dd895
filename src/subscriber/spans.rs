//! The bridge: `tracing` spans become OpenTelemetry spans.
//!
//! It is `tracing-opentelemetry`, set up lean and standing on a tracer of ours, which repairs what the bridge and the
//! SDK cannot do:
//!
//! | trap | here |
//! |---|---|
//! | of several error statuses the lexicographically greatest description wins | the user's own wins; of several the first |
//! | an automatic status cannot be told from the user's | [`automatically`] marks it; it yields to the user's |
//! | `error.type` set twice is there twice | the user's own wins; of several automatic ones the first |
//! | spans on the I/O thread and in suppressed contexts are exported again | not recorded, without ids |
//! | `otel.status_message`, the older name of `otel.status_description`, becomes an attribute | understood as well |
//! | `otel.name` recorded after the first enter is lost | [`record_late_name`] |
//! | an unsampled span loses the *random* flag of its trace, and costs nearly as much as a sampled one | made without the SDK where the sampler's word is known |
//! | unsigned numbers become text | [`unsigned`] |
//! | a child of an explicit parent that is filtered out becomes a root | attached to the nearest enabled ancestor |
//!
//! What no layer around the bridge can mend: on a thread that is ending, where thread-local values are dropped, making or
//! entering a span after the thread's OpenTelemetry context is gone panics in the bridge, and that aborts the process.
//! Events there are safe, and so is dropping a span that was never entered. A field whose `Debug` panics while a span
//! records it unwinds into the program, as it does from other layers: whatever caught it would hide the bridge from
//! `OpenTelemetrySpanExt`.
//!
//! `otel.kind` recorded after the first enter stays without effect: the SDK cannot change a started span's kind.
//! Events are not turned into span events: each goes out once, as a log record.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::time::SystemTime;

use opentelemetry::trace::{Link, Span, SpanBuilder, SpanContext, Status, TraceContextExt, Tracer};
use opentelemetry::{Context as OtelContext, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};
use tracing_core::field::{Field, Visit};
use tracing_core::{Dispatch, Interest, LevelFilter, Metadata, Subscriber, span};
use tracing_opentelemetry::{OpenTelemetryLayer, get_otel_context};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::filter::FilterHandle;
use super::reentrancy::ReentrancyGuard;
use super::unsigned;
use crate::export::own_threads::on_io_thread;
use crate::provider::SamplingShortcut;
use crate::semconv::ERROR_TYPE;
use crate::trace_ids::is_suppressed;

/// The bridge, for the spans that its filter lets pass.
pub(super) type Bridge<S> = Filtered<OpenTelemetryLayer<S, BridgeTracer>, SpanGate, S>;

pub(super) fn bridge<S>(tracer: BridgeTracer, filter: FilterHandle) -> Bridge<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // Location, threads, target and inactivity cost half of a span's time and say little.
    let layer = OpenTelemetryLayer::new(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_error_fields_to_exceptions(false)
        .with_error_records_to_exceptions(false)
        .with_error_events_to_exceptions(false)
        .with_error_events_to_status(false);
    Filtered::new(layer, SpanGate { filter })
}

/// Lets the bridge see the spans of its filter, and no events.
#[derive(Debug)]
pub(super) struct SpanGate {
    filter: FilterHandle,
}

impl<S> Filter<S> for SpanGate
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool {
        metadata.is_span() && self.filter.enabled(metadata, ctx)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() { self.filter.interest(metadata) } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.ceiling())
    }

    fn on_new_span(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        // The bridge takes a span whose explicit parent it does not know for a root.
        if attrs.parent().is_some_and(|parent| ctx.span(parent).is_none()) {
            let nearest = self.nearest_enabled(id, &ctx);
            let _ = ADOPTED.try_with(|adopted| adopted.set(nearest));
        }
        unsigned::keep_of_new(attrs);
    }

    fn on_record(&self, _: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        unsigned::keep_of_record(values);
    }
}

impl SpanGate {
    fn nearest_enabled<S>(&self, id: &span::Id, ctx: &Context<'_, S>) -> Option<SpanContext>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let nearest = ctx.span(id)?.parent()?.id();
        let context = get_otel_context(&nearest, &self.filter.dispatch()?)?;
        Some(context.span().span_context().clone())
    }
}

/// Runs `speak`, in which statuses and `error.type` are this crate's conclusions and not the user's words.
pub(crate) fn automatically(speak: impl FnOnce()) {
    let before = AUTOMATIC.replace(true);
    speak();
    AUTOMATIC.set(before);
}

/// Gives a started span the name that `values` hold in `otel.name`.
pub(super) fn record_late_name(dispatch: &Dispatch, id: &span::Id, values: &span::Record<'_>) {
    let mut name = LateName(None);
    values.record(&mut name);
    if let (LateName(Some(name)), Some(context)) = (name, get_otel_context(id, dispatch)) {
        context.span().update_name(name);
    }
}

/// Whether spans of this callsite may be renamed late.
pub(super) fn has_name_field(metadata: &Metadata<'_>) -> bool {
    metadata.fields().iter().any(|field| field.name() == NAME_FIELD)
}

struct LateName(Option<String>);

impl Visit for LateName {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == NAME_FIELD {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == NAME_FIELD {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

/// Makes the spans of the bridge.
#[derive(Clone, Debug)]
pub(crate) struct BridgeTracer {
    inner: SdkTracer,
    sampling_shortcut: SamplingShortcut,
}

impl BridgeTracer {
    pub(crate) fn new(inner: SdkTracer, sampling_shortcut: SamplingShortcut) -> Self {
        Self { inner, sampling_shortcut }
    }

    fn start(&self, mut builder: SpanBuilder, numbers: &[KeyValue], parent: &OtelContext) -> BridgeSpan {
        let own_type = builder.attributes.iter().flatten().any(is_error_type);
        if let Some(attributes) = &mut builder.attributes {
            unsigned::restore(attributes, numbers);
        }
        let description = take_old_description(&mut builder);
        let mut span = BridgeSpan::new(Started::Sdk(self.inner.build_with_context(builder, parent)));
        span.own_type = own_type;
        if let Some(description) = description {
            span.set_status(Status::error(description));
        }
        span
    }
}

impl Tracer for BridgeTracer {
    type Span = BridgeSpan;

    fn span_builder<T>(&self, name: T) -> SpanBuilder
    where
        T: Into<Cow<'static, str>>,
    {
        let mut builder = SpanBuilder::from_name(name);
        builder.links = carrier(ADOPTED.try_with(Cell::take).ok().flatten(), unsigned::take())
            .map(|carrier| vec![carrier]);
        builder
    }

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &OtelContext) -> BridgeSpan {
        // The bridge holds the span's lock: what samplers and processors log must not ask for it.
        let _inside = ReentrancyGuard::enter();
        if on_io_thread() || is_suppressed() {
            let suppressed = parent.with_telemetry_suppressed();
            return BridgeSpan::new(Started::Sdk(self.inner.build_with_context(builder, &suppressed)));
        }
        let (adopted, numbers) = take_carrier(&mut builder);
        // A parent that was set meanwhile is the user's word.
        let adopted = adopted.filter(|adopted| adopted.is_valid() && !parent.has_active_span());
        let adopted = adopted.map(|adopted| parent.with_remote_span_context(adopted));
        let parent = adopted.as_ref().unwrap_or(parent);
        match self.sampling_shortcut.unsampled_child_of(parent.span().span_context()) {
            Some(child) => BridgeSpan::new(Started::Unsampled(child)),
            None => self.start(builder, &numbers, parent),
        }
    }
}

/// What [`SpanGate`] found has no other way through the bridge than as a link: a parent as its span, numbers as its
/// attributes.
fn carrier(parent: Option<SpanContext>, numbers: Vec<KeyValue>) -> Option<Link> {
    if parent.is_none() && numbers.is_empty() {
        return None;
    }
    let mut attributes = numbers;
    attributes.push(KeyValue::new(CARRIER, true));
    Some(Link::new(parent.unwrap_or(SpanContext::NONE), attributes, 0))
}

/// What [`carrier`] put together: a parent and numbers.
fn take_carrier(builder: &mut SpanBuilder) -> (Option<SpanContext>, Vec<KeyValue>) {
    let Some(links) = &mut builder.links else { return Default::default() };
    let is_carrier = |link: &Link| link.attributes.last().is_some_and(|kv| kv.key.as_str() == CARRIER);
    let carrier = links.first().is_some_and(is_carrier).then(|| links.remove(0));
    // The SDK makes room for links, however few there are.
    builder.links.take_if(|links| links.is_empty());
    carrier.map(|carrier| (Some(carrier.span_context), carrier.attributes)).unwrap_or_default()
}

/// The description of an error under the name that the bridge knew once, and many programs still use.
fn take_old_description(builder: &mut SpanBuilder) -> Option<String> {
    let attributes = builder.attributes.as_mut()?;
    let place = attributes.iter().position(is_old_description)?;
    Some(attributes.remove(place).value.to_string())
}

/// A span that keeps its status to itself until it ends.
#[derive(Debug)]
pub(crate) struct BridgeSpan {
    inner: Started,
    /// What the user said.
    own: Status,
    /// The user said `error.type`.
    own_type: bool,
    /// What this crate concluded from errors.
    automatic: Option<Box<Automatic>>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the context that holds it is on the heap anyway")]
enum Started {
    Sdk(SdkSpan),
    /// Known not to be sampled: there is nothing of it but its context.
    Unsampled(SpanContext),
}

#[derive(Debug, Default)]
struct Automatic {
    description: Option<Cow<'static, str>>,
    error_type: Option<KeyValue>,
}

impl BridgeSpan {
    fn new(inner: Started) -> Self {
        Self { inner, own: Status::Unset, own_type: false, automatic: None }
    }

    fn settle(&mut self) {
        let Started::Sdk(span) = &mut self.inner else { return };
        let automatic = self.automatic.take().map(|automatic| *automatic).unwrap_or_default();
        let status = match (std::mem::take(&mut self.own), automatic.description) {
            (Status::Error { description }, Some(better)) if description.is_empty() => Status::error(better),
            (Status::Unset, Some(description)) => Status::error(description),
            (own, _) => own,
        };
        // A success has no type of error, whatever was logged on the way.
        if let (Some(error_type), false, Status::Error { .. }) =
            (automatic.error_type, self.own_type, &status)
        {
            span.set_attribute(error_type);
        }
        if status != Status::Unset {
            span.set_status(status);
        }
    }
}

impl Span for BridgeSpan {
    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Started::Sdk(span) = &mut self.inner {
            span.add_event_with_timestamp(name, timestamp, attributes);
        }
    }

    fn span_context(&self) -> &SpanContext {
        match &self.inner {
            Started::Sdk(span) => span.span_context(),
            Started::Unsampled(context) => context,
        }
    }

    fn is_recording(&self) -> bool {
        matches!(&self.inner, Started::Sdk(span) if span.is_recording())
    }

    fn set_attribute(&mut self, mut attribute: KeyValue) {
        let Started::Sdk(span) = &mut self.inner else { return };
        if is_old_description(&attribute) {
            return self.set_status(Status::error(attribute.value.to_string()));
        }
        unsigned::restore_kept(&mut attribute);
        if is_error_type(&attribute) {
            if AUTOMATIC.get() {
                self.automatic.get_or_insert_default().error_type.get_or_insert(attribute);
                return;
            }
            self.own_type = true;
        }
        span.set_attribute(attribute);
    }

    fn set_status(&mut self, status: Status) {
        match status {
            Status::Error { description } if AUTOMATIC.get() => {
                self.automatic.get_or_insert_default().description.get_or_insert(description);
            }
            Status::Unset => {}
            status if outranks(&status, &self.own) => self.own = status,
            _ => {}
        }
    }

    fn update_name<T>(&mut self, name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Started::Sdk(span) = &mut self.inner {
            span.update_name(name);
        }
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        if let Started::Sdk(span) = &mut self.inner {
            span.add_link(span_context, attributes);
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        // Whoever ends the span may hold its lock: what processors log must not ask for it.
        let _inside = ReentrancyGuard::enter();
        self.settle();
        if let Started::Sdk(span) = &mut self.inner {
            span.end_with_timestamp(timestamp);
        }
    }
}

impl Drop for BridgeSpan {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Success is final; of several errors the first that says something stays.
fn outranks(new: &Status, old: &Status) -> bool {
    match old {
        Status::Ok => false,
        Status::Unset => true,
        Status::Error { description } => *new == Status::Ok || description.is_empty(),
    }
}

fn is_old_description(attribute: &KeyValue) -> bool {
    attribute.key.as_str() == "otel.status_message"
}

fn is_error_type(attribute: &KeyValue) -> bool {
    attribute.key.as_str() == ERROR_TYPE
}

thread_local! {
    static AUTOMATIC: Cell<bool> = const { Cell::new(false) };
    /// Between the gate's look at a new span and the bridge's: the parent it is to have.
    static ADOPTED: Cell<Option<SpanContext>> = const { Cell::new(None) };
}

/// Attribute of the link that stands for a parent.
const CARRIER: &str = "telemetry_bootstrap.carrier";
const NAME_FIELD: &str = "otel.name";
