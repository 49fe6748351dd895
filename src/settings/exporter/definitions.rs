//! The settings of the OTLP exporters, a constant each: for all signals, for each signal, and for a destination in
//! code.
//!
//! | constants | setters | variables |
//! |---|---|---|
//! | [`OTLP`] | of the builder itself | `OTEL_EXPORTER_OTLP_…` |
//! | [`OTLP_TRACES`], [`OTLP_METRICS`], [`OTLP_LOGS`] | of a signal | `OTEL_EXPORTER_OTLP_TRACES_…`, … |
//! | [`OTLP_DESTINATION`] | of a [`Destination`](super::Destination) | none |
//!
//! All of them are made by one macro, so that a setting that is added here exists in every place.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use super::destination::{ExporterName, NAMES};
use super::target::PROTOCOL;
use super::tls::TlsFiles;
use crate::settings::choices::list_of;
use crate::settings::credentials::{HeaderSource, RequestSigner};
use crate::settings::endpoint;
use crate::settings::pem;
use crate::settings::proxy::PROXY;
use crate::settings::secrets::shown_name;
use crate::settings::setting::{Setting, settings};
use crate::settings::types::{Compression, Protocol};
use crate::settings::value_kind::{
    COMPRESSION, COUNT, FLAG, HEADERS, Headers, Kind, TIMEOUT, any, header, plain,
};
use crate::settings::values::Values;

/// The settings of one OTLP exporter: those common to all signals, or those of one of them.
///
/// A new setting of exporters is one field here and one entry in the macro below: it then exists for all signals, for
/// each signal and for a destination in code.
pub(crate) struct ExporterSetting {
    /// The address; empty means that nothing is sent.
    pub(crate) endpoint: Setting<String>,
    /// Decides on TLS if the endpoint has no scheme.
    pub(crate) insecure: Setting<bool>,
    /// Sent with each request; values are secrets.
    pub(crate) headers: Setting<Headers>,
    /// For one try of one request.
    pub(crate) timeout: Setting<Duration>,
    /// How bodies are compressed.
    pub(crate) compression: Setting<Compression>,
    /// gRPC, or HTTP with protobuf or JSON.
    pub(crate) protocol: Setting<Protocol>,
    /// The path of PEM certificates to trust.
    pub(crate) certificate: Setting<Option<PathBuf>>,
    /// The path of the client's private key.
    pub(crate) client_key: Setting<Option<PathBuf>>,
    /// The path of the client's certificate.
    pub(crate) client_certificate: Setting<Option<PathBuf>>,
    /// Bytes of one request before compression.
    pub(crate) max_request_size: Setting<usize>,
    /// The address of a proxy, which may hold credentials.
    pub(crate) proxy: Setting<String>,
    /// Headers whose values are read anew, such as tokens.
    pub(crate) header_sources: Setting<HeaderSources>,
    /// Signs each request, as some clouds require.
    pub(crate) request_signer: Setting<Option<RequestSigner>>,
}

/// Defines the settings of one exporter. `$scope` begins the names of setters, `$signal` is a part of the names of
/// variables; the first five of these are listed where the official exporter names them.
macro_rules! exporter_settings {
    ($(#[$doc:meta])* $exporter:ident, $module:ident, $scope:literal, no_variables) => {
        exporter_settings!($(#[$doc])* $exporter, $module, $scope, [[], [], [], [], []], [[], [], [], [], []]);
    };
    ($(#[$doc:meta])* $exporter:ident, $module:ident, $scope:literal, $signal:literal) => {
        exporter_settings!($(#[$doc])* $exporter, $module, $scope, $signal, [
            [concat!("OTEL_EXPORTER_OTLP_", $signal, "ENDPOINT")],
            [concat!("OTEL_EXPORTER_OTLP_", $signal, "HEADERS")],
            [concat!("OTEL_EXPORTER_OTLP_", $signal, "TIMEOUT")],
            [concat!("OTEL_EXPORTER_OTLP_", $signal, "COMPRESSION")],
            [concat!("OTEL_EXPORTER_OTLP_", $signal, "PROTOCOL")]
        ]);
    };
    ($(#[$doc:meta])* $exporter:ident, $module:ident, $scope:literal, $signal:literal, $first:tt) => {
        exporter_settings!($(#[$doc])* $exporter, $module, $scope, $first, [
            [concat!("OTEL_EXPORTER_OTLP_", $signal, "INSECURE")],
            [concat!("OTEL_EXPORTER_OTLP_", $signal, "CERTIFICATE")],
            [concat!("OTEL_EXPORTER_OTLP_", $signal, "CLIENT_KEY")],
            [concat!("OTEL_EXPORTER_OTLP_", $signal, "CLIENT_CERTIFICATE")],
            [concat!("OTEL_RUST_EXPORTER_OTLP_", $signal, "MAX_REQUEST_SIZE")]
        ]);
    };
    (
        $(#[$doc:meta])* $exporter:ident, $module:ident, $scope:literal,
        [$endpoint:expr, $headers:expr, $timeout:expr, $compression:expr, $protocol:expr],
        [$insecure:expr, $certificate:expr, $client_key:expr, $client_certificate:expr, $max_request_size:expr]
    ) => {
        pub(in crate::settings) mod $module {
            use super::*;

            settings! {
                /// The address of the collector.
                ENDPOINT_TEXT: String =
                    concat!($scope, "endpoint"),
                    $endpoint,
                    endpoint::kind(None),
                    String::new();
                /// Whether an address without a scheme means plaintext.
                INSECURE: bool = "", $insecure, FLAG, false;
                /// Headers of each request.
                HEADER_LIST: Headers =
                    concat!($scope, "header"),
                    $headers,
                    HEADERS,
                    Headers::new();
                /// The limit for one export of one batch; the default is the specification's.
                REQUEST_TIMEOUT: Duration =
                    concat!($scope, "timeout"),
                    $timeout,
                    TIMEOUT,
                    Duration::from_secs(10);
                /// How requests are compressed.
                REQUEST_COMPRESSION: Compression =
                    concat!($scope, "compression"),
                    $compression,
                    COMPRESSION,
                    Compression::None;
                /// The protocol that is used first.
                REQUEST_PROTOCOL: Protocol =
                    concat!($scope, "protocol"),
                    $protocol,
                    PROTOCOL,
                    Protocol::Auto;
                /// Certificates of authorities to trust beside the system's.
                CERTIFICATE: Option<PathBuf> =
                    concat!($scope, "tls/certificate"),
                    $certificate,
                    pem::ROOTS,
                    None;
                /// The private key of the client's certificate.
                CLIENT_KEY: Option<PathBuf> =
                    concat!($scope, "tls/client_key"),
                    $client_key,
                    pem::KEY,
                    None;
                /// The client's certificate, with those between it and its authority.
                CLIENT_CERTIFICATE: Option<PathBuf> =
                    concat!($scope, "tls/client_certificate"),
                    $client_certificate,
                    pem::CHAIN,
                    None;
                /// The bytes of one request, before compression; the default is the specification's.
                MAX_REQUEST_SIZE: usize =
                    concat!($scope, "max_request_size"),
                    $max_request_size,
                    COUNT,
                    64 << 20;
                /// The proxy that connections go through. Its variables are those of all programs.
                PROXY_ADDRESS: String = concat!($scope, "proxy"), [], PROXY, String::new();
                /// Headers whose values change.
                HEADER_SOURCE: HeaderSources =
                    concat!($scope, "header_source"),
                    [],
                    HEADER_SOURCES,
                    HeaderSources::new();
                /// What signs requests.
                REQUEST_SIGNER: Option<RequestSigner> =
                    concat!($scope, "request_signer"),
                    [],
                    SIGNER,
                    None;
            }
        }

        $(#[$doc])*
        pub(crate) const $exporter: ExporterSetting = ExporterSetting {
            endpoint: $module::ENDPOINT_TEXT,
            insecure: $module::INSECURE,
            headers: $module::HEADER_LIST,
            timeout: $module::REQUEST_TIMEOUT,
            compression: $module::REQUEST_COMPRESSION,
            protocol: $module::REQUEST_PROTOCOL,
            certificate: $module::CERTIFICATE,
            client_key: $module::CLIENT_KEY,
            client_certificate: $module::CLIENT_CERTIFICATE,
            max_request_size: $module::MAX_REQUEST_SIZE,
            proxy: $module::PROXY_ADDRESS,
            header_sources: $module::HEADER_SOURCE,
            request_signer: $module::REQUEST_SIGNER,
        };
    };
}

exporter_settings!(
    /// The settings common to all signals.
    OTLP, all, "", "", [
        [opentelemetry_otlp::OTEL_EXPORTER_OTLP_ENDPOINT],
        [opentelemetry_otlp::OTEL_EXPORTER_OTLP_HEADERS],
        [opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT],
        [opentelemetry_otlp::OTEL_EXPORTER_OTLP_COMPRESSION],
        [opentelemetry_otlp::OTEL_EXPORTER_OTLP_PROTOCOL]
    ]
);
exporter_settings!(
    /// The settings of traces alone.
    OTLP_TRACES, traces, "traces.", "TRACES_"
);
exporter_settings!(
    /// The settings of metrics alone.
    OTLP_METRICS, metrics, "metrics.", "METRICS_"
);
exporter_settings!(
    /// The settings of logs alone.
    OTLP_LOGS, logs, "logs.", "LOGS_"
);
exporter_settings!(
    /// What is set for a destination in code.
    OTLP_DESTINATION, in_code, "destination.", no_variables
);

settings! {
    /// The exporters of traces, once they are chosen.
    TRACES_EXPORTER: Cow<'static, [ExporterName]> =
        "traces.export", ["OTEL_TRACES_EXPORTER"], list_of!(NAMES), Cow::Borrowed(&[ExporterName::Otlp]);
    /// The exporters of metrics, once they are chosen.
    METRICS_EXPORTER: Cow<'static, [ExporterName]> =
        "metrics.export", ["OTEL_METRICS_EXPORTER"], list_of!(NAMES), Cow::Borrowed(&[ExporterName::Otlp]);
    /// The exporters of log records, once they are chosen.
    LOGS_EXPORTER: Cow<'static, [ExporterName]> =
        "logs.export", ["OTEL_LOGS_EXPORTER"], list_of!(NAMES), Cow::Borrowed(&[ExporterName::Otlp]);
}

/// One signal with the settings of its exporter.
pub(in crate::settings) struct SignalExporter {
    /// The last part of the path of requests over HTTP: `v1/traces`.
    pub(in crate::settings) path: &'static str,
    /// The list of exporters: `OTEL_TRACES_EXPORTER` and its siblings.
    pub(in crate::settings) exporters: Setting<Cow<'static, [ExporterName]>>,
    /// The settings of its OTLP exporter.
    pub(in crate::settings) otlp: ExporterSetting,
}

/// Traces.
pub(in crate::settings) const TRACES: SignalExporter =
    SignalExporter { path: "v1/traces", exporters: TRACES_EXPORTER, otlp: OTLP_TRACES };
/// Metrics.
pub(in crate::settings) const METRICS: SignalExporter =
    SignalExporter { path: "v1/metrics", exporters: METRICS_EXPORTER, otlp: OTLP_METRICS };
/// Log records.
pub(in crate::settings) const LOGS: SignalExporter =
    SignalExporter { path: "v1/logs", exporters: LOGS_EXPORTER, otlp: OTLP_LOGS };

impl ExporterSetting {
    /// Stores the files; those of an earlier call are replaced as a whole.
    pub(crate) fn set_tls(&self, values: &mut Values, files: TlsFiles) {
        let TlsFiles { certificate, client_key, client_certificate, from_env: _ } = files;
        let settings = [
            (&self.certificate, certificate),
            (&self.client_key, client_key),
            (&self.client_certificate, client_certificate),
        ];
        for (setting, file) in settings {
            match file {
                Some(_) => values.set(setting, file),
                None => values.remove(setting),
            }
        }
    }
}

/// Names of headers, each with the source of its value.
pub(super) type HeaderSources = Vec<(String, HeaderSource)>;

/// Sources are given in code alone.
const HEADER_SOURCES: Kind<HeaderSources> = Kind {
    parse: |_| Err("only code can give a source".into()),
    check: |sources| sources.iter().try_for_each(|(name, _)| header(name, "").map(drop)),
    show: |sources| {
        let names: Vec<_> = sources.iter().map(|(name, _)| shown_name(name)).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    },
    quote: plain,
};

/// A signer is given in code alone.
const SIGNER: Kind<Option<RequestSigner>> = Kind {
    parse: |_| Err("only code can give a signer".into()),
    check: any,
    show: |signer| if signer.is_some() { "a signer".into() } else { "none".into() },
    quote: plain,
};
