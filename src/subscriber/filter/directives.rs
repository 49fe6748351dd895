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
//! | `info=`, `info.my_crate=debug` | `info`, and `info,my_crate=debug` beside it | a level is no target |
//! | `info=debug`, `my_crate{user}` | nothing | a level is no target; fields belong into `[…]` |
//! | `["info","a=debug"]` | `info,a=debug` | brackets are for spans |
//!
//! Nothing is rejected: what can be understood is used, and every deviation is reported with what was used instead. A
//! misspelt level must not silence a production service; in code, the same problem is an error.
//!
//! The result is a list of directives in the form that `tracing-subscriber` reads, so what passes is decided by its
//! code.

mod levels;
mod report;
mod separators;
mod spans;

use std::fmt;

use tracing_core::LevelFilter;
use tracing_subscriber::filter::Targets;

use self::levels::{NOT_A_LEVEL, has_level, level_of, meant, name};
pub(crate) use self::report::BadDirective;
use self::report::Reports;
use self::separators::{split, split_at_slash, unquoted, without_blanks_at_equals};
use super::span_filter::SpanFilter;
use super::{DEFAULT_LEVEL, Filter};
use crate::settings::secrets::is_filter_with_secret;

/// Reads directives separated by commas, in a program that was compiled with the levels up to `compiled`.
///
/// A secret that was put here by mistake can be any part of the text: if one part that is reported looks like one, no
/// report shows any.
pub(super) fn parse(text: &str, compiled: LevelFilter) -> (Filter, Vec<BadDirective>) {
    let read = |reports| Parser { good: Vec::new(), reports }.read(text, compiled);
    let (filter, bad) = read(Reports::default());
    if bad.iter().any(|bad| is_filter_with_secret(&bad.text)) {
        read(Reports::redacted())
    } else {
        (filter, bad)
    }
}

/// A parsed directive.
///
/// A directive that was corrected has the corrected parts, and the text of the original for messages.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    /// Empty for everything.
    pub(super) target: String,
    /// `[span{field=value}]`, or empty.
    pub(super) span: String,
    /// The corrected level. [`LevelFilter::TRACE`] if none was given.
    level: LevelFilter,
    /// The text of the directive.
    text: String,
}

/// The directives read so far, and what was wrong with them.
#[derive(Debug)]
struct Parser {
    /// Directives that are used, in the order of the text. Of equal ones the last wins, as in `tracing-subscriber`.
    good: Vec<Parsed>,
    /// The reports.
    reports: Reports,
}

impl Parser {
    /// Reads the text, checks the directives together, and builds the filter.
    fn read(mut self, text: &str, compiled: LevelFilter) -> (Filter, Vec<BadDirective>) {
        self.all(text);
        self.check_that_something_passes(text);
        self.check_span_levels();
        self.limit_to(compiled);
        (self.filter(), self.reports.into_vec())
    }

    /// Reads a whole filter: quotes around it, a search behind a slash, and the directives between commas.
    fn all(&mut self, text: &str) {
        let mut inner = text.trim();
        while let Some(shorter) = unquoted(inner) {
            inner = shorter.trim();
        }
        if inner != text.trim() {
            self.reports.mistake(text, "quotes are not part of a filter; they are ignored");
        }
        let directives = match split_at_slash(inner) {
            Some((before, after)) if before.ends_with(':') && after.starts_with('/') => {
                self.reports.ignored(inner, "a URL is not a filter");
                before.rsplit_once(',').map_or("", |(directives, _)| directives)
            }
            Some((before, _)) => {
                let used = self.reports.quoted(before);
                self.reports
                    .mistake(inner, &format!("a search in messages (`/`) is not supported; {used} is used"));
                before
            }
            None => inner,
        };
        split(directives, |c| c == ',').for_each(|part| self.listed(part));
    }

    /// One part between commas.
    fn listed(&mut self, part: &str) {
        let tight = without_blanks_at_equals(part);
        let parts: Vec<&str> = split(&tight, |c| c == ';' || c.is_whitespace()).collect();
        match &parts[..] {
            [one] => self.one(one),
            // A header or a key, which are words as targets are.
            several if is_filter_with_secret(part) && !several.iter().any(|it| has_level(it)) => {
                self.reports.ignored(part, NOT_A_FILTER);
            }
            several => {
                let used = self.reports.quoted(&several.join(","));
                self.reports.mistake(part, &format!("directives are separated by commas; {used} is used"));
                several.iter().for_each(|part| self.one(part));
            }
        }
    }

    /// Reads one directive.
    fn one(&mut self, part: &str) {
        match part.find(['[', '{']) {
            Some(start) => self.bracketed(part, start),
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
            return self.reports.ignored(part, "this is not `target=level`");
        }
        if word.is_empty()
            && let Some(level) = level_of(target)
        {
            return self.level_alone(part, level);
        }
        let Some(level) = self.level(part, word, |level| format!("{target}={level}")) else { return };
        if LEVEL_KEYS.iter().any(|key| key.eq_ignore_ascii_case(target)) {
            return self.level_alone(part, level);
        }
        self.targets(part, target, &[""], level);
    }

    /// Reports what stands for a level for everything, and uses that level.
    fn level_alone(&mut self, part: &str, level: LevelFilter) {
        let used = name(level);
        self.reports.mistake(part, &format!("a level for everything is written alone; {used:?} is used"));
        self.add(part, "", "", level);
    }

    /// A directive without `=`: a level that is misspelt, or a target.
    fn word(&mut self, part: &str) {
        // An empty level would be read as `error`.
        let colon = part.strip_suffix(':').filter(|word| !word.is_empty());
        if let Some(level) = meant(part).or_else(|| level_of(colon?)) {
            let written = self.reports.quoted(part);
            self.reports.mistake(part, &format!("{written} is not a level; {:?} is used", name(level)));
            return self.add(part, "", "", level);
        }
        if NEITHER.iter().any(|word| word.eq_ignore_ascii_case(part)) || is_number(part) {
            return self.reports.ignored(part, NOT_A_LEVEL);
        }
        if let Some((target, level)) = part.rsplit_once(':')
            && !target.is_empty()
            && !target.ends_with(':')
            && target.parse::<LevelFilter>().is_err()
            && let Some(level) = level_of(level)
        {
            let used = self.reports.quoted(&format!("{target}={}", name(level)));
            self.reports.mistake(part, &format!("target and level are separated by `=`; {used} is used"));
            return self.targets(part, target, &[""], level);
        }
        if part.split("::").any(is_token) {
            return self.reports.ignored(part, NOT_A_FILTER);
        }
        self.targets(part, part, &[""], LevelFilter::TRACE);
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
        let written = self.reports.quoted(word);
        let Some(level) = meant(word) else {
            self.reports.ignored(part, &format!("{written} {NOT_A_LEVEL}"));
            return None;
        };
        let used = self.reports.quoted(&used(name(level)));
        self.reports.mistake(part, &format!("{written} is not a level; {used} is used"));
        Some(level)
    }

    /// Adds a directive for each of `spans` (an empty one for none), after a check of the target.
    fn targets(&mut self, part: &str, target: &str, spans: &[&str], level: LevelFilter) {
        let path = target.trim_end_matches('*').trim_end_matches(':');
        let is_everything = || path.is_empty() && target.chars().all(|c| c == '*');
        if !path.is_empty() && path.parse::<LevelFilter>().is_ok() {
            let written = self.reports.quoted(path);
            return self.reports.ignored(part, &format!("{written} is a level, not a target"));
        }
        if !is_path(path) && !is_everything() {
            return self.reports.ignored(part, "no target has such a name");
        }
        if path != target {
            let used = if path.is_empty() { "\"everything\"".to_owned() } else { self.reports.quoted(path) };
            self.reports
                .mistake(part, &format!("a target matches what begins with it, without `*`; {used} is used"));
        }
        let mut add = |target: &str| spans.iter().for_each(|span| self.add(part, target, span, level));
        add(path);
        if path.contains('-') {
            let module = path.replace('-', "_");
            add(&module);
            let used = self.reports.quoted(&module);
            self.reports
                .mistake(part, &format!("module paths have `_` in place of `-`; {used} is used as well"));
        }
        if let Some((word, rest)) = path.split_once('.')
            && let Some(all) = word.parse().ok().filter(|_| is_path(rest))
        {
            spans.iter().for_each(|span| self.add(part, rest, span, level));
            self.add(part, "", "", all);
            let used = self.reports.quoted(&format!("{word},{rest}={}", name(level)));
            self.reports
                .mistake(part, &format!("directives are separated by commas; {used} is used as well"));
        }
    }

    /// Adds a directive that is used.
    fn add(&mut self, text: &str, target: &str, span: &str, level: LevelFilter) {
        let (target, span, text) = (target.to_owned(), span.to_owned(), text.to_owned());
        self.good.push(Parsed { target, span, level, text });
    }

    /// Adds the default level if nothing could pass although no directive turns everything off.
    fn check_that_something_passes(&mut self, text: &str) {
        let default = name(DEFAULT_LEVEL);
        if self.good.is_empty() {
            self.reports.add_to_last(&format!("; {default:?} is used"));
            self.add(default, "", "", DEFAULT_LEVEL);
        } else if self.good.iter().all(|it| it.level == LevelFilter::OFF && !it.target.is_empty()) {
            let reason =
                format!("nothing passes, since no level is given for the rest; {default:?} is used for it");
            self.reports.mistake(text, &reason);
            self.add(default, "", "", DEFAULT_LEVEL);
        }
    }

    /// Lowers levels that the build left out, which `EnvFilter` would report on standard error, in colours.
    fn limit_to(&mut self, compiled: LevelFilter) {
        // Directives without a level mean the most verbose one.
        let is_beyond = |it: &&Parsed| it.level > compiled && has_level(&it.text);
        if let Some(beyond) = self.good.iter().find(is_beyond) {
            let reason = format!(
                "this program was built without events of that level (a `max_level_…` feature of `tracing`); \
                 {:?} is used",
                name(compiled)
            );
            self.reports.hint(&beyond.text, &reason);
        }
        self.good.iter_mut().for_each(|it| it.level = it.level.min(compiled));
    }

    /// Builds the filter: by targets alone, unless a directive names spans.
    fn filter(&self) -> Filter {
        if self.good.iter().all(|it| it.span.is_empty()) {
            return Filter::Static(self.good.iter().fold(Targets::new(), Parsed::add_to));
        }
        Filter::Dynamic(Box::new(SpanFilter::new(&self.good)))
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

/// Returns `true` for module paths, and for names that programs give to targets of their own.
fn is_path(target: &str) -> bool {
    let is_in_names = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_name = |name: &str| name.chars().all(is_in_names) && name.contains(char::is_alphanumeric);
    target.starts_with(|c: char| c.is_alphabetic() || c == '_') && target.split("::").all(is_name)
}

/// Returns `true` for numbers, whatever their size. Levels may be numbers, but only from 0 (off) to 5 (trace).
fn is_number(word: &str) -> bool {
    let is_in_numbers = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    word.chars().all(is_in_numbers) && word.contains(|c: char| c.is_ascii_digit())
}

/// Returns `true` for what is rather a key or a token than the name of a module, such as `authorization`.
fn is_token(name: &str) -> bool {
    name.contains(|c: char| c.is_ascii_digit()) && is_filter_with_secret(name)
}

/// The problem reported for a directive that may hold a secret.
const NOT_A_FILTER: &str = "this is not a filter";

/// Words that are meant as a switch.
const NEITHER: [&str; 9] = ["true", "yes", "on", "enabled", "default", "verbose", "null", "nil", "undefined"];

/// The targets that mean everything.
const LEVEL_KEYS: [&str; 7] = ["level", "log_level", "log-level", "loglevel", "rust_log", "default", "*"];
