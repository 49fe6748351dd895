//! Every variable of the OpenTelemetry specification: it changes a setting, or a warning names it.

use super::*;

/// The specification's variables, each with a value that is not the default.
const WITH_EFFECT: &[(&str, &str)] = &[
    ("OTEL_SDK_DISABLED", "true"),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=b"),
    ("OTEL_SERVICE_NAME", "shop"),
    ("OTEL_LOG_LEVEL", "error"),
    ("OTEL_PROPAGATORS", "b3"),
    ("OTEL_TRACES_SAMPLER", "always_off"),
    ("OTEL_BSP_SCHEDULE_DELAY", "123"),
    ("OTEL_BSP_EXPORT_TIMEOUT", "123"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "123"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "123"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "123"),
    ("OTEL_BLRP_EXPORT_TIMEOUT", "123"),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "123"),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "123"),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "99"),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", "99"),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "99"),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "99"),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", "99"),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "99"),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "99"),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "99"),
    ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "99"),
    ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "99"),
    ("OTEL_TRACES_EXPORTER", "console"),
    ("OTEL_METRICS_EXPORTER", "otlp/stdout"),
    ("OTEL_LOGS_EXPORTER", "none"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://d:4318"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "123"),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
    ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "123"),
    ("OTEL_METRIC_EXPORT_TIMEOUT", "123"),
    ("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs"),
];

/// Those that this crate answers with a warning, whatever the value.
const ANSWERED: &[&str] = &[
    "OTEL_ENTITIES",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
];

/// What the specification names as values, and this crate has no code for.
const UNSUPPORTED_VALUES: &[(&str, &str)] = &[
    ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
    ("OTEL_TRACES_SAMPLER", "parentbased_jaeger_remote"),
    ("OTEL_TRACES_SAMPLER", "xray"),
    ("OTEL_TRACES_EXPORTER", "zipkin"),
    ("OTEL_PROPAGATORS", "ottrace"),
    ("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based"),
];

/// Everything that is resolved, but the warnings and the names of the variables that count.
fn shown(settings: Settings) -> String {
    format!("{:?}", Settings { warnings: Vec::new(), origins: Vec::new(), ..settings })
}

fn with(variable: &str, value: &str) -> Settings {
    from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), (variable, value)])
}

#[test]
fn every_variable_of_the_specification_changes_a_setting() {
    let default = shown(from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1")]));
    for (variable, value) in WITH_EFFECT {
        let settings = with(variable, value);
        assert_eq!(settings.warnings, [""; 0], "{variable}");
        assert_ne!(shown(settings), default, "{variable}");
    }
    for signal in ["TRACES", "METRICS", "LOGS"] {
        for (setting, value) in
            [("ENDPOINT", "http://d:2"), ("PROTOCOL", "http/json"), ("HEADERS", "a=b"), ("TIMEOUT", "123")]
        {
            let variable = format!("OTEL_EXPORTER_OTLP_{signal}_{setting}");
            assert_ne!(shown(with(&variable, value)), default, "{variable}");
        }
    }
    // Those that need another one beside them.
    let ratio =
        |argument| from_env([("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", argument)]);
    assert_ne!(shown(ratio("0.5")), shown(ratio("0.25")));
    let without_scheme = |insecure| {
        from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", "c:1"), ("OTEL_EXPORTER_OTLP_INSECURE", insecure)])
    };
    assert_ne!(shown(without_scheme("true")), shown(without_scheme("false")));
}

#[test]
#[cfg(all(feature = "gzip", feature = "prometheus"))]
fn variables_of_features_change_a_setting() {
    assert_ne!(
        shown(with("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")),
        shown(with("OTEL_EXPORTER_OTLP_COMPRESSION", "none"))
    );
    let scraped = |variable, value| from_env([("OTEL_METRICS_EXPORTER", "prometheus"), (variable, value)]);
    let default = shown(scraped("OTEL_SERVICE_NAME", ""));
    assert_ne!(shown(scraped("OTEL_EXPORTER_PROMETHEUS_HOST", "::1")), default);
    assert_ne!(shown(scraped("OTEL_EXPORTER_PROMETHEUS_PORT", "1")), default);
}

#[test]
fn unsupported_variables_are_reported_by_name() {
    let unsupported = ANSWERED.iter().map(|variable| (*variable, "value"));
    for (variable, value) in unsupported.chain(UNSUPPORTED_VALUES.iter().copied()) {
        let warnings = with(variable, value).warnings;
        assert_eq!(warnings.len(), 1, "{variable}={value}: {warnings:?}");
        assert!(warnings[0].contains(variable), "{variable}={value}: {warnings:?}");
    }
    // Exemplars are off already.
    assert_eq!(with("OTEL_METRICS_EXEMPLAR_FILTER", "Always_Off").warnings, [""; 0]);
}
