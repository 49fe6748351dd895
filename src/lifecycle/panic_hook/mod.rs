//! The panic hook: a panic is an ERROR event like any other, with place, thread and backtrace.
//!
//! Where the event goes through `tracing`, it becomes a line and an OTLP record with the current ids, and marks the
//! current span (see [`errors`](crate::subscriber::errors)). Where this thread is inside our own code, perhaps with a
//! lock held, or is the I/O thread, the panic becomes a line only, past `tracing`. The hook takes no lock of ours that
//! could be held around code of the user.
//!
//! **The hook that was there before** writes text for people to stderr, by default. Between JSON lines that text would
//! be a broken line, so it is called only where lines of ours do not go to stderr as JSON. A hook that is to run
//! in any case is set after telemetry, and calls the one that it finds.
//!
//! **Then lines are flushed**, and, where a panic aborts the process, telemetry as well: nothing will run after that.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::Cell;
use std::panic::{Location, PanicHookInfo};

use crate::diagnostics::{Diagnostics, Field, FieldValue};
use crate::export::own_threads::on_io_thread;
use crate::semconv::PANIC_TARGET;
use crate::subscriber::reentrancy::ReentrancyGuard;

/// What the hook does beside telling the panic.
pub(crate) struct PanicHook {
    /// Writes the line where `tracing` cannot be asked.
    pub(crate) diagnostics: Diagnostics,
    pub(crate) previous: PreviousHook,
    /// Flushes the line writer, within a bound.
    pub(crate) flush_lines: Box<dyn Fn() + Send + Sync>,
    /// Delivers telemetry, within a bound. Called only where panics abort, and not on the I/O thread.
    pub(crate) flush_telemetry: Box<dyn Fn() + Send + Sync>,
}

/// What becomes of the hook that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreviousHook {
    /// Called after the event.
    Call,
    /// Forgotten.
    Replace,
}

/// Makes `hook` the process's panic hook.
pub(crate) fn install(hook: PanicHook) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // A panic of what is called below, on this thread: there is nothing left to try.
        if TELLING.replace(true) {
            return;
        }
        Panic::of(info).tell(&hook.diagnostics);
        if hook.previous == PreviousHook::Call {
            previous(info);
        }
        (hook.flush_lines)();
        if cfg!(panic = "abort") && !on_io_thread() {
            (hook.flush_telemetry)();
        }
        TELLING.set(false);
    }));
}

struct Panic {
    message: String,
    location: String,
    file: Option<String>,
    line: Option<u32>,
    thread: String,
    backtrace: Option<String>,
}

impl Panic {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let backtrace = Backtrace::capture();
        Self {
            message: text.unwrap_or("a value that is not a text").to_owned(),
            location: info.location().map(ToString::to_string).unwrap_or_default(),
            file: info.location().map(|location| location.file().to_owned()),
            line: info.location().map(Location::line),
            thread: std::thread::current().name().unwrap_or("unnamed").to_owned(),
            backtrace: (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string()),
        }
    }

    fn tell(&self, diagnostics: &Diagnostics) {
        if ReentrancyGuard::is_held() || on_io_thread() {
            self.write(diagnostics);
        } else {
            self.emit();
        }
    }

    fn emit(&self) {
        tracing::error!(
            target: PANIC_TARGET,
            location = self.location,
            code.file.path = self.file,
            code.line.number = self.line,
            thread.name = self.thread,
            error.type = KIND,
            exception.type = KIND,
            exception.message = self.message,
            exception.stacktrace = self.backtrace,
            "thread '{}' panicked: {}",
            self.thread,
            self.message,
        );
    }

    fn write(&self, diagnostics: &Diagnostics) {
        let message = format!("thread '{}' panicked: {}", self.thread, self.message);
        let mut fields: Vec<Field<'_>> = vec![
            ("location", FieldValue::Text(&self.location)),
            ("thread.name", FieldValue::Text(&self.thread)),
        ];
        if let Some(backtrace) = &self.backtrace {
            fields.push(("exception.stacktrace", FieldValue::Text(backtrace)));
        }
        diagnostics.error(&message, &fields);
    }
}

thread_local! {
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

const KIND: &str = "panic";

#[cfg(test)]
mod tests;
