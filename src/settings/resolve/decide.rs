//! Resolves one setting: environment over code over default.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use crate::error::InitError;
use crate::settings::env::Env;
use crate::settings::setting::Setting;
use crate::settings::types::Directives;
use crate::settings::value_kind::{Kind, Reason};
use crate::settings::values::Values;

/// Resolves settings one by one and collects what is wrong with them.
#[derive(Debug)]
pub(in crate::settings) struct Resolver<'a> {
    pub(in crate::settings) env: &'a Env,
    warnings: Vec<String>,
    errors: Vec<InitError>,
    /// The variables and setters whose values are used, in alphabetical order.
    origins: BTreeSet<String>,
    /// Variables whose mistake has been reported: those of all signals are read three times.
    reported: HashSet<String>,
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
    pub(in crate::settings) fn new(
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
pub(in crate::settings) struct Chosen<T> {
    pub(in crate::settings) value: T,
    /// The variable, or the setter as one would write it.
    pub(in crate::settings) origin: Cow<'static, str>,
    pub(in crate::settings) is_from_code: bool,
}

impl<T> Chosen<T> {
    /// What a message about a rejected value says is used instead.
    fn describe(&self, kind: &Kind<T>) -> String {
        format!("{} of {}", (kind.show)(&self.value), self.origin)
    }
}

/// A variable whose value cannot be used.
struct InvalidVar {
    variable: &'static str,
    quoted: String,
    reason: Reason,
}

impl<'a> Resolver<'a> {
    pub(in crate::settings) fn new(env: &'a Env) -> Self {
        let unread = |name: &String| format!("{name} is not valid Unicode; it counts as not set");
        let warnings = env.not_unicode().iter().map(unread).collect();
        Self { env, warnings, errors: Vec::new(), origins: BTreeSet::new(), reported: HashSet::new() }
    }

    /// Notes that the value of a variable or setter is used.
    pub(in crate::settings) fn used(&mut self, origin: &str) {
        if !self.origins.contains(origin) {
            self.origins.insert(origin.to_owned());
        }
    }

    /// Returns the warnings, the origins of values, and everything that is wrong in code.
    pub(in crate::settings) fn finish(self) -> (Vec<String>, Vec<String>, Vec<InitError>) {
        (self.warnings, self.origins.into_iter().collect(), self.errors)
    }

    /// The value to use.
    pub(super) fn decide<T>(&mut self, kind: &Kind<T>, sources: Sources<'_, T>, default: T) -> T {
        let otherwise = format!("the default, {}", (kind.show)(&default));
        self.choose(kind, sources, &otherwise).map_or(default, |chosen| chosen.value)
    }

    /// Returns the value to use; `values` are those of the part of the builder that has the setter.
    pub(in crate::settings) fn resolve<T: Clone>(&mut self, setting: &Setting<T>, values: &Values) -> T {
        self.find(setting, values).map_or_else(|| setting.default.clone(), |chosen| chosen.value)
    }

    /// Returns the value of a setting that only the environment has.
    pub(in crate::settings) fn resolve_env<T: Clone>(&mut self, setting: &Setting<T>) -> T {
        self.resolve(setting, &Values::default())
    }

    /// Returns the value that was given, if any.
    pub(in crate::settings) fn find<T: Clone>(
        &mut self,
        setting: &Setting<T>,
        values: &Values,
    ) -> Option<Chosen<T>> {
        let Setting { variables, kind, default, .. } = setting;
        let (found, mistakes) = self.look_up(kind, variables);
        let chosen = found.or_else(|| self.checked_in_code(setting, values));
        let instead = chosen
            .as_ref()
            .map_or_else(|| format!("the default, {}", (kind.show)(default)), |chosen| chosen.describe(kind));
        for mistake in mistakes {
            self.report(&mistake, &instead);
        }
        if let Some(chosen) = &chosen {
            self.used(&chosen.origin);
        }
        chosen
    }

    fn checked_in_code<T: Clone>(&mut self, setting: &Setting<T>, values: &Values) -> Option<Chosen<T>> {
        let value = values.get(setting)?;
        match (setting.kind.check)(&value) {
            Ok(()) => Some(Chosen { value, origin: setting.origin().into(), is_from_code: true }),
            Err(reason) => {
                self.invalid_value(setting.name(), setting.origin(), (setting.kind.show)(&value), &reason);
                None
            }
        }
    }

    /// Returns filter directives: of the first variable that is set, or else of the first setter that was called. Their
    /// syntax is checked by the filter.
    pub(in crate::settings) fn directives(&mut self, settings: &[(&Setting<String>, &Values)]) -> Directives {
        let variables = settings.iter().flat_map(|(setting, _)| setting.variables);
        let mut from_env =
            variables.filter_map(|name| Some((self.env.get(name)?.to_owned(), (*name).into())));
        let from_code = || {
            settings
                .iter()
                .find_map(|(setting, values)| Some((values.get(setting)?, setting.origin().into())))
        };
        let found: Option<(String, Cow<'static, str>)> = from_env.next().or_else(from_code);
        if let Some((_, origin)) = &found {
            self.used(origin);
        }
        let (text, origin) = found.unwrap_or_else(|| (DEFAULT_FILTER.to_owned(), "default".into()));
        Directives { text, origin }
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
        let instead = chosen.as_ref().map_or_else(|| otherwise.to_owned(), |chosen| chosen.describe(kind));
        for mistake in mistakes {
            self.report(&mistake, &instead);
        }
        if let Some(chosen) = &chosen {
            self.used(&chosen.origin);
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
        if self.reported.insert((*variable).to_owned()) {
            self.warn(format!("invalid {variable}={quoted}: {reason}; using {instead}"));
        }
    }

    /// Warns about a variable, or a setter, once.
    pub(in crate::settings) fn warn_once(&mut self, origin: &str, words: impl std::fmt::Display) {
        if self.reported.insert(origin.to_owned()) {
            self.warn(format!("{origin}: {words}"));
        }
    }

    pub(in crate::settings) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(in crate::settings) fn warnings_mut(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }

    /// Reports an error about a value from code, once.
    pub(super) fn invalid(&mut self, setting: &'static str, scope: Scope, value: String, reason: &str) {
        self.invalid_value(setting, origin(setting, scope), value, reason);
    }

    /// Reports an error about a value of the setter that is written like `origin`, once.
    pub(in crate::settings) fn invalid_value(
        &mut self,
        setting: &'static str,
        origin: String,
        value: String,
        reason: &str,
    ) {
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

pub(super) fn origin(setting: &str, scope: Scope) -> String {
    match scope {
        None => format!(".{setting}()"),
        Some(scope) => format!(".{scope}(|{initial}| {initial}.{setting}())", initial = &scope[..1]),
    }
}

/// For lines, log records and spans alike.
const DEFAULT_FILTER: &str = "info";
