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
///
/// Without the URLs that reqwest puts into its messages: they can hold credentials, and a middleware of the program can
/// wrap such an error in its own, where it cannot be reached.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let described = exception::describe(error);
    let mut text = without_urls(&described.message);
    for cause in &described.causes {
        let cause = without_urls(cause);
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Cuts each ` for url (…)` out of a message. The text of a URL has no white space, but it can have parentheses.
fn without_urls(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((before, url)) = rest.split_once(" for url (") {
        text.push_str(before);
        let word = url.split_whitespace().next().unwrap_or_default();
        rest = &url[word.rfind(')').map_or(word.len(), |end| end + 1)..];
    }
    text.push_str(rest);
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
    fn urls_are_cut_out_of_every_message() {
        for (message, expected) in [
            ("error sending request for url (http://127.0.0.1:1/?sig=s3cret)", "error sending request"),
            ("3 retries: error for url (http://h/(a)?k=(b))) left", "3 retries: error left"),
            ("a for url (http://h/a): b for url (http://h/b): c", "a: b: c"),
            ("cut for url (http://h/s3cret", "cut"),
            (" for url (", ""),
            ("no url", "no url"),
        ] {
            assert_eq!(without_urls(message), expected);
        }
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
