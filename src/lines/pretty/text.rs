//! Text that is safe to show on a terminal.

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::exception::PANICKED;
use crate::lines::json::encode::is_harmful;

/// What `write` writes, escaped; `[panicked]` when it panics.
pub(super) fn shown(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut text = String::new();
    // What an implementation has written before it returns an error stays.
    match catch_unwind(AssertUnwindSafe(|| write(&mut text))) {
        Ok(_) => escape(&text),
        Err(_) => PANICKED.to_owned(),
    }
}

/// Shows what could act on the terminal as an escape, and goes on behind a bar after each line end.
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

/// The beginning of a line that belongs to the one before.
pub(super) const NEXT_LINE: &str = "\n    │ ";
