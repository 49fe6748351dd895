//! Every variable that this crate reads, once.

/// The variables of one signal's exporter, or those common to all.
#[derive(Debug)]
pub(in crate::settings) struct Otlp {
    pub(in crate::settings) endpoint: &'static str,
    pub(in crate::settings) headers: &'static str,
    pub(in crate::settings) timeout: &'static str,
    pub(in crate::settings) compression: &'static str,
    pub(in crate::settings) insecure: &'static str,
    pub(in crate::settings) protocol: &'static str,
    pub(in crate::settings) certificate: &'static str,
    pub(in crate::settings) client_key: &'static str,
    pub(in crate::settings) client_certificate: &'static str,
}

impl Otlp {
    /// Returns all of these variables.
    pub(in crate::settings) fn all(&self) -> [&'static str; 9] {
        let Self { endpoint, headers, timeout, compression, insecure, protocol, .. } = self;
        let Self { certificate, client_key, client_certificate, .. } = self;
        [
            endpoint,
            headers,
            timeout,
            compression,
            insecure,
            protocol,
            certificate,
            client_key,
            client_certificate,
        ]
    }
}

macro_rules! otlp {
    ($signal:literal) => {
        Otlp {
            endpoint: concat!("OTEL_EXPORTER_OTLP_", $signal, "ENDPOINT"),
            headers: concat!("OTEL_EXPORTER_OTLP_", $signal, "HEADERS"),
            timeout: concat!("OTEL_EXPORTER_OTLP_", $signal, "TIMEOUT"),
            compression: concat!("OTEL_EXPORTER_OTLP_", $signal, "COMPRESSION"),
            insecure: concat!("OTEL_EXPORTER_OTLP_", $signal, "INSECURE"),
            protocol: concat!("OTEL_EXPORTER_OTLP_", $signal, "PROTOCOL"),
            certificate: concat!("OTEL_EXPORTER_OTLP_", $signal, "CERTIFICATE"),
            client_key: concat!("OTEL_EXPORTER_OTLP_", $signal, "CLIENT_KEY"),
            client_certificate: concat!("OTEL_EXPORTER_OTLP_", $signal, "CLIENT_CERTIFICATE"),
        }
    };
}

pub(in crate::settings) const OTLP: Otlp = Otlp {
    endpoint: opentelemetry_otlp::OTEL_EXPORTER_OTLP_ENDPOINT,
    headers: opentelemetry_otlp::OTEL_EXPORTER_OTLP_HEADERS,
    timeout: opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT,
    compression: opentelemetry_otlp::OTEL_EXPORTER_OTLP_COMPRESSION,
    protocol: opentelemetry_otlp::OTEL_EXPORTER_OTLP_PROTOCOL,
    ..otlp!("")
};
pub(in crate::settings) const OTLP_TRACES: Otlp = otlp!("TRACES_");
pub(in crate::settings) const OTLP_METRICS: Otlp = otlp!("METRICS_");
pub(in crate::settings) const OTLP_LOGS: Otlp = otlp!("LOGS_");

/// The variables of one batch processor that belong to its exporter.
#[derive(Debug)]
pub(in crate::settings) struct Batch {
    pub(in crate::settings) export_timeout: &'static str,
}

pub(in crate::settings) const BSP: Batch = Batch { export_timeout: "OTEL_BSP_EXPORT_TIMEOUT" };
pub(in crate::settings) const BLRP: Batch = Batch { export_timeout: "OTEL_BLRP_EXPORT_TIMEOUT" };

pub(in crate::settings) const EXPORTERS: [&str; 3] =
    ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"];

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
pub(in crate::settings) const WITHOUT_EFFECT: [&str; 7] = [
    "OTEL_CONFIG_FILE",
    "OTEL_EXPERIMENTAL_CONFIG_FILE",
    "OTEL_ENTITIES",
    "OTEL_LOG_LEVEL",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_EXPORTER_PROMETHEUS_HOST",
    "OTEL_EXPORTER_PROMETHEUS_PORT",
];

/// A comma-separated list of the HTTP methods that are reported by their name.
pub(in crate::settings) const HTTP_KNOWN_METHODS: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";
