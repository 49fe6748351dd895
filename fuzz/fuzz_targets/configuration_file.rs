//! Any file yields settings, or mistakes that have places.

#![no_main]

use libfuzzer_sys::fuzz_target;
use telemetry_bootstrap::testing::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    if let Err(mistakes) = fuzzing::configuration_file(bytes) {
        assert!(!mistakes.is_empty());
        assert!(mistakes.iter().all(|mistake| mistake.line() > 0 && mistake.column() > 0), "{mistakes:?}");
    }
});
