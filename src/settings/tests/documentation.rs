//! The documented environment is the environment that is read.

use std::collections::BTreeSet;

use crate::settings::descriptions;
#[cfg(feature = "config-file")]
use crate::settings::env::names::WITHOUT_EFFECT;
use crate::settings::misspelt::known_variables;
use crate::settings::setting::Description;

const DOCUMENT: &str = include_str!("../environment.md");

/// Returns the words of a text that look like the names of variables.
fn variables(text: &str) -> BTreeSet<&str> {
    text.split(|character: char| {
        !character.is_ascii_uppercase() && !character.is_ascii_digit() && character != '_'
    })
    .filter(|word| {
        word.starts_with("OTEL_") || word.ends_with("_PROXY") || ["RUST_LOG", "NO_COLOR"].contains(word)
    })
    .filter(|word| !word.ends_with('_'))
    .collect()
}

/// The forms for one signal are described by a footnote, and those in lower case in their row.
fn is_common(variable: &str) -> bool {
    let own = ["TRACES", "METRICS", "LOGS"];
    let form = variable.replace("OTEL_RUST_", "OTEL_");
    let form = form.strip_prefix("OTEL_EXPORTER_OTLP_").and_then(|rest| rest.split_once('_'));
    let is_upper = variable.chars().all(|character| !character.is_ascii_lowercase());
    is_upper
        && !form.is_some_and(|(signal, setting)| {
            own.contains(&signal) && !setting.ends_with("PREFERENCE") && !setting.ends_with("AGGREGATION")
        })
}

#[test]
fn every_variable_that_is_read_is_documented() {
    let documented = variables(DOCUMENT);
    let missing: Vec<_> = known_variables()
        .into_iter()
        .filter(|variable| is_common(variable) && !documented.contains(variable))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_variable_that_is_documented_is_read() {
    let read: BTreeSet<_> = known_variables().into_iter().collect();
    let unknown: Vec<_> = variables(DOCUMENT).difference(&read).copied().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_row_of_a_variable_has_its_setter_and_its_default() {
    for Description { setter, variables: names, default, .. } in descriptions() {
        let Some(first) = names.first().filter(|name| is_common(name)) else { continue };
        let row = DOCUMENT.lines().find(|line| line.contains(&format!("`{first}`"))).unwrap();
        let cells: Vec<_> = row.split(" | ").collect();
        let is_shared = row.contains("as for spans") || first == &"NO_COLOR";
        let has_setter = setter.is_empty() || is_shared || cells.last().unwrap().contains(setter);
        assert!(has_setter || cells.last().unwrap().contains("…_per_"), "{setter} is not in {row}");
        let default = default.replace("no limit", "none").replace(&(32 << 20).to_string(), "32 MiB");
        let shown = cells[1].replace(['`', ' '], "");
        let is_shown = shown.contains(default.trim_matches('"').replace(' ', "").as_str());
        assert!(default.is_empty() || is_shared || is_shown, "{default} is not in {row}");
    }
}

#[test]
fn the_most_common_variables_of_the_readme_have_the_same_defaults() {
    let readme = include_str!("../../../README.md");
    let table = readme.split("\n| variable | default |\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows: Vec<_> = table.lines().skip(1).map(|row| row.rsplit_once(" | ").unwrap()).collect();
    assert!(rows.len() > 5, "{table}");
    for (names, shown) in rows {
        let first = names.split('`').nth(1).unwrap();
        assert!(known_variables().contains(&first), "{first}");
        let of_first = |known: &Description| known.variables.first().is_some_and(|name| *name == first);
        let Some(Description { default, .. }) = descriptions().into_iter().find(of_first) else { continue };
        let default = default.trim_matches('"').replace(' ', "");
        assert!(shown.replace(' ', "").contains(&default), "{default} is not in the row of {first}: {shown}");
    }
}

/// The chapter about the configuration file has a row for every variable, and every key of this crate's own.
#[test]
#[cfg(feature = "config-file")]
fn every_setting_has_its_place_in_the_chapter_about_files() {
    let chapter = include_str!("../../../docs/configuration-file.md");
    let documented = variables(chapter);
    let without_place = ["OTEL_EXPERIMENTAL_CONFIG_FILE"];
    let missing: Vec<_> = known_variables()
        .into_iter()
        .filter(|variable| is_common(variable) && !documented.contains(variable))
        .filter(|variable| {
            !WITHOUT_EFFECT.iter().any(|(name, _)| name == variable) && !without_place.contains(variable)
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (key, _) in crate::settings::file::distribution_keys() {
        assert!(chapter.contains(&format!("`{key}`")), "{key}");
    }
    let own = chapter.split("## Settings of this crate").nth(1).unwrap().split("```").nth(1).unwrap();
    for (key, _) in crate::settings::file::distribution_keys() {
        let last = key.rsplit('.').next().unwrap();
        assert!(own.contains(&format!(" {last}:")), "{key}");
    }
}
