//! Names of levels, and the words that are meant as one.

use tracing_core::LevelFilter;

use crate::settings::edit_distance;

/// The level that a word probably means: another logger's name for it, or one edit away from that or from a level.
pub(super) fn meant(word: &str) -> Option<LevelFilter> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let is_near = |name: &str| edit_distance(&word, name) == 1;
    let synonym = |matches: &dyn Fn(&str) -> bool| {
        SYNONYMS.iter().find(|(_, words)| words.iter().any(|it| matches(it))).map(|(level, _)| *level)
    };
    let near = || {
        let level = LEVELS.into_iter().find(|level| is_near(name(*level)));
        level.or_else(|| synonym(&|it| it.len() >= RECOGNIZABLE && is_near(it)))
    };
    let is_crate = SIMILAR_CRATES.contains(&&word[..]);
    synonym(&|it| it == word).or_else(|| near().filter(|_| !is_crate))
}

/// The level that a word is or probably means.
pub(super) fn level_of(word: &str) -> Option<LevelFilter> {
    // An empty level would be read as `error`.
    word.parse().ok().filter(|_| !word.is_empty()).or_else(|| meant(word))
}

/// Returns `true` if a directive has a level, by itself or behind its `=`.
pub(super) fn has_level(directive: &str) -> bool {
    let word = directive.rsplit_once('=').map_or(directive, |(_, word)| word);
    level_of(word.trim()).is_some()
}

/// Returns the name of a level, as it is written in directives.
pub(super) fn name(level: LevelFilter) -> &'static str {
    level.into_level().map_or("off", |level| match level {
        tracing_core::Level::ERROR => "error",
        tracing_core::Level::WARN => "warn",
        tracing_core::Level::INFO => "info",
        tracing_core::Level::DEBUG => "debug",
        tracing_core::Level::TRACE => "trace",
    })
}

/// The message about a word that no level is close to.
pub(super) const NOT_A_LEVEL: &str = "is not a level: use error, warn, info, debug, trace or off";

/// Levels by the names that other loggers give them.
const SYNONYMS: [(LevelFilter, &[&str]); 6] = [
    (LevelFilter::ERROR, &["err", "fatal", "critical", "crit", "severe", "emergency"]),
    (LevelFilter::WARN, &["warning", "warnings"]),
    (LevelFilter::INFO, &["information", "informational", "notice"]),
    (LevelFilter::DEBUG, &["dbg", "debugging"]),
    (LevelFilter::TRACE, &["all", "any", "everything"]),
    (
        LevelFilter::OFF,
        &["none", "no", "false", "never", "silent", "quiet", "nothing", "disable", "disabled", "of"],
    ),
];

/// The length from which a misspelling of a synonym is recognized.
const RECOGNIZABLE: usize = 5;

/// The length of the longest synonym, with one letter more.
const LONGEST: usize = 14;

/// Levels that are long enough for a misspelling to be recognized.
const LEVELS: [LevelFilter; 5] =
    [LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];

/// Crates whose names are one letter away from a level or a synonym.
const SIMILAR_CRATES: [&str; 5] = ["warp", "tract", "tracer", "lever", "fever"];
