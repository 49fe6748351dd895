//! Errors, told once: [`record_error`], and what can be learnt from an error value.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write};
use std::io;

use crate::semconv::OTHER;
use crate::subscriber::errors;

/// Records an error on the current span, and logs it.
///
/// The current span (of `tracing`, of the OpenTelemetry API, or of a gRPC call) gets the status Error with the error's
/// text as description, the attribute `error.type`, and one `exception` event. A status or description that was set
/// before is kept. One event of level ERROR with the field `error` goes to the log outputs, with the target
/// `record_error`; there the cause chain is written as well.
///
/// An error that was already recorded on the way here, in this span or below it, is not recorded as an exception a
/// second time: see [the rule](crate#errors). `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN=logs` leaves the exception to the
/// log record alone.
///
/// Without an installed telemetry only the current span of OpenTelemetry is changed.
///
/// ```
/// if let Err(error) = "seven".parse::<u8>() {
///     telemetry_bootstrap::record_error(&error);
/// }
/// ```
pub fn record_error(error: &(dyn Error + 'static)) {
    errors::explicitly(error, || {
        tracing::error!(target: TARGET, error, "{error}");
    });
}

/// A name for the kind of an error, of low cardinality: what its `Debug` form begins with, where that is the name of a
/// type or a variant; of [`io::Error`] the kind. Wrappers that have no name of their own are looked through.
pub(crate) fn error_type(error: &(dyn Error + 'static)) -> Cow<'static, str> {
    chain(error).find_map(own_type).map_or(Cow::Borrowed(OTHER), Cow::Owned)
}

/// The error's text, then that of each of its causes; and the backtrace, where the error's `Debug` form shows one.
pub(crate) fn stacktrace(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for (depth, cause) in chain(error).enumerate() {
        let separator = if depth == 0 { "" } else { "\nCaused by: " };
        let _ = write!(text, "{separator}{cause}");
    }
    if let Some(backtrace) = backtrace(error) {
        text.push('\n');
        text.push_str(&backtrace);
    }
    text
}

/// The error and its causes.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(MAX_CHAIN)
}

fn own_type(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // An error that `io::Error` only carries has a better name.
        let carried = error.get_ref().and_then(|inner| own_type(inner));
        return carried.or_else(|| Some(format!("{:?}", error.kind())));
    }
    type_in_debug(&Prefix::of(&format_args!("{error:?}"), MAX_NAME + 1))
}

/// `Name`, `Name(…)` or `Name { … }`, as derived; not the free text that some errors show instead.
fn type_in_debug(debug: &str) -> Option<String> {
    let end = debug.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(debug.len());
    let (name, rest) = debug.split_at(end);
    let derived = rest.is_empty() || rest.starts_with('(') || rest.starts_with(" {");
    let is_name = name.starts_with(char::is_uppercase) && name.len() <= MAX_NAME && name != "Error";
    (derived && is_name).then(|| name.to_owned())
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
/// Longest name of a type that is taken for one.
const MAX_NAME: usize = 64;
/// As much of a `Debug` form as is searched for a backtrace.
const MAX_DEBUG: usize = 64 * 1024;
/// A chain that is longer is taken for a cycle.
const MAX_CHAIN: usize = 32;

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
        assert_eq!(error_type(&tonic::Status::internal("boom")), "Status");
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
        assert_eq!(stacktrace(&error), "payment failed: card refused\nCaused by: card refused");
        assert_eq!(stacktrace(&Dynamic("cannot load", None)), "cannot load\nStack backtrace:\n   0: main");
    }
}
