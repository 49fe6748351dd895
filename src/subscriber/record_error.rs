//! Recording an error exactly once: [`record_error`].

use std::error::Error;
use std::panic::Location;

use crate::exception;
use crate::semconv::RECORDED_ERROR_TARGET;
use crate::subscriber::errors;

/// Records an error on the current span, and logs it.
///
/// The current span (of `tracing`, of the OpenTelemetry API, or of a call) gets the status Error with the error's
/// text as description, the attribute `error.type`, and one `exception` event. A status or description that was set
/// before is kept. One event of level ERROR with the field `error` goes to the log outputs, with the target
/// `record_error`; there the cause chain is written as well, and the place of this call (`code.file.path`,
/// `code.line.number`).
///
/// An error that was already recorded on the way here, on this `tracing` span or on one below it, is not recorded as
/// an exception a second time. It is recognised by its text, or by that of one of its causes; a text that ends with
/// `: ` and the recorded one is treated as the same. `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN=logs` leaves the exception
/// to the log record alone.
///
/// If telemetry is not installed, only the current OpenTelemetry span is changed. In a span processor that is called
/// for the end of a span, the error is logged alone.
///
/// ```
/// if let Err(error) = "seven".parse::<u8>() {
///     telemetry_bootstrap::record_error(&error);
/// }
/// ```
///
/// For `anyhow::Error`, pass `error.as_ref()`.
///
/// ```
/// # fn load() -> anyhow::Result<()> { Err(anyhow::anyhow!("no catalogue")) }
/// if let Err(error) = load() {
///     telemetry_bootstrap::record_error(error.as_ref());
/// }
/// ```
#[track_caller]
pub fn record_error(error: &(dyn Error + 'static)) {
    let place = Location::caller();
    exception::with_text(error, |text| {
        errors::explicitly(error, || {
            tracing::error!(
                target: RECORDED_ERROR_TARGET,
                error,
                code.file.path = place.file(),
                code.line.number = place.line(),
                "{}",
                text.message
            );
        });
    });
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Hostile;

    impl fmt::Display for Hostile {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("on purpose")
        }
    }

    impl Error for Hostile {}

    #[test]
    fn error_whose_display_panics_does_not_panic_the_caller() {
        record_error(&Hostile);
    }
}
