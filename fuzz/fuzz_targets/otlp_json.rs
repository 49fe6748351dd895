//! Any JSON that is read as OTLP can be written, and is the same then.

#![no_main]

use libfuzzer_sys::fuzz_target;
use telemetry_bootstrap::testing::fuzzing;

fuzz_target!(|input: (u8, &[u8])| {
    let (signal, json) = input;
    let Some(request) = fuzzing::request_from_json(signal, json) else { return };
    let written = fuzzing::request_to_json(signal, &request);
    let parsed: serde_json::Value = serde_json::from_slice(&written).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&written));
    });
    let again = fuzzing::request_from_json(signal, &written).expect("what was written can be read");
    let once_more = serde_json::from_slice::<serde_json::Value>(&fuzzing::request_to_json(signal, &again)).unwrap();
    assert_eq!(parsed, once_more);
});
