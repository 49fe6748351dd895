//! What the fields `exception.*` say about an error.

use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The name of an error's type, as far as it can be known.
///
/// A `dyn Error` does not tell its type, but a derived `Debug` begins with its name (or, for an enum, with the
/// variant's). What does not look like one is nobody's type.
#[derive(Clone, Copy)]
pub(crate) struct TypeName {
    text: [u8; TypeName::MAX_LENGTH],
    length: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Name,
    /// After a blank: a `{` must follow.
    Blank,
    Complete,
    NotAName,
}

impl TypeName {
    const MAX_LENGTH: usize = 64;

    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut name = Self { text: [0; Self::MAX_LENGTH], length: 0, state: State::Name };
        if error.is::<io::Error>() {
            name.take("std::io::Error".bytes());
            return Some(name);
        }
        // An error says that enough was read; a panic, that the name is not to be had.
        let outcome = catch_unwind(AssertUnwindSafe(|| write!(name, "{error:?}")));
        let complete = matches!(name.state, State::Name | State::Complete);
        (outcome.is_ok() && complete && name.length > 0).then_some(name)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }

    fn take(&mut self, bytes: impl Iterator<Item = u8>) {
        for byte in bytes {
            self.text[self.length] = byte;
            self.length += 1;
        }
    }

    fn next(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Name, b'_' | b'0'..=b'9' | b'a'..=b'z') if self.length == 0 => State::NotAName,
            (State::Name, b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
                if self.length < Self::MAX_LENGTH =>
            {
                self.take([byte].into_iter());
                State::Name
            }
            (State::Name, b'(') | (State::Blank, b'{') => State::Complete,
            (State::Name, b' ') => State::Blank,
            _ => State::NotAName,
        }
    }
}

impl Write for TypeName {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.next(byte);
            if matches!(self.state, State::Complete | State::NotAName) {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// The error and its causes, one a line, as a stack trace begins in most languages.
pub(crate) fn write_chain(out: &mut dyn Write, error: &(dyn Error + 'static)) -> fmt::Result {
    if let Some(name) = TypeName::of(error) {
        write!(out, "{}: ", name.as_str())?;
    }
    write!(out, "{error}")?;
    causes(error).try_for_each(|cause| write!(out, "\nCaused by: {cause}"))
}

/// What led to `error`, nearest first. Ends where an error that names itself as its source would go round for ever.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    const MAX_CAUSES: usize = 32;
    std::iter::successors(error.source(), |cause| (**cause).source()).take(MAX_CAUSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot place the order")]
    struct OrderError(#[source] Outer);

    #[derive(Debug, thiserror::Error)]
    #[error("no answer")]
    struct Outer {
        source: std::num::ParseIntError,
    }

    fn order_error() -> OrderError {
        OrderError(Outer { source: "x".parse::<i32>().unwrap_err() })
    }

    fn name(error: &(dyn Error + 'static)) -> Option<String> {
        TypeName::of(error).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn a_derived_debug_tells_the_type() {
        let error = order_error();
        assert_eq!(name(&error).as_deref(), Some("OrderError"));
        assert_eq!(name(&error.0).as_deref(), Some("Outer"));
        assert_eq!(name(&fmt::Error).as_deref(), Some("Error"));
        assert_eq!(name(&io::Error::from(io::ErrorKind::NotFound)).as_deref(), Some("std::io::Error"));
    }

    #[test]
    fn a_debug_that_is_a_sentence_is_no_type() {
        for text in ["No such thing", "no", "", "Köln", &"X".repeat(100)] {
            let error: Box<dyn Error> = text.into();
            assert_eq!(name(&*error), None, "{text}");
        }
    }

    #[test]
    fn the_chain_names_every_cause() {
        let mut text = String::new();
        write_chain(&mut text, &order_error()).unwrap();
        assert_eq!(
            text,
            "OrderError: cannot place the order\nCaused by: no answer\nCaused by: invalid digit found in string"
        );
    }
}
