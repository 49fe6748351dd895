//! Text that is safe to show on a terminal.

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::exception::PANICKED;
use crate::lines::json::encode::is_harmful;

/// Returns the output of `write`, escaped; `[panicked]` if it panics.
pub(super) fn shown(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut text = String::new();
    // Text that an implementation has written before an error is kept.
    match catch_unwind(AssertUnwindSafe(|| write(&mut text))) {
        Ok(_) => escape(&text),
        Err(_) => PANICKED.to_owned(),
    }
}

/// Escapes characters that could act on the terminal, and continues behind a bar after each line end.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.trim_end_matches('\n').chars() {
        match character {
            '\n' => safe.push_str(NEXT_LINE),
            '\t' => safe.push('\t'),
            character if is_harmful(character) => drop(write!(safe, "{}", character.escape_unicode())),
            character => safe.push(character),
        }
    }
    safe
}

/// The prefix of a continued line.
pub(super) const NEXT_LINE: &str = "\n    │ ";
