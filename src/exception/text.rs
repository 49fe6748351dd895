//! The text of an error value, which is user code, formatted once for all outputs of an event.

use std::borrow::Cow;
use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::{PANICKED, Prefix, TypeName, causes, kind_from};

/// What an error value says about itself: its `Display` and `Debug` forms, and the `Display` forms of its causes.
#[derive(Debug)]
pub(crate) struct ErrorText {
    /// `exception.type`.
    pub(crate) type_name: Option<String>,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    /// The backtrace that the `Debug` form shows.
    backtrace: Option<String>,
    /// `error.type`.
    pub(crate) kind: Cow<'static, str>,
}

impl ErrorText {
    fn new(error: &(dyn Error + 'static)) -> Self {
        // An implementation that panics must not take the event with it.
        let debug = formatted(|text| write!(text, "{error:?}"), Some(MAX_DEBUG));
        let type_name = debug.as_deref().and_then(|debug| TypeName::parse(error, debug));
        Self {
            message: text(error),
            causes: causes(error).map(text).collect(),
            backtrace: debug.as_deref().and_then(backtrace),
            kind: kind_from(error, type_name.as_deref()),
            type_name,
        }
    }

    /// The error's text, then that of each of its causes, and the backtrace. `None` if there is neither cause nor
    /// backtrace.
    pub(crate) fn stacktrace(&self) -> Option<String> {
        if self.causes.is_empty() && self.backtrace.is_none() {
            return None;
        }
        let mut text = String::new();
        let _ = self.write_chain(&mut text);
        if let Some(backtrace) = &self.backtrace {
            text.push('\n');
            text.push_str(backtrace);
        }
        Some(text)
    }

    /// Writes the error and its causes, one a line, as a stack trace begins in most languages.
    pub(crate) fn write_chain(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if let Some(name) = &self.type_name {
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
    let known = TEXTS.try_with(|texts| texts.borrow().as_ref().and_then(known)).ok().flatten();
    known.unwrap_or_else(|| {
        let text = Rc::new(ErrorText::new(error));
        let _ = TEXTS.try_with(|texts| {
            if let Some(texts) = &mut *texts.borrow_mut() {
                texts.push((key, Rc::clone(&text)));
            }
        });
        text
    })
}

/// Runs `f`, in which each error value is formatted once. The values must live as long as `f` runs.
pub(crate) fn once_per_event<T>(f: impl FnOnce() -> T) -> T {
    let texts = PREPARED.try_with(RefCell::take).unwrap_or_default();
    let outer = TEXTS.try_with(|current| current.replace(Some(texts))).ok();
    let result = f();
    if let Some(outer) = outer {
        let _ = TEXTS.try_with(|current| current.replace(outer));
    }
    result
}

/// Runs `emit`, which emits an event about `error`, with the error's text. The event uses the same text.
pub(crate) fn with_text(error: &(dyn Error + 'static), emit: impl FnOnce(&ErrorText)) {
    let text = describe(error);
    let _ = PREPARED.try_with(|prepared| prepared.replace(vec![(error, Rc::clone(&text))]));
    emit(&text);
    let _ = PREPARED.try_with(RefCell::take);
}

fn text(error: &(dyn Error + 'static)) -> String {
    formatted(|text| write!(text, "{error}"), None).unwrap_or_else(|| PANICKED.to_owned())
}

/// `None` if formatting panics.
fn formatted(write: impl FnOnce(&mut Prefix) -> fmt::Result, limit: Option<usize>) -> Option<String> {
    let mut prefix = Prefix { text: String::new(), limit: limit.unwrap_or(usize::MAX) };
    // Ends with an error when it is full. What a failing implementation has written until then is better than nothing.
    catch_unwind(AssertUnwindSafe(|| _ = write(&mut prefix))).ok()?;
    Some(prefix.text)
}

fn backtrace(debug: &str) -> Option<String> {
    let start = debug.find("Stack backtrace:\n")?;
    Some(debug[start..].trim_end().to_owned())
}

type Texts = Vec<(*const (dyn Error + 'static), Rc<ErrorText>)>;

thread_local! {
    /// Of the event that is being written. The pointers are compared, never followed.
    static TEXTS: RefCell<Option<Texts>> = const { RefCell::new(None) };
    /// For the next event.
    static PREPARED: RefCell<Texts> = const { RefCell::new(Vec::new()) };
}

/// As much of a `Debug` form as is searched for a backtrace.
const MAX_DEBUG: usize = 64 * 1024;
