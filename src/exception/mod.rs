//! What can be learnt from an error value: what `exception.*` and `error.type` say about it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::semconv::Code;
use crate::semconv::OTHER;

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
        return Some(Code::from_tonic(status.code()).name().to_owned());
    }
    // `Error` says nothing, and is what dynamic errors call their wrappers.
    TypeName::of(error).map(|name| name.as_str().to_owned()).filter(|name| name != "Error")
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

/// As much of a `Debug` form as is searched for a backtrace.
const MAX_DEBUG: usize = 64 * 1024;

#[cfg(test)]
mod tests;
