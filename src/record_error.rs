//! Errors, told once: [`record_error`], and what can be learnt from an error value.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::panic::Location;

use crate::json::exception::{TypeName, causes, write_chain};
use crate::semconv::OTHER;
use crate::subscriber::errors;

/// Records an error on the current span, and logs it.
///
/// The current span (of `tracing`, of the OpenTelemetry API, or of a gRPC call) gets the status Error with the error's
/// text as description, the attribute `error.type`, and one `exception` event. A status or description that was set
/// before is kept. One event of level ERROR with the field `error` goes to the log outputs, with the target
/// `record_error`; there the cause chain is written as well, and the place of this call (`code.file.path`,
/// `code.line.number`).
///
/// An error that was already recorded on the way here, on this `tracing` span or on one below it, is not recorded as
/// an exception a second time. It is recognised by its text, or by that of one of its causes; a text that ends with
/// `: ` and the recorded one counts as the same. `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN=logs` leaves the exception to
/// the log record alone.
///
/// Where telemetry is not installed, only the current span of OpenTelemetry is changed.
///
/// ```
/// if let Err(error) = "seven".parse::<u8>() {
///     telemetry_bootstrap::record_error(&error);
/// }
/// ```
#[track_caller]
pub fn record_error(error: &(dyn Error + 'static)) {
    let place = Location::caller();
    errors::explicitly(error, || {
        tracing::error!(
            target: TARGET,
            error,
            code.file.path = place.file(),
            code.line.number = place.line(),
            "{error}"
        );
    });
}

/// A name for the kind of an error, of low cardinality: of a gRPC status its code, of [`io::Error`] its kind, of others
/// the name of their type or variant, as far as `Debug` tells it. Wrappers without a name of their own are looked
/// through.
pub(crate) fn error_type(error: &(dyn Error + 'static)) -> Cow<'static, str> {
    let mut chain = std::iter::once(error).chain(causes(error));
    chain.find_map(own_type).map_or(Cow::Borrowed(OTHER), Cow::Owned)
}

/// The error's text, then that of each of its causes; and the backtrace, where the error's `Debug` form shows one.
/// `None` where there is neither cause nor backtrace.
pub(crate) fn stacktrace(error: &(dyn Error + 'static)) -> Option<String> {
    let backtrace = backtrace(error);
    if error.source().is_none() && backtrace.is_none() {
        return None;
    }
    let mut text = String::new();
    let _ = write_chain(&mut text, error);
    if let Some(backtrace) = backtrace {
        text.push('\n');
        text.push_str(&backtrace);
    }
    Some(text)
}

fn own_type(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // An error that `io::Error` only carries has a better name.
        let carried = error.get_ref().and_then(|inner| own_type(inner));
        return carried.or_else(|| Some(format!("{:?}", error.kind())));
    }
    if let Some(status) = error.downcast_ref::<tonic::Status>() {
        return Some(code_name(status.code()));
    }
    // `Error` says nothing, and is what dynamic errors call their wrappers.
    TypeName::of(error).map(|name| name.as_str().to_owned()).filter(|name| name != "Error")
}

/// The code as `rpc.status_code` has it: `DEADLINE_EXCEEDED`.
fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

fn backtrace(error: &(dyn Error + 'static)) -> Option<String> {
    let debug = Prefix::of(&format_args!("{error:?}"), MAX_DEBUG);
    let start = debug.find("Stack backtrace:\n")?;
    Some(debug[start..].trim_end().to_owned())
}

/// The beginning of a text; formatting ends where there is enough of it.
struct Prefix {
    text: String,
    limit: usize,
}

impl Prefix {
    fn of(value: &fmt::Arguments<'_>, limit: usize) -> String {
        let mut prefix = Self { text: String::new(), limit };
        // Ends with an error when full.
        let _ = prefix.write_fmt(*value);
        prefix.text
    }
}

impl Write for Prefix {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.limit - self.text.len();
        if text.len() <= room {
            self.text.push_str(text);
            return Ok(());
        }
        let cut = (0..=room).rev().find(|&cut| text.is_char_boundary(cut)).unwrap_or(0);
        self.text.push_str(&text[..cut]);
        Err(fmt::Error)
    }
}

/// Of the events that tell of recorded errors.
pub(crate) const TARGET: &str = "record_error";
/// As much of a `Debug` form as is searched for a backtrace.
const MAX_DEBUG: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum OrderError {
        #[error("out of stock")]
        OutOfStock { item: u32 },
        #[error("payment failed: {0}")]
        Payment(#[source] io::Error),
        #[error(transparent)]
        Other(#[from] Box<dyn Error + Send + Sync>),
    }

    /// Shows its text as `Debug`, and a generic name, as the popular dynamic error does.
    struct Dynamic(&'static str, Option<io::Error>);

    impl fmt::Debug for Dynamic {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}\n\nStack backtrace:\n   0: main\n", self.0)
        }
    }

    impl fmt::Display for Dynamic {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Dynamic {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_ref().map(|error| error as _)
        }
    }

    #[test]
    fn the_type_is_the_name_that_debug_begins_with() {
        assert_eq!(error_type(&OrderError::OutOfStock { item: 7 }), "OutOfStock");
        assert_eq!(error_type(&OrderError::Payment(io::ErrorKind::TimedOut.into())), "Payment");
        assert_eq!(error_type(&"x".parse::<u8>().unwrap_err()), "ParseIntError");
        assert_eq!(error_type(&fmt::Error), OTHER);
        assert_eq!(error_type(&tonic::Status::internal("boom")), "INTERNAL");
        assert_eq!(error_type(&tonic::Status::deadline_exceeded("late")), "DEADLINE_EXCEEDED");
    }

    #[test]
    fn the_type_of_an_io_error_is_its_kind() {
        assert_eq!(error_type(&io::Error::from(io::ErrorKind::NotFound)), "NotFound");
        assert_eq!(error_type(&io::Error::from_raw_os_error(111)), "ConnectionRefused");
        assert_eq!(error_type(&io::Error::other("plain")), "Other");
        assert_eq!(error_type(&io::Error::other(OrderError::OutOfStock { item: 7 })), "OutOfStock");
    }

    #[test]
    fn wrappers_without_a_name_are_looked_through() {
        let wrapped = Dynamic("Cannot load", Some(io::ErrorKind::NotFound.into()));
        assert_eq!(error_type(&wrapped), "NotFound");
        assert_eq!(error_type(&Dynamic("Cannot load", None)), OTHER);
        let text: Box<dyn Error + Send + Sync> = "plain".into();
        assert_eq!(error_type(&*text), OTHER);
        assert_eq!(error_type(&OrderError::from(text)), "Other");
    }

    #[test]
    fn the_stack_trace_is_the_chain_of_causes_and_the_backtrace_that_the_error_shows() {
        let error = OrderError::Payment(io::Error::other("card refused"));
        let trace = |error: &(dyn Error + 'static)| stacktrace(error).unwrap_or_default();
        assert_eq!(trace(&error), "Payment: payment failed: card refused\nCaused by: card refused");
        assert_eq!(trace(&Dynamic("cannot load", None)), "cannot load\nStack backtrace:\n   0: main");
        assert_eq!(stacktrace(&OrderError::OutOfStock { item: 7 }), None);
    }
}
