//! The errors that a span remembers, so an error that passes through several functions is recorded once.
//!
//! Only texts are kept, not values: an error is gone when its event has been handled, and a wrapper of it is another
//! value. What wrappers have in common is that their text ends with `: ` and that of their cause, so the end of a text
//! is compared. The memory of a span is bounded by [`REMEMBERED`] × [`MAX_TAIL`].

use std::collections::VecDeque;
use std::sync::Arc;

/// Errors that were recorded on a span or below it, the newest last.
#[derive(Debug, Default)]
pub(crate) struct RecordedErrors {
    /// At most [`REMEMBERED`].
    texts: VecDeque<ErrorFingerprint>,
}

impl RecordedErrors {
    /// Returns `true` if the error, or one that it wraps, was recorded.
    /// `texts` are those of the error, its causes and its other forms. At most [`REMEMBERED`] comparisons for each.
    pub(super) fn knows(&self, texts: &[String]) -> bool {
        self.texts.iter().any(|known| texts.iter().any(|text| known.is_of(text)))
    }

    /// Remembers a text; the oldest one goes when there are too many.
    pub(super) fn add(&mut self, text: &ErrorFingerprint) {
        if self.texts.contains(text) {
            return;
        }
        if self.texts.len() == REMEMBERED {
            self.texts.pop_front();
        }
        self.texts.push_back(text.clone());
    }
}

/// The end of an error's text, where wrappers put what they wrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ErrorFingerprint {
    /// The last bytes of the text, at most [`MAX_TAIL`]. Shared by all spans that remember it.
    text: Arc<str>,
    /// The text is longer.
    is_cut: bool,
}

impl ErrorFingerprint {
    /// Takes the end of a text, whole characters of it.
    pub(super) fn new(text: &str) -> Self {
        let from = text.len().saturating_sub(MAX_TAIL);
        let from = (from..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or_default();
        Self { text: text[from..].into(), is_cut: from > 0 }
    }

    /// Returns `true` if a text is the remembered one, or that of an error that wraps it.
    fn is_of(&self, text: &str) -> bool {
        text.strip_suffix(&*self.text)
            .is_some_and(|before| before.is_empty() || self.is_cut || before.ends_with(": "))
    }
}

/// Texts that a span remembers.
/// An error that returns after eight others have passed is recorded again.
pub(super) const REMEMBERED: usize = 8;
/// The limit of a remembered text, in bytes.
const MAX_TAIL: usize = 1024;
