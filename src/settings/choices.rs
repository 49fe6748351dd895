//! Settings that are a list of choices from a closed set, such as propagators and resource detectors.
//!
//! The variable is a list of names, such as `process,host`. `none` is a name without choices, `all` one with all of
//! them.
//!
//! | the list has | result |
//! |---|---|
//! | known names | their choices |
//! | known and unknown names | the known choices, and a warning that lists the names there are |
//! | only unknown names | what code has chosen, or else the default, and the warning |
//!
//! In a configuration file and in code, an unknown name is a mistake.

use std::borrow::Cow;

use super::env::items;
use super::resolve::Resolver;
use super::secrets::quoted;
use super::setting::Setting;
use super::value_kind::Reason;
use super::values::Values;

/// The names of choices, each with what it stands for: one, none or all.
pub(super) type Names<T> = [(&'static str, &'static [T])];

/// Makes the kind of lists of choices that have these names: `a,b`.
macro_rules! list_of {
    ($names:ident) => {
        $crate::settings::value_kind::Kind {
            parse: |list| $crate::settings::choices::parse_known(list, &$names).map(Into::into),
            check: $crate::settings::value_kind::any,
            show: |chosen| $crate::settings::choices::show(chosen, &$names),
            quote: $crate::settings::value_kind::plain,
        }
    };
}

pub(super) use list_of;

impl Resolver<'_> {
    /// Returns the choices, each once: those of the environment, or else those in code. Unknown names are left out.
    pub(super) fn choices<T: Copy + PartialEq + 'static>(
        &mut self,
        setting: &Setting<Cow<'static, [T]>>,
        names: &'static Names<T>,
        values: &Values,
    ) -> Vec<T> {
        if let Some(chosen) = self.find_in_file(&[(setting, values)]) {
            self.used(setting.key(), &chosen.origin);
            return once(&chosen.value);
        }
        let in_code = values.get(setting);
        let from_code = once(in_code.as_deref().unwrap_or(&setting.default));
        let listed = setting.variables.first().and_then(|variable| Some((variable, self.env.get(variable)?)));
        let Some((variable, list)) = listed else {
            if in_code.is_some() {
                self.used(setting.key(), &setting.origin());
            }
            return from_code;
        };
        self.used(setting.key(), variable);
        let (known, unknown) = parse(list, names);
        let chosen = known.unwrap_or(from_code);
        if !unknown.is_empty() {
            let all: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            let (unknown, instead) = (quoted(&unknown.join(", ")), show(&chosen, names));
            self.warn_once(variable, format!("{unknown} is not one of {}; using {instead}", all.join(", ")));
        }
        chosen
    }
}

/// Returns the known choices, or `None` if there is no known name, and the unknown names.
pub(super) fn parse<'a, T: Copy + PartialEq>(
    list: &'a str,
    names: &Names<T>,
) -> (Option<Vec<T>>, Vec<&'a str>) {
    let (mut known, mut unknown) = (None, Vec::new());
    for item in items(list) {
        match names.iter().find(|(name, _)| name.eq_ignore_ascii_case(item)) {
            Some((_, choices)) => known.get_or_insert_with(Vec::new).extend_from_slice(choices),
            None => unknown.push(item),
        }
    }
    (known.map(|known| once(&known)), unknown)
}

/// Returns the choices of a list in which every name must be known.
pub(super) fn parse_known<T: Copy + PartialEq>(list: &str, names: &Names<T>) -> Result<Vec<T>, Reason> {
    let (known, unknown) = parse(list, names);
    if unknown.is_empty() {
        return Ok(known.unwrap_or_default());
    }
    let all: Vec<_> = names.iter().map(|(name, _)| *name).collect();
    Err(format!("{} is not one of {}", quoted(&unknown.join(", ")), all.join(", ")).into())
}

/// Returns the first name of each choice.
pub(super) fn show<T: PartialEq>(choices: &[T], names: &Names<T>) -> String {
    match choices {
        [] => "none".to_owned(),
        choices => choices.iter().map(|choice| name(choice, names)).collect::<Vec<_>>().join(", "),
    }
}

/// Returns the first name of a choice.
///
/// Names for several choices, such as `all`, are not considered.
pub(super) fn name<T: PartialEq>(choice: &T, names: &Names<T>) -> &'static str {
    let is_name = |(_, known): &&(&str, &[T])| matches!(known, [known] if known == choice);
    names.iter().find(is_name).map_or("", |(name, _)| name)
}

/// Returns the choices in their order, without duplicates.
pub(super) fn once<T: Copy + PartialEq>(choices: &[T]) -> Vec<T> {
    choices.iter().fold(Vec::new(), |mut chosen, choice| {
        if !chosen.contains(choice) {
            chosen.push(*choice);
        }
        chosen
    })
}
