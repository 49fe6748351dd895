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
//! The API has one method for both, so [`as_inferred`] sets a thread-local flag that identifies calls made by this
//! crate.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry::trace::Status;

use crate::export::own_threads::ThreadFlag;

/// The status while the span is recorded.
///
/// Success is final. Of several errors the first one with a description counts. An inferred status and its `error.type`
/// count only where the user has set none. Most spans have no status, which takes one word.
#[derive(Debug, Default)]
pub(super) struct SpanStatus(Option<Box<Statuses>>);

/// The status set by the user, and the one set by this crate.
#[derive(Debug, Default)]
struct Statuses {
    /// The status set by the program; never replaced by an inferred one.
    own: Status,
    /// The user has set `error.type`.
    has_own_type: bool,
    // What errors that were logged or returned say about the span:
    inferred: Option<Cow<'static, str>>,
    inferred_type: Option<KeyValue>,
}

impl SpanStatus {
    /// Sets a status; it counts by the rules above.
    pub(super) fn set(&mut self, status: Status) {
        if status == Status::Unset {
            return;
        }
        let statuses = self.statuses();
        match status {
            Status::Error { description } if is_inferred() => {
                statuses.inferred.get_or_insert(description);
            }
            status if outranks(&status, &statuses.own) => statuses.own = status,
            _ => {}
        }
    }

    /// Notes that the user has set `error.type`.
    pub(super) fn set_own_type(&mut self) {
        self.statuses().has_own_type = true;
    }

    /// Takes an `error.type`. Returns it if it is the user's, which is an attribute like any other.
    pub(super) fn take_error_type(&mut self, error_type: KeyValue) -> Option<KeyValue> {
        if is_inferred() {
            self.statuses().inferred_type.get_or_insert(error_type);
            return None;
        }
        self.set_own_type();
        Some(error_type)
    }

    /// The status that the span ends with, and the `error.type` that belongs to it.
    pub(super) fn finish(&mut self) -> (Status, Option<KeyValue>) {
        let Some(statuses) = self.0.take() else { return (Status::Unset, None) };
        let Statuses { own, has_own_type, inferred, inferred_type } = *statuses;
        let status = match (own, inferred) {
            (Status::Error { description }, Some(better)) if description.is_empty() => Status::error(better),
            (Status::Unset, Some(description)) => Status::error(description),
            (own, _) => own,
        };
        // A success has no type of error, whatever was logged on the way.
        let is_error = matches!(status, Status::Error { .. });
        (status, inferred_type.filter(|_| is_error && !has_own_type))
    }

    fn statuses(&mut self) -> &mut Statuses {
        self.0.get_or_insert_default()
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
    let _inferred = ThreadFlag::InferredStatus.set();
    set();
}

fn is_inferred() -> bool {
    ThreadFlag::InferredStatus.is_set()
}
