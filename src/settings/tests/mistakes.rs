//! What is wrong: warnings about the environment, errors about code, and no secrets in either.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

pub(super) fn warnings<const N: usize>(variables: [(&str, &str); N]) -> Vec<String> {
    from_env(variables).warnings
}

pub(super) fn error(builder: Builder) -> InitError {
    resolve(&builder.into_parts().0, &Env::none()).unwrap_err()
}

#[test]
fn a_warning_names_variable_value_reason_and_what_is_used_instead() {
    let cases = [
        (
            "OTEL_BSP_SCHEDULE_DELAY",
            "fast",
            "invalid OTEL_BSP_SCHEDULE_DELAY=\"fast\": not a whole number of milliseconds; using the default, 5s",
        ),
        (
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "0",
            "invalid OTEL_BSP_MAX_QUEUE_SIZE=\"0\": must be at least 1; using the default, 262144",
        ),
        (
            "OTEL_METRIC_EXPORT_INTERVAL",
            "0",
            "invalid OTEL_METRIC_EXPORT_INTERVAL=\"0\": must be at least 1 ms; using the default, 10s",
        ),
        (
            "OTEL_SPAN_LINK_COUNT_LIMIT",
            "-1",
            "invalid OTEL_SPAN_LINK_COUNT_LIMIT=\"-1\": not a whole number; using the default, 128",
        ),
        (
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "long",
            "invalid OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=\"long\": not a whole number; using the default, no limit",
        ),
        (
            "OTEL_TRACES_SAMPLER",
            "jaeger_remote",
            "invalid OTEL_TRACES_SAMPLER=\"jaeger_remote\": not one of always_on, always_off, traceidratio, \
             parentbased_always_on, parentbased_always_off, parentbased_traceidratio; using the default, \
             parentbased_always_on",
        ),
        (
            "OTEL_SDK_DISABLED",
            "1",
            "invalid OTEL_SDK_DISABLED=\"1\": neither true nor false; using the default, false",
        ),
        (
            "OTEL_PROPAGATORS",
            "ottrace",
            "OTEL_PROPAGATORS: \"ottrace\" is not one of tracecontext, baggage, b3, b3multi, jaeger, xray, none; using tracecontext, baggage",
        ),
        (
            "OTEL_PROPAGATORS",
            "ottrace,baggage,b4",
            "OTEL_PROPAGATORS: \"ottrace, b4\" is not one of tracecontext, baggage, b3, b3multi, jaeger, xray, none; using baggage",
        ),
        (
            "OTEL_TRACES_EXPORTER",
            "zipkin",
            "OTEL_TRACES_EXPORTER: \"zipkin\" is not one of otlp, otlp/stdout, otlp_file, console, none; using otlp if an endpoint is set",
        ),
        (
            "OTEL_TRACES_EXPORTER",
            "zipkin,console, otlp",
            "OTEL_TRACES_EXPORTER: \"zipkin\" is not one of otlp, otlp/stdout, otlp_file, console, none; using console, otlp",
        ),
        (
            "OTEL_TRACES_EXPORTER",
            "none,zipkin",
            "OTEL_TRACES_EXPORTER: \"zipkin\" is not one of otlp, otlp/stdout, otlp_file, console, none; using none",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/thrift",
            "invalid OTEL_EXPORTER_OTLP_PROTOCOL=\"http/thrift\": not one of grpc, http/protobuf, http/json; using \
             the default, the one that fits the endpoint",
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "a=1,b",
            "invalid OTEL_RESOURCE_ATTRIBUTES=\"a=1,b\": entry 2 has no `=`; using the default, no attributes",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "ftp://c",
            "invalid OTEL_EXPORTER_OTLP_ENDPOINT=\"ftp://c\": the scheme is neither http nor https; using the \
             default, none: nothing is sent",
        ),
        (
            "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN",
            "spans",
            "invalid OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN=\"spans\": not one of logs, logs/dup; using the default, span events",
        ),
        (
            "OTEL_ENTITIES",
            "host",
            "OTEL_ENTITIES: this variable has no effect here: describe the service in OTEL_RESOURCE_ATTRIBUTES",
        ),
        (
            "OTEL_TRACES_SAMPLER_ARG",
            "0.01",
            "OTEL_TRACES_SAMPLER_ARG: ignored, since the sampler is parentbased_always_on, which takes no argument",
        ),
    ];
    for (variable, value, expected) in cases {
        assert_eq!(warnings([(variable, value)]), [expected], "{variable}={value}");
    }
}

#[test]
fn invalid_variable_falls_back_to_the_next_source() {
    let builder = || {
        init()
            .endpoint("http://code:1")
            .timeout(Duration::from_secs(3))
            .traces(|traces| traces.max_queue_size(700))
            .service_name("code")
    };
    let env = Env::from_pairs([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:port"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "4000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=env,host.name=%"),
    ]);
    let settings = resolved(builder(), &env);
    let export = otlp(&settings.traces.destinations).unwrap();
    assert_eq!(export.target.uri, "http://code:1/");
    assert_eq!(export.timeout, Duration::from_secs(4));
    assert_eq!(settings.traces.queue.max_items, 700);
    assert_eq!(attribute(&settings, "service.name").as_deref(), Some("code"));
    assert_eq!(attribute(&settings, "host.name"), None);
    let endings: Vec<_> =
        settings.warnings.iter().map(|warning| warning.rsplit_once("; ").unwrap().1).collect();
    assert_eq!(
        endings,
        [
            "using the default, no attributes",
            "using http://code:1 of .endpoint()",
            "using 4s of OTEL_EXPORTER_OTLP_TIMEOUT",
            "using 700 of .traces(|t| t.max_queue_size())",
        ]
    );
}

#[test]
fn one_wrong_variable_is_one_warning() {
    // What is used instead differs between the signals.
    let builder = init().timeout(Duration::from_secs(1)).logs(|logs| logs.timeout(Duration::from_secs(2)));
    let env = Env::from_pairs([
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "x"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "yes"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "x"),
    ]);
    let settings = resolved(builder, &env);
    assert_eq!(settings.warnings.len(), 4, "{:#?}", settings.warnings);
}

#[test]
fn without_a_known_propagator_the_usual_ones_are_used() {
    let standard = [Propagator::TraceContext, Propagator::Baggage];
    assert_eq!(from_env([("OTEL_PROPAGATORS", "ottrace,b4")]).propagators, standard);
    assert_eq!(from_env([("OTEL_PROPAGATORS", "ottrace,baggage")]).propagators, [Propagator::Baggage]);
    assert_eq!(from_env([("OTEL_PROPAGATORS", "ottrace,none")]).propagators, []);
}

#[test]
fn exporters_that_are_known_are_used_beside_those_that_are_not() {
    let settings = from_env([("OTEL_TRACES_EXPORTER", "zipkin,otlp"), ("OTEL_METRICS_EXPORTER", "statsd")]);
    assert!(otlp(&settings.traces.destinations).is_some());
    assert!(settings.metrics.destinations.is_empty());
    assert_eq!(settings.warnings.len(), 2);
}

#[test]
fn a_batch_larger_than_its_queue_is_a_mistake() {
    let settings = from_env([("OTEL_BSP_MAX_QUEUE_SIZE", "100"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200")]);
    assert_eq!(settings.traces.queue.max_export_batch_size, 100);
    assert_eq!(
        settings.warnings,
        ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE: 200 is more than the queue holds; using 100"]
    );
    let error = error(init().logs(|logs| logs.max_queue_size(10).max_export_batch_size(11)));
    assert_eq!(
        error.to_string(),
        "invalid max_export_batch_size \"11\" (set by .logs(|l| l.max_export_batch_size())): more than max_queue_size, 10"
    );
}

#[test]
fn a_mistake_in_code_is_an_error_that_names_it() {
    let cases = [
        (
            init().endpoint("collector:port"),
            "invalid endpoint \"collector:port\" (set by .endpoint()): the port is not a number from 1 to 65535",
        ),
        (
            init().metrics(|metrics| metrics.endpoint("grpc://c")),
            "invalid endpoint \"grpc://c\" (set by .metrics(|m| m.endpoint())): the scheme is neither http nor https",
        ),
        (init().service_name(" "), "invalid service_name \" \" (set by .service_name()): empty"),
        (
            init().metrics(|metrics| metrics.interval(Duration::ZERO)),
            "invalid interval \"0ns\" (set by .metrics(|m| m.interval())): must be at least 1 ms",
        ),
        (
            init().shutdown_timeout(Duration::MAX),
            "invalid shutdown_timeout \"18446744073709551615.999999999s\" (set by .shutdown_timeout()): more than \
             a year",
        ),
        (
            init().traces(|traces| traces.max_queue_bytes(0)),
            "invalid max_queue_bytes \"0\" (set by .traces(|t| t.max_queue_bytes())): must be at least 1",
        ),
        (
            init().header("bad name", "s3cret"),
            "invalid header \"bad name: [redacted]\" (set by .header()): a header's name is not valid",
        ),
    ];
    for (builder, expected) in cases {
        assert_eq!(error(builder).to_string(), expected);
    }
}

#[test]
fn all_mistakes_in_code_are_reported_together() {
    let builder = init()
        .service_name("")
        .endpoint("ftp://c")
        .shutdown_timeout(Duration::ZERO)
        .traces(|traces| traces.max_export_batch_size(0))
        .header("te", "s3cret");
    let InitError::Several(errors) = error(builder) else { panic!("one error only") };
    let settings: Vec<_> = errors
        .iter()
        .map(|error| match error {
            InitError::InvalidSetting { setting, .. } => *setting,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(settings, ["service_name", "endpoint", "header", "max_export_batch_size", "shutdown_timeout"]);
}

#[test]
fn a_mistake_in_code_is_an_error_even_where_the_environment_decides() {
    let requested = init().endpoint("ftp://c").into_parts().0;
    let env = Env::from_pairs([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1")]);
    assert!(resolve(&requested, &env).is_err());
}

#[cfg(feature = "grpc")]
#[test]
fn invalid_name_of_a_captured_header_is_reported() {
    let variable = "OTEL_RUST_GRPC_CAPTURE_CLIENT_REQUEST_HEADERS";
    let told = warnings([(variable, "x-team, Team Name,x-user:")]);
    let ignored = |name| format!("{variable}: {name:?} is not the name of a header; it is ignored");
    assert_eq!(told, [ignored("team name"), ignored("x-user:")]);
}

/// Everything that a person might see of the settings.
fn shown(builder: Builder, env: &Env) -> String {
    let before = format!("{builder:?}");
    let requested = builder.into_parts().0;
    match resolve(&requested, env) {
        Ok(settings) => format!("{before} {requested:?} {settings:?} {settings:#?}"),
        Err(error) => format!("{before} {requested:?} {error} {error:?}"),
    }
}

#[test]
fn secrets_are_in_no_message() {
    let builder = || {
        let all = init().header("authorization", "S3CRET").endpoint("http://c:1");
        all.traces(|traces| traces.header("x-token", "S3CRET"))
    };
    let text = shown(builder(), &Env::none());
    assert!(text.contains("authorization") && text.contains("x-token"), "{text}");
    assert!(!text.contains("S3CRET"), "{text}");
    let cases = [
        shown(init().endpoint("http://user:S3CRET@c:1"), &Env::none()),
        shown(init().logs(|logs| logs.endpoint("S3CRET@c")), &Env::none()),
        shown(init().header("x", "S3CRET\n"), &Env::none()),
        shown(init().header("grpc-x", "S3CRET"), &Env::none()),
        shown(init(), &Env::from_pairs([("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:S3CRET@c:1")])),
        shown(init(), &Env::from_pairs([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1/?key=S3CRET")])),
        shown(builder(), &Env::from_pairs([("OTEL_EXPORTER_OTLP_HEADERS", "S3CRET")])),
        shown(builder(), &Env::from_pairs([("OTEL_EXPORTER_OTLP_HEADERS", "a=S3CRET%")])),
        shown(builder(), &Env::from_pairs([("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=S3CRET")])),
    ];
    for text in cases {
        assert!(!text.contains("S3CRET"), "{text}");
    }
}

const NUMBERS_AND_NAMES: [&str; 16] = [
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BLRP_EXPORT_TIMEOUT",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_EXPORTER",
    "OTEL_SDK_DISABLED",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SEMCONV_STABILITY_OPT_IN",
];

proptest! {
    /// Whatever an operator writes, the program starts, and the settings hold together.
    #[test]
    fn any_environment_yields_settings(
        values in prop::collection::vec(
            prop_oneof!["\\PC{0,30}", "[0-9]{1,20}", "[a-z_]{1,12}", "(http://)?[a-z:@/0-9]{1,20}"],
            NUMBERS_AND_NAMES.len(),
        )
    ) {
        let mut variables = [("", ""); NUMBERS_AND_NAMES.len()];
        for ((variable, name), value) in variables.iter_mut().zip(NUMBERS_AND_NAMES).zip(&values) {
            *variable = (name, value);
        }
        let settings = from_env(variables);
        for queue in [settings.traces.queue, settings.logs.queue] {
            prop_assert!(queue.max_export_batch_size >= 1 && queue.max_export_batch_size <= queue.max_items);
            // No longer than a year, so that it can be added to any time. Zero is valid.
            prop_assert!(queue.delay <= Duration::from_secs(365 * 24 * 60 * 60));
        }
        prop_assert!(!settings.metrics.interval.is_zero());
        for warning in &settings.warnings {
            prop_assert!(warning.contains("OTEL_"), "{}", warning);
        }
    }
}

#[test]
fn a_misspelt_variable_is_reported_with_the_right_name() {
    let cases = [
        ("OTEL_EXPORTER_OTLP_ENDPIONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_EXPORTER_OTLP_TRACE_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ("OTEL_SERVICENAME", "OTEL_SERVICE_NAME"),
        ("OTEL_TRACE_SAMPLER", "OTEL_TRACES_SAMPLER"),
        ("OTEL_RUST_LOG_FROMAT", "OTEL_RUST_LOG_FORMAT"),
        ("OTEL_BSP_SCHEDULED_DELAY", "OTEL_BSP_SCHEDULE_DELAY"),
        ("OTLE_SERVICE_NAME", "OTEL_SERVICE_NAME"),
        ("OTLP_SERVICE_NAME", "OTEL_SERVICE_NAME"),
        ("OTE_SERVICE_NAME", "OTEL_SERVICE_NAME"),
        ("_OTEL_SERVICE_NAME", "OTEL_SERVICE_NAME"),
        ("otel_service_name", "OTEL_SERVICE_NAME"),
        ("RUST_LOGS", "RUST_LOG"),
        ("RUST_LGO", "RUST_LOG"),
        ("RUSTLOG", "RUST_LOG"),
        ("rust_log", "RUST_LOG"),
        ("HTTPS_PROXI", "HTTPS_PROXY"),
        ("HTTPSPROXY", "HTTPS_PROXY"),
        ("Https_Proxy", "HTTPS_PROXY"),
        ("NOPROXY", "NO_PROXY"),
        ("NO_COLOUR", "NO_COLOR"),
    ];
    for (variable, meant) in cases {
        let expected = format!("{variable}: this variable is not known; did you mean {meant}?");
        assert_eq!(warnings([(variable, "hunter2")]), [expected]);
    }
    assert_eq!(warnings([("OTEL_INSTRUMENTATION_COMMON_DB_STATEMENT_SANITIZER_ENABLED", "x")]), [""; 0]);
}

#[test]
fn known_variables_are_not_reported_as_misspelt() {
    let known = known_variables();
    assert!(known.len() > 70, "{}", known.len());
    let env = Env::from_pairs(known.iter().map(|name| (*name, "")));
    assert_eq!(resolve(&init().into_parts().0, &env).unwrap().warnings, [""; 0]);
}

#[test]
fn http_endpoint_with_grpc_configured_is_reported() {
    let endpoint = |endpoint| {
        warnings([("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")])
    };
    assert_eq!(
        endpoint("http://c:1/tenant"),
        [
            "OTEL_EXPORTER_OTLP_ENDPOINT: gRPC has no path; \"/[redacted]\" is ignored. For a URL of OTLP over HTTP set \
          OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        ]
    );
    assert_eq!(
        endpoint("http://c:4318"),
        [
            "OTEL_EXPORTER_OTLP_ENDPOINT: port 4318 is that of OTLP over HTTP; gRPC is sent, whose port is 4317"
        ]
    );
}

#[test]
#[cfg(feature = "http")]
fn old_names_of_http_are_not_recorded_and_reported() {
    let variable = "OTEL_SEMCONV_STABILITY_OPT_IN";
    let expected = format!("{variable}: http/dup has no effect, HTTP has its stable names only");
    assert_eq!(warnings([(variable, "rpc/dup, HTTP/dup")]), [expected]);
    assert_eq!(warnings([(variable, "http,rpc/dup,database/dup")]), [""; 0]);
}
