//! The text of an error value, which is user code, formatted once for all outputs of an event.
//!
//! One event shows an error in its line, in its record and on its span, and `record_error` looks at it first. Within
//! [`once_per_event`] the first of them formats it, and the others find the text by the error's address: `Display` and
//! `Debug` of the user run once each.
//!
//! Texts are bounded: `Debug` at 64 KiB, message and causes together at 1 MiB.
//!
//! # One event
//!
//! ```text
//! once_per_event ─┬─ line:   describe(&error) ─▶ formats, stores (address, text)
//!                 ├─ record: describe(&error) ─▶ finds the address
//!                 ├─ span:   describe(&error) ─▶ finds the address
//!                 └─ end: texts of this event are removed, their memory stays with the thread
//! ```
//!
//! An address identifies an error only while it is borrowed. That is why the texts go with the event, and why nothing
//! is stored outside of [`once_per_event`].

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt::{self, Write as _};
use std::rc::Rc;

use super::{TypeName, causes, kind_from};
use crate::user_code::bounded_text::{MAX_ERROR_TEXT, append_caught};

/// The text of an error value: its `Display` and `Debug` forms, and the `Display` forms of its causes.
#[derive(Debug, Default)]
pub(crate) struct ErrorText {
    /// Empty if the name of the type is unknown.
    type_name: String,
    /// The output of `Display`, or code and message of a gRPC status.
    pub(crate) message: String,
    /// The output of `Display`, if `message` is something else.
    pub(crate) display: Option<String>,
    /// The `Display` form of each source, nearest first.
    pub(crate) causes: Vec<String>,
    /// The beginning of the `Debug` form, for the type's name and a backtrace.
    debug: String,
}

impl ErrorText {
    /// Formats an error, in the memory of an earlier one.
    fn format(&mut self, error: &(dyn Error + 'static)) {
        // An implementation that panics must not take the event with it.
        self.debug.clear();
        if !append_caught(&mut self.debug, MAX_DEBUG, |text| write!(text, "{error:?}")) {
            self.debug.clear();
        }
        self.type_name.clear();
        TypeName::parse(error, &self.debug, &mut self.type_name);
        // The error and its causes share the limit.
        let mut left = MAX_ERROR_TEXT;
        display(&mut self.message, error, left);
        self.display = status_text(error).map(|text| std::mem::replace(&mut self.message, text));
        left = left.saturating_sub(self.message.len());
        self.causes.clear();
        for cause in causes(error) {
            let mut text = String::new();
            display(&mut text, cause, left);
            let text = status_text(cause).unwrap_or(text);
            left = left.saturating_sub(text.len());
            self.causes.push(text);
        }
    }

    /// `exception.type`.
    pub(crate) fn type_name(&self) -> Option<&str> {
        (!self.type_name.is_empty()).then_some(&*self.type_name)
    }

    /// `error.type`, for the error that was described.
    pub(crate) fn kind(&self, error: &(dyn Error + 'static)) -> Cow<'static, str> {
        kind_from(error, self.type_name())
    }

    /// The error's text, then that of each of its causes, and the backtrace. `None` if there is neither cause nor
    /// backtrace.
    pub(crate) fn stacktrace(&self) -> Option<String> {
        let mut text = String::new();
        let _ = self.has_stacktrace().then(|| self.write_stacktrace(&mut text))?;
        Some(text)
    }

    /// Returns `true` if there is a cause or a backtrace.
    pub(crate) fn has_stacktrace(&self) -> bool {
        !self.causes.is_empty() || self.backtrace().is_some()
    }

    /// Writes what [`stacktrace`](Self::stacktrace) returns.
    pub(crate) fn write_stacktrace(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.write_chain(out)?;
        self.backtrace().map_or(Ok(()), |backtrace| write!(out, "\n{backtrace}"))
    }

    /// The backtrace that the `Debug` form of a dynamic error ends with.
    fn backtrace(&self) -> Option<&str> {
        self.debug.find("Stack backtrace:\n").map(|start| self.debug[start..].trim_end())
    }

    /// Writes the error and its causes, one a line, as a stack trace begins in most languages.
    pub(crate) fn write_chain(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if let Some(name) = self.type_name() {
            write!(out, "{name}: ")?;
        }
        out.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(out, "\nCaused by: {cause}"))
    }
}

/// Returns the text of an error. Within [`once_per_event`] it is formatted by the first call.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> Rc<ErrorText> {
    let key: *const (dyn Error + 'static) = error;
    // Compared with its type: errors without content share an address.
    #[expect(ambiguous_wide_pointer_comparisons, reason = "a false negative costs one more formatting")]
    let known =
        |texts: &Texts| texts.iter().find(|(known, _)| *known == key).map(|(_, text)| Rc::clone(text));
    let known = TEXTS.try_with(|texts| known(&texts.current.borrow())).ok().flatten();
    known.unwrap_or_else(|| {
        let mut text = unused_text();
        if let Some(text) = Rc::get_mut(&mut text) {
            text.format(error);
        }
        keep_for_reuse(&text);
        if EVENTS.with(|events| events.depth.get()) > 0 {
            keep_for_event(key, &text);
        }
        text
    })
}

/// Runs `f`, in which each error value is formatted once. The values must live as long as `f` runs.
pub(crate) fn once_per_event<T>(f: impl FnOnce() -> T) -> T {
    let _inside = Inside::enter();
    f()
}

/// Runs `emit`, which emits an event about `error`, with the error's text. The event uses the same text.
pub(crate) fn with_text(error: &(dyn Error + 'static), emit: impl FnOnce(&ErrorText)) {
    once_per_event(|| emit(&describe(error)));
}

/// Held while an event is written. Events inside of it, such as what an error logs when it is formatted, share its
/// texts.
struct Inside {
    /// The number of texts before it.
    begun: usize,
}

impl Inside {
    /// Notes how many texts there are, so those of this event can be removed at its end.
    #[inline]
    fn enter() -> Self {
        EVENTS.with(|events| {
            events.depth.update(|depth| depth + 1);
            Self { begun: events.texts.get() }
        })
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        EVENTS.with(|events| {
            events.depth.update(|depth| depth - 1);
            if events.texts.replace(self.begun) > self.begun {
                remove_texts(self.begun);
            }
        });
    }
}

/// Keeps a text until the event ends that is being written.
fn keep_for_event(error: *const (dyn Error + 'static), text: &Rc<ErrorText>) {
    let _ = TEXTS.try_with(|texts| {
        let mut current = texts.current.borrow_mut();
        current.push((error, Rc::clone(text)));
        EVENTS.with(|events| events.texts.set(current.len()));
    });
}

/// Removes all texts but the first ones.
#[cold]
fn remove_texts(kept: usize) {
    let _ = TEXTS.try_with(|texts| texts.current.borrow_mut().truncate(kept));
}

/// A text that nothing refers to any more, or a new one.
fn unused_text() -> Rc<ErrorText> {
    let unused = |texts: &mut Vec<Rc<ErrorText>>| {
        let place = texts.iter().position(|text| Rc::strong_count(text) == 1)?;
        Some(texts.swap_remove(place))
    };
    TEXTS.try_with(|texts| unused(&mut texts.unused.borrow_mut())).ok().flatten().unwrap_or_default()
}

/// Keeps the memory of a text for a later error, unless it is unusually large.
fn keep_for_reuse(text: &Rc<ErrorText>) {
    let _ = TEXTS.try_with(|texts| {
        let texts = &mut *texts.unused.borrow_mut();
        if texts.len() < MAX_KEPT
            && text.debug.capacity() <= MAX_DEBUG
            && text.message.capacity() <= MAX_DEBUG
        {
            texts.push(Rc::clone(text));
        }
    });
}

/// Code and message of a gRPC status, whose `Display` shows its metadata as well.
#[cfg(feature = "grpc")]
fn status_text(error: &(dyn Error + 'static)) -> Option<String> {
    let status = error.downcast_ref::<tonic::Status>()?;
    let code = crate::semconv::GrpcCode::from_tonic(status.code()).name();
    Some(match status.message() {
        "" => code.to_owned(),
        message => format!("{code}: {}", crate::user_code::bounded_text::beginning(message, MAX_ERROR_TEXT)),
    })
}

/// Returns `None`: without the feature no error is a gRPC status.
#[cfg(not(feature = "grpc"))]
fn status_text(_: &(dyn Error + 'static)) -> Option<String> {
    None
}

/// Replaces `out` by the error's message, or by [`PANICKED`](crate::user_code::bounded_text::PANICKED).
fn display(out: &mut String, error: &(dyn Error + 'static), limit: usize) {
    out.clear();
    append_caught(out, limit, |text| write!(text, "{error}"));
}

/// Texts with the errors that they are of. The pointers are compared, never followed.
type Texts = Vec<(*const (dyn Error + 'static), Rc<ErrorText>)>;

/// The texts of a thread.
struct ThreadTexts {
    /// The texts of the events that are being written.
    current: RefCell<Texts>,
    /// Texts whose memory can be used again. Those that are in use are referred to elsewhere as well.
    unused: RefCell<Vec<Rc<ErrorText>>>,
}

/// The events that a thread is writing.
struct Events {
    /// The number of nested ones.
    depth: Cell<u32>,
    /// The number of their texts in [`ThreadTexts::current`]. Nearly all events have none.
    texts: Cell<usize>,
}

thread_local! {
    /// Has no destructor, so that it costs no check.
    static EVENTS: Events = const { Events { depth: Cell::new(0), texts: Cell::new(0) } };
    /// The texts of a thread. They have a destructor: on an exiting thread, errors are formatted each time.
    static TEXTS: ThreadTexts = const {
        ThreadTexts {
            current: RefCell::new(Vec::new()),
            unused: RefCell::new(Vec::new()),
        }
    };
}

/// The part of a `Debug` form, in bytes, that is searched for a backtrace.
const MAX_DEBUG: usize = 64 * 1024;
/// Texts of a thread whose memory is kept.
const MAX_KEPT: usize = 4;
