//! What an error value tells about itself.

use std::error::Error;
use std::fmt::{self, Write};

/// A name of the error's type or variant: what its `Debug` form begins with, where that is one.
pub(super) fn exception_type(error: &(dyn Error + 'static)) -> Option<String> {
    let mut prefix = Prefix::default();
    // Formatting ends with an error when enough has been seen.
    let _ = write!(prefix, "{error:?}");
    let text = prefix.0;
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let derived = rest.is_empty() || rest.starts_with('(') || rest.starts_with(" {");
    (derived && name.len() < MAX_NAME && name.starts_with(char::is_uppercase)).then(|| name.to_owned())
}

/// The error and its causes, one a line, if it has any.
pub(super) fn stacktrace(error: &(dyn Error + 'static)) -> Option<String> {
    error.source()?;
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()).take(MAX_CHAIN) {
        let _ = write!(text, "\nCaused by: {cause}");
    }
    Some(text)
}

#[derive(Default)]
struct Prefix(String);

impl Write for Prefix {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.chars().take(MAX_NAME));
        if self.0.len() > MAX_NAME { Err(fmt::Error) } else { Ok(()) }
    }
}

const MAX_NAME: usize = 64;
/// A chain that is longer is taken for a cycle.
const MAX_CHAIN: usize = 32;
