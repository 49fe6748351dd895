//! Exporters.

use super::macros::{choice, component, object};
use super::values::{List, Located, Secret, Unsigned};

component! {
    /// Where a processor of spans sends them.
    SpanExporter = "SpanExporter", open {
        "otlp_http" => OtlpHttp(OtlpHttp),
        "otlp_grpc" => OtlpGrpc(OtlpGrpc),
        "otlp_file/development" => OtlpFile(OtlpFile),
        "console" => Console(Console),
    }
}

component! {
    /// Where a processor of log records sends them.
    LogRecordExporter = "LogRecordExporter", open {
        "otlp_http" => OtlpHttp(OtlpHttp),
        "otlp_grpc" => OtlpGrpc(OtlpGrpc),
        "otlp_file/development" => OtlpFile(OtlpFile),
        "console" => Console(Console),
    }
}

component! {
    /// Where a periodic reader sends metrics.
    PushMetricExporter = "PushMetricExporter", open {
        "otlp_http" => OtlpHttp(OtlpHttpMetrics),
        "otlp_grpc" => OtlpGrpc(OtlpGrpcMetrics),
        "otlp_file/development" => OtlpFile(OtlpFileMetrics),
        "console" => Console(ConsoleMetrics),
    }
}

object! {
    /// OTLP over HTTP.
    OtlpHttp = "OtlpHttpExporter", null default {
        endpoint: Option<Located<String>>,
        tls: Option<HttpTls>,
        headers: Option<List<Header>>,
        headers_list: Option<Located<Secret>>,
        compression: Option<Located<String>>,
        timeout: Option<Located<Unsigned>>,
        encoding: Option<Located<Encoding>>,
    }
}

object! {
    /// OTLP over gRPC.
    OtlpGrpc = "OtlpGrpcExporter", null default {
        endpoint: Option<Located<String>>,
        tls: Option<GrpcTls>,
        headers: Option<List<Header>>,
        headers_list: Option<Located<Secret>>,
        compression: Option<Located<String>>,
        timeout: Option<Located<Unsigned>>,
    }
}

object! {
    /// Metrics by OTLP over HTTP.
    OtlpHttpMetrics = "OtlpHttpMetricExporter", null default {
        endpoint: Option<Located<String>>,
        tls: Option<HttpTls>,
        headers: Option<List<Header>>,
        headers_list: Option<Located<Secret>>,
        compression: Option<Located<String>>,
        timeout: Option<Located<Unsigned>>,
        encoding: Option<Located<Encoding>>,
        temporality_preference: Option<TemporalityPreference>,
        default_histogram_aggregation: Option<DefaultHistogramAggregation>,
    }
}

object! {
    /// Metrics by OTLP over gRPC.
    OtlpGrpcMetrics = "OtlpGrpcMetricExporter", null default {
        endpoint: Option<Located<String>>,
        tls: Option<GrpcTls>,
        headers: Option<List<Header>>,
        headers_list: Option<Located<Secret>>,
        compression: Option<Located<String>>,
        timeout: Option<Located<Unsigned>>,
        temporality_preference: Option<TemporalityPreference>,
        default_histogram_aggregation: Option<DefaultHistogramAggregation>,
    }
}

object! {
    /// Certificates and keys of HTTP connections.
    HttpTls = "HttpTls", null default {
        ca_file: Option<Located<String>>,
        key_file: Option<Located<String>>,
        cert_file: Option<Located<String>>,
    }
}

object! {
    /// Certificates and keys of gRPC connections.
    GrpcTls = "GrpcTls", null default {
        ca_file: Option<Located<String>>,
        key_file: Option<Located<String>>,
        cert_file: Option<Located<String>>,
        insecure: Option<bool>,
    }
}

object! {
    /// One header. A null value leaves it out.
    Header = "NameStringValuePair", null refused {
        name: String,
        value: NullableSecret,
    }
}

object! {
    /// OTLP JSON lines in a file or on standard output.
    OtlpFile = "ExperimentalOtlpFileExporter", null default {
        output_stream: Option<Located<String>>,
    }
}

object! {
    /// Metrics as OTLP JSON lines.
    OtlpFileMetrics = "ExperimentalOtlpFileMetricExporter", null default {
        output_stream: Option<Located<String>>,
        temporality_preference: Option<TemporalityPreference>,
        default_histogram_aggregation: Option<DefaultHistogramAggregation>,
    }
}

object! {
    /// Standard output, for people.
    Console = "ConsoleExporter", null default {}
}

object! {
    /// Metrics on standard output, for people.
    ConsoleMetrics = "ConsoleMetricExporter", null default {
        temporality_preference: Option<TemporalityPreference>,
        default_histogram_aggregation: Option<DefaultHistogramAggregation>,
    }
}

choice! {
    /// How requests over HTTP are encoded.
    Encoding = "OtlpHttpEncoding" {
        "protobuf" => Protobuf,
        "json" => Json,
    }
}

choice! {
    /// Whether sums and histograms are exported since the start or since the last collection.
    TemporalityPreference = "ExporterTemporalityPreference" {
        "cumulative" => Cumulative,
        "delta" => Delta,
        "low_memory" => LowMemory,
    }
}

choice! {
    /// How histograms without a view are aggregated.
    DefaultHistogramAggregation = "ExporterDefaultHistogramAggregation" {
        "explicit_bucket_histogram" => ExplicitBuckets,
        "base2_exponential_bucket_histogram" => Base2Exponential,
    }
}

pub(in crate::settings::file) use super::nullable::NullableSecret;
