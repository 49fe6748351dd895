//! One setting, decided: environment over code over default.

use std::collections::HashSet;

use crate::error::InitError;
use crate::settings::env::Env;
use crate::settings::kind::{Kind, Reason};

/// The work in progress: what was wrong so far.
#[derive(Debug)]
pub(super) struct Resolution<'a> {
    pub(super) env: &'a Env,
    warnings: Vec<String>,
    errors: Vec<InitError>,
    /// Variables whose mistake has been told: those of all signals are read three times.
    told: HashSet<&'static str>,
}

/// Where a setting may come from.
pub(super) struct Sources<'a, T> {
    /// The name of its setter.
    pub(super) setting: &'static str,
    /// The signal's own before the common one.
    pub(super) variables: &'a [&'static str],
    /// The signal's own before the common one.
    pub(super) code: Vec<Given<T>>,
}

/// A value from code.
pub(super) struct Given<T> {
    pub(super) value: T,
    /// `traces`: it was given to `.traces(|t| …)`. `None`: to the builder.
    pub(super) scope: Option<&'static str>,
}

/// A value, and what it is from.
#[derive(Debug)]
pub(super) struct Chosen<T> {
    pub(super) value: T,
    pub(super) variable: Option<&'static str>,
}

/// A variable whose value cannot be used.
struct Mistake {
    variable: &'static str,
    quoted: String,
    reason: Reason,
}

impl<'a> Resolution<'a> {
    pub(super) fn new(env: &'a Env) -> Self {
        let unread = |name: &String| format!("{name} is not valid Unicode; it counts as not set");
        let warnings = env.not_unicode().iter().map(unread).collect();
        Self { env, warnings, errors: Vec::new(), told: HashSet::new() }
    }

    /// The warnings; or all that was wrong in code.
    pub(super) fn finish(self) -> Result<Vec<String>, InitError> {
        InitError::of(self.errors).map_or(Ok(self.warnings), Err)
    }

    /// The value to use.
    pub(super) fn decide<T>(&mut self, kind: &Kind<T>, sources: Sources<'_, T>, default: T) -> T {
        let otherwise = format!("the default, {}", (kind.show)(&default));
        self.choose(kind, sources, &otherwise).map_or(default, |chosen| chosen.value)
    }

    /// The value to use, if one was given. `otherwise` says what is used if not.
    pub(super) fn choose<T>(
        &mut self,
        kind: &Kind<T>,
        sources: Sources<'_, T>,
        otherwise: &str,
    ) -> Option<Chosen<T>> {
        let Sources { setting, variables, code } = sources;
        let code = self.checked(kind, setting, code);
        let (found, mistakes) = self.look_up(kind, variables);
        let instead = match (&found, &code) {
            (Some(found), _) => {
                format!("{} of {}", (kind.show)(&found.value), found.variable.unwrap_or_default())
            }
            (None, Some(given)) => {
                format!("{} of {}", (kind.show)(&given.value), origin(setting, given.scope))
            }
            (None, None) => otherwise.to_owned(),
        };
        for mistake in mistakes {
            self.report(&mistake, &instead);
        }
        found.or(code.map(|given| Chosen { value: given.value, variable: None }))
    }

    /// The first value from code that is valid; every one that is not is an error, used or not.
    fn checked<T>(&mut self, kind: &Kind<T>, setting: &'static str, code: Vec<Given<T>>) -> Option<Given<T>> {
        let mut first = None;
        for given in code {
            match (kind.check)(&given.value) {
                Ok(()) => first = first.or(Some(given)),
                Err(reason) => self.invalid(setting, given.scope, (kind.show)(&given.value), &reason),
            }
        }
        first
    }

    fn look_up<T>(&self, kind: &Kind<T>, variables: &[&'static str]) -> (Option<Chosen<T>>, Vec<Mistake>) {
        let mut mistakes = Vec::new();
        for &variable in variables {
            let Some(text) = self.env.get(variable) else { continue };
            match kind.read(text) {
                Ok(value) => return (Some(Chosen { value, variable: Some(variable) }), mistakes),
                Err(reason) => mistakes.push(Mistake { variable, quoted: (kind.quote)(text), reason }),
            }
        }
        (None, mistakes)
    }

    fn report(&mut self, mistake: &Mistake, instead: &str) {
        let Mistake { variable, quoted, reason } = mistake;
        if self.told.insert(variable) {
            self.warn(format!("invalid {variable}={quoted}: {reason}; using {instead}"));
        }
    }

    /// Says that part of a variable is passed over, once.
    pub(super) fn warn_of(&mut self, variable: &'static str, words: impl std::fmt::Display) {
        if self.told.insert(variable) {
            self.warn(format!("{variable}: {words}"));
        }
    }

    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(super) fn warnings_mut(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }

    /// An error about a value from code, once.
    pub(super) fn invalid(
        &mut self,
        setting: &'static str,
        scope: Option<&'static str>,
        value: String,
        reason: &str,
    ) {
        let origin = origin(setting, scope);
        let known = self.errors.iter().any(|error| {
            matches!(error, InitError::InvalidSetting { origin: o, value: v, .. } if *o == origin && *v == value)
        });
        if !known {
            let reason = reason.to_owned();
            self.errors.push(InitError::InvalidSetting { setting, value, origin, reason, source: None });
        }
    }

    /// Reads a value that code gave as text.
    pub(super) fn parsed<T>(
        &mut self,
        kind: &Kind<T>,
        setting: &'static str,
        scope: Option<&'static str>,
        text: Option<&str>,
        redacted: impl Fn(&str) -> String,
    ) -> Option<Given<T>> {
        let text = text?;
        match kind.read(text) {
            Ok(value) => Some(Given { value, scope }),
            Err(reason) => {
                self.invalid(setting, scope, redacted(text), &reason);
                None
            }
        }
    }
}

/// Values from code, the signal's own first.
pub(super) fn code<T>(values: impl IntoIterator<Item = (Option<&'static str>, Option<T>)>) -> Vec<Given<T>> {
    values.into_iter().filter_map(|(scope, value)| Some(Given { value: value?, scope })).collect()
}

fn origin(setting: &str, scope: Option<&str>) -> String {
    match scope {
        None => format!(".{setting}()"),
        Some(scope) => format!(".{scope}(|{initial}| {initial}.{setting}())", initial = &scope[..1]),
    }
}
