//! Files that were damaged, at random places and at every one.

use std::time::Instant;

use super::*;
use crate::ConfigMistake;

/// Bytes that mean something in YAML, or nothing anywhere.
const MARKS: &[u8] = b"{}[]:,-#&*!|>'\"%@`$ \n\t\xff0~";

/// The official examples with bytes exchanged, removed, doubled and moved.
#[test]
fn mutated_files_are_settings_or_mistakes_with_places() {
    let examples = ["otel-sdk-config", "otel-sdk-migration-config", "otel-getting-started"].map(|name| {
        let path = format!("{}/tests/configuration/v1.1.0/examples/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        // Comments are most of it.
        text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
    });
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let (mut settings, mut mistakes) = (0, 0);
    for round in 0..600 {
        let mut bytes = examples[round % 3].clone().into_bytes();
        for _ in 0..=random(3) {
            let place = random(bytes.len());
            match random(5) {
                0 => bytes[place] = MARKS[random(MARKS.len())],
                1 => _ = bytes.remove(place),
                2 => bytes.insert(place, bytes[place]),
                3 => bytes.truncate(place.max(1)),
                _ => {
                    let other = random(bytes.len());
                    bytes.swap(place, other);
                }
            }
        }
        match settings_of(&bytes, &|_| None) {
            Ok(shown) => settings += usize::from(!shown.is_empty()),
            Err(found) => {
                mistakes += 1;
                assert!(found.iter().all(|mistake| mistake.line() > 0 && mistake.column() > 0), "{found:?}");
                assert!(!found.is_empty());
            }
        }
    }
    assert!(settings > 20 && mistakes > 200, "{settings} {mistakes}");
}

/// Every line of every official file with something wrong in it: keys that are gone, doubled or misspelt, values of
/// another type, other indentation, the end of the file.
#[test]
fn lines_that_were_damaged_are_settings_or_mistakes_with_places() {
    let (mut settings, mut mistakes, mut slowest) = (0, 0, Duration::ZERO);
    for (path, text) in official_files() {
        let lines: Vec<&str> = text.lines().collect();
        for place in 0..lines.len() {
            for (name, damage) in DAMAGES {
                let mut damaged: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
                damage(&mut damaged, place);
                let damaged = damaged.join("\n");
                let start = Instant::now();
                let outcome = settings_of(damaged.as_bytes(), &|_| None);
                slowest = slowest.max(start.elapsed());
                match outcome {
                    Ok(shown) => settings += usize::from(!shown.is_empty()),
                    Err(found) => {
                        mistakes += 1;
                        let end = damaged.lines().count() + 1;
                        let has_place = |mistake: &ConfigMistake| {
                            (1..=end).contains(&mistake.line()) && mistake.column() > 0
                        };
                        assert!(
                            !found.is_empty() && found.iter().all(has_place),
                            "{path}, line {}, {name}: {found:?}\n{damaged}",
                            place + 1
                        );
                    }
                }
            }
        }
    }
    assert!(settings > 500 && mistakes > 3_000, "{settings} {mistakes}");
    // The whole of them takes a few seconds; one takes about a millisecond.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

/// A key that is required is missed, and one that is not known is found, wherever they are.
#[test]
fn a_misspelt_key_is_named_with_its_line() {
    let mut named = 0;
    for (path, text) in official_files() {
        let lines: Vec<&str> = text.lines().collect();
        for (place, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start_matches(['-', ' ']).len();
            // The document itself may have any key, and so may the sections of other languages.
            let Some(key) = line[indent..].split_once(':').map(|(key, _)| key).filter(|_| indent > 0) else {
                continue;
            };
            let misspelt = format!("{}{}zz{}", &line[..indent], &key[..1], &line[indent + 1..]);
            let mut damaged = lines.clone();
            damaged[place] = &misspelt;
            let Err(found) = settings_of(damaged.join("\n").as_bytes(), &|_| None) else { continue };
            named += usize::from(found.iter().any(|mistake| {
                mistake.line() == place + 1
                    && mistake.column() == indent + 1
                    && mistake.reason().contains("is not known")
            }));
        }
        assert!(!path.is_empty());
    }
    assert!(named > 400, "{named}");
}

/// Returns the official files without comments, with their names.
fn official_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["examples", "snippets"] {
        let folder = format!("{}/tests/configuration/v1.1.0/{folder}", env!("CARGO_MANIFEST_DIR"));
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let is_content = |line: &&str| !line.trim_start().starts_with('#') && !line.trim().is_empty();
            let content: Vec<_> = text.lines().filter(is_content).collect();
            files.push((path.display().to_string(), content.join("\n")));
        }
    }
    files.sort();
    assert!(files.len() > 30, "{}", files.len());
    files
}

type Damage = fn(&mut Vec<String>, usize);

const DAMAGES: [(&str, Damage); 11] = [
    ("removed", |lines, place| drop(lines.remove(place))),
    ("doubled", |lines, place| lines.insert(place, lines[place].clone())),
    ("misspelt", |lines, place| lines[place] = lines[place].replacen('_', "-", 1).replacen('e', "", 1)),
    ("a list", |lines, place| set_value(&mut lines[place], "[1, a]")),
    ("a mapping", |lines, place| set_value(&mut lines[place], "{a: b}")),
    ("a number", |lines, place| set_value(&mut lines[place], "-7")),
    ("text", |lines, place| set_value(&mut lines[place], "'text'")),
    ("null", |lines, place| set_value(&mut lines[place], "null")),
    ("a broken reference", |lines, place| set_value(&mut lines[place], "${1X}")),
    ("indented", |lines, place| lines[place].insert(0, ' ')),
    ("the end", |lines, place| lines.truncate(place)),
];

/// Exchanges what follows the key of a line.
fn set_value(line: &mut String, value: &str) {
    let end = line.find(':').map_or(line.len(), |end| end + 1);
    line.truncate(end);
    line.push(' ');
    line.push_str(value);
}
