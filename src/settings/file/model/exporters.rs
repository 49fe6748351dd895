//! Exporters.
//!
//! | key of the exporter | types | sends |
//! |---|---|---|
//! | `otlp_http` | [`OtlpHttp`], [`OtlpHttpMetrics`] | OTLP as protobuf or JSON over HTTP |
//! | `otlp_grpc` | [`OtlpGrpc`], [`OtlpGrpcMetrics`] | OTLP over gRPC |
//! | `otlp_file/development` | [`OtlpFile`], [`OtlpFileMetrics`] | OTLP as lines of JSON |
//! | `console` | [`Console`], [`ConsoleMetrics`] | text on standard output |
//!
//! # Keys of the OTLP exporters
//!
//! | key | `otlp_http` | `otlp_grpc` | default | variable |
//! |---|---|---|---|---|
//! | `endpoint` | whole URL | scheme, host and port | port 4318, 4317 of `localhost` | `OTEL_EXPORTER_OTLP_ENDPOINT` |
//! | `tls.ca_file` | yes | yes | the system's certificates | `OTEL_EXPORTER_OTLP_CERTIFICATE` |
//! | `tls.key_file` | yes | yes | none | `OTEL_EXPORTER_OTLP_CLIENT_KEY` |
//! | `tls.cert_file` | yes | yes | none | `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` |
//! | `tls.insecure` | – | yes | `false` | `OTEL_EXPORTER_OTLP_INSECURE` |
//! | `headers`, `headers_list` | yes | yes | none | `OTEL_EXPORTER_OTLP_HEADERS` |
//! | `compression` | yes | yes | `none` | `OTEL_EXPORTER_OTLP_COMPRESSION` |
//! | `timeout` | yes | yes | 10,000 ms | `OTEL_EXPORTER_OTLP_TIMEOUT` |
//! | `encoding` | yes | – | `protobuf` | `OTEL_EXPORTER_OTLP_PROTOCOL` |
//!
//! The variables are those with the same meaning; a file with an exporter does not read them. Each has a counterpart
//! for one signal, such as `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
//!
//! # Mistakes
//!
//! | mistake | found by |
//! |---|---|
//! | two exporters in one processor, none, or an unknown one | this module |
//! | a header without `name` or `value`, a value that is no text | this module |
//! | a path that is not absolute, a key without its certificate | [`apply`](crate::settings::file::apply) |
//! | an address that is none, a file that is not PEM | the settings, at the position of the value |
//! | a compression whose feature is not built in | the settings |

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
                /// Whether sums are exported since the start or since the last collection. Default: `cumulative`. Has
                /// no effect for `console`, which prints totals.
                temporality_preference: Option<TemporalityPreference>,
                /// The aggregation of histograms that no view is for. Default: `explicit_bucket_histogram`. All
                /// periodic readers must have the same.
                default_histogram_aggregation: Option<DefaultHistogramAggregation>,
            }
        }
    };
}

with_metrics! {
    /// OTLP over HTTP.
    OtlpHttp = "OtlpHttpExporter", OtlpHttpMetrics = "OtlpHttpMetricExporter" {
        /// A whole URL, to which no path is added. Default: `http://localhost:4318/v1/…`.
        ///
        /// Without a scheme, or with another one than `http`, `https` and `unix`, it is a mistake.
        endpoint: Option<Located<String>>,
        /// For `https://` endpoints.
        ///
        /// An endpoint with `http://` ignores the files.
        tls: Option<HttpTls>,
        /// They win over `headers_list`.
        ///
        /// Names are compared without regard to case.
        headers: Option<List<Header>>,
        /// `name=value,name=value`, percent-encoded.
        ///
        /// The form of `OTEL_EXPORTER_OTLP_HEADERS`, so that `${OTEL_EXPORTER_OTLP_HEADERS}` can stand here. A list
        /// with a mistake is refused as a whole; its text is never shown.
        headers_list: Option<Located<Secret>>,
        /// `gzip` or `none`. Default: `none`.
        ///
        /// `zstd` is accepted as well, although the schema does not name it. Each needs the feature of this crate
        /// with its name.
        compression: Option<Located<String>>,
        /// Milliseconds for one request; 0 is no limit. Default: 10 000.
        ///
        /// The limit of the processor or reader counts if it is shorter. A time of more than a year is a mistake.
        timeout: Option<Located<Unsigned>>,
        /// Default: `protobuf`.
        ///
        /// The schema has no `auto`: unlike without a file, the other protocol is never tried.
        encoding: Option<Located<Encoding>>,
    }
}

with_metrics! {
    /// OTLP over gRPC.
    OtlpGrpc = "OtlpGrpcExporter", OtlpGrpcMetrics = "OtlpGrpcMetricExporter" {
        /// Default: `http://localhost:4317`.
        ///
        /// A path is not sent. Without a scheme, `tls.insecure` decides on TLS.
        endpoint: Option<Located<String>>,
        /// For `https://` endpoints, and `insecure` for those without a scheme.
        tls: Option<GrpcTls>,
        /// They win over `headers_list`.
        ///
        /// They are sent as metadata of each request.
        headers: Option<List<Header>>,
        /// `name=value,name=value`, percent-encoded.
        ///
        /// A list with a mistake is refused as a whole; its text is never shown.
        headers_list: Option<Located<Secret>>,
        /// `gzip` or `none`. Default: `none`.
        compression: Option<Located<String>>,
        /// Milliseconds for one request; 0 is no limit. Default: 10 000.
        ///
        /// The limit of the processor or reader counts if it is shorter.
        timeout: Option<Located<Unsigned>>,
    }
}

with_metrics! {
    /// OTLP as lines of JSON, in a file or on standard output.
    OtlpFile = "ExperimentalOtlpFileExporter", OtlpFileMetrics = "ExperimentalOtlpFileMetricExporter" {
        /// `stdout` or `file:///path`. Default: `stdout`.
        ///
        /// The path is absolute and may be percent-encoded. Its folder must exist when the file is read; the file
        /// itself is created at the first export. Standard output is shared with the log lines of the program.
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
        ///
        /// An absolute path. The file may hold several certificates.
        ca_file: Option<Located<String>>,
        /// The client's private key, PEM.
        ///
        /// An absolute path. Must be given together with `cert_file`.
        key_file: Option<Located<String>>,
        /// The client's certificates, PEM.
        ///
        /// An absolute path. The certificate of the client stands first, those between it and its authority behind it.
        cert_file: Option<Located<String>>,
    }
}

object! {
    /// Certificates and keys of gRPC connections.
    GrpcTls = "GrpcTls", null default {
        /// Certificates that are trusted, PEM. Default: the system's.
        ///
        /// An absolute path. The file may hold several certificates.
        ca_file: Option<Located<String>>,
        /// The client's private key, PEM.
        ///
        /// An absolute path. Must be given together with `cert_file`.
        key_file: Option<Located<String>>,
        /// The client's certificates, PEM.
        ///
        /// An absolute path. The certificate of the client stands first, those between it and its authority behind it.
        cert_file: Option<Located<String>>,
        /// No TLS, for an endpoint without a scheme. Default: `false`.
        ///
        /// An endpoint with `http://` or `https://` ignores it.
        insecure: Option<bool>,
    }
}

object! {
    /// One header. A null value leaves it out.
    Header = "NameStringValuePair", null refused {
        /// Letters, digits and the other characters that HTTP allows in names of fields; case does not count.
        name: String,
        /// Not shown in messages.
        ///
        /// Null removes a header of the same name that `headers_list` gives.
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
