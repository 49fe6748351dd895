//! Patterns with `*` for any characters and `?` for one.
//!
//! The configuration file has them for names of instruments, attributes of the resource and labels. A pattern is
//! anchored at both ends: `http.*` fits `http.server` and not `my.http.server`. There is no escape, as in the schema.
//!
//! | pattern | fits | does not fit |
//! |---|---|---|
//! | `http.*` | `http.`, `http.server` | `my.http.server` |
//! | `a?c` | `abc`, `aäc` | `ac` |
//! | `*` | every text, the empty one too | – |
//! | empty | the empty text | every other text |

/// A pattern that a whole text must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

#[cfg_attr(not(any(test, feature = "config-file")), expect(dead_code, reason = "only a file has patterns"))]
impl Pattern {
    /// Creates a pattern. Every text is one.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the pattern as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if the pattern has no `*` and no `?`.
    pub(crate) fn is_exact(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Returns `true` if the text fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.compare(text, |a, b| a == b)
    }

    /// Returns `true` if the text fits, whatever the case of ASCII letters.
    pub(crate) fn matches_ignoring_case(&self, text: &str) -> bool {
        self.compare(text, |a, b| a.eq_ignore_ascii_case(&b))
    }

    /// After a mismatch the last `*` takes one more character, so that the cost is the product of both lengths at most.
    ///
    /// `is_same` decides whether a character of the pattern fits one of the text.
    fn compare(&self, text: &str, is_same: impl Fn(char, char) -> bool) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), text.chars());
        let mut last_star = None;
        loop {
            let (before_pattern, before_rest) = (pattern.clone(), rest.clone());
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    last_star = Some((pattern.clone(), before_rest.clone()));
                    rest = before_rest;
                }
                (Some('?'), Some(_)) => {}
                (Some(a), Some(b)) if is_same(a, b) => {}
                _ => {
                    drop(before_pattern);
                    let Some((after_star, mut skipped)) = last_star.take() else { return false };
                    if skipped.next().is_none() {
                        return false;
                    }
                    pattern = after_star.clone();
                    rest = skipped.clone();
                    last_star = Some((after_star, skipped));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_the_whole_text() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "anything", true),
            ("**", "a", true),
            ("a*", "a", true),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("*a*b", "xaxbxab", true),
            ("a*?", "a", false),
            ("a*?", "abc", true),
            ("?", "", false),
            ("?", "ä", true),
            ("foo.*", "foo.bar", true),
            ("foo.*", "foox", false),
            ("A", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::new("HTTP.*").matches_ignoring_case("http.Server"));
    }

    #[test]
    fn pattern_with_many_stars_is_matched_quickly() {
        let pattern = Pattern::new("*a".repeat(200) + "b");
        assert!(!pattern.matches(&"a".repeat(2_000)));
    }
}
