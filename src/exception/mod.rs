//! Values of `exception.*` and `error.type` for an error value.
//!
//! | of an error | comes from |
//! |---|---|
//! | `exception.type` | the name that its derived `Debug` begins with |
//! | `exception.message` | its `Display` |
//! | `exception.stacktrace` | the chain of its causes, and a backtrace that its `Debug` shows |
//! | `error.type` | a name of low cardinality: gRPC code, I/O kind, type or variant |
//!
//! An error is user code. Its `Display`, `Debug` and `source` may panic, never end, or name the error itself as its
//! source: each is called under [`catch_panic`], texts are bounded, and chains end after 32 causes.
//!
//! Rust has no name of a type behind `dyn Error`; `type_name_of_val` returns that of the trait object. `Debug` is the
//! only source, and for types that write a sentence there is none.
//!
//! | `Debug` begins with | type |
//! |---|---|
//! | `ParseIntError { kind: … }` | `ParseIntError` |
//! | `Timeout(…)`, `Timeout` | `Timeout`: of an enum, the variant |
//! | `No such file …`, `"text"` | none: it is a sentence or a value |

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write};
use std::io;

mod event;
mod text;
mod transport;

pub(crate) use self::event::{ERROR_FIELD, EventException};
pub(crate) use self::text::{ErrorText, describe, once_per_event, with_text};
use self::transport::{connect_kind, transport_kind};
use crate::semconv::OTHER;
use crate::user_code::bounded_text::append_caught;
use crate::user_code::catch_panic;

/// The name of an error's type, as far as it can be known.
///
/// The type of a `dyn Error` is unknown, but a derived `Debug` begins with its name (or, for an enum, with the
/// variant's). Text that does not look like a name is not used.
///
/// It is an automaton that reads `Debug` output byte by byte: `Name`, `Name(`, `Name {` are names; anything else is
/// not.
#[derive(Clone, Copy)]
struct TypeName {
    /// The name so far. On the stack, since most errors are described for a line of a few hundred bytes.
    text: [u8; TypeName::MAX_LENGTH],
    /// Bytes of `text` in use.
    length: usize,
    /// `true` if the name has ended.
    state: State,
}

/// Parser state.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Within the name.
    Name,
    /// After a blank: a `{` must follow.
    Blank,
    /// A `(` or `{` has ended the name.
    Complete,
    /// The text is not a name of a type.
    NotAName,
}

impl TypeName {
    /// In bytes. A longer text is not taken for a name.
    const MAX_LENGTH: usize = 64;

    /// Appends the name that an error's `Debug` form begins with, if it does.
    fn parse(error: &(dyn Error + 'static), debug: &str, out: &mut String) {
        if error.is::<io::Error>() {
            return out.push_str("std::io::Error");
        }
        let mut name = Self { text: [0; Self::MAX_LENGTH], length: 0, state: State::Name };
        // The error stops the formatting: enough was read.
        let _ = name.write_str(debug);
        if matches!(name.state, State::Name | State::Complete) {
            out.push_str(name.as_str());
        }
    }

    /// Returns the name, which consists of ASCII.
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }

    /// Appends to the name. There is room: [`next`](Self::next) checks it.
    fn take(&mut self, bytes: impl Iterator<Item = u8>) {
        for byte in bytes {
            self.text[self.length] = byte;
            self.length += 1;
        }
    }

    /// Reads one byte.
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

/// The sources of `error`, nearest first. Stops at a limit, because an error can name itself as its source.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    /// The chain of an error that names itself as its source would not end otherwise.
    const MAX_CAUSES: usize = 32;
    std::iter::successors(source(error), |cause| source(*cause)).take(MAX_CAUSES)
}

/// Returns what the error says is its source; `None` if its implementation panics.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    catch_panic(|| error.source()).flatten()
}

/// A name of low cardinality for the kind of an error: of a gRPC status its code, of [`io::Error`] its kind, of others
/// the name of their type or variant, as far as `Debug` shows it. Wrappers without a name of their own are passed over.
fn kind_from(error: &(dyn Error + 'static), type_name: Option<&str>) -> Cow<'static, str> {
    let own = special_kind(error).or_else(|| named_kind(error, type_name.map(str::to_owned)));
    own.or_else(|| causes(error).find_map(kind_of_cause)).map_or(Cow::Borrowed(OTHER), Cow::Owned)
}

/// Returns the kind of a cause, of which only the beginning of its `Debug` form is formatted.
fn kind_of_cause(error: &(dyn Error + 'static)) -> Option<String> {
    special_kind(error).or_else(|| {
        let (mut debug, mut name) = (String::new(), String::new());
        append_caught(&mut debug, MAX_NAME, |text| write!(text, "{error:?}")).then_some(())?;
        TypeName::parse(error, &debug, &mut name);
        named_kind(error, Some(name).filter(|name| !name.is_empty()))
    })
}

/// The kind of an error whose type has this name. `Error` has no meaning: wrappers of dynamic errors are called so.
fn named_kind(error: &(dyn Error + 'static), type_name: Option<String>) -> Option<String> {
    let name = type_name.filter(|name| name != "Error")?;
    Some(if name == "ConnectError" { connect_kind(error).unwrap_or(name) } else { name })
}

/// Returns the kind of an error whose type is known to have a better one than its name.
fn special_kind(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // An error that `io::Error` only carries has a better name.
        let carried = error.get_ref().and_then(|inner| kind_of_cause(inner));
        return carried.or_else(|| Some(format!("{:?}", error.kind())));
    }
    #[cfg(feature = "grpc")]
    if let Some(status) = error.downcast_ref::<tonic::Status>() {
        return Some(crate::semconv::GrpcCode::from_tonic(status.code()).name().to_owned());
    }
    transport_kind(error)
}

/// The part of a `Debug` form, in bytes, that a type name can need.
const MAX_NAME: usize = 2 * TypeName::MAX_LENGTH;

#[cfg(test)]
mod tests;
