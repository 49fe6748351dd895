//! Splits a list of directives.
//!
//! Commas, blanks and slashes inside of `[…]`, `{…}` and the quotes in them belong to a directive:
//! `my_crate[span{user="ann lee",id}]=debug,info` has two directives.

use std::borrow::Cow;

/// Splits where `is_separator` holds outside of brackets and quotes, and leaves out empty parts.
pub(super) fn split(text: &str, is_separator: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    let mut outside = Outside::default();
    text.split(move |c| outside.holds(c) && is_separator(c)).map(str::trim).filter(|part| !part.is_empty())
}

/// Text before and after the first `/` outside of brackets.
pub(super) fn split_at_slash(text: &str) -> Option<(&str, &str)> {
    let mut outside = Outside::default();
    let slash = text.find(|c| outside.holds(c) && c == '/')?;
    Some((&text[..slash], &text[slash + 1..]))
}

/// Tracks whether a position in a list of directives is outside of brackets and quotes.
#[derive(Default)]
struct Outside {
    depth: usize,
    quoted: bool,
}

impl Outside {
    /// Reads the next character, and returns `true` if the place is outside of brackets and quotes. A closing bracket
    /// is treated as outside.
    fn holds(&mut self, c: char) -> bool {
        match c {
            '"' if self.depth > 0 => self.quoted = !self.quoted,
            '[' | '{' if !self.quoted => self.depth += 1,
            ']' | '}' if !self.quoted => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0 && !self.quoted
    }
}

/// Returns the text between quotes, if the whole text is quoted: a shell or a file has kept them.
pub(super) fn unquoted(text: &str) -> Option<&str> {
    ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

/// `a = debug` is `a=debug`.
pub(super) fn without_blanks_at_equals(part: &str) -> Cow<'_, str> {
    if !part.contains(" =") && !part.contains("= ") {
        return part.into();
    }
    part.split('=').map(str::trim).collect::<Vec<_>>().join("=").into()
}
