//! Values that must not be written.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Which fields are written as `"[redacted]"`, in lines and in OTLP records alike.
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
    Keys(Arc<[String]>),
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Redaction {
    /// The fields of these names, in whatever case they are written.
    pub fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        let keys: Arc<[String]> = keys.into_iter().map(Into::into).collect();
        Self((!keys.is_empty()).then_some(Rule::Keys(keys)))
    }

    /// The fields for whose name `rule` says yes. It is asked for each field of each line. Should it panic, the field
    /// is redacted. Of what the rule itself logs nothing is asked, and all values are redacted, the message among them.
    pub fn matching(rule: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Rule::Matching(Arc::new(rule))))
    }

    /// Whether anything is redacted at all.
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn is_redacted(&self, key: &str) -> bool {
        match &self.0 {
            None => false,
            Some(Rule::Keys(keys)) => keys.iter().any(|redacted| redacted.eq_ignore_ascii_case(key)),
            // Asked about what it logs itself, it would log again, without end.
            Some(Rule::Matching(_)) if ASKED.get() => true,
            Some(Rule::Matching(rule)) => {
                ASKED.set(true);
                let answer = catch_unwind(AssertUnwindSafe(|| rule(key)));
                ASKED.set(false);
                answer.unwrap_or(true)
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

thread_local! {
    /// Whether a rule is being asked on this thread.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// What stands in place of the value.
pub(crate) const REDACTED: &str = "[redacted]";

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
    fn nothing_is_redacted_unless_asked_for() {
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
