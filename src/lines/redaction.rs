//! Values that must not be written.
//!
//! Two kinds of secrets are kept out of the output. Fields of the program are redacted by [`Redaction`], which the user
//! configures: by their names or by a rule. Values that were put into the wrong setting by mistake are found by
//! [`printable`], which guesses.

use std::fmt;
use std::sync::Arc;

use crate::export::own_threads::ThreadFlag;
use crate::user_code::catch_panic;

/// Rule that selects the fields whose values are replaced by `"[redacted]"`, in lines, log records and span events. The
/// fields of spans are redacted in lines and records; the attributes of the span itself are exported as they are.
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

    /// Redacts the fields for whose name `rule` returns `true`. It is called for each field of each line. If it
    /// panics, the field is redacted. Events logged by the rule itself are redacted completely, including the
    /// message.
    pub fn matching(rule: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Rule::Matching(Arc::new(rule))))
    }

    /// Returns `true` if a rule is set.
    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Returns `true` if code of the program decides.
    pub(crate) fn has_rule(&self) -> bool {
        matches!(self.0, Some(Rule::Matching(_)))
    }

    /// Returns `true` while a rule is running on this thread, when everything is redacted.
    pub(crate) fn is_running(&self) -> bool {
        self.has_rule() && ThreadFlag::RedactionRule.is_set()
    }

    /// Returns `true` if the value of the field of this name must not be written.
    #[inline]
    pub(crate) fn is_redacted(&self, key: &str) -> bool {
        self.0.as_ref().is_some_and(|rule| rule.names(key))
    }
}

impl Rule {
    /// Returns `true` for the name of a field that is redacted.
    fn names(&self, key: &str) -> bool {
        match self {
            Self::Keys(keys) => keys.iter().any(|redacted| redacted.eq_ignore_ascii_case(key)),
            // Applied to its own events, it would log again, without end.
            Self::Matching(_) if ThreadFlag::RedactionRule.is_set() => true,
            Self::Matching(rule) => {
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
    fn a_rule_that_panics_redacts() {
        let redaction = Redaction::matching(|key| if key == "odd" { panic!("no") } else { key == "secret" });
        assert!(redaction.is_redacted("secret"));
        assert!(!redaction.is_redacted("open"));
        assert!(redaction.is_redacted("odd"));
    }
}
