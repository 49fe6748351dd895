//! `distribution.telemetry_bootstrap`.

use super::*;

#[test]
fn own_settings_are_under_distribution() {
    let settings = settings(
        "
distribution:
  another_vendor: {anything: [1]}
  telemetry_bootstrap:
    log_filter: ${UNDEFINED_FILTER:-debug}
    span_filter: 'info,shop=debug'
    shutdown_timeout: 1500
    no_color: true
    exception_signal: logs
    log_output: {format: json, filter: error}
    traces: {max_queue_bytes: 1000}
    metrics: {built_in: 'process,sdk'}
    logs: {filter: warn, minimum_severity: error, sampled_traces_only: true, include_span_fields: true, max_queue_bytes: }
",
    );
    assert_eq!(settings.span_filter.text, "info,shop=debug");
    assert_eq!(settings.shutdown_timeout, Duration::from_millis(1500));
    assert_eq!(settings.lines.format, crate::LogFormat::Json);
    assert_eq!((settings.lines.filter.text.as_str(), settings.logs.filter.text.as_str()), ("error", "warn"));
    assert!(settings.logs.sampled_traces_only && settings.logs.span_fields && settings.lines.no_color);
    assert_eq!(settings.logs.minimum_severity, tracing_core::LevelFilter::ERROR);
    assert_eq!(settings.traces.queue.max_bytes, 1000);
    assert_eq!(settings.metrics.built_in, [BuiltInMetrics::Process, BuiltInMetrics::Sdk]);
}

#[test]
fn colours_are_off_only_where_the_file_says_so() {
    let no_color = |value: &str| {
        let text = format!("distribution: {{telemetry_bootstrap: {{no_color: {value}}}}}");
        settings(&text).lines.no_color
    };
    assert_eq!([no_color("true"), no_color("false"), no_color("")], [true, false, false]);
}

#[test]
fn every_setting_has_a_place_in_a_file() {
    let keys = distribution_keys();
    let all: BTreeSet<_> = crate::settings::descriptions().iter().map(|setting| setting.key).collect();
    for key in &all {
        let is_own = keys.iter().any(|(_, setting)| setting == key);
        assert_ne!(is_own, apply::is_standard(key), "{key}");
    }
    for (name, _) in &keys {
        assert!(!name.starts_with("OTEL_") && !name.contains('/'), "{name} needs a name for files");
    }
    assert!(apply::STANDARD.iter().all(|key| all.contains(key)), "all of these are settings");
}
