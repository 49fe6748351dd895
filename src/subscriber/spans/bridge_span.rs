//! The OpenTelemetry span of a `tracing` span.
//!
//! A [`BridgeSpan`] is what the context of a `tracing` span holds. It implements the API's `Span`, so
//! `Span::current()` of OpenTelemetry, the layers for calls and extension traits reach it like any other.
//!
//! | | [`EncodedSpan`] | SDK span |
//! |---|---|---|
//! | used | without span processors of the user | with them |
//! | attributes, events, links | encoded when they are recorded | kept by the SDK, which gets the last values of many updates at the end |
//! | at the end | one message into the queue | processors are called |
//! | limits | ours, of the same settings | the SDK's |
//!
//! The status is kept outside of both, in [`SpanStatus`], because an inferred one must be replaceable until the end.
//!
//! # Locks
//!
//! The API keeps a span behind a mutex, which is held while its methods run. A span processor that logs would need that
//! lock again; [`ReentrancyGuard`] keeps such events away from the span.

use std::borrow::{BorrowMut, Cow};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use opentelemetry::trace::{Event, Link, Span, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::trace::Span as SdkSpan;

use super::attributes::AttributeBuffer;
use super::source::DirectSource;
use super::status::SpanStatus;
use crate::export::encode::{self, RecordedSpan, SpanFields, SpanItems};
use crate::semconv::ERROR_TYPE;
use crate::subscriber::reentrancy::ReentrancyGuard;
use crate::time::start_time::StartTime;
use crate::user_code::catch_panic;

/// A span that keeps its status until it ends.
///
/// Dropping it ends it, at the monotonic time that has passed since its start.
///
/// `S` holds a span of the SDK, which is large: in a box it does not make every span so. Where all are of the SDK, it
/// needs none.
#[derive(Debug)]
pub(super) struct BridgeSpan<S = Box<SdkRecording>>
where
    S: BorrowMut<SdkRecording>,
{
    /// Trace id, span id, flags and trace state.
    pub(super) context: SpanContext,
    /// The data recorded so far.
    pub(super) recording: Recording<S>,
    /// Explicit or inferred.
    pub(super) status: SpanStatus,
    /// Wall clock and monotonic clock, read together.
    pub(super) start: StartTime,
}

/// Recording state of a span.
#[derive(Debug)]
pub(super) enum Recording<S> {
    /// In the form that is exported.
    Encoded(EncodedSpan),
    /// In a span of the SDK, for the span processors of the user.
    Sdk(S),
    /// Nothing is recorded any more.
    Ended,
}

/// A span of the SDK, and attributes that it gets when it ends.
///
/// The SDK keeps each value that is set, also one that replaces another, and drops the newest beyond a limit. So it gets
/// the first few at once, and of further ones the last value of each key.
#[derive(Debug)]
pub(super) struct SdkRecording {
    span: SdkSpan,
    /// The number of attributes set since its start.
    passed_on: u32,
    /// Those after that, each key once, in the order of the first values.
    late: Vec<KeyValue>,
    /// The position of each key in `late`.
    places: HashMap<Key, usize>,
}

impl SdkRecording {
    /// A span that has been started.
    pub(super) fn new(span: SdkSpan) -> Self {
        Self { span, passed_on: 0, late: Vec::new(), places: HashMap::new() }
    }

    /// Sets an attribute, in place of an earlier one of its key.
    fn set_attribute(&mut self, attribute: KeyValue) {
        if self.passed_on < PASSED_ON_AT_ONCE {
            self.passed_on += 1;
            return self.span.set_attribute(attribute);
        }
        match self.places.get(&attribute.key) {
            Some(place) => self.late[*place] = attribute,
            None => {
                self.places.insert(attribute.key.clone(), self.late.len());
                self.late.push(attribute);
            }
        }
    }

    /// Ends the span, for which the processors are called.
    fn end(&mut self, status: Status, end: SystemTime) {
        self.late.drain(..).for_each(|attribute| self.span.set_attribute(attribute));
        if status != Status::Unset {
            self.span.set_status(status);
        }
        self.span.end_with_timestamp(end);
    }
}

/// A span of which attributes, events and links are encoded when they are recorded.
#[derive(Debug)]
pub(super) struct EncodedSpan {
    /// Queue, scope and limits.
    pub(super) source: Arc<DirectSource>,
    /// Zero for a root.
    pub(super) parent: SpanId,
    pub(super) parent_is_remote: bool,
    /// That of the callsite, unless it was changed.
    pub(super) name: Cow<'static, str>,
    pub(super) kind: SpanKind,
    /// Encoded, each key once.
    pub(super) attributes: AttributeBuffer,
    /// Most spans have none.
    pub(super) items: Option<Box<RecordedItems>>,
}

/// The events and links of a span.
#[derive(Debug, Default)]
pub(super) struct RecordedItems {
    events: EncodedItems,
    links: EncodedItems,
}

/// Encoded events or links.
#[derive(Debug, Default)]
struct EncodedItems {
    /// Fields of the message `Span`, with their tags.
    bytes: Vec<u8>,
    /// Items in `bytes`.
    count: u32,
    /// Items beyond the limit.
    dropped: u32,
}

impl RecordedItems {
    /// Returns the items as the encoder takes them.
    fn encoded(&self) -> SpanItems<'_> {
        SpanItems {
            events: &self.events.bytes,
            dropped_events: self.events.dropped,
            links: &self.links.bytes,
            dropped_links: self.links.dropped,
        }
    }
}

impl EncodedItems {
    /// `limit` is the number of items; further ones are counted as dropped.
    fn push(&mut self, limit: u32, encode: impl FnOnce(&mut Vec<u8>)) {
        if self.count >= limit {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.count += 1;
        encode(&mut self.bytes);
    }
}

impl EncodedSpan {
    /// Encodes an event, with the limits of its attributes.
    fn add_event(&mut self, event: &Event) {
        let limits = &self.source.limits;
        self.items
            .get_or_insert_default()
            .events
            .push(limits.events, |out| SpanFields::event(out, event, limits));
    }

    /// Encodes a link. One that has neither a valid context nor attributes is left out.
    fn add_link(&mut self, link: &Link) {
        let limits = &self.source.limits;
        if !encode::is_empty_link(link) {
            self.items
                .get_or_insert_default()
                .links
                .push(limits.links, |out| SpanFields::link(out, link, limits));
        }
    }

    /// Encodes the span behind its attributes and pushes it into the queue, which copies it. The span ends with that.
    ///
    /// A span that is recorded but not sampled, as a sampler may decide, is not exported.
    #[inline]
    fn export(&mut self, context: &SpanContext, start: SystemTime, end: SystemTime, status: &Status) {
        if let Some(counts) = &self.source.counts {
            counts.end(context.is_sampled());
        }
        if !context.is_sampled() {
            return;
        }
        if let Some(open) = &self.source.open {
            open.fetch_sub(1, Ordering::Relaxed);
        }
        let Some(queue) = &self.source.queue else { return };
        let span = RecordedSpan {
            context,
            parent: self.parent,
            parent_is_remote: self.parent_is_remote,
            name: &self.name,
            kind: &self.kind,
            start,
            end,
            dropped_attributes: self.attributes.dropped(),
            items: self.items.as_deref().map(RecordedItems::encoded),
            status,
        };
        let out = self.attributes.bytes_mut();
        span.encode(out);
        queue.push(&self.source.scope, out);
    }
}

impl BridgeSpan {
    /// A span that is encoded as it is recorded.
    pub(super) fn encoded(
        source: &Arc<DirectSource>,
        context: SpanContext,
        parent: &SpanContext,
        (name, kind): (Cow<'static, str>, SpanKind),
        attributes: AttributeBuffer,
        start: StartTime,
    ) -> Self {
        if let Some(open) = source.open.as_ref().filter(|_| context.is_sampled()) {
            open.fetch_add(1, Ordering::Relaxed);
        }
        let span = EncodedSpan {
            source: Arc::clone(source),
            parent: if parent.is_valid() { parent.span_id() } else { SpanId::INVALID },
            parent_is_remote: parent.is_valid() && parent.is_remote(),
            name,
            kind,
            attributes,
            items: None,
        };
        Self { context, recording: Recording::Encoded(span), status: SpanStatus::default(), start }
    }
}

impl<S: BorrowMut<SdkRecording>> BridgeSpan<S> {
    /// A span of the SDK that has been started.
    pub(super) fn sdk(span: S, context: SpanContext, status: SpanStatus, start: StartTime) -> Self {
        Self { context, recording: Recording::Sdk(span), status, start }
    }

    /// Ends the span, once: later calls find it ended. An end before the start becomes the start.
    #[inline]
    fn end_at(&mut self, end: SystemTime) {
        let (status, error_type) = self.status.finish();
        if let Some(error_type) = error_type {
            self.set_plain_attribute(error_type);
        }
        let end = end.max(self.start.time);
        match &mut self.recording {
            Recording::Encoded(span) => span.export(&self.context, self.start.time, end, &status),
            Recording::Sdk(span) => {
                // The span's lock is held: what span processors log must not need it.
                let _inside = ReentrancyGuard::enter();
                catch_panic(|| span.borrow_mut().end(status, end));
            }
            Recording::Ended => {}
        }
        self.recording = Recording::Ended;
    }

    /// Sets an attribute that has no meaning for the status.
    fn set_plain_attribute(&mut self, attribute: KeyValue) {
        match &mut self.recording {
            Recording::Encoded(span) => {
                span.attributes.set_key_value(&attribute, span.source.limits.attributes)
            }
            Recording::Sdk(sdk) => sdk.borrow_mut().set_attribute(attribute),
            Recording::Ended => {}
        }
    }
}

impl<S: BorrowMut<SdkRecording>> Span for BridgeSpan<S> {
    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        match &mut self.recording {
            Recording::Encoded(span) => span.add_event(&Event::new(name, timestamp, attributes, 0)),
            Recording::Sdk(sdk) => {
                sdk.borrow_mut().span.add_event_with_timestamp(name, timestamp, attributes)
            }
            Recording::Ended => {}
        }
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        match &self.recording {
            Recording::Encoded(_) => true,
            Recording::Sdk(sdk) => sdk.borrow().span.is_recording(),
            Recording::Ended => false,
        }
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        let attribute = match attribute.key.as_str() == ERROR_TYPE {
            true => self.status.take_error_type(attribute),
            false => Some(attribute),
        };
        if let Some(attribute) = attribute {
            self.set_plain_attribute(attribute);
        }
    }

    fn set_status(&mut self, status: Status) {
        self.status.set(status);
    }

    fn update_name<T>(&mut self, name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        match &mut self.recording {
            Recording::Encoded(span) => span.name = name.into(),
            Recording::Sdk(sdk) => sdk.borrow_mut().span.update_name(name),
            Recording::Ended => {}
        }
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        match &mut self.recording {
            Recording::Encoded(span) => span.add_link(&Link::new(span_context, attributes, 0)),
            Recording::Sdk(sdk) => sdk.borrow_mut().span.add_link(span_context, attributes),
            Recording::Ended => {}
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.end_at(timestamp);
    }
}

impl<S: BorrowMut<SdkRecording>> Drop for BridgeSpan<S> {
    fn drop(&mut self) {
        if !matches!(self.recording, Recording::Ended) {
            self.end_at(self.start.end());
        }
    }
}

/// Attributes that a span of the SDK gets when they are set. Hardly any span gets more after its start.
const PASSED_ON_AT_ONCE: u32 = 64;
