//! Copies of text that the program or a peer has made, never longer than a limit.
//!
//! | text | limit |
//! |---|---|
//! | a value in a record or span | 4 MiB, or the setting for the length of values |
//! | a value in a line | 16 MiB, or the setting of the layer |
//! | an error with its causes | 1 MiB |
//!
//! Limits apply while a text is copied, so a huge value never exists twice in memory. They count bytes; a character
//! is never cut in half.

use std::fmt::{self, Write};

use crate::user_code::catch_panic;

/// The longest text that is kept or exported, in bytes: a message, a value, a name.
///
/// More than a receiver takes in one request as it comes: the OpenTelemetry Collector accepts 4 MiB.
pub(crate) const MAX_TEXT: usize = 4 << 20;

/// The longest text in a log line, in bytes. Lines go to files as well, which take more than a collector.
pub(crate) const MAX_LINE_TEXT: usize = 16 << 20;

/// The longest text of an error and its causes together, in bytes. One event shows it several times.
pub(crate) const MAX_ERROR_TEXT: usize = 1 << 20;

/// Returns how long one more text may be beside others of `used` bytes. Together they have at most `max` bytes, and
/// [`SHORT`] more for each further text.
#[inline]
pub(crate) fn room_beside(used: usize, max: usize) -> usize {
    max.saturating_sub(used).max(SHORT)
}

/// Returns the beginning of `text`: at most `max` bytes, and no part of a character.
#[inline]
pub(crate) fn beginning(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    &text[..end]
}

/// Bytes that every text may have.
const SHORT: usize = 1024;

/// Returns what `value` writes, cut at [`MAX_TEXT`].
pub(crate) fn to_text(value: &dyn fmt::Display) -> String {
    let mut text = String::new();
    // Text that an implementation has written before an error is kept.
    let _ = write!(BoundedText::new(&mut text, MAX_TEXT), "{value}");
    text
}

/// Appends what `write` writes, at most `max` bytes, or [`PANICKED`] if it panics. Returns `false` if it did.
///
/// `write` may run code of the user (`Debug`, `Display`), which must neither leave half a text nor unwind into the
/// caller, which is only logging.
pub(crate) fn append_caught(
    out: &mut String,
    max: usize,
    write: impl FnOnce(&mut BoundedText<'_>) -> fmt::Result,
) -> bool {
    let start = out.len();
    let mut text = BoundedText::new(out, max);
    // Text that an implementation has written before an error is kept.
    let is_written = catch_panic(|| _ = write(&mut text)).is_some();
    if !is_written {
        out.truncate(start);
        out.push_str(PANICKED);
    }
    is_written
}

/// The replacement of a value whose formatting panics.
pub(crate) const PANICKED: &str = "[panicked]";

/// Appends to a string up to a limit. What is formatted ends with an error when the limit is reached, so a huge value
/// is not formatted to its end.
#[derive(Debug)]
pub(crate) struct BoundedText<'a> {
    text: &'a mut String,
    /// Bytes that are still accepted.
    left: usize,
}

impl<'a> BoundedText<'a> {
    /// Appends at most `max` bytes.
    pub(crate) fn new(text: &'a mut String, max: usize) -> Self {
        Self { text, left: max }
    }
}

impl Write for BoundedText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let kept = beginning(text, self.left);
        self.text.push_str(kept);
        if kept.len() < text.len() {
            self.left = 0;
            return Err(fmt::Error);
        }
        self.left -= kept.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(beginning("Köln", 2), "K");
        assert_eq!(beginning("Köln", 3), "Kö");
        assert_eq!(beginning("Köln", 5), "Köln");
        let mut text = "In ".to_owned();
        let mut bounded = BoundedText::new(&mut text, 3);
        assert!(write!(bounded, "K").is_ok());
        assert!(write!(bounded, "ölner Dom").is_err());
        assert!(write!(bounded, "x").is_err());
        assert_eq!(text, "In Kö");
        assert_eq!(to_text(&"short"), "short");
    }
}
