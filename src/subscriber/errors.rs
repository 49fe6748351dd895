//! The effect of errors on spans.
//!
//! **Which events are errors**: those of level ERROR, and those with a field `error` alone, which is what
//! `#[instrument(err)]` emits at any level.
//!
//! **Which span**: the `tracing` span that the event belongs to, or its nearest ancestor that became an OpenTelemetry
//! span; if the event has no explicit parent, only if that span is also the current OpenTelemetry span. An ERROR
//! event inside a handler does not mark the call itself, whose status follows from its status code.
//! [`record_error()`](crate::subscriber::record_error()) is explicit and marks the current span.
//!
//! **What is set**: status Error with the event's message, or else the error's text, as description; `error.type`. A
//! user's own status, description or `error.type` stays; of several errors the first wins.
//!
//! **Exceptions**: an error (a field that holds an error value, the field `error`, or fields `exception.*`) is
//! recorded as one `exception` span event, unless it is known. An error is treated as already recorded if its
//! message, or that of one of its causes, was recorded on this span or a descendant. A message that ends with `: `
//! and the recorded message also matches, because wrappers have that form. Every span remembers the last
//! [`REMEMBERED`](recorded::REMEMBERED) such texts. So an error that passes through five functions is one exception,
//! on the span where it arose; the spans above it get status and type alone.
//!
//! **Of several errors** in one event that of the field `error` counts, or else the first one; `exception.*` of the event
//! itself wins. Line and record say the same ([`EventException`]).
//!
//! **Redacted fields** are skipped: an error in one sets the status without its text, and records no exception.
//!
//! # Steps
//!
//! ```text
//! on_event ─▶ Mark::new ─▶ fields() visited by the shared visit ─▶ set() ─▶ complete() ─▶ is_known() ─▶ mark()
//!             │ no span: None      (EventError collects)              │ merges error, text, exception.*
//!             └ which span                                            └ remembers the text on all spans around
//! panic    ─▶ note_panic (in the hook, no lock) ─▶ span exited ─▶ mark_panicked
//! ```
//!
//! Nothing of the event is kept: an [`EventError`] holds texts, because the error value is gone when the event ends.

mod panics;
mod recorded;

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{SpanRef as OtelSpanRef, Status, TraceContextExt};
use opentelemetry::{Context as OtelContext, KeyValue};
use tracing_core::{Event, Level, Metadata};

pub(crate) use self::panics::{NotedPanic, PanicReport, note_again};
pub(super) use self::panics::{claims_report, has_noted_panic, mark_panicked, note_panic};
use self::recorded::ErrorFingerprint;
pub(crate) use self::recorded::RecordedErrors;
use super::reentrancy::ReentrancyGuard;
use super::spans::{SpanBridge, SpanState, as_inferred};
use crate::exception::{ERROR_FIELD, ErrorText, EventException, describe};
use crate::export::own_threads::ThreadFlag;
use crate::lines::event_field::{EventField, FieldOutput, FieldValue, MESSAGE};
use crate::lines::redaction::Redaction;
use crate::semconv::{
    ERROR_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE, OTHER, PANIC_TARGET,
};
use crate::settings::ExceptionSignal;
use crate::settings::secrets::REDACTED;
use crate::trace_ids::with_current;
use crate::user_code::bounded_text::{MAX_TEXT, beginning};

/// Options for recording errors on spans.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// The destination of exceptions: span events, log records or both. Default: span events.
    pub(crate) exceptions: ExceptionSignal,
    /// Fields that are redacted in lines and records are redacted on spans as well.
    pub(crate) redaction: Redaction,
}

/// Returns `true` if events of this callsite are errors.
pub(super) fn is_error(metadata: &Metadata<'_>) -> bool {
    *metadata.level() == Level::ERROR || is_returned_error(metadata)
}

/// The form of the events of `#[instrument(err)]`.
/// Such an event has no message and no other field.
fn is_returned_error(metadata: &Metadata<'_>) -> bool {
    metadata.fields().len() == 1 && metadata.fields().field(ERROR_FIELD).is_some()
}

/// Effect of an error event on its span.
pub(super) struct Mark {
    /// The `tracing` span of the event.
    state: Option<Arc<SpanState>>,
    /// The span that is marked; `None` for the current one of OpenTelemetry.
    span: Option<OtelContext>,
    /// `record_error` emitted the event.
    explicit: bool,
    /// The destination of exceptions, see [`Marks`].
    exceptions: ExceptionSignal,
    /// The meaning of the event's fields.
    failure: EventError,
}

impl Mark {
    /// Returns `None` if the event changes no span.
    pub(super) fn new(event: &Event<'_>, bridge: &SpanBridge, how: &Marks) -> Option<Self> {
        let explicit = is_explicit();
        let state = bridge.span_of_event(event);
        if state.as_ref().is_some_and(|state| state.belongs_to_parent_process()) {
            // Its lock may never be released in this process.
            if explicit {
                ThreadFlag::UnmarkedError.replace(false);
            }
            return None;
        }
        let is_panic = event.metadata().target() == PANIC_TARGET;
        // The status of a call follows from its status code.
        let marked = state.as_ref().filter(|state| explicit || is_panic || !state.stands_for_call());
        let span = marked.and_then(|state| span_of(event, state, bridge));
        let failure = EventError { redaction: how.redaction.clone(), ..EventError::default() };
        (span.is_some() || explicit).then_some(Self {
            state,
            span,
            explicit,
            exceptions: how.exceptions,
            failure,
        })
    }

    /// The output for the event's fields.
    pub(super) fn fields(&mut self) -> &mut dyn FieldOutput {
        &mut self.failure
    }

    /// Marks the span.
    pub(super) fn set(self, time: SystemTime) {
        let Self { state, span, explicit, exceptions, mut failure } = self;
        failure.complete();
        let known = state.is_some_and(|state| failure.is_known(&state));
        match span {
            Some(context) => failure.mark(&context.span(), time, exceptions, known),
            None => mark_current(&failure, time, exceptions, known),
        }
        if explicit {
            ThreadFlag::UnmarkedError.replace(false);
        }
    }
}

/// Returns `true` while the event of an explicitly recorded error is being emitted and its span is not marked.
pub(super) fn is_explicit() -> bool {
    ThreadFlag::UnmarkedError.is_set()
}

/// Runs `emit`, which emits the event of an explicitly recorded error; where no layer of ours has marked the current
/// span on the way, marks it here.
pub(crate) fn explicitly(error: &(dyn Error + 'static), emit: impl FnOnce()) {
    let is_unmarked = {
        let _emitting = ThreadFlag::UnmarkedError.set();
        emit();
        is_explicit()
    };
    // Inside telemetry's own code the current span may be locked by this thread.
    if is_unmarked && !ReentrancyGuard::is_held() {
        let failure =
            EventError { error: Some(Exception::new(error, &describe(error))), ..EventError::default() };
        mark_current(&failure, SystemTime::now(), ExceptionSignal::SpanEvent, false);
    }
}

/// Marks the current span of OpenTelemetry, unless a span processor runs on this thread: that may be the span that is
/// ending, and locked.
fn mark_current(failure: &EventError, time: SystemTime, exceptions: ExceptionSignal, known: bool) {
    if !ThreadFlag::SpanProcessor.is_set() {
        with_current(|context| failure.mark(&context.span(), time, exceptions, known));
    }
}

/// The OpenTelemetry span that an event's error concerns.
/// `None` if no span around the event is recorded, or if a contextual event happens while another span is the current
/// one.
fn span_of(event: &Event<'_>, state: &Arc<SpanState>, bridge: &SpanBridge) -> Option<OtelContext> {
    let nearest = bridge.recording(state)?;
    let is_current = || {
        let id = nearest.span().span_context().span_id();
        with_current(|current| current.span().span_context().span_id() == id).unwrap_or(false)
    };
    (!event.is_contextual() || is_current()).then_some(nearest)
}

/// The error that an event describes.
#[derive(Debug, Default)]
struct EventError {
    /// The text of the event, bounded like every text.
    message: Option<String>,
    /// `error.type`, set by the user.
    kind: Option<String>,
    /// The exception: while fields are visited, that of the error value alone; after `complete`, with all parts.
    error: Option<Exception>,
    /// The name of the field that `error` comes from.
    field: &'static str,
    /// The field `error`, if it is a text.
    text: Option<String>,
    /// `exception.*`, set by the user.
    own: OwnException,
    /// Decides about `exception.*`; other fields come redacted.
    redaction: Redaction,
}

/// The fields `exception.*` of the event itself. They take precedence over the parts of the error value.
#[derive(Debug, Default)]
struct OwnException {
    /// `exception.type`.
    type_name: Option<String>,
    /// `exception.message`.
    message: Option<String>,
    /// `exception.stacktrace`.
    stacktrace: Option<String>,
}

impl OwnException {
    /// Returns `true` if the event has at least one of the three: then it has an exception even without an error value.
    fn is_some(&self) -> bool {
        self.type_name.is_some() || self.message.is_some() || self.stacktrace.is_some()
    }
}

/// An exception as it is recorded, from an error value, a text, or fields of the event.
#[derive(Debug, Default)]
struct Exception {
    /// `exception.type`.
    type_name: Option<String>,
    /// `error.type`.
    kind: Option<Cow<'static, str>>,
    /// The error's text, then those of its causes and other forms: what it is recognised by.
    texts: Vec<String>,
    /// The form that `#[instrument(err)]` records, if it is not the first text.
    display: Option<String>,
    /// `exception.stacktrace`: the chain of causes, and a backtrace.
    stacktrace: Option<String>,
}

impl Exception {
    /// Reads an error value, whose text is formatted once for all outputs.
    fn new(error: &(dyn Error + 'static), text: &ErrorText) -> Self {
        let mut texts = vec![text.message.clone()];
        texts.extend_from_slice(&text.causes);
        texts.extend(text.display.clone());
        Self {
            type_name: text.type_name().map(str::to_owned),
            kind: Some(text.kind(error)),
            texts,
            display: text.display.clone(),
            stacktrace: text.stacktrace(),
        }
    }

    /// Takes the text of an error that is none of Rust's type.
    /// It has neither type nor causes, and its kind is `_OTHER` unless the event has `error.type`.
    fn from_text(text: String) -> Self {
        Self { texts: vec![text], ..Self::default() }
    }

    /// Puts what the user has set instead of what the error says.
    fn replace(&mut self, own: OwnException) {
        if let Some(message) = own.message {
            self.display = self.display.take().or_else(|| self.texts.first().cloned());
            self.texts.insert(0, message);
        }
        self.type_name = own.type_name.or(self.type_name.take());
        self.stacktrace = own.stacktrace.or(self.stacktrace.take());
    }

    /// Returns the error's own text, or the user's for it.
    fn message(&self) -> &str {
        self.texts.first().map_or("", String::as_str)
    }

    /// Returns the attributes of the `exception` event.
    fn attributes(&self, redaction: &Redaction) -> Vec<KeyValue> {
        let attribute = |key, value: &str| {
            KeyValue::new(
                key,
                if redaction.is_redacted(key) { REDACTED.to_owned() } else { value.to_owned() },
            )
        };
        let message = Some((EXCEPTION_MESSAGE, self.message()));
        let type_name = self.type_name.as_deref().map(|name| (EXCEPTION_TYPE, name));
        let stacktrace = self.stacktrace.as_deref().map(|trace| (EXCEPTION_STACKTRACE, trace));
        let all = [message, type_name, stacktrace].into_iter().flatten();
        all.map(|(key, value)| attribute(key, value)).collect()
    }
}

impl EventError {
    /// Makes one exception of what the fields say, once all of them were visited.
    fn complete(&mut self) {
        let text = self.text.take().map(Exception::from_text);
        let own = std::mem::take(&mut self.own);
        self.error = self.error.take().or(text).or_else(|| own.is_some().then(Exception::default));
        if let Some(error) = &mut self.error {
            error.replace(own);
        }
    }

    /// Returns whether the error was recorded before. If not, the spans around it remember it now.
    fn is_known(&self, state: &Arc<SpanState>) -> bool {
        let Some(error) = &self.error else { return false };
        let known = state.lock_errors().knows(&error.texts);
        let forms = [Some(error.message()), error.display.as_deref()];
        for text in forms.into_iter().flatten().map(ErrorFingerprint::new) {
            state.scope().for_each(|state| state.lock_errors().add(&text));
        }
        known
    }

    /// Sets status and type, and adds the exception unless it is known. Does nothing to a span that is not recorded.
    fn mark(&self, span: &OtelSpanRef<'_>, time: SystemTime, signal: ExceptionSignal, known: bool) {
        if !span.is_recording() {
            return;
        }
        as_inferred(|| {
            span.set_status(Status::error(self.description()));
            span.set_attribute(KeyValue::new(ERROR_TYPE, self.kind()));
        });
        if !known && signal != ExceptionSignal::Logs {
            self.add_exception(span, time);
        }
    }

    /// Adds the span event `exception`.
    fn add_exception(&self, span: &OtelSpanRef<'_>, time: SystemTime) {
        if let Some(error) = &self.error {
            span.add_event_with_timestamp("exception", time, error.attributes(&self.redaction));
        }
    }

    /// Returns the description of the status: the event's message, or else the error's text unless that is redacted.
    fn description(&self) -> String {
        let error = || {
            let error = self.error.as_ref().filter(|_| !self.redaction.is_redacted(EXCEPTION_MESSAGE))?;
            Some(error.message().to_owned())
        };
        self.message.clone().or_else(error).unwrap_or_default()
    }

    /// Returns `error.type`: the user's, or else what the error value reveals.
    fn kind(&self) -> Cow<'static, str> {
        let own = self.kind.clone().map(Cow::Owned);
        own.or_else(|| self.error.as_ref()?.kind.clone()).unwrap_or(Cow::Borrowed(OTHER))
    }
}

impl FieldOutput for EventError {
    fn value(&mut self, field: &EventField, value: &FieldValue<'_>) {
        if field.is_redacted {
            return;
        }
        let text = || beginning(&value.text(), MAX_TEXT).to_owned();
        match field.name {
            MESSAGE => self.message = Some(text()),
            ERROR_FIELD => self.text = Some(text()),
            ERROR_TYPE => self.kind = Some(text()),
            EXCEPTION_MESSAGE => self.own.message = Some(text()),
            EXCEPTION_TYPE => self.own.type_name = Some(text()),
            EXCEPTION_STACKTRACE => self.own.stacktrace = Some(text()),
            _ => {}
        }
    }

    fn error(&mut self, field: &EventField, error: &(dyn Error + 'static), text: &ErrorText) {
        let earlier = self.error.as_ref().map(|_| self.field);
        if EventException::counts(field.name, earlier) {
            self.error = Some(Exception::new(error, text));
            self.field = field.name;
        }
    }
}

#[cfg(test)]
mod tests;
