//! The status of a span: the user's own wins over one that this crate infers from errors.
//!
//! | set by the user | inferred | the span ends with |
//! |---|---|---|
//! | nothing | nothing | Unset |
//! | nothing | error `a`, then `b` | Error `a` |
//! | Ok | any | Ok |
//! | Error without description | error `a` | Error `a` |
//! | Error `x`, then `y` | any | Error `x` |
//! | Error, then Ok | any | Ok |
//!
//! The API has one method for both. [`as_inferred`] sets a flag of the thread, by which calls of this crate are known.

use std::borrow::Cow;
use std::cell::Cell;

use opentelemetry::KeyValue;
use opentelemetry::trace::Status;

/// The status while the span is recorded.
///
/// Success is final. Of several errors the first one with a description counts. An inferred status and its `error.type`
/// count only where the user has set none.
#[derive(Debug, Default)]
pub(super) struct SpanStatus {
    own: Status,
    /// The user has set `error.type`.
    has_own_type: bool,
    inferred: Option<Box<Inferred>>,
}

/// What errors that were logged or returned say about the span.
#[derive(Debug, Default)]
struct Inferred {
    description: Option<Cow<'static, str>>,
    error_type: Option<KeyValue>,
}

impl SpanStatus {
    /// Sets a status; it counts by the rules above.
    pub(super) fn set(&mut self, status: Status) {
        match status {
            Status::Unset => {}
            Status::Error { description } if INFERRED.get() => {
                self.inferred.get_or_insert_default().description.get_or_insert(description);
            }
            status if outranks(&status, &self.own) => self.own = status,
            _ => {}
        }
    }

    /// Notes that the user has set `error.type`.
    pub(super) fn set_own_type(&mut self) {
        self.has_own_type = true;
    }

    /// Takes an `error.type`. Returns it if it is the user's, which is an attribute like any other.
    pub(super) fn take_error_type(&mut self, error_type: KeyValue) -> Option<KeyValue> {
        if INFERRED.get() {
            self.inferred.get_or_insert_default().error_type.get_or_insert(error_type);
            return None;
        }
        self.has_own_type = true;
        Some(error_type)
    }

    /// The status that the span ends with, and the `error.type` that belongs to it.
    pub(super) fn finish(&mut self) -> (Status, Option<KeyValue>) {
        let Some(inferred) = self.inferred.take() else { return (std::mem::take(&mut self.own), None) };
        let inferred = *inferred;
        let status = match (std::mem::take(&mut self.own), inferred.description) {
            (Status::Error { description }, Some(better)) if description.is_empty() => Status::error(better),
            (Status::Unset, Some(description)) => Status::error(description),
            (own, _) => own,
        };
        // A success has no type of error, whatever was logged on the way.
        let is_error = matches!(status, Status::Error { .. });
        let error_type = inferred.error_type.filter(|_| is_error && !self.has_own_type);
        (status, error_type)
    }
}

/// Returns `true` if a status of the user replaces an earlier one.
fn outranks(new: &Status, old: &Status) -> bool {
    match old {
        Status::Ok => false,
        Status::Unset => true,
        Status::Error { description } => *new == Status::Ok || description.is_empty(),
    }
}

/// Runs `set`, in which statuses and `error.type` are inferred by this crate.
pub(crate) fn as_inferred(set: impl FnOnce()) {
    let before = INFERRED.replace(true);
    set();
    INFERRED.set(before);
}

thread_local! {
    static INFERRED: Cell<bool> = const { Cell::new(false) };
}
