//! The layout that CONTRIBUTING.md describes: modules depend only on modules below them.

#![expect(clippy::expect_used, reason = "a test")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The modules at the top of `src`, from the one that depends on the most to those that depend on nothing.
const ORDER: [&str; 18] = [
    "testing",
    "builder",
    "lifecycle",
    "calls",
    "subscriber",
    "lines",
    "provider",
    "collector",
    "export",
    "propagation",
    "settings",
    "trace_ids",
    "diagnostics",
    "error",
    "exception",
    "user_code",
    "time",
    "semconv",
];

#[test]
fn every_module_has_a_place_in_the_order() {
    let found: BTreeSet<String> = source_files().iter().map(|file| module_of(file)).collect();
    assert_eq!(found, ORDER.iter().map(ToString::to_string).collect());
}

#[test]
fn the_map_of_the_source_has_the_modules_in_this_order() {
    let page = include_str!("../CONTRIBUTING.md");
    let map = page.split("\nsrc/\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the map");
    let entries = map.lines().filter_map(|line| line.strip_prefix("├── ").or(line.strip_prefix("└── ")));
    let modules: Vec<_> = entries.map(first_name).filter(|name| name != "lib").collect();
    assert_eq!(modules, ORDER);
}

#[test]
fn modules_depend_only_on_modules_below_them() {
    let rank = |module: &str| ORDER.iter().position(|name| *name == module);
    let upward: Vec<String> = source_files()
        .iter()
        .flat_map(|file| {
            let module = module_of(file);
            let used = paths_in_crate(&code_of(file)).into_iter();
            used.filter(move |name| rank(name) < rank(&module))
                .map(|name| format!("{} uses crate::{name}", file.display()))
        })
        .collect();
    assert!(upward.is_empty(), "upward dependencies, or names of the crate's root:\n{}", upward.join("\n"));
}

#[test]
fn paths_are_found_in_all_forms_of_use() {
    let code = "use crate::a;\nuse crate::b::{c, d};\nuse crate::{e::f, g};\nmy_crate::x(crate::h::i()); // crate::j\n";
    assert_eq!(
        paths_in_crate(&without_comments(code)),
        BTreeSet::from(["a", "b", "e", "g", "h"].map(str::to_owned))
    );
}

/// Returns the first parts of the paths that begin with `crate::`.
fn paths_in_crate(code: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with(is_part))
        .map(|(at, prefix)| &code[at + prefix.len()..])
        .flat_map(|rest| match rest.strip_prefix('{') {
            None => vec![first_name(rest)],
            Some(group) => members(group).into_iter().map(first_name).collect(),
        })
        .collect()
}

fn first_name(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Splits what is between a brace, which is open already, and its end.
fn members(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut begin = 0;
    let mut found = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[begin..at]);
                begin = at + 1;
            }
            '}' => {
                found.push(&group[begin..at]);
                break;
            }
            _ => {}
        }
    }
    found.retain(|member| !member.trim().is_empty());
    found
}

/// Returns the code of a file, without comments and without a module of tests at its end.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("file of UTF-8");
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    without_comments(code)
}

fn without_comments(code: &str) -> String {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("#[doc"));
    lines.map(|line| line.split("//").next().unwrap_or_default()).flat_map(|line| [line, "\n"]).collect()
}

fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(source_folder()).expect("file below src");
    let first = inside.iter().next().and_then(OsStr::to_str).expect("name of UTF-8");
    first.trim_end_matches(".rs").to_owned()
}

/// Returns the files of `src` but `lib.rs` and those of unit tests, which may use every module.
fn source_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    add_files(&source_folder(), &mut files).expect("readable folder");
    assert!(files.len() > 100, "{} files", files.len());
    files
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.file_name().and_then(OsStr::to_str) {
            Some("tests" | "tests.rs" | "lib.rs") => {}
            _ if path.is_dir() => add_files(&path, files)?,
            Some(name) if name.ends_with(".rs") => files.push(path),
            _ => {}
        }
    }
    Ok(())
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
