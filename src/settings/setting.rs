//! The definition of settings: one constant each, shared by the builder, the environment and the documentation.
//!
//! ```text
//! settings! {
//!     /// The limit for one export of one batch.
//!     TIMEOUT: Duration = "timeout", ["OTEL_EXPORTER_OTLP_TIMEOUT"], TIMEOUT_KIND, Duration::from_secs(10);
//! }
//! ```
//!
//! | read by | for |
//! |---|---|
//! | setters | the place of the value in [`Values`](super::values::Values) |
//! | [`Resolver`](super::resolve::Resolver) | variables, parser, default, and the origin in messages |
//! | the configuration file | its key below `distribution` |
//! | `misspelt` | the list of known variables |
//! | a test | the table in `environment.md` and the docs of the setters |

use super::value_kind::Kind;

/// One setting: its setter, its variables, how values are read and shown, and its default.
///
/// Constants of this type are made by [`settings!`], which also lists them.
pub(crate) struct Setting<T: 'static> {
    /// The setter as a path: `traces.sampler`, or `shutdown_timeout` for one of the builder itself. Empty if only the
    /// environment has the setting. What follows a `/` tells apart the settings of one setter.
    pub(super) setter: &'static str,
    /// The variables that override the setter; the first one that is set and valid wins.
    pub(super) variables: &'static [&'static str],
    /// How values are read, checked and shown.
    pub(super) kind: Kind<T>,
    /// The value if no source has one.
    pub(super) default: T,
}

impl<T> Setting<T> {
    /// The name of the setter alone: `sampler`.
    pub(super) fn name(&self) -> &'static str {
        let (_, name) = self.scope_and_name();
        name
    }

    /// What the setting is called in a configuration file and in lists: the path of its setter, or its variable.
    pub(crate) const fn key(&self) -> &'static str {
        match self.variables {
            [variable, ..] if self.setter.is_empty() => variable,
            _ => self.setter,
        }
    }

    /// The setter as it is written in code: `.traces(|t| t.sampler())`.
    pub(super) fn origin(&self) -> String {
        let (scope, setter) = self.scope_and_name();
        let Some(scope) = scope else { return format!(".{setter}()") };
        if scope == DESTINATION {
            let setter = if setter == "otlp_file" { setter.to_owned() } else { format!("otlp().{setter}") };
            return format!(".destination(Destination::{setter}())");
        }
        let initial = scope.rsplit('_').next().and_then(|word| word.chars().next()).unwrap_or('s');
        format!(".{scope}(|{initial}| {initial}.{setter}())")
    }

    /// Splits the path of the setter: `traces.sampler` into `traces` and `sampler`, without what follows a `/`.
    fn scope_and_name(&self) -> (Option<&'static str>, &'static str) {
        let setter = self.setter.split('/').next().unwrap_or_default();
        setter.split_once('.').map_or((None, setter), |(scope, name)| (Some(scope), name))
    }

    /// Returns what lists of settings need of this one.
    pub(super) fn describe(&self) -> Description {
        Description {
            key: self.key(),
            variables: self.variables,
            #[cfg(test)]
            setter: self.name(),
            #[cfg(test)]
            default: (self.kind.show)(&self.default),
        }
    }
}

/// The scope of the settings of one destination, which are not in a closure.
const DESTINATION: &str = "destination";

/// One setting in a list of all of them.
#[derive(Debug)]
pub(super) struct Description {
    #[cfg_attr(
        not(feature = "config-file"),
        expect(dead_code, reason = "a file names settings by their keys")
    )]
    pub(super) key: &'static str,
    pub(super) variables: &'static [&'static str],
    /// Documented, as is the default.
    #[cfg(test)]
    pub(super) setter: &'static str,
    #[cfg(test)]
    pub(super) default: String,
}

/// Defines settings as constants: `NAME: Type = setter, variables, kind, default;`.
///
/// Besides the constants it defines `descriptions()`, which [`all`](super::descriptions) of them are listed by.
macro_rules! settings {
    ($(
        $(#[$doc:meta])*
        $name:ident: $type:ty = $setter:expr, $variables:expr, $kind:expr, $default:expr;
    )*) => {
        $(
            $(#[$doc])*
            pub(crate) const $name: $crate::settings::setting::Setting<$type> = $crate::settings::setting::Setting {
                setter: $setter,
                variables: &$variables,
                kind: $kind,
                default: $default,
            };
        )*

        /// Returns a description of each of these settings.
        pub(in crate::settings) fn descriptions() -> Vec<$crate::settings::setting::Description> {
            vec![$($name.describe()),*]
        }
    };
}

pub(super) use settings;
