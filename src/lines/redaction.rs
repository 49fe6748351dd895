//! Values that must not be written.
//!
//! Two kinds of secrets are kept out of the output. Fields of the program are redacted by [`Redaction`], which the user
//! configures: by their names or by a rule. Values that were put into the wrong setting by mistake are found by
//! [`printable`], which guesses.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::export::own_threads::ThreadFlag;
use crate::user_code::catch_panic;

/// Which fields of events are written as `"[redacted]"`, in lines, in OTLP records and on spans alike. The fields of spans
/// are redacted in lines and records; the attributes of the span itself are exported as they are.
///
/// ```
/// use telemetry_bootstrap::Redaction;
///
/// let by_name = Redaction::keys(["password", "authorization"]);
/// let by_rule = Redaction::matching(|key| key.ends_with("_token"));
/// # drop((by_name, by_rule));
/// ```
#[derive(Clone, Default)]
pub struct Redaction(Option<Rule>);

#[derive(Clone)]
enum Rule {
    /// Names, compared without regard to case.
    Keys(Arc<[String]>),
    /// A rule of the user, which may log and panic.
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Redaction {
    /// Redacts nothing.
    pub(crate) const NONE: Self = Self(None);

    /// Redacts the fields of these names, ignoring case.
    pub fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        let keys: Arc<[String]> = keys.into_iter().map(Into::into).collect();
        Self((!keys.is_empty()).then_some(Rule::Keys(keys)))
    }

    /// Redacts the fields for whose name `rule` returns `true`. It is called for each field of each line. If it panics, the field
    /// is redacted. Of what the rule itself logs nothing is asked, and all values are redacted, the message among them.
    pub fn matching(rule: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Rule::Matching(Arc::new(rule))))
    }

    /// Whether anything is redacted at all.
    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Returns `true` while a rule is running on this thread, when everything is redacted.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.0, Some(Rule::Matching(_))) && ThreadFlag::RedactionRule.is_set()
    }

    /// Returns `true` if the value of the field of this name must not be written.
    pub(crate) fn is_redacted(&self, key: &str) -> bool {
        match &self.0 {
            None => false,
            Some(Rule::Keys(keys)) => keys.iter().any(|redacted| redacted.eq_ignore_ascii_case(key)),
            // Applied to its own events, it would log again, without end.
            Some(Rule::Matching(_)) if ThreadFlag::RedactionRule.is_set() => true,
            Some(Rule::Matching(rule)) => {
                let _running = ThreadFlag::RedactionRule.set();
                catch_panic(|| rule(key)).unwrap_or(true)
            }
        }
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Redaction::none"),
            Some(Rule::Keys(keys)) => f.debug_tuple("Redaction::keys").field(keys).finish(),
            Some(Rule::Matching(_)) => f.write_str("Redaction::matching"),
        }
    }
}

/// The replacement of the value.
pub(crate) const REDACTED: &str = "[redacted]";

/// Returns `text`, or [`REDACTED`] if it looks as if a secret had been put where it does not belong: key material in
/// PEM, a URL or an address with credentials, a bearer token, a long random word.
///
/// For messages about values that are no secrets when they are right: paths, filters.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | '-' | '.');
    let has_secret = text.contains("-----")
        || text.contains("://")
        || text.contains('@')
        || SECRET_WORDS.iter().any(|word| contains_ignoring_case(text, word))
        || text.split(|c| !is_word(c)).any(looks_random);
    if has_secret { REDACTED.into() } else { text.into() }
}

/// Whether a word is as long and as mixed as keys, hashes and tokens are.
fn looks_random(word: &str) -> bool {
    let has = |holds: fn(&u8) -> bool| word.bytes().any(|byte| holds(&byte));
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    word.len() >= 16 && has(u8::is_ascii_digit) && (is_hex || is_mixed)
}

/// Returns `true` if a text contains an ASCII word in any case.
fn contains_ignoring_case(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// The word after one of these is a credential.
const SECRET_WORDS: [&str; 8] =
    ["bearer", "basic ", "password", "passwd", "secret", "api_key", "api-key", "authorization"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_their_case() {
        let redaction = Redaction::keys(["Password", "api_key"]);
        assert!(redaction.is_redacted("password"));
        assert!(redaction.is_redacted("API_KEY"));
        assert!(!redaction.is_redacted("passwords"));
    }

    #[test]
    fn nothing_is_redacted_by_default() {
        assert!(!Redaction::default().is_redacted("password"));
        assert!(!Redaction::keys::<String>([]).is_redacted(""));
    }

    #[test]
    fn misplaced_secrets_are_not_printable() {
        let secrets = [
            "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----",
            "https://user:hunter2@collector:4317",
            "user:hunter2@collector",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
            "authorization=Bearer abc",
            "x-api-key=abc",
            "glpat-aB3dE5gH7jK9mN1p",
            "0af7651916cd43dd8448eb211c80319c",
        ];
        for secret in secrets {
            assert_eq!(printable(secret), REDACTED, "{secret}");
        }
        for harmless in ["info,my_crate::a=loud", "/var/log/shop-2/service.log", "[request{user=7}]=off"] {
            assert_eq!(printable(harmless), harmless);
        }
    }

    #[test]
    fn a_rule_that_panics_redacts() {
        let redaction = Redaction::matching(|key| if key == "odd" { panic!("no") } else { key == "secret" });
        assert!(redaction.is_redacted("secret"));
        assert!(!redaction.is_redacted("open"));
        assert!(redaction.is_redacted("odd"));
    }
}
