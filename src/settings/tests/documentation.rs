//! What users read about the environment is what is read of it.

use std::collections::BTreeSet;

use crate::settings::env::names::{BLRP, BSP, Batch, OTLP, OTLP_LOGS, OTLP_METRICS, OTLP_TRACES, Otlp};

const DOCUMENT: &str = include_str!("../environment.md");
const NAMES: &str = include_str!("../env/names.rs");

/// Words that may be names of variables.
fn variables(text: &str) -> BTreeSet<&str> {
    text.split(|character: char| {
        !character.is_ascii_uppercase() && !character.is_ascii_digit() && character != '_'
    })
    .filter(|word| word.starts_with("OTEL_") || ["RUST_LOG", "NO_COLOR"].contains(word))
    .filter(|word| !word.ends_with('_'))
    .collect()
}

fn of_batch(batch: &Batch) -> [&'static str; 5] {
    [
        batch.schedule_delay,
        batch.export_timeout,
        batch.max_queue_size,
        batch.max_export_batch_size,
        batch.max_queue_bytes,
    ]
}

fn of_exporter(otlp: &Otlp) -> [&'static str; 9] {
    [
        otlp.endpoint,
        otlp.headers,
        otlp.timeout,
        otlp.compression,
        otlp.insecure,
        otlp.protocol,
        otlp.certificate,
        otlp.client_key,
        otlp.client_certificate,
    ]
}

#[test]
fn every_variable_that_is_read_is_documented() {
    let mut read = variables(NAMES);
    read.extend(of_batch(&BSP).into_iter().chain(of_batch(&BLRP)).chain(of_exporter(&OTLP)));
    let documented = variables(DOCUMENT);
    let missing: Vec<_> = read.difference(&documented).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_variable_that_is_documented_is_read() {
    let mut read = variables(NAMES);
    read.extend(of_batch(&BSP).into_iter().chain(of_batch(&BLRP)));
    read.extend([OTLP, OTLP_TRACES, OTLP_METRICS, OTLP_LOGS].iter().flat_map(of_exporter));
    let documented = variables(DOCUMENT);
    let unknown: Vec<_> = documented.difference(&read).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
