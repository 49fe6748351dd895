//! Reports about directives.

use std::fmt;

use crate::settings::secrets::REDACTED;

/// A directive that does not do what was probably intended. None of its texts shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadDirective {
    /// The directive as it was written.
    pub(crate) text: String,
    /// The problem, and the value that is used instead.
    pub(crate) reason: String,
    /// Severity of the report.
    pub(crate) severity: Severity,
}

/// Severity of a directive in code: `true` if it is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// An error in code, a warning in the environment.
    Mistake,
    /// A warning, wherever the directive was given: it is valid, but may not have the effect that is expected.
    Hint,
}

impl BadDirective {
    /// Returns `true` if the directive is an error when it is given in code.
    pub(crate) fn is_mistake(&self) -> bool {
        self.severity == Severity::Mistake
    }

    /// Returns the warning about a directive that was set by `origin`.
    pub(crate) fn warning(&self, origin: &dyn fmt::Display) -> String {
        format!("filter directive {:?} (set by {origin}): {}", self.text, self.reason)
    }
}

impl fmt::Display for BadDirective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter directive {:?}: {}", self.text, self.reason)
    }
}

/// The reports about one filter, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Reports {
    bad: Vec<BadDirective>,
    /// Replaces each part of the filter by `[redacted]`.
    is_redacted: bool,
}

impl Reports {
    /// Creates reports that show no part of the filter.
    pub(super) fn redacted() -> Self {
        Self { is_redacted: true, ..Self::default() }
    }

    /// Returns the reports.
    pub(super) fn into_vec(self) -> Vec<BadDirective> {
        self.bad
    }

    /// Returns a part of the filter in quotes, for a reason.
    pub(super) fn quoted(&self, part: &str) -> String {
        format!("{:?}", if self.is_redacted { REDACTED } else { part })
    }

    /// Reports a directive that is not used.
    pub(super) fn ignored(&mut self, text: &str, reason: &str) {
        self.mistake(text, &format!("{reason}; it is ignored"));
    }

    /// Reports a directive that is used in another form.
    pub(super) fn mistake(&mut self, text: &str, reason: &str) {
        self.add(text, reason, Severity::Mistake);
    }

    /// Reports a valid directive that may not do what is expected.
    pub(super) fn hint(&mut self, text: &str, reason: &str) {
        self.add(text, reason, Severity::Hint);
    }

    /// Adds to the reason of the last report, if there is one.
    pub(super) fn add_to_last(&mut self, reason: &str) {
        if let Some(last) = self.bad.last_mut() {
            last.reason.push_str(reason);
        }
    }

    fn add(&mut self, text: &str, reason: &str, severity: Severity) {
        let text = if self.is_redacted { REDACTED } else { text };
        self.bad.push(BadDirective { text: text.to_owned(), reason: reason.to_owned(), severity });
    }
}
