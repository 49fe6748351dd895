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
    insecure: opentelemetry_otlp::OTEL_EXPORTER_OTLP_INSECURE,
    protocol: opentelemetry_otlp::OTEL_EXPORTER_OTLP_PROTOCOL,
    ..otlp!("")
};
pub(in crate::settings) const OTLP_TRACES: Otlp = otlp!("TRACES_");
pub(in crate::settings) const OTLP_METRICS: Otlp = otlp!("METRICS_");
pub(in crate::settings) const OTLP_LOGS: Otlp = otlp!("LOGS_");

/// The variables of one batch processor.
#[derive(Debug)]
pub(in crate::settings) struct Batch {
    pub(in crate::settings) schedule_delay: &'static str,
    pub(in crate::settings) export_timeout: &'static str,
    pub(in crate::settings) max_queue_size: &'static str,
    pub(in crate::settings) max_export_batch_size: &'static str,
    /// Ours: the specification has no limit in bytes.
    pub(in crate::settings) max_queue_bytes: &'static str,
}

macro_rules! batch {
    ($processor:literal) => {
        Batch {
            schedule_delay: concat!("OTEL_", $processor, "_SCHEDULE_DELAY"),
            export_timeout: concat!("OTEL_", $processor, "_EXPORT_TIMEOUT"),
            max_queue_size: concat!("OTEL_", $processor, "_MAX_QUEUE_SIZE"),
            max_export_batch_size: concat!("OTEL_", $processor, "_MAX_EXPORT_BATCH_SIZE"),
            max_queue_bytes: concat!("OTEL_RUST_", $processor, "_MAX_QUEUE_BYTES"),
        }
    };
}

pub(in crate::settings) const BSP: Batch = batch!("BSP");
pub(in crate::settings) const BLRP: Batch = batch!("BLRP");

macro_rules! names {
    ($($name:ident),* $(,)?) => {
        $(pub(in crate::settings) const $name: &str = stringify!($name);)*
    };
}

names! {
    OTEL_SDK_DISABLED,
    OTEL_SERVICE_NAME,
    OTEL_RESOURCE_ATTRIBUTES,
    OTEL_PROPAGATORS,
    OTEL_TRACES_EXPORTER,
    OTEL_METRICS_EXPORTER,
    OTEL_LOGS_EXPORTER,
    OTEL_TRACES_SAMPLER,
    OTEL_TRACES_SAMPLER_ARG,
    OTEL_ATTRIBUTE_COUNT_LIMIT,
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT,
    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    OTEL_SPAN_EVENT_COUNT_LIMIT,
    OTEL_SPAN_LINK_COUNT_LIMIT,
    OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT,
    OTEL_LINK_ATTRIBUTE_COUNT_LIMIT,
    OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT,
    OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    OTEL_METRIC_EXPORT_INTERVAL,
    OTEL_METRIC_EXPORT_TIMEOUT,
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE,
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION,
    OTEL_SEMCONV_STABILITY_OPT_IN,
    OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN,
    RUST_LOG,
    NO_COLOR,
}

// Ours: what the specification has no name for.
names! {
    OTEL_RUST_OTLP_LOG_FILTER,
    OTEL_RUST_SPAN_FILTER,
    OTEL_RUST_LOG_FORMAT,
    OTEL_RUST_SHUTDOWN_TIMEOUT,
}

#[cfg(feature = "grpc")]
names! {
    OTEL_RUST_GRPC_CAPTURE_SERVER_REQUEST_HEADERS,
    OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_HEADERS,
    OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_TRAILERS,
    OTEL_RUST_GRPC_CAPTURE_CLIENT_REQUEST_HEADERS,
    OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_HEADERS,
    OTEL_RUST_GRPC_CAPTURE_CLIENT_RESPONSE_TRAILERS,
}

/// Of the specification, but without effect here: whoever sets one should not believe otherwise.
pub(in crate::settings) const WITHOUT_EFFECT: [&str; 7] = [
    "OTEL_CONFIG_FILE",
    "OTEL_EXPERIMENTAL_CONFIG_FILE",
    "OTEL_ENTITIES",
    "OTEL_LOG_LEVEL",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_EXPORTER_PROMETHEUS_HOST",
    "OTEL_EXPORTER_PROMETHEUS_PORT",
];
