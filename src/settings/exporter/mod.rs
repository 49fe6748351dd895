//! Settings of the OTLP exporters: where and how each signal is sent.
//!
//! | file | holds |
//! |---|---|
//! | `definitions` | the constants |
//! | `target` | from an endpoint and a protocol to the address and path of requests |
//! | `destination` | destinations that are given in code, and the names in `OTEL_…_EXPORTER` |
//! | `tls` | files with certificates and keys, which must exist and fit together |
//! | `prometheus` | the exporter that is scraped, which has no destination |
//!
//! A signal has the exporter of its variables and setters, if there is an endpoint, and those that its list of
//! exporters or the code adds. What the environment lists replaces what the code lists.
//!
//! # Which destinations a signal has
//!
//! | `OTEL_TRACES_EXPORTER` | endpoint | result |
//! |---|---|---|
//! | not set | set | that endpoint, and the destinations in code |
//! | not set | not set | the destinations in code; nothing is sent if there are none |
//! | `otlp` | set or not | that endpoint, or the specification's default |
//! | `console`, `otlp/stdout`, `otlp_file` | ignored | standard output or a file |
//! | `none` | ignored | nothing, also of what code has added |
//!
//! `.export(false)` of a signal does in code what `none` does. The same rules hold for metrics and log records.
//!
//! # Where the values of an exporter come from
//!
//! | exporter | looks in |
//! |---|---|
//! | of a signal | the variables of the signal, those of all signals, the setters of the signal, those of the builder |
//! | a [`Destination`] in code | its own setters alone |
//! | of a configuration file | its node in the file, then `distribution` for what the schema has no place for |
//!
//! Each value is looked for on its own: a signal can have its own endpoint and the headers of all signals, as the
//! specification demands.

mod definitions;
pub(super) mod destination;
pub(super) mod prometheus;
mod target;
mod tls;

use std::fmt;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};
use opentelemetry_sdk::metrics::Temporality;

use self::definitions::OTLP_DESTINATION;
pub(crate) use self::definitions::{
    ExporterSetting, LOGS_EXPORTER, METRICS_EXPORTER, OTLP, OTLP_LOGS, OTLP_METRICS, OTLP_TRACES,
    TRACES_EXPORTER,
};
pub(super) use self::definitions::{
    LOGS, METRICS, SignalExporter, TRACES, all, descriptions, in_code, logs, metrics, traces,
};
use self::destination::{CONSOLE, DESTINATION_TEMPORALITY, DestinationKind, LOGGING, NAMES, OTLP_FILE};
pub use self::destination::{Destination, OtlpDestination};
pub(crate) use self::destination::{DestinationSettings, ExporterName, OutputTarget};
#[cfg(feature = "prometheus")]
pub use self::prometheus::PrometheusExporter;
pub(crate) use self::prometheus::PrometheusSettings;
#[cfg(feature = "prometheus")]
pub(crate) use self::prometheus::{NameTranslation, PrometheusText, ServerAddress};
use self::target::Request;
pub(crate) use self::target::{ProtocolSetting, Target};
pub(crate) use self::tls::TlsFiles;
use super::builder_config::SignalConfig;
use super::choices;
use super::credentials::Credentials;
use super::env::items;
use super::proxy::{self, NO_PROXY, Proxy};
use super::queue::QueueSetting;
use super::resolve::{Chosen, Resolver};
use super::secrets::quoted;
use super::setting::Setting;
use super::types::Compression;
use super::value_kind::{Headers, header, header_list, or_unlimited, push_header};
use super::values::Values;

/// Where and how one signal is sent.
#[derive(Clone, PartialEq)]
pub(crate) struct ExportSettings {
    /// Where connections go.
    pub(crate) target: Target,
    /// Values are secrets: not in `Debug`.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Limit for one export of one batch.
    pub(crate) timeout: Duration,
    /// How the bodies of requests are compressed.
    pub(crate) compression: Compression,
    /// The protocol, and whether the other one may be tried.
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

/// The places that the settings of an exporter may come from.
pub(super) struct Scopes<'a> {
    /// The place to look first.
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

    /// Returns the places in their order.
    fn exporters(&self) -> impl Iterator<Item = (&'a ExporterSetting, &'a Values)> {
        [self.own].into_iter().chain(self.common)
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
    ///
    /// `None` for the exporters that are no output, and for a file without a path, which is reported.
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
    ///
    /// Metrics have no batches; their limit is that of a collection.
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

    /// Returns the settings of a destination that was given in code.
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
    ///
    /// Headers, files and limits are checked even then: a mistake in code is an error at the first start, not on the
    /// day when the exporter is turned on.
    fn export(
        &mut self,
        scopes: &Scopes<'_>,
        signal: &SignalExporter,
        is_on: Option<bool>,
    ) -> Option<ExportSettings> {
        let endpoint = self.endpoint(scopes, is_on);
        let (tls, tls_origins) = self.tls(scopes);
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
        let target = Target { proxy, socket, ..Target::new(uri) }.with_tls(tls);
        if let Some(origin) = tls_origins.unused(&target) {
            let address = target.address();
            let words =
                format!("no TLS is used, because {address} does not begin with https://; it is ignored");
            self.warn_once(origin, words);
        }
        let headers = headers.map(|chosen| chosen.value).unwrap_or_default();
        let temporality = self.find_in_code(&DESTINATION_TEMPORALITY, scopes.own.1);
        Some(ExportSettings {
            temporality: temporality.and_then(|given| given.value),
            target,
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
    ///
    /// Names are compared without regard to case. The warning counts the entries with mistakes and shows none of them.
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

    /// Returns what changes. The source of a header that a variable sets is not called.
    ///
    /// Variables can therefore override each header separately.
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
    ///
    /// The variables come first, as everywhere. Targets on this machine, Unix sockets, and what `NO_PROXY` lists, are
    /// reached directly.
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

    /// Returns the value of one setting: from the first place that has one, or its default.
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
        let names = if signal.path == METRICS.path { &NAMES[..] } else { &NAMES[..NAMES.len() - 1] };
        let list = self.env.get(variable).unwrap_or_default();
        let (listed, unknown) = choices::parse(list, names);
        let in_code = self.find_in_code(setting, values);
        if !unknown.is_empty() {
            let known: Vec<_> = names.iter().map(|(name, _)| *name).filter(|name| *name != LOGGING).collect();
            let instead = match (&listed, &in_code) {
                (Some(exporters), _) => choices::show(exporters, &NAMES),
                (None, Some(in_code)) => {
                    format!("{} of {}", choices::show(&in_code.value, &NAMES), in_code.origin)
                }
                (None, None) => "otlp if an endpoint is set".to_owned(),
            };
            let (unknown, known) = (quoted(&unknown.join(", ")), known.join(", "));
            self.warn_once(variable, format!("{unknown} is not one of {known}; using {instead}"));
        }
        if items(list).any(|name| name.eq_ignore_ascii_case(LOGGING)) {
            self.warn_once(variable, format!("{LOGGING} is the former name of {CONSOLE}; {CONSOLE} is used"));
        }
        if listed.is_some() {
            self.used(setting.key(), variable);
            return listed.map(|exporters| (exporters, true));
        }
        let in_code = in_code?;
        self.used(setting.key(), &in_code.origin);
        Some((in_code.value.into_owned(), false))
    }
}

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
