//! Environments, each with one thing that is out of the ordinary.

use super::*;

/// Each line is an environment.
const ENVIRONMENTS: &[&[(&str, &str)]] = &[
    &[],
    &[("OTEL_SDK_DISABLED", "true")],
    &[("OTEL_SERVICE_NAME", "true")],
    &[("OTEL_SERVICE_NAME", "12:30")],
    &[("OTEL_SERVICE_NAME", "${HOME}")],
    &[("OTEL_SERVICE_NAME", "a: b # c")],
    &[("OTEL_SERVICE_NAME", "ünï \u{1f980} \u{85}\u{2028}")],
    &[("OTEL_RESOURCE_ATTRIBUTES", "a=1,b=true,c=%2C%3D%0A,service.name=of-list,d=")],
    &[("OTEL_RESOURCE_ATTRIBUTES", "broken")],
    &[("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "all")],
    &[("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "k8s,host")],
    &[("OTEL_PROPAGATORS", "none")],
    &[("OTEL_PROPAGATORS", "b3multi,tracecontext,b3,baggage")],
    &[("OTEL_PROPAGATORS", "jaeger,xray")],
    &[("OTEL_PROPAGATORS", "nonsense")],
    &[("OTEL_LOG_LEVEL", "debug")],
    &[("OTEL_LOG_LEVEL", "none")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1]:4318")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector/base")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "HTTP://Collector:4318/base/")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "unix:/run/otel.sock")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "unix:/run/otel.sock"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
    &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318")],
    &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces")],
    &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector:4318/other?x=1")],
    &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://collector:4318/v1/logs")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense://x")],
    &[("OTEL_TRACES_EXPORTER", "otlp")],
    &[("OTEL_TRACES_EXPORTER", "otlp,otlp/stdout,console"), ("OTEL_EXPORTER_OTLP_ENDPOINT", C)],
    &[("OTEL_METRICS_EXPORTER", "otlp,console,otlp/stdout"), ("OTEL_EXPORTER_OTLP_ENDPOINT", C)],
    &[("OTEL_LOGS_EXPORTER", "otlp_file"), ("OTEL_RUST_EXPORTER_OTLP_FILE_PATH", "/tmp/a b%.jsonl")],
    &[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", C)],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")],
    &[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", C),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
    ],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "7")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=%20x%2C")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,A=2,a=3")],
    &[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", C),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=1"),
    ],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,te=2"), ("OTLP_HEADER_A", "1")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_RUST_EXPORTER_OTLP_MAX_REQUEST_SIZE", "1000000")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("HTTP_PROXY", "proxy:3128")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("HTTP_PROXY", "proxy:3128"), ("NO_PROXY", "collector other")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("ALL_PROXY", "http://u:p@proxy:3128/")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_TRACES_SAMPLER", "always_off")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_TRACES_SAMPLER", "always_on")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_TRACES_SAMPLER", "parentbased_always_off")],
    &[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", C),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "1e-7"),
    ],
    &[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", C),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_TRACES_SAMPLER", "jaeger_remote")],
    &[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", C),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "7"),
    ],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_BSP_MAX_QUEUE_SIZE", "5")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_RUST_BSP_MAX_QUEUE_BYTES", "1000")],
    &[("OTEL_RUST_BLRP_MAX_QUEUE_BYTES", "1000")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_ATTRIBUTE_COUNT_LIMIT", "0")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_ATTRIBUTE_COUNT_LIMIT", "4294967295")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0")],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5000000000")],
    &[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", C),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "1"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "2"),
    ],
    &[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", C),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "0"),
    ],
    &[("OTEL_EXPORTER_OTLP_ENDPOINT", C), ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "lowmemory")],
    &[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", C),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"),
    ],
    &[("OTEL_RUST_BUILT_IN_METRICS", "all"), ("OTEL_METRICS_EXPORTER", "console")],
    &[("RUST_LOG", "info,shop=debug,[span{field=\"x\"}]=trace")],
    &[("RUST_LOG", "off")],
    &[
        ("OTEL_RUST_LOG_OUTPUT_FILTER", "warn"),
        ("OTEL_RUST_OTLP_LOG_FILTER", "debug"),
        ("OTEL_RUST_SPAN_FILTER", "1"),
    ],
    &[("OTEL_RUST_LOG_FORMAT", "off")],
    &[("OTEL_RUST_LOG_FORMAT", "pretty"), ("NO_COLOR", "1")],
    &[("OTEL_RUST_SHUTDOWN_TIMEOUT", "250")],
    &[("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs")],
    &[
        ("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs/dup"),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "http,rpc/dup"),
    ],
    &[("OTEL_SEMCONV_STABILITY_OPT_IN", "rpc/old")],
    &[("OTEL_SEMCONV_STABILITY_OPT_IN", "rpc")],
    &[
        ("OTEL_RUST_GRPC_CAPTURE_SERVER_REQUEST_HEADERS", "x-a, X-B"),
        ("OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_TRAILERS", "x-c"),
    ],
    &[
        ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "x-a,x-*"),
        ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE", "X-B"),
        ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET,QUERY"),
    ],
    #[cfg(feature = "prometheus")]
    &[("OTEL_METRICS_EXPORTER", "prometheus,otlp"), ("OTEL_EXPORTER_PROMETHEUS_HOST", "::1")],
];

const C: &str = "http://collector:4317";

#[test]
fn every_environment_is_written() {
    for environment in ENVIRONMENTS {
        check(environment, init);
    }
}
