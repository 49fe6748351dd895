//! The filter of each output, and the errors in their directives.
//!
//! Errors in code are returned by [`mistakes_in_code`] before anything is built. The same errors in the environment,
//! and hints about directives that are valid but have no effect, are logged as warnings.

use std::collections::HashSet;

use crate::diagnostics::shared_level::SharedLevel;
use crate::error::InitError;
use crate::settings::{Directives, Settings};
use crate::subscriber::Filters;
use crate::subscriber::filter::{BadDirective, Filter, FilterHandle};

/// Parses the filter of each output. Errors in the environment, and hints, become warnings.
///
/// Invalid directives are skipped; the valid ones take effect.
pub(super) fn parse(settings: &mut Settings) -> Filters {
    let warnings = filter_warnings(settings);
    settings.warnings.extend(warnings);
    let handle = |directives: &Directives| FilterHandle::new(Filter::parse(&directives.text).0);
    Filters {
        lines: handle(&settings.lines.filter),
        records: handle(&settings.logs.filter),
        spans: handle(&settings.span_filter),
        record_level: SharedLevel::new(settings.logs.minimum_severity),
    }
}

/// Returns the errors in directives from the environment, and hints about other directives.
pub(crate) fn filter_warnings(settings: &Settings) -> Vec<String> {
    reports(settings)
        .into_iter()
        .filter(|(_, directives, bad)| !directives.is_strict() || !bad.is_mistake())
        .map(|(_, directives, bad)| bad.warning(&directives.origin))
        .collect()
}

/// Returns an error for each invalid directive from code.
///
/// Called before anything is built, so that they are reported together with the other errors in code.
pub(crate) fn mistakes_in_code(settings: &Settings) -> Vec<InitError> {
    let in_code = reports(settings)
        .into_iter()
        .filter(|(_, directives, bad)| directives.is_strict() && bad.is_mistake());
    in_code
        .map(|(setting, directives, bad)| InitError::InvalidSetting {
            setting,
            value: bad.text,
            origin: directives.origin.to_string(),
            reason: bad.reason,
            source: None,
        })
        .collect()
}

/// Returns the errors and hints of each filter, with the setting that it comes from. An error that two filters share
/// is returned once.
fn reports(settings: &Settings) -> Vec<(&'static str, &Directives, BadDirective)> {
    let filters = [
        ("log_filter", &settings.lines.filter),
        ("log_filter", &settings.logs.filter),
        ("span_filter", &settings.span_filter),
    ];
    let each = filters.into_iter().flat_map(|(setting, directives)| {
        // The default filter gives no hints: a program that was built without TRACE did not request its TRACE spans.
        let bad = Filter::parse(&directives.text).1.into_iter().filter(|_| !directives.is_default());
        bad.map(move |bad| (setting, directives, bad))
    });
    // Lines and records usually have the same directives, so an error in them is reported once.
    let mut reported = HashSet::new();
    let mut is_new = |directives: &Directives, bad: &BadDirective| {
        reported.insert((directives.origin.clone(), bad.text.clone(), bad.reason.clone()))
    };
    each.filter(|(_, directives, bad)| is_new(directives, bad)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Env, resolve};

    #[test]
    fn error_in_the_common_log_filter_is_reported_once() {
        let resolved = |builder: crate::Builder, env| resolve(&builder.into_parts().0, &env).0;
        let wrong = "a=b=c,info,d=e=f";

        let mut from_env = resolved(crate::init(), Env::from_pairs([("RUST_LOG", wrong)]));
        parse(&mut from_env);
        let [first, second] = &from_env.warnings[..] else { panic!("{:?}", from_env.warnings) };
        assert!(first.contains("a=b=c") && second.contains("d=e=f"), "{first}, {second}");
        assert!(mistakes_in_code(&from_env).is_empty());

        // The directives used instead are reported with the error.
        for (text, reason) in [("a=of", "nothing passes"), ("noisy-crate=off", "nothing passes")] {
            let from_env = resolved(crate::init(), Env::from_pairs([("RUST_LOG", text)]));
            let warnings = filter_warnings(&from_env);
            assert_eq!(warnings.len(), 2, "{warnings:?}");
            assert!(warnings[1].contains(reason), "{warnings:?}");
        }

        let from_code = resolved(crate::init().log_filter(wrong), Env::none());
        assert_eq!(mistakes_in_code(&from_code).len(), 2);
    }
}
