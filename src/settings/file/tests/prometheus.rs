//! `prometheus/development`.

use super::*;
use crate::PrometheusExporter;
use crate::settings::pattern::Pattern;
use crate::settings::{AttributeSelection, NameTranslation, PrometheusSettings, PrometheusText};

fn resolved(exporter: &str, builder: crate::Builder) -> Option<PrometheusSettings> {
    let text = format!(
        "meter_provider: {{readers: [{{pull: {{exporter: {{prometheus/development: {exporter}}}}}}}]}}"
    );
    resolve_over(&text, builder).0.unwrap().metrics.prometheus
}

/// The address that its server listens at.
fn server(prometheus: Option<PrometheusSettings>) -> Option<(String, u16)> {
    prometheus.unwrap().server.map(|server| (server.host, server.port))
}

fn in_code(exporter: PrometheusExporter) -> crate::Builder {
    crate::init().metrics(|metrics| metrics.prometheus(exporter))
}

#[test]
fn a_pull_reader_is_the_exporter_for_prometheus() {
    let exporter = resolved("{host: 0.0.0.0, port: 9100}", crate::init()).unwrap();
    let address = exporter.server.clone().unwrap();
    assert!(address.origin.starts_with("line 2 of ") && address.origin.ends_with("otel.yaml"), "{address:?}");
    assert_eq!(server(Some(exporter)), Some(("0.0.0.0".to_owned(), 9100)));
    let default = resolved("", crate::init()).unwrap();
    assert_eq!(default.text, PrometheusText::default());
    assert_eq!(server(Some(default)), Some(("localhost".to_owned(), 9464)));
}

#[test]
fn a_file_replaces_the_exporter_in_code() {
    let code = || in_code(PrometheusExporter::new().host("0.0.0.0").port(1));
    assert_eq!(server(resolved("", code())), Some(("localhost".to_owned(), 9464)), "the schema's defaults");
    assert_eq!(server(resolved("{port: 2}", code())), Some(("localhost".to_owned(), 2)));
    assert_eq!(resolve_over(MINIMAL, code()).0.unwrap().metrics.prometheus, None, "absent is off");
    assert_eq!(resolve_over("", code()).0.unwrap().metrics.prometheus, None);
    // Only code can say it.
    let mounted = || in_code(PrometheusExporter::new().without_server());
    assert_eq!(server(resolved("", mounted())), None);
    assert_eq!(server(resolved("{port: 2}", mounted())), Some(("localhost".to_owned(), 2)));
}

#[test]
fn options_of_both_versions_of_the_schema_are_used() {
    let labels = "{included: ['service.*'], excluded: [service.version]}";
    let expected = PrometheusText {
        scope_labels: false,
        target_info: false,
        resource_labels: Some(AttributeSelection {
            included: vec![Pattern::new("service.*")],
            excluded: vec![Pattern::new("service.version")],
        }),
        names: NameTranslation::Underscores,
        created_series: false,
    };
    let strategy = "translation_strategy: underscore_escaping_without_suffixes/development";
    for text in [
        format!(
            "{{scope_info_enabled: false, target_info_enabled/development: false,
                resource_constant_labels: {labels}, {strategy}}}"
        ),
        format!(
            "{{without_scope_info: true, without_target_info/development: true,
                with_resource_constant_labels: {labels}, {strategy}}}"
        ),
    ] {
        assert_eq!(resolved(&text, crate::init()).unwrap().text, expected, "{text}");
    }
}

#[test]
fn every_translation_strategy_is_used() {
    for (name, expected) in [
        ("underscore_escaping_with_suffixes", NameTranslation::UnderscoresWithSuffixes),
        ("underscore_escaping_without_suffixes/development", NameTranslation::Underscores),
        ("no_utf8_escaping_with_suffixes/development", NameTranslation::Utf8WithSuffixes),
        ("no_translation/development", NameTranslation::Unchanged),
    ] {
        let found = resolved(&format!("{{translation_strategy: {name}}}"), crate::init()).unwrap();
        assert_eq!(found.text.names, expected);
    }
}

#[test]
fn pull_and_periodic_readers_coexist() {
    let settings = settings(
        "meter_provider: {readers: [
            {pull: {exporter: {prometheus/development: }, cardinality_limits: {default: 7}}},
            {periodic: {interval: 1000, exporter: {otlp_http: }, cardinality_limits: {default: 7}}}]}",
    );
    let metrics = settings.metrics;
    assert_eq!((metrics.destinations.len(), metrics.prometheus.is_some()), (1, true));
    assert_eq!((metrics.interval, metrics.cardinality.counter), (Duration::from_secs(1), Some(7)));
}
