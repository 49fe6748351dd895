//! Whatever a scraper accepts, it is answered in one of the formats.

#![no_main]

use libfuzzer_sys::fuzz_target;
use telemetry_bootstrap::testing::fuzzing;

fuzz_target!(|accepted: Vec<&[u8]>| {
    let content_type = fuzzing::scrape_format(&accepted);
    assert!(content_type.starts_with("text/plain") || content_type.starts_with("application/openmetrics-text"));
});
