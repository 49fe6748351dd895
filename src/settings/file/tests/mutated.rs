//! Files that were damaged at random places.

use super::*;

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
