//! Any environment yields settings, and no secret is printed.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use telemetry_bootstrap::testing::fuzzing;

#[derive(arbitrary::Arbitrary, Debug)]
struct Variable<'a> {
    name: usize,
    value: &'a str,
    more: &'a str,
}

/// Every variable that the documentation names.
static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let words = include_str!("../../src/settings/environment.md").split('`');
    words.filter(|word| word.starts_with("OTEL_") || *word == "RUST_LOG").collect()
});

fuzz_target!(|variables: Vec<Variable<'_>>| {
    let variables: Vec<_> = variables.iter().map(variable).collect();
    let warnings = fuzzing::environment(variables.iter().map(|(name, value)| (*name, &**value)));
    assert!(!warnings.contains(SECRET), "{warnings}");
    for (name, value) in &variables {
        if name.ends_with("_FILTER") || *name == "RUST_LOG" {
            let _ = fuzzing::directives(value);
        }
    }
});

/// With a secret where the variable has place for one.
fn variable(given: &Variable<'_>) -> (&'static str, String) {
    let name = NAMES[given.name % NAMES.len()];
    let plain = |text: &str| text.replace([',', '='], "");
    let value = if name.ends_with("_HEADERS") && !name.contains("CAPTURE") {
        format!("{}={}{SECRET}{}", plain(given.value), plain(given.more), plain(given.value))
    } else if name.ends_with("_ENDPOINT") {
        // The end of a URL's authority is the first of these.
        let user = given.value.replace(['/', '?', '#', '\\'], "");
        format!("http://{user}:{SECRET}@{}", given.more)
    } else {
        given.value.to_owned()
    };
    (name, value)
}

const SECRET: &str = "hunter2";
