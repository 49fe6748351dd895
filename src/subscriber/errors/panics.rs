//! Panics in spans.
//!
//! A panic is an event as well, but marks its span later: the panic hook may run while this thread holds the lock of
//! the span. The hook notes the panic ([`note_panic`]); when the unwinding exits the span, it is marked
//! ([`mark_panicked`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use opentelemetry::Context as OtelContext;
use opentelemetry::trace::{SpanId, TraceContextExt as _};
use tracing_core::Event;

use super::{EventError, Mark, Marks};
use crate::lines::field_visit::SharedVisit;
use crate::settings::ExceptionSignal;
use crate::subscriber::spans::SpanBridge;
use crate::subscriber::thread_state::with_thread;

/// A panic in this span.
#[derive(Debug)]
pub(crate) struct NotedPanic {
    /// The OpenTelemetry span that the panic is recorded on.
    span: SpanId,
    /// The options at the time of the panic.
    exceptions: ExceptionSignal,
    /// The completed contents of the event of the hook.
    failure: EventError,
}

/// A panic whose event is emitted on another thread. It is reported once: by our layer, or else past `tracing`.
#[derive(Clone, Debug, Default)]
pub(crate) struct PanicReport(Arc<AtomicBool>);

impl PanicReport {
    /// Returns `true` for the first caller, which then reports the panic.
    pub(crate) fn claim(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Runs `emit`, which emits the event on this thread, and returns the panic that was noted, for
    /// [`note_again`].
    pub(crate) fn emit(self, emit: impl FnOnce()) -> Option<NotedPanic> {
        with_thread(|thread| thread.report.replace(Some(self)));
        emit();
        with_thread(|thread| {
            thread.report.take();
            thread.panic.take()
        })
        .flatten()
    }
}

/// Notes a panic on the thread that panicked.
pub(crate) fn note_again(noted: NotedPanic) {
    with_thread(|thread| thread.panic.replace(Some(noted)));
}

/// Returns `false` if the panic whose event this thread emits was reported meanwhile.
pub(in crate::subscriber) fn claims_report() -> bool {
    with_thread(|thread| thread.report.borrow().as_ref().is_none_or(PanicReport::claim)).unwrap_or(true)
}

/// Notes a panic in the span that `event` belongs to, for [`mark_panicked`]: the panic hook must not wait for the span's
/// lock, which this thread may hold.
/// A thread notes one panic: a second one before the first span is exited replaces it.
pub(in crate::subscriber) fn note_panic(event: &Event<'_>, bridge: &SpanBridge, how: &Marks) {
    let Some(Mark { span: Some(span), exceptions, mut failure, .. }) = Mark::new(event, bridge, how) else {
        return;
    };
    SharedVisit::new([Some(&mut failure), None, None], &how.redaction).visit_without_line(event, false);
    failure.complete();
    let span = span.span().span_context().span_id();
    with_thread(|thread| thread.panic.replace(Some(NotedPanic { span, exceptions, failure })));
}

/// Returns `true` if this thread has noted a panic and no exit of a span has taken it. Called at each exit of a span.
#[inline]
pub(in crate::subscriber) fn has_noted_panic() -> bool {
    with_thread(|thread| thread.panic.borrow().is_some()).unwrap_or(false)
}

/// Marks a span that is exited, if it panicked. That of a call gets the exception only, because the call sets its status.
/// `is_call` is called only if it did.
pub(in crate::subscriber) fn mark_panicked(context: &OtelContext, is_call: impl FnOnce() -> bool) {
    let span = context.span();
    let is_span = |noted: &mut NotedPanic| noted.span == span.span_context().span_id();
    let noted = with_thread(|thread| thread.panic.borrow_mut().take_if(is_span)).flatten();
    if let Some(NotedPanic { exceptions, failure, .. }) = noted {
        match is_call() {
            true if exceptions == ExceptionSignal::Logs => {}
            true => failure.add_exception(&span, SystemTime::now()),
            false => failure.mark(&span, SystemTime::now(), exceptions, false),
        }
    }
}
