//! The operating system. Linux describes itself in `os-release`.
//!
//! | attribute | key of `os-release` |
//! |---|---|
//! | `os.name` | `NAME` |
//! | `os.version` | `VERSION_ID` |
//! | `os.description` | `PRETTY_NAME` |
//! | `os.build_id` | `BUILD_ID`, or else the release of the kernel |
//!
//! `os.type` is the system that the program was built for. Other systems than Linux have nothing else here.

use super::{Attributes, Source};
use crate::semconv::resource::{OS_BUILD_ID, OS_DESCRIPTION, OS_NAME, OS_TYPE, OS_VERSION};

/// Reads the type of the system, and what its distribution says about itself.
pub(super) fn detect(source: &Source, found: &mut Attributes) {
    found.add(OS_TYPE, Some(kind()));
    let release = source.read("etc/os-release").or_else(|| source.read("usr/lib/os-release"));
    let value = |key| value(release.as_deref()?, key);
    found.add(OS_NAME, value("NAME"));
    found.add(OS_VERSION, value("VERSION_ID"));
    found.add(OS_DESCRIPTION, value("PRETTY_NAME"));
    found.add(OS_BUILD_ID, value("BUILD_ID").or_else(|| source.read_line("proc/sys/kernel/osrelease")));
}

/// Returns the system in the values of `os.type`. One that has none there keeps the name that Rust gives it.
fn kind() -> &'static str {
    match std::env::consts::OS {
        "macos" | "ios" => "darwin",
        "dragonfly" => "dragonflybsd",
        "illumos" => "solaris",
        "android" => "linux",
        other => other,
    }
}

/// Returns the value of a line `KEY=value`, without quotes and escapes.
fn value(release: &str, key: &str) -> Option<String> {
    let is_key = |line: &&str| line.split_once('=').is_some_and(|(found, _)| found.trim() == key);
    // The last of several counts, as in the shell.
    let (_, value) = release.lines().rfind(is_key)?.split_once('=')?;
    let value = value.trim();
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let mut text = String::new();
    let mut characters = quoted('"').or_else(|| quoted('\'')).unwrap_or(value).chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Some(text).filter(|text| !text.is_empty())
}
