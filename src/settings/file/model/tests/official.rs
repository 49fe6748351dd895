//! The official files at both tags.

use super::*;

/// What the files refer to.
const ENV: [(&str, &str); 2] = [("FILE_FORMAT", "1.0"), ("OTEL_SERVICE_NAME", "shop")];

/// Files with a component that this crate does not serve, and what is said of each.
const REFUSED: [(&str, &str); 7] = [
    ("ExperimentalLoggerConfigurator_kitchen_sink", "logger_configurator/development: not supported: "),
    ("ExperimentalMeterConfigurator_kitchen_sink", "meter_configurator/development: not supported: "),
    ("ExperimentalTracerConfigurator_kitchen_sink", "tracer_configurator/development: not supported: "),
    ("IdGenerator_custom", "the key `my_custom_id_generator` is not known"),
    ("Sampler_composite_rule_based_drop_redis_ping", "composite/development: not supported: "),
    ("Sampler_probability_kitchen_sink", "probability/development: not supported: "),
    ("Sampler_rule_based_kitchen_sink", "composite/development: not supported: "),
];

fn files(directory: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = ["v1.0.0", "v1.1.0"]
        .iter()
        .flat_map(|tag| fs::read_dir(vectors(&format!("{tag}/{directory}"))).unwrap())
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn official_files_are_read_or_refused_by_name() {
    let files = [files("examples"), files("snippets")].concat();
    assert_eq!(files.len(), 72);
    for (name, text) in files {
        let (document, warnings) = read_text(&text, &ENV);
        match REFUSED.iter().find(|(refused, _)| *refused == name) {
            None => assert!(document.is_ok() && warnings.is_empty(), "{name}: {document:?} {warnings:?}"),
            Some((_, reason)) => {
                let mistakes = document.unwrap_err();
                assert_eq!(mistakes.len(), 1, "{name}: {mistakes:?}");
                assert!(mistakes[0].contains(reason), "{name}: {mistakes:?}");
            }
        }
    }
}

#[test]
fn official_validator_files_are_accepted_or_refused_as_expected() {
    // The validator does not check the version; for it, `1.1` stands for the `0.1` of the files.
    for (name, text) in files("validator") {
        let text = text.replace("0.1", "1.1");
        let env = |format| [("FILE_FORMAT", format), ("BLANK", "")];
        let (valid, expected) = match name.as_str() {
            "missing_required" => (false, "line 1, column 1: `file_format` is missing: it is required"),
            "string_for_int" => (
                false,
                "attribute_limits.attribute_value_length_limit: \"\\\"hello\\\"\" is not allowed here: must be an integer of at least 0",
            ),
            "no_expected_key" => (false, "invalid YAML"),
            // Plain text that looks like a number is one; the schema requires text.
            "multiple_defaults" => (false, "file_format: 1.1 is not allowed here: must be text (quote"),
            _ => (true, ""),
        };
        let format = if name == "multiple_defaults" { "" } else { "1.0" };
        match read_text(&text, &env(format)).0 {
            Ok(document) => assert!(valid && document.file_format.starts_with("1."), "{name}"),
            Err(mistakes) => {
                let found = mistakes.iter().any(|mistake| mistake.contains(expected));
                assert!(!valid && found, "{name}: {mistakes:?}");
            }
        }
    }
    let hex = files("validator").into_iter().find(|(name, _)| name == "hex_integer").unwrap().1;
    let env = [("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0xdeadbeef")];
    let document = read_text(&hex.replace("0.1", "1.1"), &env).0.unwrap();
    let limits = document.attribute_limits.unwrap();
    assert_eq!(limits.attribute_value_length_limit.unwrap().unsigned(), 3_735_928_559);
    assert_eq!(limits.attribute_count_limit.unwrap().unsigned(), 128);
}
