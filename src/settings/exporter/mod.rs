//! Settings of the OTLP exporters: where and how each signal is sent.

mod target;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};

use self::target::{PROTOCOL, Request};
pub(crate) use self::target::{ProtocolSetting, Target};
pub(crate) use self::tls::TlsFiles;
use super::builder_config::SignalConfig;
use super::endpoint;
use super::env::items;
use super::pem;
use super::queue::QueueSetting;
use super::resolve::Resolver;
use super::secrets::quoted;
use super::setting::{Setting, settings};
use super::types::{Compression, Protocol};
use super::value_kind::{
    COMPRESSION, FLAG, HEADERS, Headers, Kind, TIMEOUT, any, header, one_of, or_unlimited, plain,
};
use super::values::Values;

/// Where and how one signal is sent.
#[derive(Clone, PartialEq)]
pub(crate) struct ExportSettings {
    pub(crate) target: Target,
    /// Values are secrets: not in `Debug`.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Limit for one export of one batch.
    pub(crate) timeout: Duration,
    pub(crate) compression: Compression,
    pub(crate) protocol: ProtocolSetting,
    /// The path of requests over HTTP, with the signal's part. May hold a secret: not in `Debug`.
    pub(crate) http_path: PathAndQuery,
}

/// The settings of one OTLP exporter: those common to all signals, or those of one of them.
pub(crate) struct ExporterSetting {
    pub(crate) endpoint: Setting<String>,
    pub(crate) insecure: Setting<bool>,
    pub(crate) headers: Setting<Headers>,
    pub(crate) timeout: Setting<Duration>,
    pub(crate) compression: Setting<Compression>,
    pub(crate) protocol: Setting<Protocol>,
    pub(crate) certificate: Setting<Option<PathBuf>>,
    pub(crate) client_key: Setting<Option<PathBuf>>,
    pub(crate) client_certificate: Setting<Option<PathBuf>>,
}

/// Defines the settings of one exporter. `$scope` begins the names of setters, `$signal` is a part of the names of
/// variables; those that the official exporter names are listed.
macro_rules! exporter_settings {
    ($(#[$doc:meta])* $exporter:ident, $module:ident, $scope:literal, $signal:literal) => {
        exporter_settings!($(#[$doc])* $exporter, $module, $scope, $signal, [
            concat!("OTEL_EXPORTER_OTLP_", $signal, "ENDPOINT"),
            concat!("OTEL_EXPORTER_OTLP_", $signal, "HEADERS"),
            concat!("OTEL_EXPORTER_OTLP_", $signal, "TIMEOUT"),
            concat!("OTEL_EXPORTER_OTLP_", $signal, "COMPRESSION"),
            concat!("OTEL_EXPORTER_OTLP_", $signal, "PROTOCOL"),
        ]);
    };
    (
        $(#[$doc:meta])* $exporter:ident, $module:ident, $scope:literal, $signal:literal,
        [$endpoint:expr, $headers:expr, $timeout:expr, $compression:expr, $protocol:expr $(,)?]
    ) => {
        pub(super) mod $module {
            use super::*;

            settings! {
                /// The address of the collector.
                ENDPOINT_TEXT: String =
                    concat!($scope, "endpoint"),
                    [$endpoint],
                    endpoint::kind(None),
                    String::new();
                /// Whether an address without a scheme means plaintext.
                INSECURE: bool = "", [concat!("OTEL_EXPORTER_OTLP_", $signal, "INSECURE")], FLAG, false;
                /// Headers of each request.
                HEADER_LIST: Headers =
                    concat!($scope, "header"),
                    [$headers],
                    HEADERS,
                    Headers::new();
                /// The limit for one export of one batch; the default is the specification's.
                REQUEST_TIMEOUT: Duration =
                    concat!($scope, "timeout"),
                    [$timeout],
                    TIMEOUT,
                    Duration::from_secs(10);
                /// How requests are compressed.
                REQUEST_COMPRESSION: Compression =
                    concat!($scope, "compression"),
                    [$compression],
                    COMPRESSION,
                    Compression::None;
                /// The protocol that is spoken first.
                REQUEST_PROTOCOL: Protocol =
                    concat!($scope, "protocol"),
                    [$protocol],
                    PROTOCOL,
                    Protocol::Auto;
                /// Certificates of authorities to trust beside the system's.
                CERTIFICATE: Option<PathBuf> =
                    concat!($scope, "tls/certificate"),
                    [concat!("OTEL_EXPORTER_OTLP_", $signal, "CERTIFICATE")],
                    pem::ROOTS,
                    None;
                /// The private key of the client's certificate.
                CLIENT_KEY: Option<PathBuf> =
                    concat!($scope, "tls/client_key"),
                    [concat!("OTEL_EXPORTER_OTLP_", $signal, "CLIENT_KEY")],
                    pem::KEY,
                    None;
                /// The client's certificate, with those between it and its authority.
                CLIENT_CERTIFICATE: Option<PathBuf> =
                    concat!($scope, "tls/client_certificate"),
                    [concat!("OTEL_EXPORTER_OTLP_", $signal, "CLIENT_CERTIFICATE")],
                    pem::CHAIN,
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
        };
    };
}

exporter_settings!(
    /// What is common to all signals.
    OTLP, all, "", "", [
        opentelemetry_otlp::OTEL_EXPORTER_OTLP_ENDPOINT,
        opentelemetry_otlp::OTEL_EXPORTER_OTLP_HEADERS,
        opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT,
        opentelemetry_otlp::OTEL_EXPORTER_OTLP_COMPRESSION,
        opentelemetry_otlp::OTEL_EXPORTER_OTLP_PROTOCOL,
    ]
);
exporter_settings!(
    /// What is set for traces alone.
    OTLP_TRACES, traces, "traces.", "TRACES_"
);
exporter_settings!(
    /// What is set for metrics alone.
    OTLP_METRICS, metrics, "metrics.", "METRICS_"
);
exporter_settings!(
    /// What is set for logs alone.
    OTLP_LOGS, logs, "logs.", "LOGS_"
);

settings! {
    /// Whether traces are exported, once that is decided.
    TRACES_EXPORTER: bool = "traces.export", ["OTEL_TRACES_EXPORTER"], EXPORTER, true;
    /// Whether metrics are exported, once that is decided.
    METRICS_EXPORTER: bool = "metrics.export", ["OTEL_METRICS_EXPORTER"], EXPORTER, true;
    /// Whether log records are exported, once that is decided.
    LOGS_EXPORTER: bool = "logs.export", ["OTEL_LOGS_EXPORTER"], EXPORTER, true;
}

/// One signal with the settings of its exporter.
pub(super) struct SignalExporter {
    /// The last part of the path of requests over HTTP: `v1/traces`.
    path: &'static str,
    exporter: Setting<bool>,
    otlp: ExporterSetting,
}

pub(super) const TRACES: SignalExporter =
    SignalExporter { path: "v1/traces", exporter: TRACES_EXPORTER, otlp: OTLP_TRACES };
pub(super) const METRICS: SignalExporter =
    SignalExporter { path: "v1/metrics", exporter: METRICS_EXPORTER, otlp: OTLP_METRICS };
pub(super) const LOGS: SignalExporter =
    SignalExporter { path: "v1/logs", exporter: LOGS_EXPORTER, otlp: OTLP_LOGS };

/// The places that the settings of an exporter may come from.
pub(super) struct Scopes<'a> {
    own: (&'a ExporterSetting, &'a Values),
    /// What counts where the own scope has nothing.
    common: Option<(&'a ExporterSetting, &'a Values)>,
}

impl<'a> Scopes<'a> {
    /// Returns one setting in each of the places.
    fn sources<T>(
        &self,
        setting: impl Fn(&'a ExporterSetting) -> &'a Setting<T>,
    ) -> Vec<(&'a Setting<T>, &'a Values)> {
        self.exporters().map(|(exporter, values)| (setting(exporter), values)).collect()
    }

    fn exporters(&self) -> impl Iterator<Item = (&'a ExporterSetting, &'a Values)> {
        [self.own].into_iter().chain(self.common)
    }
}

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

impl Resolver<'_> {
    /// Returns `None` if nothing is sent: the exporter is off, or there is no endpoint.
    pub(super) fn export(
        &mut self,
        signal: &SignalExporter,
        own: &SignalConfig,
        common: &SignalConfig,
    ) -> Option<ExportSettings> {
        let scopes = Scopes { own: (&signal.otlp, &own.values), common: Some((&OTLP, &common.values)) };
        // Everything is read, also what a signal that is off does not need: mistakes are reported in any case.
        let is_on = self.exporter(&signal.exporter, &own.values);
        let endpoint = self.endpoint(&scopes, is_on);
        let tls = self.tls(&scopes);
        let headers = self.resolve_in(&scopes, |otlp| &otlp.headers);
        let timeout = self.resolve_in(&scopes, |otlp| &otlp.timeout);
        let compression = self.resolve_in(&scopes, |otlp| &otlp.compression);
        let protocol = self.resolve_in(&scopes, |otlp| &otlp.protocol);
        let is_sent = is_on.unwrap_or(endpoint.is_some());
        if !is_sent {
            return None;
        }
        let Request { uri, protocol, http_path } = self.request(endpoint, protocol, signal.path);
        Some(ExportSettings {
            target: Target::new(uri, tls),
            headers: headers.iter().filter_map(|(name, value)| header(name, value).ok()).collect(),
            timeout: or_unlimited(timeout),
            compression,
            protocol,
            http_path,
        })
    }

    fn resolve_in<'a, T: Clone + 'static>(
        &mut self,
        scopes: &Scopes<'a>,
        setting: impl Fn(&'a ExporterSetting) -> &'a Setting<T>,
    ) -> T {
        let default = &setting(scopes.own.0).default;
        self.find_first(&scopes.sources(setting)).map_or_else(|| default.clone(), |chosen| chosen.value)
    }

    /// The processor's limit for a batch and the exporter's for a request are one here: the shorter counts.
    pub(super) fn batched_export(
        &mut self,
        signal: &SignalExporter,
        own: &SignalConfig,
        common: &SignalConfig,
        queue: &QueueSetting,
    ) -> Option<ExportSettings> {
        let export = self.export(signal, own, common);
        let limit = or_unlimited(self.resolve_env(&queue.export_timeout));
        export.map(|export| ExportSettings { timeout: export.timeout.min(limit), ..export })
    }

    /// Returns whether a signal is exported, if that is decided. Names that are not known do not keep the others from
    /// being used.
    fn exporter(&mut self, setting: &Setting<bool>, values: &Values) -> Option<bool> {
        let [variable] = setting.variables else { return None };
        let (listed, unknown) = self.env.get(variable).map_or((None, Vec::new()), listed);
        if !unknown.is_empty() {
            let unknown = quoted(&unknown.join(", "));
            self.warn_once(
                variable,
                format!("{unknown} is not available here, only otlp and none; it is ignored"),
            );
        }
        match listed {
            Some(_) => self.used(variable),
            None => return self.find(setting, values).map(|chosen| chosen.value),
        }
        listed
    }
}

/// Returns whether a list of exporters has one that is known here, or `none`, and those that are not.
fn listed(list: &str) -> (Option<bool>, Vec<&str>) {
    let mut is_on = None;
    let mut unknown = Vec::new();
    for item in items(list) {
        match one_of(item, &[("otlp", true), ("none", false)]) {
            Ok(true) => is_on = Some(true),
            Ok(false) => is_on = is_on.or(Some(false)),
            Err(_) => unknown.push(item),
        }
    }
    (is_on, unknown)
}

const EXPORTER: Kind<bool> = Kind {
    parse: |list| Ok(listed(list).0.unwrap_or_default()),
    check: any,
    show: |is_on| if *is_on { "otlp".into() } else { "none".into() },
    quote: plain,
};

impl fmt::Debug for ExportSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("ExportSettings")
            .field("target", &self.target)
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
