//! The features that the README and the crate's documentation list are those of Cargo.toml.

#![expect(clippy::expect_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

/// The features, each with `true` if it is on by default.
fn features() -> BTreeMap<&'static str, bool> {
    let manifest = include_str!("../Cargo.toml");
    let section = manifest.split("\n[features]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let section = section.expect("features");
    let definition = |line: &'static str| line.split_once(" = [").filter(|_| !line.starts_with('#'));
    let definitions: Vec<_> = section.lines().filter_map(definition).collect();
    let defaults = definitions.iter().find(|(name, _)| *name == "default").expect("default").1;
    let defaults: BTreeSet<_> = defaults.split('"').skip(1).step_by(2).collect();
    let names = definitions.iter().map(|(name, _)| *name).filter(|name| *name != "default");
    names.map(|name| (name, defaults.contains(name))).collect()
}

/// The texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_table_of_the_crate_has_every_feature_with_its_default() {
    let table = include_str!("../src/lib.rs").split("//! | feature | default | brings |").nth(1);
    let table = table.and_then(|rest| rest.split("//!\n").next()).expect("the table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let documented: BTreeMap<_, _> = rows
        .map(|row| {
            let mut cells = row.split(" | ");
            let name = cells.next().expect("a name").trim_end_matches('`');
            (name, cells.next() == Some("yes"))
        })
        .collect();
    assert_eq!(documented, features());
}

#[test]
fn the_readme_names_every_feature_and_the_defaults() {
    let paragraph = include_str!("../README.md").split("\nCargo features: ").nth(1);
    let paragraph = paragraph.and_then(|rest| rest.split("\n\n").next()).expect("the paragraph");
    let (defaults, others) = paragraph.split_once("on by").expect("the defaults");
    let of =
        |is_default| features().into_iter().filter(move |(_, on)| *on == is_default).map(|(name, _)| name);
    assert_eq!(quoted(defaults).collect::<BTreeSet<_>>(), of(true).collect());
    let others: BTreeSet<_> = quoted(others).collect();
    let missing: Vec<_> = of(false).filter(|name| !others.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
