//! The panic hook, which records a panic as an ERROR event with location, thread and backtrace.
//!
//! If the event can go through `tracing`, it becomes a line and an OTLP record with the current ids, and is recorded
//! on the current span (see [`errors`](crate::subscriber::errors)). If this thread is inside this crate's own code,
//! perhaps with a lock held, or is the I/O thread, the panic only becomes a line and bypasses `tracing`. The hook
//! takes no lock of this crate that could be held around user code.
//!
//! **Lines are then flushed**, and so is telemetry if the process may end here:
//!
//! - The panic aborts. With unwinding panics, this is a panic that leaves a destructor during another one, or a
//!   function that cannot unwind. The standard library reports it with one more panic, which is recognised by its
//!   message.
//! - The program has set a hook before, which may exit the process, or panic, which aborts it. Such a flush takes at
//!   most half a second and runs at most every ten seconds, so a server that catches panics keeps going.
//!
//! **A hook that was set before** is called last. The standard library's own hook is not called if log lines go to
//! standard error or standard output: its message would repeat the line, and break JSON on standard error.
//!
//! | where the panic happens | reported through |
//! |---|---|
//! | anywhere in the program | `tracing`: line, record, error on the span |
//! | the same, with layers, log processors or a redaction rule of the user | `tracing`, on another thread: their code may need a lock that this one holds, or panic. If that thread does not end in time, the line writer |
//! | inside this crate's code that handles an event or a span | the line writer |
//! | on the I/O thread, or a thread of the exporter | the line writer |
//! | on a thread without a subscriber | the line writer |
//! | in this hook | nothing: the second panic is not reported |
//!
//! The hook is never removed, because removing it would also drop hooks that were set later. Its handles to the line
//! writer and the flusher do not keep anything running that is shut down with the guard.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{Location, PanicHookInfo};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use tracing_core::dispatcher::{self, Dispatch};
use tracing_core::subscriber::NoSubscriber;

use crate::diagnostics::{Diagnostics, Field, FieldValue};
use crate::export::own_threads::ThreadFlag;
use crate::export::own_threads::{on_background_thread, on_io_thread};
use crate::semconv::PANIC_TARGET;
use crate::subscriber::reentrancy::ReentrancyGuard;
use crate::subscriber::{PanicReport, note_again};
use crate::trace_ids::with_current;
use crate::user_code::bounded_text::{MAX_TEXT, beginning};

/// The actions of the hook besides reporting the panic.
pub(crate) struct PanicHook {
    /// Events pass code of the user: layers, log processors, or a rule of redaction.
    pub(crate) has_user_code: bool,
    /// Writes the line if `tracing` cannot be used.
    pub(crate) diagnostics: Diagnostics,
    /// Decides whether the previous hook is called.
    pub(crate) previous: PreviousHook,
    /// Flushes the line writer, with a time limit.
    pub(crate) flush_lines: Box<dyn Fn() + Send + Sync>,
    /// Delivers telemetry within a limit. Called only if the process may end, and not on this crate's threads.
    pub(crate) flush_telemetry: Box<dyn Fn(Duration) + Send + Sync>,
    /// The time limit of the delivery before the process aborts.
    pub(crate) abort_timeout: Duration,
}

/// Condition for calling the previous hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreviousHook {
    /// Always call it.
    Call,
    /// Call it unless it is the standard library's hook.
    CallUnlessDefault,
}

/// Makes `hook` the process's panic hook.
///
/// The previous hook is compared with the standard library's by address: taking the hook a second time returns the
/// default one.
pub(crate) fn install(hook: PanicHook) {
    let previous = std::panic::take_hook();
    // If no hook is set, this is the standard library's.
    let default = std::panic::take_hook();
    let is_default = std::ptr::eq(&raw const *previous, &raw const *default);
    let calls_previous = hook.previous == PreviousHook::Call || !is_default;
    let last_flush = Mutex::new(None);
    std::panic::set_hook(Box::new(move |info| {
        // The hook itself panicked on this thread. That panic is not reported.
        if ThreadFlag::PanicHook.replace(true) {
            return;
        }
        Arc::new(Panic::new(info)).report(&hook);
        (hook.flush_lines)();
        if (cfg!(panic = "abort") || aborts(info)) && !on_io_thread() {
            (hook.flush_telemetry)(hook.abort_timeout);
        } else if !is_default && is_code_of_the_program() && is_due(&last_flush) {
            (hook.flush_telemetry)(hook.abort_timeout.min(MAX_FLUSH));
        }
        if calls_previous {
            previous(info);
            (hook.flush_lines)();
        }
        ThreadFlag::PanicHook.replace(false);
    }));
}

/// Returns `false` on this crate's threads and inside its code, where a flush could wait for the current thread.
fn is_code_of_the_program() -> bool {
    !on_io_thread() && !on_background_thread() && !ReentrancyGuard::is_held()
}

/// Returns `true` if no flush is running and the last one was long enough ago.
fn is_due(last: &Mutex<Option<Instant>>) -> bool {
    let Ok(mut last) = last.try_lock() else { return false };
    let is_due = last.is_none_or(|last| last.elapsed() >= FLUSH_INTERVAL);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
}

/// Returns `true` for a panic of the standard library that aborts the process.
fn aborts(info: &PanicHookInfo<'_>) -> bool {
    let is_of_core =
        info.location().is_some_and(|place| place.file().replace('\\', "/").ends_with(PANICKING));
    let message = info.payload().downcast_ref::<&str>();
    is_of_core && message.is_some_and(|message| ABORTING.contains(message))
}

/// The description of a panic in the event and the line.
struct Panic {
    /// The message of the payload, truncated if it is huge; `Box<dyn Any>` if it is not a string, as in the standard
    /// library's report.
    message: String,
    /// `file:line:column`, or empty.
    location: String,
    /// The path of the source file.
    file: Option<String>,
    /// The line in it.
    line: Option<u32>,
    /// The name of the thread, or `unnamed`.
    thread: String,
    /// `None` unless the environment enables backtraces.
    backtrace: Option<String>,
}

impl Panic {
    /// Reads the panic. The backtrace is captured if `RUST_LIB_BACKTRACE`, or else `RUST_BACKTRACE`, enables it.
    fn new(info: &PanicHookInfo<'_>) -> Self {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let backtrace = Backtrace::capture();
        Self {
            message: beginning(text.unwrap_or("Box<dyn Any>"), MAX_TEXT).to_owned(),
            location: info.location().map(ToString::to_string).unwrap_or_default(),
            file: info.location().map(|location| location.file().to_owned()),
            line: info.location().map(Location::line),
            thread: std::thread::current().name().unwrap_or("unnamed").to_owned(),
            backtrace: (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string()),
        }
    }

    /// Reports the panic through `tracing`, or as a line if `tracing` cannot be used.
    fn report(self: Arc<Self>, hook: &PanicHook) {
        if ReentrancyGuard::is_held() || on_io_thread() || !is_recorded() {
            self.write(&hook.diagnostics);
        } else if hook.has_user_code {
            self.emit_elsewhere(&hook.diagnostics);
        } else {
            self.emit();
        }
    }

    /// Emits the event on another thread, in the span and the context of this one, and waits for that for a moment.
    /// Code of the user may need a lock that this thread holds; and a panic of it here, inside of the hook, would abort
    /// the process. If there is no such thread, or code of the user holds it up or panics there, the panic becomes a
    /// line only.
    fn emit_elsewhere(self: Arc<Self>, diagnostics: &Diagnostics) {
        let report = PanicReport::default();
        let (sender, receiver) = sync_channel(1);
        let work = {
            let (panic, report) = (Arc::clone(&self), report.clone());
            let dispatch = dispatcher::get_default(Dispatch::clone);
            let span = dispatch.current_span().id().cloned();
            let context = with_current(Context::clone);
            move || {
                // A panic here is not reported.
                ThreadFlag::PanicHook.replace(true);
                let emit = || {
                    span.iter().for_each(|id| dispatch.enter(id));
                    let attached = context.map(Context::attach);
                    panic.emit();
                    drop(attached);
                    span.iter().for_each(|id| dispatch.exit(id));
                };
                let noted = report.emit(|| dispatcher::with_default(&dispatch, emit));
                let _ = sender.send(noted);
            }
        };
        let is_spawned = std::thread::Builder::new().name(REPORTER.to_owned()).spawn(work).is_ok();
        match is_spawned.then(|| receiver.recv_timeout(MAX_WAIT).ok()).flatten() {
            Some(noted) => noted.into_iter().for_each(note_again),
            None if report.claim() => self.write(diagnostics),
            None => {}
        }
    }

    /// Emits the event, with the attribute names of the semantic conventions for exceptions.
    fn emit(&self) {
        tracing::error!(
            target: PANIC_TARGET,
            location = self.location,
            code.file.path = self.file,
            code.line.number = self.line,
            thread.name = self.thread,
            error.type = ERROR_TYPE_PANIC,
            exception.type = ERROR_TYPE_PANIC,
            exception.message = self.message,
            exception.stacktrace = self.backtrace,
            "thread '{}' panicked: {}",
            self.thread,
            self.message,
        );
    }

    /// Writes the line without `tracing`, so that no lock of a span or of the user's layers is taken.
    fn write(&self, diagnostics: &Diagnostics) {
        let message = format!("thread '{}' panicked: {}", self.thread, self.message);
        let mut fields: Vec<Field<'_>> = vec![
            ("location", FieldValue::Text(&self.location)),
            ("thread.name", FieldValue::Text(&self.thread)),
            ("error.type", FieldValue::Text(&ERROR_TYPE_PANIC)),
            ("exception.type", FieldValue::Text(&ERROR_TYPE_PANIC)),
            ("exception.message", FieldValue::Text(&self.message)),
        ];
        if let Some(backtrace) = &self.backtrace {
            fields.push(("exception.stacktrace", FieldValue::Text(backtrace)));
        }
        diagnostics.error(&message, &fields);
    }
}

/// Returns `false` if an event would reach no subscriber, which happens in a layer of the user that is handling an
/// event while any thread has its own dispatcher.
fn is_recorded() -> bool {
    dispatcher::get_default(|current| !current.is::<NoSubscriber>())
}

/// The name of the thread that emits the event where code of the user takes part.
const REPORTER: &str = "telemetry-panic";
/// The longest wait for it.
const MAX_WAIT: Duration = Duration::from_millis(500);
/// The time limit of a flush before a hook of the program.
const MAX_FLUSH: Duration = Duration::from_millis(500);
/// The minimum time between two such flushes.
const FLUSH_INTERVAL: Duration = Duration::from_secs(10);

/// The source file of the standard library that raises the panics that abort.
const PANICKING: &str = "library/core/src/panicking.rs";
/// The messages of these panics.
const ABORTING: [&str; 2] =
    ["panic in a destructor during cleanup", "panic in a function that cannot unwind"];
/// The value of `error.type` and `exception.type`.
const ERROR_TYPE_PANIC: &str = "panic";

#[cfg(test)]
mod tests;
