//! Names of levels, and the words that are meant as one.

use tracing_core::LevelFilter;

use crate::settings::edit_distance;

/// The level that a word probably means: another logger's name for it, or one letter away.
pub(super) fn meant(word: &str) -> Option<LevelFilter> {
    let word = word.to_ascii_lowercase();
    let synonym = SYNONYMS.iter().find(|(_, words)| words.contains(&&word[..])).map(|(level, _)| *level);
    let is_crate = SIMILAR_CRATES.contains(&&word[..]);
    let near = || LEVELS.into_iter().find(|level| edit_distance(&word, name(*level)) == 1);
    synonym.or_else(|| near().filter(|_| !is_crate))
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
    (LevelFilter::DEBUG, &["dbg"]),
    (LevelFilter::TRACE, &["all", "any", "everything"]),
    (LevelFilter::OFF, &["none", "no", "false", "never", "silent", "disabled", "of"]),
];

/// Levels that are long enough for a misspelling to be recognized.
const LEVELS: [LevelFilter; 5] =
    [LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];

/// Crates whose names are one letter away from a level.
const SIMILAR_CRATES: [&str; 3] = ["warp", "tract", "tracer"];
