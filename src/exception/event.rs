//! Selection of the exception among the errors of an event.

use std::error::Error;
use std::fmt;

use tracing_core::Event;
use tracing_core::field::{Field, Visit};

use crate::semconv::{EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE};

/// The exception of an event, which is the same for line, record and span.
///
/// It is the error value of the field `error`, or else the first error value. Errors in redacted fields do not count.
/// Fields `exception.*` of the event itself take the place of what the error says, each for itself. The order of the
/// fields does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EventException {
    /// Index and name of the field with the exception.
    error: Option<(usize, &'static str)>,
    /// The [`KEYS`] that the event has itself.
    own: [bool; KEYS.len()],
}

impl EventException {
    /// Looks at all fields of the event, and formats none. `is_redacted` is given the name of a field.
    pub(crate) fn find(event: &Event<'_>, is_redacted: &dyn Fn(&str) -> bool) -> Self {
        let mut search = Search { is_redacted, found: Self::default() };
        event.record(&mut search);
        search.found
    }

    /// Returns `true` if the error in the field `name` takes the place of the one in the field `earlier`. Of fields
    /// with one name the last wins.
    pub(crate) fn counts(name: &str, earlier: Option<&str>) -> bool {
        earlier.is_none_or(|earlier| name == ERROR_FIELD || name == earlier)
    }

    /// Returns `true` if the event has an exception.
    pub(crate) fn is_some(&self) -> bool {
        self.error.is_some()
    }

    /// Returns `true` for the field that holds the exception, by its place in the callsite.
    pub(crate) fn is_at(&self, field_index: usize) -> bool {
        self.error.is_some_and(|(index, _)| index == field_index)
    }

    /// Returns `true` if the event has a field `exception.*` of this name itself.
    pub(crate) fn has_own(&self, key: &str) -> bool {
        KEYS.iter().zip(self.own).any(|(known, is_own)| is_own && *known == key)
    }
}

/// A visitor that notes where errors are, and formats nothing.
struct Search<'a> {
    /// Returns `true` for the names of fields that are redacted.
    is_redacted: &'a dyn Fn(&str) -> bool,
    /// The result so far.
    found: EventException,
}

impl Visit for Search<'_> {
    fn record_error(&mut self, field: &Field, _: &(dyn Error + 'static)) {
        let name = field.name();
        let earlier = self.found.error.map(|(_, earlier)| earlier);
        if EventException::counts(name, earlier) && !(self.is_redacted)(name) {
            self.found.error = Some((field.index(), name));
        }
    }

    fn record_debug(&mut self, field: &Field, _: &dyn fmt::Debug) {
        if let Some(place) = KEYS.iter().position(|key| *key == field.name()) {
            self.found.own[place] = true;
        }
    }
}

/// The field that errors are usually in.
pub(crate) const ERROR_FIELD: &str = "error";

/// Attributes of an exception, which an event can have itself.
const KEYS: [&str; 3] = [EXCEPTION_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE];
