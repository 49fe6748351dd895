//! Resolves one setting: environment over code over default.
//!
//! For each setting, sources are read in this order, and the first valid value counts:
//!
//! 1. the configuration file, if there is one: then the environment is not read at all;
//! 2. its variables, those of the signal before those of all signals;
//! 3. its setters;
//! 4. the default.
//!
//! An invalid variable is a warning, and the next source is read. An invalid setter is an error, also if a variable
//! overrides it: the code is wrong in any case.
//!
//! Warnings say what is used instead, since that is what an operator needs: `invalid OTEL_BSP_SCHEDULE_DELAY="5s": not
//! a whole number of milliseconds; using the default, 5s`.
//!
//! A variable of all signals is read once for each signal, and each mistake in it is reported once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use crate::error::InitError;
use crate::settings::env::Env;
#[cfg(feature = "config-file")]
use crate::settings::file::{At, FileValues};
use crate::settings::setting::Setting;
use crate::settings::types::Directives;
use crate::settings::value_kind::Reason;
use crate::settings::values::Values;

/// Resolves settings one by one and collects their mistakes.
#[derive(Debug)]
pub(in crate::settings) struct Resolver<'a> {
    /// The variables. Empty if a configuration file replaces them.
    pub(in crate::settings) env: &'a Env,
    /// A configuration file, which replaces the environment.
    #[cfg(feature = "config-file")]
    file: Option<&'a FileValues>,
    /// Mistakes in the file, with their places.
    #[cfg(feature = "config-file")]
    file_mistakes: Vec<(At, String)>,
    /// Mistakes in the environment.
    warnings: Vec<String>,
    /// Mistakes in code.
    errors: Vec<InitError>,
    /// The variables and setters whose values are used, in alphabetical order.
    origins: BTreeSet<String>,
    /// The same by the keys of their settings.
    value_origins: BTreeMap<&'static str, String>,
    /// Invalid variables that were reported, each with its mistake: those of all signals are read three times, and what
    /// is used instead may differ.
    reported: HashSet<(&'static str, String)>,
}

/// A setting, with the values of the part of the builder that has its setter.
pub(in crate::settings) type Source<'a, T> = (&'a Setting<T>, &'a Values);

/// A value, and its origin.
///
/// Rules that depend on the origin, such as the scheme of an address without one, look at `origin` and `is_from_code`.
#[derive(Debug)]
pub(in crate::settings) struct Chosen<T> {
    /// The value, which its kind has checked.
    pub(in crate::settings) value: T,
    /// The variable, or the setter as it is written in code.
    pub(in crate::settings) origin: Cow<'static, str>,
    /// `false` for variables and for a configuration file.
    pub(in crate::settings) is_from_code: bool,
}

/// A variable whose value cannot be used.
struct InvalidVar {
    /// Its name, for the warning.
    variable: &'static str,
    /// The value, without secrets.
    quoted: String,
    /// What is wrong with the value, as the end of a sentence.
    reason: Reason,
}

impl<'a> Resolver<'a> {
    /// Creates a resolver. Variables that are not Unicode are warnings at once.
    pub(in crate::settings) fn new(env: &'a Env) -> Self {
        let unread = |name: &String| format!("{name} is not valid Unicode; it counts as not set");
        let warnings = env.not_unicode().iter().map(unread).collect();
        Self {
            env,
            #[cfg(feature = "config-file")]
            file: None,
            #[cfg(feature = "config-file")]
            file_mistakes: Vec::new(),
            warnings,
            errors: Vec::new(),
            origins: BTreeSet::new(),
            value_origins: BTreeMap::new(),
            reported: HashSet::new(),
        }
    }

    /// Takes the values of a configuration file before those of code.
    #[cfg(feature = "config-file")]
    pub(in crate::settings) fn with_file(self, file: &'a FileValues) -> Self {
        Self { file: Some(file), ..self }
    }

    /// Returns everything that is wrong in the configuration file.
    #[cfg(feature = "config-file")]
    pub(in crate::settings) fn take_file_mistakes(&mut self) -> Vec<(At, String)> {
        std::mem::take(&mut self.file_mistakes)
    }

    /// Returns the value of a configuration file.
    ///
    /// A value that cannot be read is a mistake of the file at its place, and counts as absent here: the caller refuses
    /// the file.
    #[cfg(feature = "config-file")]
    pub(in crate::settings) fn find_in_file<T>(&mut self, sources: &[Source<'_, T>]) -> Option<Chosen<T>> {
        let file = self.file?;
        let (kind, found) =
            sources.iter().find_map(|(setting, _)| Some((&setting.kind, file.get(setting.key())?)))?;
        match kind.read(&found.text) {
            Ok(value) => Some(Chosen { value, origin: found.origin.clone().into(), is_from_code: false }),
            Err(reason) => {
                self.file_mistakes
                    .push((found.at.clone(), format!("{}: {reason}", (kind.quote)(&found.text))));
                None
            }
        }
    }

    #[cfg(not(feature = "config-file"))]
    pub(in crate::settings) fn find_in_file<T>(&mut self, _: &[Source<'_, T>]) -> Option<Chosen<T>> {
        None
    }

    /// Notes that a setting has its value from a variable or setter.
    ///
    /// The start line lists the origins, and the effective configuration shows one for each value.
    pub(in crate::settings) fn used(&mut self, key: &'static str, origin: &str) {
        self.value_origins.insert(key, origin.to_owned());
        if !self.origins.contains(origin) {
            self.origins.insert(origin.to_owned());
        }
    }

    /// Returns the variable, setter or line of a file that each setting has its value from, by its key.
    pub(in crate::settings) fn take_value_origins(&mut self) -> BTreeMap<&'static str, String> {
        std::mem::take(&mut self.value_origins)
    }

    /// Returns the warnings, the origins of values, and all mistakes in code.
    pub(in crate::settings) fn finish(self) -> (Vec<String>, Vec<String>, Vec<InitError>) {
        (self.warnings, self.origins.into_iter().collect(), self.errors)
    }

    /// Returns the value to use; `values` are those of the part of the builder that has the setter.
    pub(in crate::settings) fn resolve<T: Clone>(&mut self, setting: &Setting<T>, values: &Values) -> T {
        self.find(setting, values).map_or_else(|| setting.default.clone(), |chosen| chosen.value)
    }

    /// Returns the value of a setting that only the environment has.
    pub(in crate::settings) fn resolve_env<T: Clone>(&mut self, setting: &Setting<T>) -> T {
        self.resolve(setting, &Values::default())
    }

    /// Returns a limit in time. A variable with so short a one was probably meant in seconds.
    pub(in crate::settings) fn resolve_limit(&mut self, sources: &[Source<'_, Duration>]) -> Duration {
        let Some(chosen) = self.find_first(sources) else {
            return sources.first().map_or(Duration::ZERO, |(setting, _)| setting.default);
        };
        let limit = chosen.value;
        if !chosen.is_from_code && !limit.is_zero() && limit < SHORT {
            let milliseconds = limit.as_millis();
            let words = format!(
                "the value is in milliseconds, and this is hardly enough; if seconds are meant, write {milliseconds}000"
            );
            self.warn_once(&chosen.origin, words);
        }
        limit
    }

    /// Returns the value that was given, if any.
    pub(in crate::settings) fn find<T: Clone>(
        &mut self,
        setting: &Setting<T>,
        values: &Values,
    ) -> Option<Chosen<T>> {
        self.find_first(&[(setting, values)])
    }

    /// Returns the value that was given, if any: by the first variable that is set and valid, or else by the first
    /// setter. Every mistake is reported, also one in a value that is not used.
    pub(in crate::settings) fn find_first<T: Clone>(
        &mut self,
        sources: &[Source<'_, T>],
    ) -> Option<Chosen<T>> {
        let [(first, _), ..] = sources else { return None };
        let (last, _) = sources.last()?;
        let in_code: Vec<_> =
            sources.iter().filter_map(|(setting, values)| self.find_in_code(setting, values)).collect();
        let (found, mistakes) = self.look_up(sources);
        let found = self.find_in_file(sources).or(found);
        let chosen = found.or(in_code.into_iter().next());
        let instead = match &chosen {
            Some(chosen) => format!("{} of {}", (last.kind.show)(&chosen.value), chosen.origin),
            None => format!("the default, {}", (last.kind.show)(&last.default)),
        };
        for mistake in mistakes {
            self.report(&mistake, &instead);
        }
        if let Some(chosen) = &chosen {
            self.used(first.key(), &chosen.origin);
        }
        chosen
    }

    /// Returns the value that was given in code. A mistake in it is an error.
    ///
    /// The error names the setter as it is written in code, and shows the value without secrets.
    pub(in crate::settings) fn find_in_code<T: Clone>(
        &mut self,
        setting: &Setting<T>,
        values: &Values,
    ) -> Option<Chosen<T>> {
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
    ///
    /// An empty text, which passes nothing, is valid in code. Without any source the filter is the default of the last
    /// setting.
    pub(in crate::settings) fn directives(
        &mut self,
        settings: &[Source<'_, Cow<'static, str>>],
    ) -> Directives {
        let variables = settings.iter().flat_map(|(setting, _)| setting.variables);
        let mut from_env =
            variables.filter_map(|name| Some((self.env.get(name)?.to_owned().into(), (*name).into())));
        let from_code = || {
            settings
                .iter()
                .find_map(|(setting, values)| Some((values.get(setting)?, setting.origin().into())))
        };
        let from_env = from_env.next();
        let from_file = self.find_in_file(settings).map(|chosen| (chosen.value, chosen.origin));
        let found: Option<(Cow<'static, str>, Cow<'static, str>)> = from_file.or(from_env).or_else(from_code);
        if let (Some((_, origin)), [(first, _), ..]) = (&found, settings) {
            self.used(first.key(), origin);
        }
        let default = || settings.last().map(|(last, _)| last.default.clone()).unwrap_or_default();
        let (text, origin) = found.unwrap_or_else(|| (default(), "default".into()));
        Directives { text: text.into_owned(), origin }
    }

    /// Returns the first valid value of a variable, and the mistakes in those before it.
    ///
    /// Variables behind the valid one are not read: they are not used, and may be meant for another program.
    fn look_up<T>(&self, sources: &[Source<'_, T>]) -> (Option<Chosen<T>>, Vec<InvalidVar>) {
        let mut mistakes = Vec::new();
        for (Setting { variables, kind, .. }, _) in sources {
            for &variable in *variables {
                let Some(text) = self.env.get(variable) else { continue };
                match kind.read(text) {
                    Ok(value) => {
                        let found = Chosen { value, origin: variable.into(), is_from_code: false };
                        return (Some(found), mistakes);
                    }
                    Err(reason) => mistakes.push(InvalidVar { variable, quoted: (kind.quote)(text), reason }),
                }
            }
        }
        (None, mistakes)
    }

    /// Warns about an invalid variable, once, with what is used in its place.
    fn report(&mut self, mistake: &InvalidVar, instead: &str) {
        let InvalidVar { variable, quoted, reason } = mistake;
        if self.reported.insert((variable, reason.to_string())) {
            self.warn(format!("invalid {variable}={quoted}: {reason}; using {instead}"));
        }
    }

    /// Warns about a variable, or a setter. The same words are a warning once; a variable can have several mistakes.
    pub(in crate::settings) fn warn_once(&mut self, origin: &str, words: impl std::fmt::Display) {
        self.warn(format!("{origin}: {words}"));
    }

    /// Adds a warning, once.
    pub(in crate::settings) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Gives access to the warnings, for parsers that add theirs.
    pub(in crate::settings) fn warnings_mut(&mut self) -> &mut Vec<String> {
        &mut self.warnings
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
}

/// Limits below this are reported.
const SHORT: Duration = Duration::from_millis(100);
