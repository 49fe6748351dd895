//! Settings of the OTLP exporters: where and how each signal is sent.

pub(super) mod destination;
pub(super) mod prometheus;
mod target;
mod tls;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};
use opentelemetry_sdk::metrics::Temporality;

pub(crate) use self::destination::{CONSOLE, DestinationSettings, ExporterName, OutputTarget};
use self::destination::{
    DESTINATION_TEMPORALITY, DestinationKind, EXPORTERS, LOGGING, Listed, NAMES, OTLP_FILE,
};
pub use self::destination::{Destination, OtlpDestination};
#[cfg(feature = "prometheus")]
pub use self::prometheus::PrometheusExporter;
pub(crate) use self::prometheus::PrometheusSettings;
#[cfg(feature = "prometheus")]
pub(crate) use self::prometheus::ServerAddress;
use self::target::{PROTOCOL, Request};
pub(crate) use self::target::{ProtocolSetting, Target};
pub(crate) use self::tls::TlsFiles;
use super::builder_config::SignalConfig;
use super::credentials::{Credentials, HeaderSource, RequestSigner};
use super::endpoint;
use super::pem;
use super::proxy::{self, NO_PROXY, PROXY, Proxy};
use super::queue::QueueSetting;
use super::resolve::{Chosen, Resolver};
use super::secrets::{quoted, shown_name};
use super::setting::{Setting, settings};
use super::types::{Compression, Protocol};
use super::value_kind::{
    COMPRESSION, COUNT, FLAG, HEADERS, Headers, Kind, TIMEOUT, any, header, header_list, or_unlimited, plain,
    push_header,
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
    /// Headers that change, and signatures.
    pub(crate) credentials: Credentials,
    /// The bytes of one request, before compression.
    pub(crate) max_request_size: usize,
    /// Of metrics, if it is not that of the signal.
    pub(crate) temporality: Option<Temporality>,
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
    pub(crate) max_request_size: Setting<usize>,
    pub(crate) proxy: Setting<String>,
    pub(crate) header_sources: Setting<HeaderSources>,
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
        pub(super) mod $module {
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
        ["OTEL_EXPORTER_OTLP_ENDPOINT"],
        ["OTEL_EXPORTER_OTLP_HEADERS"],
        ["OTEL_EXPORTER_OTLP_TIMEOUT"],
        ["OTEL_EXPORTER_OTLP_COMPRESSION"],
        ["OTEL_EXPORTER_OTLP_PROTOCOL"]
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
        "traces.export", ["OTEL_TRACES_EXPORTER"], EXPORTERS, Cow::Borrowed(&[ExporterName::Otlp]);
    /// The exporters of metrics, once they are chosen.
    METRICS_EXPORTER: Cow<'static, [ExporterName]> =
        "metrics.export", ["OTEL_METRICS_EXPORTER"], EXPORTERS, Cow::Borrowed(&[ExporterName::Otlp]);
    /// The exporters of log records, once they are chosen.
    LOGS_EXPORTER: Cow<'static, [ExporterName]> =
        "logs.export", ["OTEL_LOGS_EXPORTER"], EXPORTERS, Cow::Borrowed(&[ExporterName::Otlp]);
}

/// One signal with the settings of its exporter.
pub(super) struct SignalExporter {
    /// The last part of the path of requests over HTTP: `v1/traces`.
    pub(super) path: &'static str,
    exporters: Setting<Cow<'static, [ExporterName]>>,
    pub(super) otlp: ExporterSetting,
}

pub(super) const TRACES: SignalExporter =
    SignalExporter { path: "v1/traces", exporters: TRACES_EXPORTER, otlp: OTLP_TRACES };
pub(super) const METRICS: SignalExporter =
    SignalExporter { path: "v1/metrics", exporters: METRICS_EXPORTER, otlp: OTLP_METRICS };
pub(super) const LOGS: SignalExporter =
    SignalExporter { path: "v1/logs", exporters: LOGS_EXPORTER, otlp: OTLP_LOGS };

/// The places that the settings of an exporter may come from.
pub(super) struct Scopes<'a> {
    own: (&'a ExporterSetting, &'a Values),
    /// The place to look if the signal's own scope has no value.
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
    /// Returns the destinations of a signal; there is none if its exporters are off, or if nothing says where to send.
    ///
    /// Everything is read, also what is not used: mistakes are reported in any case. `chosen`: see
    /// [`exporters`](Self::exporters).
    pub(super) fn destinations(
        &mut self,
        signal: &SignalExporter,
        own: &SignalConfig,
        common: &SignalConfig,
        chosen: Option<(Vec<ExporterName>, bool)>,
    ) -> Vec<DestinationSettings> {
        let is_on = chosen.as_ref().map(|(exporters, _)| exporters.contains(&ExporterName::Otlp));
        // Rust 1.88 does not keep a constant in the arguments of `Some` for long enough.
        let for_all = &OTLP;
        let scopes = Scopes { own: (&signal.otlp, &own.values), common: Some((for_all, &common.values)) };
        let standard = self.export(&scopes, signal, is_on);
        let in_code: Vec<_> = [common, own]
            .into_iter()
            .flat_map(|config| &config.destinations)
            .filter_map(|destination| self.destination(signal, destination))
            .collect();
        let is_replaced = chosen.as_ref().is_some_and(|(_, is_from_env)| *is_from_env) && !in_code.is_empty();
        if let [variable] = signal.exporters.variables
            && is_replaced
        {
            self.warn_once(variable, "it replaces the destinations that were given in code");
        }
        let is_off = is_on == Some(false);
        let in_code = if is_replaced || is_off { Vec::new() } else { in_code };
        let listed: Vec<_> = chosen.into_iter().flat_map(|(exporters, _)| exporters).collect();
        let outputs = listed.into_iter().filter_map(|exporter| self.output(exporter, signal));
        standard
            .map(|export| DestinationSettings::Otlp(Box::new(export)))
            .into_iter()
            .chain(outputs)
            .chain(in_code)
            .collect()
    }

    /// Returns the OTLP exporter that a configuration file describes.
    #[cfg(feature = "config-file")]
    pub(super) fn destination_of_file(&mut self, signal: &SignalExporter) -> Option<ExportSettings> {
        let none = Values::default();
        let scopes = Scopes { own: (&signal.otlp, &none), common: None };
        self.export(&scopes, signal, Some(true))
    }

    /// Returns where an exporter writes that the environment lists.
    fn output(&mut self, exporter: ExporterName, signal: &SignalExporter) -> Option<DestinationSettings> {
        let target = match exporter {
            ExporterName::Otlp | ExporterName::Prometheus => return None,
            ExporterName::Console => return Some(DestinationSettings::Console),
            ExporterName::OtlpStdout => OutputTarget::Stdout,
            ExporterName::OtlpFile => {
                let path = self.resolve_env(&OTLP_FILE);
                if let ([variable], [needed], None) = (signal.exporters.variables, OTLP_FILE.variables, &path)
                {
                    self.warn_once(variable, format!("otlp_file needs a path in {needed}; it is ignored"));
                }
                OutputTarget::File(path?)
            }
        };
        Some(DestinationSettings::Output(target))
    }

    /// The processor's limit for a batch and the exporter's for a request are one here: the shorter counts.
    pub(super) fn batched_destinations(
        &mut self,
        signal: &SignalExporter,
        own: &SignalConfig,
        common: &SignalConfig,
        queue: &QueueSetting,
    ) -> Vec<DestinationSettings> {
        let chosen = self.exporters(signal, &own.values);
        let destinations = self.destinations(signal, own, common, chosen);
        let limit = or_unlimited(self.resolve_limit(&[(&queue.export_timeout, &Values::default())]));
        destinations.into_iter().map(|destination| destination.within(limit)).collect()
    }

    fn destination(&mut self, signal: &SignalExporter, given: &Destination) -> Option<DestinationSettings> {
        match &given.kind {
            DestinationKind::Otlp(values) => {
                let scopes = Scopes { own: (&OTLP_DESTINATION, values), common: None };
                self.export(&scopes, signal, None).map(|export| DestinationSettings::Otlp(Box::new(export)))
            }
            DestinationKind::Console => Some(DestinationSettings::Console),
            DestinationKind::OtlpStdout => Some(DestinationSettings::Output(OutputTarget::Stdout)),
            DestinationKind::OtlpFile(values) => {
                let path = self.find_in_code(&OTLP_FILE, values)?.value?;
                Some(DestinationSettings::Output(OutputTarget::File(path)))
            }
        }
    }

    /// Returns `None` if nothing is sent: the exporter is off, or there is no endpoint. `is_on`: whether it was turned
    /// on or off.
    fn export(
        &mut self,
        scopes: &Scopes<'_>,
        signal: &SignalExporter,
        is_on: Option<bool>,
    ) -> Option<ExportSettings> {
        let endpoint = self.endpoint(scopes, is_on);
        let tls = self.tls(scopes);
        let headers = self.headers(scopes);
        let credentials = self.credentials(scopes, headers.as_ref());
        let max_request_size = self.resolve_in(scopes, |otlp| &otlp.max_request_size);
        let timeout = self.resolve_limit(&scopes.sources(|otlp| &otlp.timeout));
        let compression = self.resolve_in(scopes, |otlp| &otlp.compression);
        let protocol = self.resolve_in(scopes, |otlp| &otlp.protocol);
        if !is_on.unwrap_or(endpoint.is_some()) {
            self.proxy(scopes, None);
            return None;
        }
        let Request { uri, socket, protocol, http_path } = self.request(endpoint, protocol, signal.path);
        let proxy = self.proxy(scopes, socket.is_none().then_some(&uri));
        let headers = headers.map(|chosen| chosen.value).unwrap_or_default();
        let temporality = self.find_in_code(&DESTINATION_TEMPORALITY, scopes.own.1);
        Some(ExportSettings {
            temporality: temporality.and_then(|given| given.value),
            target: Target { proxy, socket, ..Target::new(uri, tls) },
            headers: headers.iter().filter_map(|(name, value)| header(name, value).ok()).collect(),
            timeout: or_unlimited(timeout),
            compression,
            protocol,
            credentials,
            max_request_size,
            http_path,
        })
    }

    /// Returns the headers, of each name the last one. Entries of a variable that cannot be used are left out.
    fn headers(&mut self, scopes: &Scopes<'_>) -> Option<Chosen<Headers>> {
        let chosen = self.find_first(&scopes.sources(|otlp| &otlp.headers))?;
        let text = (!chosen.is_from_code).then(|| self.env.get(&chosen.origin)).flatten();
        let mistakes = text.map_or_else(Vec::new, |text| header_list(text).1);
        if !mistakes.is_empty() {
            self.warn_once(&chosen.origin, format!("{}; the other headers are used", mistakes.join(", ")));
        }
        let mut headers = Headers::new();
        chosen.value.into_iter().for_each(|header| push_header(&mut headers, header));
        Some(Chosen { value: headers, ..chosen })
    }

    /// Returns what changes. A header that a variable sets is not asked of its source.
    fn credentials(&mut self, scopes: &Scopes<'_>, headers: Option<&Chosen<Headers>>) -> Credentials {
        let sources = self.resolve_in(scopes, |otlp| &otlp.header_sources);
        let from_env = headers.filter(|headers| !headers.is_from_code).map(|headers| &headers.value);
        let is_set = |name: &str| {
            from_env.is_some_and(|headers| headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name)))
        };
        let sources = sources.into_iter().filter(|(name, _)| !is_set(name));
        let sources = sources.filter_map(|(name, source)| Some((header(&name, "").ok()?.0, source)));
        Credentials {
            sources: sources.collect(),
            signer: self.resolve_in(scopes, |otlp| &otlp.request_signer),
        }
    }

    /// Returns the proxy in front of a target. Without a target the setters alone are checked.
    fn proxy(&mut self, scopes: &Scopes<'_>, target: Option<&Uri>) -> Option<Proxy> {
        let code = scopes.sources(|otlp| &otlp.proxy);
        let exempt = self.resolve_env(&NO_PROXY);
        let Some(target) = target.filter(|target| !proxy::is_exempt(target, &exempt)) else {
            self.find_first(&code);
            return None;
        };
        let (variable, none) = (proxy::setting_for(target, self.env), Values::default());
        let sources: Vec<_> = [(&variable, &none)].into_iter().chain(code).collect();
        let Chosen { value, origin, .. } = self.find_first(&sources)?;
        Some(Proxy { origin, ..proxy::parse(&value).ok()? })
    }

    fn resolve_in<'a, T: Clone + 'static>(
        &mut self,
        scopes: &Scopes<'a>,
        setting: impl Fn(&'a ExporterSetting) -> &'a Setting<T>,
    ) -> T {
        let default = &setting(scopes.own.0).default;
        self.find_first(&scopes.sources(setting)).map_or_else(|| default.clone(), |chosen| chosen.value)
    }

    /// Returns the exporters of a signal, if they were chosen, and whether the environment chose them. Names that are
    /// not known do not keep the others from being used.
    pub(super) fn exporters(
        &mut self,
        signal: &SignalExporter,
        values: &Values,
    ) -> Option<(Vec<ExporterName>, bool)> {
        let setting = &signal.exporters;
        let [variable] = setting.variables else { return None };
        let has_all = signal.path == METRICS.path;
        let names = if has_all { &NAMES[..] } else { &NAMES[..NAMES.len() - 1] };
        let listed = self.env.get(variable).map(|list| Listed::new(list, names));
        if let Some(Listed { unknown, .. }) = &listed
            && !unknown.is_empty()
        {
            let unknown = quoted(&unknown.join(", "));
            let known = names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            self.warn_once(variable, format!("{unknown} is not one of {known}; it is ignored"));
        }
        if listed.as_ref().is_some_and(|listed| listed.has_logging) {
            self.warn_once(variable, format!("{LOGGING} is the former name of {CONSOLE}; {CONSOLE} is used"));
        }
        match listed.and_then(|listed| listed.exporters) {
            Some(exporters) => {
                self.used(variable);
                Some((exporters, true))
            }
            None => {
                let in_code = self.find_in_code(setting, values)?;
                self.used(&in_code.origin);
                Some((in_code.value.into_owned(), false))
            }
        }
    }
}

type HeaderSources = Vec<(String, HeaderSource)>;

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

const SIGNER: Kind<Option<RequestSigner>> = Kind {
    parse: |_| Err("only code can give a signer".into()),
    check: any,
    show: |signer| if signer.is_some() { "a signer".into() } else { "none".into() },
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
            .field("credentials", &self.credentials)
            .field("max_request_size", &self.max_request_size)
            .finish_non_exhaustive()
    }
}
