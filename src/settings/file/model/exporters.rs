//! Exporters.

use super::macros::{choice, component, object};
use super::values::{List, Located, Secret, Unsigned};

/// Declares the exporters of a signal: the schema has a type for each signal, with the same names.
macro_rules! exporters {
    ($($(#[$doc:meta])* $name:ident = $schema:literal: $http:ident, $grpc:ident, $file:ident, $console:ident;)*) => {$(
        component! {
            $(#[$doc])*
            $name = $schema, open {
                "otlp_http" => OtlpHttp($http),
                "otlp_grpc" => OtlpGrpc($grpc),
                "otlp_file/development" => OtlpFile($file),
                "console" => Console($console),
            }
        }
    )*};
}

exporters! {
    /// Where a processor of spans sends them.
    SpanExporter = "SpanExporter": OtlpHttp, OtlpGrpc, OtlpFile, Console;
    /// Where a processor of log records sends them.
    LogRecordExporter = "LogRecordExporter": OtlpHttp, OtlpGrpc, OtlpFile, Console;
    /// Where a periodic reader sends metrics.
    PushMetricExporter = "PushMetricExporter": OtlpHttpMetrics, OtlpGrpcMetrics, OtlpFileMetrics, ConsoleMetrics;
}

/// Declares an exporter for spans and records, and the same one for metrics, which has two properties more.
macro_rules! with_metrics {
    ($(#[$doc:meta])* $name:ident = $schema:literal, $metrics:ident = $metrics_schema:literal { $($fields:tt)* }) => {
        object! {
            $(#[$doc])*
            $name = $schema, null default { $($fields)* }
        }

        object! {
            /// The same for metrics.
            $metrics = $metrics_schema, null default {
                $($fields)*
                temporality_preference: Option<TemporalityPreference>,
                default_histogram_aggregation: Option<DefaultHistogramAggregation>,
            }
        }
    };
}

with_metrics! {
    /// OTLP over HTTP.
    OtlpHttp = "OtlpHttpExporter", OtlpHttpMetrics = "OtlpHttpMetricExporter" {
        /// A whole URL, to which no path is added. Default: `http://localhost:4318/v1/…`.
        endpoint: Option<Located<String>>,
        /// For `https://` endpoints.
        tls: Option<HttpTls>,
        /// They win over `headers_list`.
        headers: Option<List<Header>>,
        /// `name=value,name=value`, percent-encoded.
        headers_list: Option<Located<Secret>>,
        /// `gzip` or `none`. Default: `none`.
        compression: Option<Located<String>>,
        /// Milliseconds for one request; 0 is no limit. Default: 10 000.
        timeout: Option<Located<Unsigned>>,
        /// Default: `protobuf`.
        encoding: Option<Located<Encoding>>,
    }
}

with_metrics! {
    /// OTLP over gRPC.
    OtlpGrpc = "OtlpGrpcExporter", OtlpGrpcMetrics = "OtlpGrpcMetricExporter" {
        /// Default: `http://localhost:4317`.
        endpoint: Option<Located<String>>,
        /// For `https://` endpoints, and `insecure` for those without a scheme.
        tls: Option<GrpcTls>,
        /// They win over `headers_list`.
        headers: Option<List<Header>>,
        /// `name=value,name=value`, percent-encoded.
        headers_list: Option<Located<Secret>>,
        /// `gzip` or `none`. Default: `none`.
        compression: Option<Located<String>>,
        /// Milliseconds for one request; 0 is no limit. Default: 10 000.
        timeout: Option<Located<Unsigned>>,
    }
}

with_metrics! {
    /// OTLP as lines of JSON, in a file or on standard output.
    OtlpFile = "ExperimentalOtlpFileExporter", OtlpFileMetrics = "ExperimentalOtlpFileMetricExporter" {
        /// `stdout` or `file:///path`. Default: `stdout`.
        output_stream: Option<Located<String>>,
    }
}

with_metrics! {
    /// Standard output, for people.
    Console = "ConsoleExporter", ConsoleMetrics = "ConsoleMetricExporter" {}
}

object! {
    /// Certificates and keys of HTTP connections.
    HttpTls = "HttpTls", null default {
        /// Certificates that are trusted, PEM. Default: the system's.
        ca_file: Option<Located<String>>,
        /// The client's private key, PEM.
        key_file: Option<Located<String>>,
        /// The client's certificates, PEM.
        cert_file: Option<Located<String>>,
    }
}

object! {
    /// Certificates and keys of gRPC connections.
    GrpcTls = "GrpcTls", null default {
        /// Certificates that are trusted, PEM. Default: the system's.
        ca_file: Option<Located<String>>,
        /// The client's private key, PEM.
        key_file: Option<Located<String>>,
        /// The client's certificates, PEM.
        cert_file: Option<Located<String>>,
        /// No TLS, for an endpoint without a scheme. Default: `false`.
        insecure: Option<bool>,
    }
}

object! {
    /// One header. A null value leaves it out.
    Header = "NameStringValuePair", null refused {
        name: String,
        /// Not shown in messages.
        value: NullableSecret,
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
