//! The errors of services and bodies, whose type is only known to be `'static`.
//!
//! `tower` services have an error type without bounds. Where it is one of the well-known ones, its causes and its type are
//! recorded; otherwise only the name of the type is known.

use std::any::Any;
#[cfg(feature = "http")]
use std::borrow::Cow;
use std::error::Error;

use crate::exception;

/// Downcasts to the error types that services of this ecosystem have, because `E: Error` is not known here.
pub(super) fn as_error(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
    /// Returns the error if it is of type `T`.
    fn is<T: Error + 'static>(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
        error.downcast_ref::<T>().map(|error| error as _)
    }
    let found = error
        .downcast_ref::<Box<dyn Error + Send + Sync>>()
        .map(|error| &**error as _)
        .or_else(|| is::<std::io::Error>(error))
        .or_else(|| is::<hyper::Error>(error))
        .or_else(|| is::<hyper_util::client::legacy::Error>(error));
    #[cfg(feature = "reqwest")]
    let found =
        found.or_else(|| is::<reqwest::Error>(error)).or_else(|| is::<super::http::RequestError>(error));
    #[cfg(feature = "axum")]
    let found = found.or_else(|| is::<axum::Error>(error));
    #[cfg(feature = "grpc")]
    let found = found
        .or_else(|| is::<tower::load_shed::error::Overloaded>(error))
        .or_else(|| is::<tonic::Status>(error))
        .or_else(|| is::<tonic::transport::Error>(error))
        .or_else(|| is::<h2::Error>(error));
    found
}

/// Returns the value of `error.type` and the message of an error.
#[cfg(feature = "http")]
pub(super) fn describe<E: 'static>(error: &E) -> (Cow<'static, str>, String) {
    match as_error(error) {
        Some(error) => (exception::describe(error).kind(error), chain(error)),
        None => (Cow::Borrowed(std::any::type_name::<E>()), String::new()),
    }
}

/// Returns an error's message with its causes, each once: some errors repeat the text of their source.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let described = exception::describe(error);
    let mut text = described.message.clone();
    for cause in &described.causes {
        if !text.contains(cause) {
            text.push_str(": ");
            text.push_str(cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names itself as its source.
    #[derive(Debug)]
    struct Circular;

    impl std::fmt::Display for Circular {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("circular")
        }
    }

    impl Error for Circular {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }

    #[test]
    fn chain_of_an_error_that_is_its_own_source_ends() {
        assert_eq!(chain(&Circular), "circular");
    }

    #[test]
    fn chain_contains_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Outer(&'static str, #[source] std::io::Error);
        let refused = || std::io::Error::other("refused");
        assert_eq!(chain(&Outer("connect", refused())), "connect: refused");
        assert_eq!(chain(&Outer("connect: refused", refused())), "connect: refused");
    }
}
