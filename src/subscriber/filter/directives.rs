//! The syntax of filters: what directives mean, which of them are mistakes, and what is used in their place.
//!
//! The syntax is that of `tracing-subscriber`, which takes nearly every text as the name of a target: `RUST_LOG=warning`
//! turns everything off, without a warning. Here each directive is checked first.
//!
//! | written | used | because |
//! |---|---|---|
//! | `warning`, `inof`, `none` | `warn`, `info`, `off` | close to a level |
//! | `true`, `verbose`, `10` | nothing | neither a level nor a target |
//! | `my-crate=debug` | `my-crate=debug` and `my_crate=debug` | targets are module paths |
//! | `my_crate::*=debug`, `*=debug` | `my_crate=debug`, `debug` | targets match by their beginning |
//! | `my_crate:debug`, `level=info` | `my_crate=debug`, `info` | a directive is `target=level` |
//! | `info;a=debug`, `info a=debug` | `info,a=debug` | directives are separated by commas |
//! | `info/text` | `info` | `env_logger`'s search in messages does not exist here |
//! | `a=off` alone | `info,a=off` | otherwise nothing could pass |
//! | `[span]=off` | nothing | span directives only add |
//! | `:`, `=`, `[]`, `::a=debug` | nothing | no target or span has such a name |
//!
//! Nothing is rejected: what can be understood is used, and every deviation is reported with what was used instead. A
//! program in production must not run without logs for a misspelt level; one that is being developed gets the same
//! message as an error.
//!
//! The result is a list of directives in the form that `tracing-subscriber` reads, so that what passes is decided by
//! its code.

mod levels;
mod separators;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr as _;

use tracing_core::LevelFilter;
use tracing_subscriber::filter::{Directive, EnvFilter, Targets};

use self::levels::{NOT_A_LEVEL, meant, name};
use self::separators::{split, split_at_slash, unquoted, without_blanks_at_equals};
use super::{DEFAULT_LEVEL, Filter};
use crate::lines::redaction::{REDACTED, printable};

/// A directive that does not do what was probably intended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadDirective {
    /// The directive as it was written.
    pub(crate) text: String,
    /// What is wrong with it, and what is used instead.
    pub(crate) reason: String,
    /// What the directive costs: an error, or a warning.
    pub(crate) severity: Severity,
}

/// Whether a directive in code is an error.
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

    /// The directive, as far as it can be shown: a secret may have been put into the wrong variable.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        printable(&self.text)
    }
}

impl fmt::Display for BadDirective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter directive {:?}: {}", self.shown(), self.reason)
    }
}

/// Reads directives separated by commas, in a program that was compiled with the levels up to `compiled`.
pub(super) fn parse(text: &str, compiled: LevelFilter) -> (Filter, Vec<BadDirective>) {
    let mut parser = Parser::default();
    if printable(text) == REDACTED {
        parser.ignored(text, "this is not a filter");
    } else {
        parser.all(text);
    }
    parser.check_that_something_passes(text);
    parser.check_span_levels();
    parser.limit_to(compiled);
    (parser.filter(), parser.bad)
}

/// A parsed directive.
///
/// A directive that was corrected has the corrected parts, and the text of the original for messages.
#[derive(Clone, Debug)]
struct Parsed {
    /// Empty for everything.
    target: String,
    /// `[span{field=value}]`, or empty.
    span: String,
    /// The corrected level. [`LevelFilter::TRACE`] if none was given.
    level: LevelFilter,
    /// As it was written.
    text: String,
}

/// The directives read so far, and what was wrong with them.
#[derive(Debug, Default)]
struct Parser {
    /// Directives that are used, in the order of the text. Of equal ones the last counts, as in `tracing-subscriber`.
    good: Vec<Parsed>,
    /// What is reported, in the order in which it was found.
    bad: Vec<BadDirective>,
}

impl Parser {
    /// Reads a whole filter: quotes around it, a search behind a slash, and the directives between commas.
    fn all(&mut self, text: &str) {
        let text = text.trim();
        if let Some(inner) = unquoted(text) {
            self.mistake(text, "quotes are not part of a filter; they are ignored");
            return self.all(inner);
        }
        let directives = match split_at_slash(text) {
            Some((directives, _)) => {
                let used = format!("a search in messages (`/`) is not supported; {directives:?} is used");
                self.mistake(text, &used);
                directives
            }
            None => text,
        };
        split(directives, |c| c == ',').for_each(|part| self.listed(part));
    }

    /// One part between commas.
    fn listed(&mut self, part: &str) {
        let tight = without_blanks_at_equals(part);
        let parts: Vec<&str> = split(&tight, |c| c == ';' || c.is_whitespace()).collect();
        match &parts[..] {
            [one] => self.one(one),
            several => {
                let used = several.join(",");
                self.mistake(part, &format!("directives are separated by commas; {used:?} is used"));
                several.iter().for_each(|part| self.one(part));
            }
        }
    }

    /// Reads one directive.
    fn one(&mut self, part: &str) {
        match part.find(['[', '{']) {
            Some(start) => self.with_span(part, start),
            None => self.plain(part),
        }
    }

    /// A directive of target and level, or of one of them.
    fn plain(&mut self, part: &str) {
        if let Ok(level) = part.parse::<LevelFilter>() {
            return self.add(part, "", "", level);
        }
        let Some((target, word)) = part.split_once('=') else { return self.word(part) };
        if target.is_empty() || word.contains('=') {
            return self.ignored(part, "this is not `target=level`");
        }
        let Some(level) = self.level(part, word, |level| format!("{target}={level}")) else { return };
        if LEVEL_KEYS.iter().any(|key| key.eq_ignore_ascii_case(target)) {
            let used = name(level);
            self.mistake(part, &format!("a level for everything is written alone; {used:?} is used"));
            return self.add(part, "", "", level);
        }
        self.targets(part, target, "", level);
    }

    /// A directive without `=`: a level that is misspelt, or a target.
    fn word(&mut self, part: &str) {
        if let Some(level) = meant(part) {
            self.mistake(part, &format!("{part:?} is not a level; {:?} is used", name(level)));
            return self.add(part, "", "", level);
        }
        if NEITHER.iter().any(|word| word.eq_ignore_ascii_case(part)) {
            return self.ignored(part, NOT_A_LEVEL);
        }
        // Levels may be numbers, from 0 (off) to 5 (trace).
        if part.parse::<i64>().is_ok() {
            return self.ignored(part, NOT_A_LEVEL);
        }
        // An empty level would be read as `error`.
        if let Some(word) = part.strip_suffix(':').filter(|word| !word.is_empty())
            && let Some(level) = word.parse().ok().or_else(|| meant(word))
        {
            self.mistake(part, &format!("{part:?} is not a level; {:?} is used", name(level)));
            return self.add(part, "", "", level);
        }
        if let Some((target, level)) = part.rsplit_once(':')
            && !target.is_empty()
            && !target.ends_with(':')
            && !level.is_empty()
            && let Some(level) = level.parse().ok().or_else(|| meant(level))
        {
            let used = format!("{target}={}", name(level));
            self.mistake(part, &format!("target and level are separated by `=`; {used:?} is used"));
            return self.targets(part, target, "", level);
        }
        self.targets(part, part, "", LevelFilter::TRACE);
    }

    /// A directive that names a span or fields of spans.
    fn with_span(&mut self, part: &str, start: usize) {
        if let Err(error) = Directive::from_str(part) {
            let level = part.rsplit_once('=').map(|(_, level)| level).filter(|it| !it.contains([']', '}']));
            if level.is_none_or(|level| level.parse::<LevelFilter>().is_ok()) {
                return self.ignored(part, &error.to_string());
            }
        }
        let (target, rest) = part.split_at(start);
        let end = rest.rfind([']', '}']).map_or(rest.len(), |end| end + 1);
        let (span, rest) = rest.split_at(end);
        if !span.contains(char::is_alphanumeric) {
            return self.ignored(part, "it names neither a span nor a field");
        }
        let level = match rest.strip_prefix('=') {
            Some(word) => self.level(part, word, |level| format!("{target}{span}={level}")),
            None => Some(LevelFilter::TRACE),
        };
        let Some(level) = level else { return };
        if level == LevelFilter::OFF {
            return self.ignored(part, "a directive with a span can only add, not turn off");
        }
        if span.starts_with("[{") && span.contains('=') {
            self.hint(
                part,
                "values are compared with the fields of spans, never with those of the event itself",
            );
        }
        self.targets(part, target, span, level);
        // A quoted value matches what `Debug` writes; without its quotes it matches the text itself.
        if span.contains('"') {
            self.targets(part, target, &span.replace('"', ""), level);
        }
    }

    /// The level that a word names or probably means.
    fn level(&mut self, part: &str, word: &str, used: impl Fn(&str) -> String) -> Option<LevelFilter> {
        // `tracing-subscriber` and `env_logger` pass everything of a target without a level after the `=`.
        if word.is_empty() {
            return Some(LevelFilter::TRACE);
        }
        if let Ok(level) = word.parse() {
            return Some(level);
        }
        let Some(level) = meant(word) else {
            self.ignored(part, &format!("{word:?} {NOT_A_LEVEL}"));
            return None;
        };
        self.mistake(part, &format!("{word:?} is not a level; {:?} is used", used(name(level))));
        Some(level)
    }

    /// Adds a directive after a check of its target.
    fn targets(&mut self, part: &str, target: &str, span: &str, level: LevelFilter) {
        let path = target.trim_end_matches('*').trim_end_matches(':');
        let is_everything = || path.is_empty() && target.chars().all(|c| c == '*');
        if !is_path(path) && !is_everything() {
            return self.ignored(part, "no target has such a name");
        }
        if path != target {
            let used = if path.is_empty() { "everything" } else { path };
            self.mistake(
                part,
                &format!("a target matches what begins with it, without `*`; {used:?} is used"),
            );
        }
        self.add(part, path, span, level);
        if path.contains('-') {
            let module = path.replace('-', "_");
            self.mistake(part, &format!("module paths have `_` in place of `-`; {module:?} is used as well"));
            self.add(part, &module, span, level);
        }
    }

    /// Adds a directive that is used.
    fn add(&mut self, text: &str, target: &str, span: &str, level: LevelFilter) {
        let (target, span, text) = (target.to_owned(), span.to_owned(), text.to_owned());
        self.good.push(Parsed { target, span, level, text });
    }

    /// Reports a directive that is not used.
    fn ignored(&mut self, text: &str, reason: &str) {
        self.mistake(text, &format!("{reason}; it is ignored"));
    }

    /// Reports a directive that is used in another form.
    fn mistake(&mut self, text: &str, reason: &str) {
        self.report(text, reason, Severity::Mistake);
    }

    /// Reports a valid directive that may not do what is expected.
    fn hint(&mut self, text: &str, reason: &str) {
        self.report(text, reason, Severity::Hint);
    }

    /// Adds a report.
    fn report(&mut self, text: &str, reason: &str, severity: Severity) {
        self.bad.push(BadDirective { text: text.to_owned(), reason: reason.to_owned(), severity });
    }

    /// Adds the default level if nothing could pass although no directive turns everything off.
    fn check_that_something_passes(&mut self, text: &str) {
        let default = name(DEFAULT_LEVEL);
        if self.good.is_empty() {
            if let Some(last) = self.bad.last_mut() {
                last.reason.push_str(&format!("; {default:?} is used"));
            }
            self.add(default, "", "", DEFAULT_LEVEL);
        } else if self.good.iter().all(|it| it.level == LevelFilter::OFF && !it.target.is_empty()) {
            let reason =
                format!("nothing passes, since no level is given for the rest; {default:?} is used for it");
            self.mistake(text, &reason);
            self.add(default, "", "", DEFAULT_LEVEL);
        }
    }

    /// Reports directives with a span that add nothing to what passes anyway.
    fn check_span_levels(&mut self) {
        let (spans, plain): (Vec<_>, Vec<_>) = self.good.iter().cloned().partition(|it| !it.span.is_empty());
        for it in spans {
            let covering = plain.iter().filter(|plain| it.target.starts_with(&plain.target));
            let passes = covering.max_by_key(|plain| plain.target.len()).map(|plain| plain.level);
            if passes.is_some_and(|passes| it.level <= passes) {
                self.hint(&it.text, "it has no effect, since as much passes outside of the span");
            }
        }
    }

    /// Lowers levels that the build left out, which `EnvFilter` would report on standard error, in colours.
    fn limit_to(&mut self, compiled: LevelFilter) {
        let Some(beyond) = self.good.iter().find(|it| it.level > compiled) else { return };
        let text = beyond.text.clone();
        let reason = format!(
            "this program was built without events of that level (a `max_level_…` feature of `tracing`); \
             {:?} is used",
            name(compiled)
        );
        // Directives without a level mean the most verbose one.
        if text.contains('=') || text.parse::<LevelFilter>().is_ok() {
            self.hint(&text, &reason);
        }
        self.good.iter_mut().for_each(|it| it.level = it.level.min(compiled));
    }

    /// Builds the filter: by targets alone, unless a directive names spans.
    fn filter(&self) -> Filter {
        if self.good.iter().all(|it| it.span.is_empty()) {
            return Filter::Static(self.good.iter().fold(Targets::new(), Parsed::add_to));
        }
        Filter::Dynamic(Box::new(dynamic(&self.good)))
    }
}

impl Parsed {
    /// Adds a directive without a span to those by target.
    fn add_to(targets: Targets, it: &Self) -> Targets {
        match &it.target[..] {
            "" => targets.with_default(it.level),
            target => targets.with_target(target, it.level),
        }
    }
}

impl fmt::Display for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.target[..], &self.span[..]) {
            ("", "") => f.write_str(name(self.level)),
            (target, span) => write!(f, "{target}{span}={}", name(self.level)),
        }
    }
}

/// Builds a filter that follows spans.
///
/// The parser of `EnvFilter` accepts that a directive with field names also enables what is inside such a span, but
/// cuts it at each comma; `add_directive` the other way round. So each directive goes the way that reads it whole.
fn dynamic(directives: &[Parsed]) -> EnvFilter {
    let texts = directives.iter().map(ToString::to_string);
    let (listed, plain): (Vec<_>, Vec<_>) = texts.partition(|text| text.contains(','));
    let filter = EnvFilter::builder().parse(plain.join(",")).unwrap_or_default();
    let listed = listed.iter().filter_map(|text| Directive::from_str(text).ok());
    listed.fold(filter, EnvFilter::add_directive)
}

/// Returns `true` for module paths, and for names that programs give to targets of their own.
fn is_path(target: &str) -> bool {
    let is_in_names = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_name = |name: &str| name.chars().all(is_in_names) && name.contains(char::is_alphanumeric);
    target.split("::").all(is_name)
}

/// Words that are meant as a switch.
const NEITHER: [&str; 8] = ["true", "yes", "on", "enabled", "default", "verbose", "null", "undefined"];

/// The targets that mean everything.
const LEVEL_KEYS: [&str; 7] = ["level", "log_level", "log-level", "loglevel", "rust_log", "default", "*"];
