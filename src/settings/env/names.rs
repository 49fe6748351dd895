//! Variables that are no settings: those of the layers, and those without effect.
//!
//! | group | read by |
//! |---|---|
//! | captured headers, known methods | the layers for gRPC and HTTP, also without `init()` |
//! | the configuration file | [`Builder::build`](crate::Builder::build), before everything else |
//! | variables without effect | nothing; a warning says what there is instead |
//!
//! Every other variable belongs to a [`Setting`](super::super::setting::Setting).

/// Names of captured metadata: of a server's requests, responses and trailers, then of a client's.
#[cfg(feature = "grpc")]
pub(in crate::settings) const GRPC_CAPTURES: [&str; 6] = [
    "OTEL_RUST_GRPC_CAPTURE_SERVER_REQUEST_HEADERS",
    "OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_HEADERS",
    "OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_TRAILERS",
    "OTEL_RUST_GRPC_CAPTURE_CLIENT_REQUEST_HEADERS",
    "OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_HEADERS",
    "OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_TRAILERS",
];

/// Variables of the specification without effect here, each with what there is instead. Setting one logs a warning.
pub(in crate::settings) const WITHOUT_EFFECT: &[(&str, &str)] = &[
    #[cfg(not(feature = "config-file"))]
    (CONFIG_FILE, "it needs the feature `config-file` of telemetry-bootstrap; the other variables are used"),
    #[cfg(not(feature = "config-file"))]
    (
        EXPERIMENTAL_CONFIG_FILE,
        "it needs the feature `config-file` of telemetry-bootstrap; the other variables are used",
    ),
    ("OTEL_ENTITIES", "describe the service in OTEL_RESOURCE_ATTRIBUTES"),
    (EXEMPLAR_FILTER, "metrics have no exemplars: always_off is used"),
    ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", ZIPKIN),
    ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", ZIPKIN),
];

/// The measurements that are kept as exemplars.
pub(in crate::settings) const EXEMPLAR_FILTER: &str = "OTEL_METRICS_EXEMPLAR_FILTER";
/// The only filter there is.
pub(in crate::settings) const NO_EXEMPLARS: &str = "always_off";

/// What takes the place of Zipkin's exporter, which the specification has deprecated.
const ZIPKIN: &str = "there is no exporter for Zipkin; an OpenTelemetry Collector can pass traces on to it";

/// The path of a configuration file.
pub(crate) const CONFIG_FILE: &str = "OTEL_CONFIG_FILE";
/// What the specification called it before it was stable.
pub(crate) const EXPERIMENTAL_CONFIG_FILE: &str = "OTEL_EXPERIMENTAL_CONFIG_FILE";

/// Names of captured headers, as Python's instrumentation calls them: of a server's requests and responses, then of a
/// client's.
pub(in crate::settings) const HTTP_CAPTURES: [&str; 4] = [
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE",
];

/// A comma-separated list of the HTTP methods that are reported by their name.
pub(in crate::settings) const HTTP_KNOWN_METHODS: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

/// Variables that this crate shares with other programs.
pub(in crate::settings) const OF_OTHERS: [&str; 10] = [
    "RUST_LOG",
    "NO_COLOR",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];
