//! One setting, decided: environment over code over default.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::error::InitError;
use crate::settings::env::Env;
use crate::settings::value_kind::{Kind, Reason};

/// The work in progress: what was wrong so far.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    pub(super) env: &'a Env,
    warnings: Vec<String>,
    errors: Vec<InitError>,
    /// Variables whose mistake has been told: those of all signals are read three times.
    told: HashSet<String>,
}

/// Where a setting may come from.
pub(super) struct Sources<'a, T> {
    /// The name of its setter.
    pub(super) setting: &'static str,
    /// The signal's own before the common one.
    pub(super) variables: &'a [&'static str],
    /// The signal's own before the common one.
    pub(super) code: Vec<Provided<T>>,
}

impl<'a, T> Sources<'a, T> {
    /// `code`: each value with the part of the builder that it was given to.
    pub(super) fn new(
        setting: &'static str,
        variables: &'a [&'static str],
        code: impl IntoIterator<Item = (Scope, Option<T>)>,
    ) -> Self {
        let code = code.into_iter().filter_map(|(scope, value)| Some(Provided { value: value?, scope }));
        Self { setting, variables, code: code.collect() }
    }
}

/// `traces`: what was given to `.traces(|t| …)`. `None`: what was given to the builder.
pub(super) type Scope = Option<&'static str>;

/// A value from code.
pub(super) struct Provided<T> {
    pub(super) value: T,
    pub(super) scope: Scope,
}

/// A value, and what it is from.
#[derive(Debug)]
pub(super) struct Chosen<T> {
    pub(super) value: T,
    /// The variable, or the setter as one would write it.
    pub(super) origin: Cow<'static, str>,
    pub(super) is_from_code: bool,
}

/// A variable whose value cannot be used.
struct InvalidVar {
    variable: &'static str,
    quoted: String,
    reason: Reason,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(env: &'a Env) -> Self {
        let unread = |name: &String| format!("{name} is not valid Unicode; it counts as not set");
        let warnings = env.not_unicode().iter().map(unread).collect();
        Self { env, warnings, errors: Vec::new(), told: HashSet::new() }
    }

    /// The warnings, and all that was wrong in code.
    pub(super) fn finish(self) -> (Vec<String>, Vec<InitError>) {
        (self.warnings, self.errors)
    }

    /// The value to use.
    pub(super) fn decide<T>(&mut self, kind: &Kind<T>, sources: Sources<'_, T>, default: T) -> T {
        let otherwise = format!("the default, {}", (kind.show)(&default));
        self.choose(kind, sources, &otherwise).map_or(default, |chosen| chosen.value)
    }

    /// The value to use of a setting that only one part of the builder has: `(scope, setting, value)`.
    pub(super) fn decide_own<T>(
        &mut self,
        kind: &Kind<T>,
        (scope, setting, value): (&'static str, &'static str, Option<T>),
        variables: &[&'static str],
        default: T,
    ) -> T {
        self.decide(kind, Sources::new(setting, variables, [(Some(scope), value)]), default)
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
        let chosen = found.or(code);
        let instead = chosen.as_ref().map_or_else(
            || otherwise.to_owned(),
            |chosen| format!("{} of {}", (kind.show)(&chosen.value), chosen.origin),
        );
        for mistake in mistakes {
            self.report(&mistake, &instead);
        }
        chosen
    }

    /// The first value from code that is valid; every one that is not is an error, used or not.
    fn checked<T>(
        &mut self,
        kind: &Kind<T>,
        setting: &'static str,
        code: Vec<Provided<T>>,
    ) -> Option<Chosen<T>> {
        let mut first = None;
        for Provided { value, scope } in code {
            if let Err(reason) = (kind.check)(&value) {
                self.invalid(setting, scope, (kind.show)(&value), &reason);
            } else if first.is_none() {
                first = Some(Chosen { value, origin: origin(setting, scope).into(), is_from_code: true });
            }
        }
        first
    }

    fn look_up<T>(&self, kind: &Kind<T>, variables: &[&'static str]) -> (Option<Chosen<T>>, Vec<InvalidVar>) {
        let mut mistakes = Vec::new();
        for &variable in variables {
            let Some(text) = self.env.get(variable) else { continue };
            match kind.read(text) {
                Ok(value) => {
                    let found = Chosen { value, origin: variable.into(), is_from_code: false };
                    return (Some(found), mistakes);
                }
                Err(reason) => mistakes.push(InvalidVar { variable, quoted: (kind.quote)(text), reason }),
            }
        }
        (None, mistakes)
    }

    fn report(&mut self, mistake: &InvalidVar, instead: &str) {
        let InvalidVar { variable, quoted, reason } = mistake;
        if self.told.insert((*variable).to_owned()) {
            self.warn(format!("invalid {variable}={quoted}: {reason}; using {instead}"));
        }
    }

    /// Says something about a variable, or a setter, once.
    pub(super) fn warn_of(&mut self, origin: &str, words: impl std::fmt::Display) {
        if self.told.insert(origin.to_owned()) {
            self.warn(format!("{origin}: {words}"));
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
    pub(super) fn invalid(&mut self, setting: &'static str, scope: Scope, value: String, reason: &str) {
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
        scope: Scope,
        text: Option<&str>,
        redacted: impl Fn(&str) -> String,
    ) -> Option<Provided<T>> {
        let text = text?;
        match kind.read(text) {
            Ok(value) => Some(Provided { value, scope }),
            Err(reason) => {
                self.invalid(setting, scope, redacted(text), &reason);
                None
            }
        }
    }
}

fn origin(setting: &str, scope: Scope) -> String {
    match scope {
        None => format!(".{setting}()"),
        Some(scope) => format!(".{scope}(|{initial}| {initial}.{setting}())", initial = &scope[..1]),
    }
}
