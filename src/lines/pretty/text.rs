//! Text that is safe to show on a terminal.
//!
//! It is applied to everything that the program or a peer chose: messages, names and values of fields, span names,
//! targets. Texts of this crate pass through it as well, which costs nothing worth saving here.

use std::fmt;

use crate::export::render::terminal;
use crate::user_code::bounded_text::{BoundedText, MAX_LINE_TEXT, append_caught, beginning};

/// Returns the output of `write`, escaped; `[panicked]` if it panics.
pub(super) fn shown(write: impl FnOnce(&mut BoundedText<'_>) -> fmt::Result) -> String {
    let mut text = String::new();
    append_caught(&mut text, MAX_LINE_TEXT, write);
    escape(&text)
}

/// Escapes characters that could act on the terminal, and continues behind a bar after each line end.
pub(super) fn escape(text: &str) -> String {
    terminal::escape(beginning(text, MAX_LINE_TEXT), NEXT_LINE)
}

/// The prefix of a continued line.
pub(super) const NEXT_LINE: &str = "\n    │ ";
