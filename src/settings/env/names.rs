//! Variables that are no settings: those of the layers, and those without effect.

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

/// Variables of the specification without effect here. Setting one logs a warning.
pub(in crate::settings) const WITHOUT_EFFECT: &[&str] = &[
    #[cfg(not(feature = "config-file"))]
    CONFIG_FILE,
    #[cfg(not(feature = "config-file"))]
    EXPERIMENTAL_CONFIG_FILE,
    "OTEL_ENTITIES",
    "OTEL_LOG_LEVEL",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_EXPORTER_PROMETHEUS_HOST",
    "OTEL_EXPORTER_PROMETHEUS_PORT",
];

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
