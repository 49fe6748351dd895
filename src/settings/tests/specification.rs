//! Every variable of the OpenTelemetry specification: it changes a setting, or a warning names it.

use super::*;
use crate::settings::misspelt::known_variables;

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
    for signal in ["", "TRACES_", "METRICS_", "LOGS_"] {
        let variable = format!("OTEL_EXPORTER_OTLP_{signal}INSECURE");
        let insecure = |value| shown(from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", "c:1"), (&*variable, value)]));
        assert_ne!(insecure("true"), insecure("false"), "{variable}");
    }
    // Those that need another one beside them.
    let ratio =
        |argument| from_env([("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", argument)]);
    assert_ne!(shown(ratio("0.5")), shown(ratio("0.25")));
}

#[test]
#[cfg(all(feature = "gzip", feature = "prometheus"))]
fn variables_of_features_change_a_setting() {
    for signal in ["", "TRACES_", "METRICS_", "LOGS_"] {
        let variable = format!("OTEL_EXPORTER_OTLP_{signal}COMPRESSION");
        assert_ne!(shown(with(&variable, "gzip")), shown(with(&variable, "none")), "{variable}");
    }
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

/// The variables that take names, with those names that are not refused.
const NAMES: &[(&str, &[&str])] = &[
    ("OTEL_SDK_DISABLED", &["true", "false"]),
    ("OTEL_LOG_LEVEL", &["trace", "debug", "info", "warn", "error", "fatal", "none"]),
    (
        "OTEL_PROPAGATORS",
        &[
            "tracecontext",
            "baggage",
            "b3",
            "b3multi",
            "jaeger",
            "xray",
            "none",
            "tracecontext,b3,tracecontext",
        ],
    ),
    ("OTEL_TRACES_SAMPLER", &["always_on", "always_off", "parentbased_always_on", "parentbased_always_off"]),
    ("OTEL_TRACES_EXPORTER", &["otlp", "console", "none", "otlp/stdout", "otlp,console"]),
    ("OTEL_METRICS_EXPORTER", &["otlp", "console", "none", "otlp/stdout", "otlp,console"]),
    ("OTEL_LOGS_EXPORTER", &["otlp", "console", "none", "otlp/stdout", "otlp,console"]),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", &["grpc", "http/protobuf", "http/json"]),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", &["none"]),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", &["cumulative", "delta", "lowmemory"]),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        &["explicit_bucket_histogram", "base2_exponential_bucket_histogram"],
    ),
    ("OTEL_METRICS_EXEMPLAR_FILTER", &["always_off"]),
];

#[test]
fn names_of_the_specification_are_taken_in_any_case() {
    for (variable, names) in NAMES {
        for name in *names {
            let (lower, upper) = (with(variable, name), with(variable, &name.to_uppercase()));
            assert_eq!(lower.warnings, [""; 0], "{variable}={name}");
            assert_eq!(upper.warnings, [""; 0], "{variable}={name}");
            assert_eq!(shown(lower), shown(upper), "{variable}={name}");
        }
        let unknown = with(variable, "unheard-of").warnings;
        assert!(unknown.len() == 1 && unknown[0].contains(variable), "{variable}: {unknown:?}");
    }
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let default = shown(from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1")]));
    let names = WITH_EFFECT.iter().map(|(variable, _)| *variable);
    for variable in
        names.chain(ANSWERED.iter().copied()).filter(|name| *name != "OTEL_EXPORTER_OTLP_ENDPOINT")
    {
        for value in ["", " "] {
            let settings = with(variable, value);
            assert_eq!(settings.warnings, [""; 0], "{variable}={value:?}");
            assert_eq!(shown(settings), default, "{variable}={value:?}");
        }
    }
}

#[test]
fn a_number_that_is_none_is_reported_and_unset() {
    let default = shown(from_env([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1")]));
    let numbers = WITH_EFFECT.iter().filter(|(_, value)| value.parse::<u64>().is_ok());
    for (variable, _) in numbers {
        for wrong in ["x", "-1", "1.5", "1,000", "99999999999999999999999"] {
            let settings = with(variable, wrong);
            let warnings = &settings.warnings;
            assert!(
                warnings.len() == 1 && warnings[0].contains(variable),
                "{variable}={wrong}: {warnings:?}"
            );
            assert_eq!(shown(settings), default, "{variable}={wrong}");
        }
    }
}

#[test]
fn files_of_the_specification_are_reported_if_they_are_not_there() {
    for signal in ["", "TRACES_", "METRICS_", "LOGS_"] {
        let of = |file: &str| format!("OTEL_EXPORTER_OTLP_{signal}{file}");
        for names in [vec!["CERTIFICATE"], vec!["CLIENT_KEY", "CLIENT_CERTIFICATE"]] {
            let names: Vec<_> = names.into_iter().map(of).collect();
            let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), "https://c:1".to_owned());
            let files = names.iter().map(|name| (name.clone(), "/nowhere/a.pem".to_owned()));
            let pairs: Vec<_> = files.chain([endpoint]).collect();
            let warnings = resolve(
                &BuilderConfig::default(),
                &Env::from_pairs(pairs.iter().map(|(name, value)| (&**name, &**value))),
            )
            .unwrap()
            .warnings;
            for name in names {
                assert!(warnings.iter().any(|warning| warning.contains(&name)), "{name}: {warnings:?}");
            }
        }
    }
}

/// The variables of the specification and of the semantic conventions, beside those of one signal.
const ALL: &[&str] = &[
    "OTEL_SDK_DISABLED",
    "OTEL_CONFIG_FILE",
    "OTEL_EXPERIMENTAL_CONFIG_FILE",
    "OTEL_ENTITIES",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_LOG_LEVEL",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_INSECURE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_EXPORTER_PROMETHEUS_HOST",
    "OTEL_EXPORTER_PROMETHEUS_PORT",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
    "OTEL_SEMCONV_STABILITY_OPT_IN",
    "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN",
    "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
];

#[test]
fn every_variable_of_the_specification_is_known() {
    let known = known_variables();
    let common = ALL.iter().copied().chain(WITH_EFFECT.iter().map(|(variable, _)| *variable));
    for variable in common {
        assert!(known.contains(&variable), "{variable}");
    }
    for signal in ["TRACES", "METRICS", "LOGS"] {
        for setting in [
            "ENDPOINT",
            "PROTOCOL",
            "HEADERS",
            "TIMEOUT",
            "COMPRESSION",
            "INSECURE",
            "CERTIFICATE",
            "CLIENT_KEY",
            "CLIENT_CERTIFICATE",
        ] {
            let variable = format!("OTEL_EXPORTER_OTLP_{signal}_{setting}");
            assert!(known.contains(&&*variable), "{variable}");
        }
    }
}
