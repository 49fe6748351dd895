//! Where and how one signal is sent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

use super::decide::{Chosen, Provided, Resolver, Scope, Sources, origin};
use crate::settings::builder_config::{OtlpConfig, SignalConfig};
use crate::settings::endpoint::{self as address, Endpoint};
use crate::settings::env::items;
use crate::settings::env::names::{self, Batch, Otlp};
use crate::settings::pem;
use crate::settings::secrets::{quoted, shown_name};
use crate::settings::types::{Compression, ExportSettings, Protocol, ProtocolSetting, Target, TlsFiles};
use crate::settings::value_kind::{
    COMPRESSION, HEADERS, Headers, Kind, TIMEOUT, YEAR, header, one_of, plain,
};

/// The names of one signal's settings.
pub(in crate::settings) struct SignalNames {
    /// The builder's method: `traces`.
    scope: &'static str,
    variables: Otlp,
    exporter_variable: &'static str,
}

impl SignalNames {
    pub(in crate::settings) const TRACES: Self =
        Self { scope: "traces", variables: names::OTLP_TRACES, exporter_variable: "OTEL_TRACES_EXPORTER" };
    pub(in crate::settings) const METRICS: Self =
        Self { scope: "metrics", variables: names::OTLP_METRICS, exporter_variable: "OTEL_METRICS_EXPORTER" };
    pub(in crate::settings) const LOGS: Self =
        Self { scope: "logs", variables: names::OTLP_LOGS, exporter_variable: "OTEL_LOGS_EXPORTER" };
}

/// What is configured for one signal's exporter, and for all.
struct Signal<'a> {
    scope: &'static str,
    variables: &'a Otlp,
    own: &'a OtlpConfig,
    common: &'a OtlpConfig,
}

impl Resolver<'_> {
    /// Returns `None` if nothing is sent: the exporter is off, or there is no endpoint.
    pub(in crate::settings) fn export(
        &mut self,
        names: &SignalNames,
        own: &SignalConfig,
        common: &SignalConfig,
    ) -> Option<ExportSettings> {
        let signal =
            Signal { scope: names.scope, variables: &names.variables, own: &own.otlp, common: &common.otlp };
        // Everything is read, also what a signal that is off does not need: mistakes are reported in any case.
        let is_on = self.is_on(names, own);
        let endpoint = self.endpoint(&signal, is_on);
        let tls = self.tls(&signal);
        let headers = self.headers(&signal);
        let timeout = self.timeout(&signal);
        let compression = self.compression(&signal);
        let protocol = self.protocol(&signal);
        let (endpoint, is_common) = match (is_on, endpoint) {
            (Some(false), _) | (None, None) => return None,
            (_, Some(chosen)) => {
                let protocol = protocol_setting(protocol, &chosen.value);
                self.warn_endpoint(&chosen, protocol);
                let is_common = self.is_common_endpoint(&signal, &chosen);
                (chosen.value, is_common)
            }
            (Some(true), None) => (default_endpoint(protocol), true),
        };
        let protocol = protocol_setting(protocol, &endpoint);
        let part = format!("v1/{}", signal.scope);
        let http_path = endpoint.http_path(is_common.then_some(part.as_str()));
        let http_path = http_path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let uri = endpoint.uri;
        let tls = if uri.scheme() == Some(&Scheme::HTTPS) { tls } else { TlsFiles::default() };
        let target = Target { uri, tls };
        Some(ExportSettings { target, headers, timeout, compression, protocol, http_path })
    }

    /// Returns whether the exporter is turned on or off, if it is.
    fn is_on(&mut self, names: &SignalNames, own: &SignalConfig) -> Option<bool> {
        let from_env = self.exporter(names.exporter_variable);
        let is_on = from_env.or(own.otlp.export)?;
        match from_env {
            Some(_) => self.used(names.exporter_variable),
            None => self.used(&origin("export", Some(names.scope))),
        }
        Some(is_on)
    }

    /// The processor's limit for a batch and the exporter's for a request are one here: the shorter counts.
    pub(in crate::settings) fn batched_export(
        &mut self,
        names: &SignalNames,
        own: &SignalConfig,
        common: &SignalConfig,
        batch: &Batch,
    ) -> Option<ExportSettings> {
        let export = self.export(names, own, common);
        let sources = Sources::new("timeout", std::slice::from_ref(&batch.export_timeout), []);
        let limit = or_unlimited(self.decide(&TIMEOUT, sources, Duration::ZERO));
        export.map(|export| ExportSettings { timeout: export.timeout.min(limit), ..export })
    }

    /// Returns the value of the first of the variables that is set: only `true` is true, whatever its case.
    fn flag(&mut self, variables: &[&'static str]) -> Option<bool> {
        let (name, text) = variables.iter().find_map(|&name| Some((name, self.env.get(name)?)))?;
        if !text.eq_ignore_ascii_case("true") && !text.eq_ignore_ascii_case("false") {
            let text = quoted(text);
            self.warn(format!("invalid {name}={text}: neither true nor false; using false"));
        }
        Some(text.eq_ignore_ascii_case("true"))
    }

    /// Returns whether a signal is exported, if the variable is set.
    fn exporter(&mut self, variable: &'static str) -> Option<bool> {
        let list = self.env.get(variable)?;
        let mut otlp = None;
        let mut unknown = Vec::new();
        for item in items(list) {
            match item.to_ascii_lowercase().as_str() {
                "otlp" => otlp = Some(true),
                "none" => otlp = otlp.or(Some(false)),
                _ => unknown.push(item),
            }
        }
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            self.warn_once(
                variable,
                format!("{} is not available here, only otlp and none; it is ignored", quoted(&unknown)),
            );
        }
        otlp
    }

    /// Whether the endpoint is the one of all signals.
    fn is_common_endpoint(&self, signal: &Signal<'_>, chosen: &Chosen<Endpoint>) -> bool {
        match chosen.is_from_code {
            true => signal.own.endpoint.is_none(),
            false => chosen.origin == names::OTLP.endpoint,
        }
    }

    fn endpoint(&mut self, signal: &Signal<'_>, wanted: Option<bool>) -> Option<Chosen<Endpoint>> {
        let variables = [signal.variables.endpoint, names::OTLP.endpoint];
        let insecure = self.flag(&[signal.variables.insecure, names::OTLP.insecure]);
        let code = self.endpoints_in_code(signal, insecure.unwrap_or(true));
        let sources = Sources { setting: "endpoint", variables: &variables, code };
        let otherwise = match wanted {
            Some(true) => DEFAULT_ENDPOINT,
            _ => "none: nothing is exported",
        };
        let chosen = self.choose(&address::kind(insecure.unwrap_or(false)), sources, otherwise)?;
        if !chosen.is_from_code && !chosen.value.has_scheme && insecure.is_none() {
            let words = format!(
                "no scheme in the address, so TLS is used ({}); for plaintext write http://",
                address::redacted(&chosen.value.uri.to_string())
            );
            self.warn_once(&chosen.origin, words);
        }
        Some(chosen)
    }

    fn endpoints_in_code(&mut self, signal: &Signal<'_>, plaintext: bool) -> Vec<Provided<Endpoint>> {
        let texts = [(Some(signal.scope), &signal.own.endpoint), (None, &signal.common.endpoint)];
        let kind = address::kind(plaintext);
        let parsed = texts
            .map(|(scope, text)| self.parsed(&kind, "endpoint", scope, text.as_deref(), address::redacted));
        parsed.into_iter().flatten().collect()
    }

    /// Warns of parts of the endpoint that do not fit a protocol that was chosen explicitly.
    fn warn_endpoint(&mut self, chosen: &Chosen<Endpoint>, protocol: ProtocolSetting) {
        if protocol.first != Protocol::Grpc || protocol.may_switch {
            return;
        }
        if let Some(path) = chosen.value.ignored_path() {
            let words = format!(
                "gRPC has no path; {path:?} is ignored. For a URL of OTLP over HTTP set \
                 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
            );
            self.warn_once(&chosen.origin, words);
        }
        if chosen.value.uri.port_u16() == Some(HTTP_PORT) {
            let words = format!(
                "port {HTTP_PORT} is that of OTLP over HTTP; gRPC is sent, whose port is {GRPC_PORT}"
            );
            self.warn_once(&chosen.origin, words);
        }
    }

    fn headers(&mut self, signal: &Signal<'_>) -> Headers {
        let variables = [signal.variables.headers, names::OTLP.headers];
        let given = [(Some(signal.scope), &signal.own.headers), (None, &signal.common.headers)];
        let code = given.map(|(scope, headers)| (scope, self.headers_in_code(scope, headers)));
        self.decide(&HEADERS, Sources::new("header", &variables, code), Headers::new())
    }

    fn headers_in_code(&mut self, scope: Scope, headers: &[(String, String)]) -> Option<Headers> {
        let mut valid = Headers::new();
        for (name, value) in headers {
            match header(name, value) {
                Ok(header) => valid.push(header),
                Err(reason) => {
                    self.invalid("header", scope, format!("{}: [redacted]", shown_name(name)), &reason)
                }
            }
        }
        (!headers.is_empty()).then_some(valid)
    }

    fn timeout(&mut self, signal: &Signal<'_>) -> Duration {
        let variables = [signal.variables.timeout, names::OTLP.timeout];
        let code = [(Some(signal.scope), signal.own.timeout), (None, signal.common.timeout)];
        let timeout = self.decide(&TIMEOUT, Sources::new("timeout", &variables, code), DEFAULT_TIMEOUT);
        or_unlimited(timeout)
    }

    fn compression(&mut self, signal: &Signal<'_>) -> Compression {
        let variables = [signal.variables.compression, names::OTLP.compression];
        let code = [(Some(signal.scope), signal.own.compression), (None, signal.common.compression)];
        self.decide(&COMPRESSION, Sources::new("compression", &variables, code), Compression::None)
    }

    fn protocol(&mut self, signal: &Signal<'_>) -> Protocol {
        let variables = [signal.variables.protocol, names::OTLP.protocol];
        let code = [(Some(signal.scope), signal.own.protocol), (None, signal.common.protocol)];
        self.decide(&PROTOCOL, Sources::new("protocol", &variables, code), Protocol::Auto)
    }

    fn tls(&mut self, signal: &Signal<'_>) -> TlsFiles {
        let (own, common) = (&signal.variables, &names::OTLP);
        let files = TlsFiles {
            certificate: self
                .file(&pem::ROOTS, [own.certificate, common.certificate], signal, |files| &files.certificate),
            client_key: self
                .file(&pem::KEY, [own.client_key, common.client_key], signal, |files| &files.client_key),
            client_certificate: self.file(
                &pem::CHAIN,
                [own.client_certificate, common.client_certificate],
                signal,
                |files| &files.client_certificate,
            ),
            from_env: [own, common]
                .into_iter()
                .flat_map(|names| [names.certificate, names.client_key, names.client_certificate])
                .any(|variable| self.env.get(variable).is_some()),
        };
        match (&files.client_key, &files.client_certificate) {
            (Some(key), None) => self.warn_half(signal, key, "client certificate"),
            (None, Some(certificate)) => self.warn_half(signal, certificate, "client key"),
            _ => return files,
        }
        TlsFiles { client_key: None, client_certificate: None, ..files }
    }

    fn file(
        &mut self,
        kind: &Kind<PathBuf>,
        variables: [&'static str; 2],
        signal: &Signal<'_>,
        field: impl Fn(&TlsFiles) -> &Option<PathBuf>,
    ) -> Option<PathBuf> {
        let of = |otlp: &OtlpConfig| otlp.tls.as_ref().and_then(|tls| field(&tls.files).clone());
        let code = [(Some(signal.scope), of(signal.own)), (None, of(signal.common))];
        let sources = Sources::new("tls", &variables, code);
        self.choose(kind, sources, "none").map(|chosen| chosen.value)
    }

    /// A key without its certificate, or the other way round, proves nothing.
    fn warn_half(&mut self, signal: &Signal<'_>, there: &Path, missing: &str) {
        let (own, common) = (&signal.variables, &names::OTLP);
        let variables =
            [own.client_key, own.client_certificate, common.client_key, common.client_certificate];
        match variables.into_iter().find(|variable| self.env.get(variable).is_some()) {
            Some(variable) => {
                self.warn_once(
                    variable,
                    format!("{there:?} has no {missing} that belongs to it; it is ignored"),
                );
            }
            None => {
                let scope = signal.own.tls.is_some().then_some(signal.scope);
                let reason = format!("there is no {missing} that belongs to it");
                self.invalid("tls", scope, there.display().to_string(), &reason);
            }
        }
    }
}

/// What OTLP calls no limit must still be a time that can be added to another.
pub(in crate::settings) fn or_unlimited(timeout: Duration) -> Duration {
    if timeout.is_zero() { YEAR } else { timeout }
}

/// [`Protocol::Auto`] goes by the endpoint.
fn protocol_setting(protocol: Protocol, endpoint: &Endpoint) -> ProtocolSetting {
    let has_both = cfg!(feature = "otlp-grpc") && cfg!(feature = "otlp-http");
    let first = match protocol {
        Protocol::Auto if !cfg!(feature = "otlp-grpc") => Protocol::HttpProtobuf,
        Protocol::Auto if !cfg!(feature = "otlp-http") => Protocol::Grpc,
        Protocol::Auto => match endpoint.uri.port_u16() {
            Some(GRPC_PORT) => Protocol::Grpc,
            Some(HTTP_PORT) => Protocol::HttpProtobuf,
            _ if endpoint.has_path() => Protocol::HttpProtobuf,
            _ => Protocol::Grpc,
        },
        configured => configured,
    };
    ProtocolSetting { first, may_switch: protocol == Protocol::Auto && has_both }
}

fn default_endpoint(protocol: Protocol) -> Endpoint {
    let is_http = matches!(protocol, Protocol::HttpProtobuf | Protocol::HttpJson);
    Endpoint::from_uri(Uri::from_static(if is_http { DEFAULT_HTTP_ENDPOINT } else { DEFAULT_ENDPOINT }))
}

const PROTOCOL: Kind<Protocol> = Kind {
    parse: |text| {
        let known = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];
        one_of(text, &known.map(|protocol| (protocol.name(), protocol)))
    },
    check: |protocol| match protocol {
        Protocol::Grpc if !cfg!(feature = "otlp-grpc") => {
            Err("needs the feature `otlp-grpc` of telemetry-bootstrap".into())
        }
        Protocol::HttpProtobuf | Protocol::HttpJson if !cfg!(feature = "otlp-http") => {
            Err("needs the feature `otlp-http` of telemetry-bootstrap".into())
        }
        _ => Ok(()),
    },
    show: |protocol| match protocol {
        Protocol::Auto => "the one that fits the endpoint".into(),
        other => other.name().into(),
    },
    quote: plain,
};

const GRPC_PORT: u16 = 4317;
const HTTP_PORT: u16 = 4318;
const DEFAULT_ENDPOINT: &str = "http://localhost:4317";
const DEFAULT_HTTP_ENDPOINT: &str = "http://localhost:4318";
/// The specification's.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
